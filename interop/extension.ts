/** A small extension server for stories: records what reaches it, answers what the story says, misbehaves on demand. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { systemClock, systemRandom } from "../src/api/machine.ts";
import { createAuthority, issueCertificate } from "../src/auth/pki/certificate.ts";
import type { Target } from "./target.ts";

export interface Seen {
  readonly method: string;
  readonly url: string;
  /** name, value, name, value, … as received. */
  readonly rawHeaders: readonly string[];
  /** CN of the certificate the caller presented. */
  readonly peer: string | undefined;
  readonly serverName: string;
}

export type Behaviour = (request: IncomingMessage, response: ServerResponse) => void;

export interface Extension {
  readonly group: string;
  readonly seen: Seen[];
  /** Replaces what it answers below `/apis/<group>/<version>/`; discovery always works. */
  behave(behaviour: Behaviour): void;
  /** The PEM that verifies its certificate. */
  readonly ca: string;
  headers(seen: Seen, name: string): string[];
  /** Kills connections and stops listening; `start` listens again on the same port. */
  kill(): Promise<void>;
  start(): Promise<void>;
}

export interface ExtensionOptions {
  readonly group: string;
  /** Default "v1". */
  readonly version?: string;
  /** The Service that will name it. */
  readonly service: { readonly namespace: string; readonly name: string };
  /** In the certificate instead of `<name>.<namespace>.svc`. */
  readonly certificateName?: string;
  /** Milliseconds; negative: already expired. */
  readonly lifetime?: number;
  /** What discovery says can be done with its `things`. Default: get and list. */
  readonly verbs?: readonly string[];
}

export async function startExtension(options: ExtensionOptions): Promise<Extension> {
  const { group, service, version = "v1", verbs = ["get", "list"] } = options;
  const issue = { clock: systemClock, random: systemRandom };
  const authority = createAuthority({ subject: { commonName: "story-ca" } }, issue);
  const serving = issueCertificate(
    authority,
    {
      subject: { commonName: "extension" },
      usages: ["serverAuth"],
      dnsNames: [options.certificateName ?? `${service.name}.${service.namespace}.svc`],
      lifetime: options.lifetime,
    },
    issue,
  );
  const seen: Seen[] = [];
  const sockets = new Set<Socket>();
  let behaviour: Behaviour = (_, response) =>
    json(response, 200, { kind: "ThingList", apiVersion: `${group}/${version}`, metadata: {}, items: [] });
  let port = 0;
  let server: Server;

  function make(): Server {
    const made = createServer({
      key: serving.keyPEM,
      cert: serving.cert,
      requestCert: true,
      rejectUnauthorized: false,
    });
    made.on("secureConnection", (socket) => {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
    });
    made.on("request", (request, response) => {
      const socket = request.socket as import("node:tls").TLSSocket;
      const entry: Seen = {
        method: request.method ?? "",
        url: request.url ?? "",
        rawHeaders: request.rawHeaders,
        peer: socket.getPeerCertificate().subject?.CN as string | undefined,
        serverName: String((socket as { servername?: string | false }).servername ?? ""),
      };
      seen.push(entry);
      if (entry.url === `/apis/${group}/${version}`) {
        json(response, 200, {
          kind: "APIResourceList",
          apiVersion: "v1",
          groupVersion: `${group}/${version}`,
          resources: [{ name: "things", singularName: "thing", namespaced: true, kind: "Thing", verbs }],
        });
      } else if (entry.url.startsWith(`/apis/${group}/${version}/`)) behaviour(request, response);
      else
        json(response, 404, {
          kind: "Status",
          apiVersion: "v1",
          metadata: {},
          status: "Failure",
          reason: "NotFound",
          code: 404,
        });
    });
    return made;
  }

  const extension: Extension = {
    group,
    seen,
    behave(next) {
      behaviour = next;
    },
    ca: authority.cert,
    headers: (entry, name) =>
      entry.rawHeaders.flatMap((_, index) =>
        index % 2 === 0 && entry.rawHeaders[index]?.toLowerCase() === name ? [entry.rawHeaders[index + 1] ?? ""] : [],
      ),
    async kill() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
    async start() {
      server = make();
      await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
      port = (server.address() as AddressInfo).port;
    },
  };
  await extension.start();
  return Object.assign(extension, { port });
}

export function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

/**
 * Makes the extension reachable through a Service: by an EndpointSlice on loopback where the server allows that (Tenon in
 * development), else by an ExternalName (a real kube-apiserver in cluster-IP mode). Answers the port for the APIService.
 */
export async function expose(
  target: Target,
  extension: Extension,
  service: { namespace: string; name: string },
): Promise<number> {
  const { port } = extension as Extension & { port: number };
  const { namespace, name } = service;
  const slice = await target.call("POST", `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`, {
    body: {
      metadata: { name, labels: { "kubernetes.io/service-name": name } },
      addressType: "IPv4",
      endpoints: [{ addresses: ["127.0.0.1"], conditions: { ready: true } }],
      ports: [{ name: "https", port, protocol: "TCP" }],
    },
  });
  const spec =
    slice.status === 201
      ? { ports: [{ name: "https", port: 443 }] }
      : { type: "ExternalName", externalName: "localhost", ports: [{ name: "https", port }] };
  const made = await target.call("POST", `/api/v1/namespaces/${namespace}/services`, {
    body: { metadata: { name }, spec },
  });
  if (made.status !== 201) throw new Error(`cannot expose ${name}: ${made.text}`);
  return slice.status === 201 ? 443 : port;
}
