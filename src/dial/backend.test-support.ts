/** For tests: certificates made on the spot, and extension servers on real TLS over loopback. */
import "reflect-metadata";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server, type ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import * as x509 from "@peculiar/x509";
import { systemClock } from "../api/machine.ts";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
x509.cryptoProvider.set(crypto);

export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
}

export interface LeafOptions {
  readonly commonName?: string;
  /** DNS names; none: a certificate without alternative names. */
  readonly names?: readonly string[];
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

export interface TestAuthority {
  /** PEM. */
  readonly cert: string;
  issue(options: LeafOptions): Promise<TestCertificate>;
}

const DAY = 86_400_000;
let serial = 1;

async function keyPEM(key: CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");
}

export async function testAuthority(name = "test-ca"): Promise<TestAuthority> {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const now = systemClock.now();
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: `0${serial++}`,
    name: `CN=${name}`,
    notBefore: new Date(now - 400 * DAY),
    notAfter: new Date(now + DAY),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  });
  return {
    cert: authority.toString("pem"),
    async issue(options) {
      const leaf = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
      const names = options.names ?? [];
      const certificate = await x509.X509CertificateGenerator.create({
        serialNumber: `0${serial++}`,
        subject: `CN=${options.commonName ?? names[0] ?? "leaf"}`,
        issuer: authority.subject,
        notBefore: options.notBefore ?? new Date(now - DAY),
        notAfter: options.notAfter ?? new Date(now + DAY),
        signingAlgorithm: ALGORITHM,
        publicKey: leaf.publicKey,
        signingKey: keys.privateKey,
        extensions:
          names.length === 0
            ? []
            : [new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: "dns" as const, value })))],
      });
      return { cert: certificate.toString("pem"), key: await keyPEM(leaf.privateKey) };
    },
  };
}

export interface TestBackend {
  readonly port: number;
  readonly server: Server;
  /** Method and target of every request. */
  readonly requests: string[];
  /** Raw header lines of the last request. */
  lastHeaders: readonly string[];
  readonly connections: { serverName: string | false; clientCN: string | undefined }[];
  close(): Promise<void>;
}

/** An HTTPS server on 127.0.0.1 that asks for a client certificate without verifying it. */
export async function startBackend(
  certificate: TestCertificate,
  handler: (request: IncomingMessage, response: ServerResponse) => void,
  options: ServerOptions & { port?: number } = {},
): Promise<TestBackend> {
  const requests: string[] = [];
  const connections: TestBackend["connections"] = [];
  const server = createServer(
    { ...certificate, requestCert: true, rejectUnauthorized: false, ...options },
    (request, response) => {
      requests.push(`${request.method} ${request.url}`);
      backend.lastHeaders = request.rawHeaders;
      handler(request, response);
    },
  );
  server.on("secureConnection", (socket: TLSSocket & { servername?: string | false }) => {
    const CN = socket.getPeerCertificate()?.subject?.CN;
    connections.push({ serverName: socket.servername ?? false, clientCN: Array.isArray(CN) ? CN[0] : CN });
  });
  const backend: TestBackend = {
    port: 0,
    server,
    requests,
    lastHeaders: [],
    connections,
    async close() {
      server.closeAllConnections();
      server.close();
    },
  };
  server.listen(options.port ?? 0, "127.0.0.1");
  await once(server, "listening");
  return Object.assign(backend, { port: (server.address() as AddressInfo).port });
}

/** All values of a header in a flat list of lines. */
export function headerValues(raw: readonly string[], name: string): string[] {
  return raw.filter((_, index) => index % 2 === 1 && raw[index - 1]!.toLowerCase() === name.toLowerCase());
}
