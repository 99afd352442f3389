/** An extension server whose every answer a case can script, probe and discovery included; it records who asked for what. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { systemClock, systemRandom } from "../../src/api/machine.ts";
import { type Authority, createAuthority, issueCertificate } from "../../src/auth/pki/certificate.ts";

export interface Seen {
  readonly method: string;
  readonly url: string;
  /** name, value, name, value, … as received. */
  readonly rawHeaders: readonly string[];
  /** CN of the certificate the caller presented. */
  readonly peer: string | undefined;
  readonly serverName: string;
  /** Milliseconds. */
  readonly at: number;
  /** All values of a header, by its name in lower case. */
  header(name: string): string[];
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export interface ServerOptions {
  readonly group: string;
  /** Default `["v1"]`. */
  readonly versions?: readonly string[];
  /** To listen on. */
  readonly host: string;
  /** In its certificate. None: a certificate that has only a common name. */
  readonly names: readonly string[];
  readonly authority?: Authority;
}

export interface ExtensionServer {
  readonly group: string;
  readonly host: string;
  readonly port: number;
  /** PEM of the authority that signed its certificate. */
  readonly ca: string;
  readonly seen: Seen[];
  /** Requests whose path is `path`, or below it when it ends in `/`; the longest match answers. */
  on(path: string, handler: Handler): void;
  onUpgrade(handler: (request: IncomingMessage, socket: Duplex) => void): void;
  /** Requests for this very path, whatever the query; those of the main server for itself or its controllers are for others. */
  asked(path: string): Seen[];
  /** Another certificate, for connections from now on. */
  present(authority: Authority, names: readonly string[]): void;
  /** Kills connections and stops listening. */
  kill(): Promise<void>;
  /** Listens again on the same port. */
  start(): Promise<void>;
}

const issue = { clock: systemClock, random: systemRandom };

export const newAuthority = (name: string): Authority => createAuthority({ subject: { commonName: name } }, issue);

export function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}) {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

export const resourceList = (groupVersion: string, resources: readonly object[] = [THINGS]) => ({
  kind: "APIResourceList",
  apiVersion: "v1",
  groupVersion,
  resources,
});

const VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
export const THINGS = { name: "things", singularName: "thing", namespaced: true, kind: "Thing", verbs: VERBS };

export async function startServer(options: ServerOptions): Promise<ExtensionServer> {
  const { group, host } = options;
  const seen: Seen[] = [];
  const sockets = new Set<Duplex>();
  const handlers = new Map<string, Handler>();
  let upgrade: (request: IncomingMessage, socket: Duplex) => void = (_, socket) => socket.destroy();
  let port = 0;
  let authority = options.authority ?? newAuthority("case-ca");
  let names = options.names;
  let server: Server;

  const certificate = () => {
    const pair = issueCertificate(
      authority,
      { subject: { commonName: options.names[0] ?? group }, usages: ["serverAuth"], dnsNames: names },
      issue,
    );
    return { key: pair.keyPEM, cert: pair.cert };
  };

  function record(request: IncomingMessage): Seen {
    const socket = request.socket as TLSSocket;
    const { rawHeaders } = request;
    const header = (name: string) =>
      rawHeaders.flatMap((one, index) =>
        index % 2 === 0 && one.toLowerCase() === name ? [rawHeaders[index + 1] ?? ""] : [],
      );
    const entry: Seen = {
      method: request.method ?? "",
      url: request.url ?? "",
      rawHeaders,
      peer: socket.getPeerCertificate().subject?.CN as string | undefined,
      serverName: String((socket as { servername?: string | false }).servername ?? ""),
      at: Date.now(),
      header,
    };
    seen.push(entry);
    return entry;
  }

  for (const version of options.versions ?? ["v1"]) {
    const groupVersion = `${group}/${version}`;
    handlers.set(`/apis/${groupVersion}`, (_, response) => json(response, 200, resourceList(groupVersion)));
    handlers.set(`/apis/${groupVersion}/`, (_, response) =>
      json(response, 200, { kind: "ThingList", apiVersion: groupVersion, metadata: {}, items: [] }),
    );
  }
  handlers.set("/", (_, response) =>
    json(response, 404, { kind: "Status", apiVersion: "v1", status: "Failure", reason: "NotFound", code: 404 }),
  );

  function listen(): Promise<void> {
    server = createServer({ ...certificate(), requestCert: true, rejectUnauthorized: false });
    server.on("connection", (socket: Duplex) => {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket)).on("error", () => {});
    });
    server.on("tlsClientError", () => {});
    server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      request.on("error", () => {});
      response.on("error", () => {});
      record(request);
      const path = request.url?.split("?")[0] ?? "";
      const best = [...handlers.keys()]
        .filter((key) => key === path || (key.endsWith("/") && path.startsWith(key)))
        .sort((a, b) => b.length - a.length)[0];
      handlers.get(best ?? "/")!(request, response);
    });
    server.on("upgrade", (request: IncomingMessage, socket: Duplex) => {
      record(request);
      upgrade(request, socket);
    });
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, () => {
        port = (server.address() as AddressInfo).port;
        resolve();
      });
    });
  }

  await listen();
  return {
    group,
    host,
    get port() {
      return port;
    },
    get ca() {
      return authority.cert;
    },
    seen,
    on: (path, handler) => void handlers.set(path, handler),
    onUpgrade(handler) {
      upgrade = handler;
    },
    asked: (path) => seen.filter(({ url }) => url.split("?")[0] === path),
    present(next, nextNames) {
      authority = next;
      names = nextNames;
      if (server.listening) server.setSecureContext(certificate());
    },
    async kill() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
    start: listen,
  };
}
