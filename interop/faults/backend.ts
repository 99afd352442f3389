/** An extension server that does whatever a test tells it to, registered with a control plane through objects, as any other. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { systemClock, systemRandom } from "../../src/api/machine.ts";
import { createAuthority, issueCertificate } from "../../src/auth/pki/certificate.ts";
import type { Target } from "../target.ts";

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export interface Backend {
  readonly group: string;
  /** `/apis/<group>/v1/namespaces/default/things` */
  readonly things: string;
  readonly apiService: string;
  /** METHOD path, as received. */
  readonly seen: string[];
  /** Requests that are open at present. */
  readonly open: number;
  /** Answers everything, discovery included; undefined: behaves. */
  behave(handler: Handler | undefined): void;
  /** Kills its connections and listens no more. */
  kill(): Promise<void>;
  /** Listens again, on the same port, perhaps with another certificate. */
  start(certificate?: { name?: string; lifetime?: number; stranger?: boolean }): Promise<void>;
}

export function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

/** Makes the server, its Service, EndpointSlice and APIService; resolves when all exist. */
export async function startBackend(target: Target, name: string): Promise<Backend> {
  const group = `${name}.example.com`;
  const issue = { clock: systemClock, random: systemRandom };
  const authority = createAuthority({ subject: { commonName: name } }, issue);
  const sockets = new Set<Socket>();
  const seen: string[] = [];
  let open = 0;
  let handler: Handler | undefined;
  let port = 0;
  let server: Server | undefined;

  const wellBehaved: Handler = (request, response) => {
    if (request.url === `/apis/${group}/v1`) {
      const resources = [
        { name: "things", singularName: "thing", namespaced: true, kind: "Thing", verbs: ["get", "list"] },
      ];
      json(response, 200, { kind: "APIResourceList", apiVersion: "v1", groupVersion: `${group}/v1`, resources });
    } else if (request.url?.startsWith(`/apis/${group}/v1/`)) {
      json(response, 200, { kind: "ThingList", apiVersion: `${group}/v1`, metadata: {}, items: [] });
    } else json(response, 404, { kind: "Status", apiVersion: "v1", status: "Failure", reason: "NotFound", code: 404 });
  };

  const backend: Backend = {
    group,
    things: `/apis/${group}/v1/namespaces/default/things`,
    apiService: `/apis/apiregistration.k8s.io/v1/apiservices/v1.${group}`,
    seen,
    get open() {
      return open;
    },
    behave(next) {
      handler = next;
    },
    async kill() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)));
    },
    async start(certificate = {}) {
      const signer = certificate.stranger ? createAuthority({ subject: { commonName: "stranger" } }, issue) : authority;
      const { keyPEM, cert } = issueCertificate(
        signer,
        {
          subject: { commonName: name },
          usages: ["serverAuth"],
          dnsNames: [certificate.name ?? `${name}.default.svc`],
          lifetime: certificate.lifetime,
        },
        issue,
      );
      server = createServer({ key: keyPEM, cert, requestCert: true, rejectUnauthorized: false });
      server.on("connection", (socket: Socket) => {
        sockets.add(socket);
        socket.once("close", () => sockets.delete(socket)).on("error", () => {});
      });
      server.on("tlsClientError", () => {});
      server.on("request", (request: IncomingMessage, response: ServerResponse) => {
        seen.push(`${request.method} ${request.url}`);
        open++;
        response.once("close", () => open--).on("error", () => {});
        request.on("error", () => {});
        (handler ?? wellBehaved)(request, response);
      });
      await new Promise<void>((resolve) => server!.listen(port, "127.0.0.1", resolve));
      port = (server.address() as AddressInfo).port;
    },
  };
  await backend.start();

  const create = async (path: string, body: unknown) => {
    const answer = await target.call("POST", path, { body });
    if (answer.status !== 201) throw new Error(`POST ${path}: ${answer.text}`);
  };
  await create("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", {
    metadata: { name, labels: { "kubernetes.io/service-name": name } },
    addressType: "IPv4",
    endpoints: [{ addresses: ["127.0.0.1"], conditions: { ready: true } }],
    ports: [{ name: "https", port, protocol: "TCP" }],
  });
  await create("/api/v1/namespaces/default/services", {
    metadata: { name },
    spec: { ports: [{ name: "https", port: 443 }] },
  });
  await create("/apis/apiregistration.k8s.io/v1/apiservices", {
    metadata: { name: `v1.${group}` },
    spec: {
      group,
      version: "v1",
      groupPriorityMinimum: 100,
      versionPriority: 100,
      service: { namespace: "default", name },
      caBundle: Buffer.from(authority.cert).toString("base64"),
    },
  });
  return backend;
}
