/** Stands before a main API server: whoever is given its kubeconfig acts as the administrator, or as somebody else, and every request is recorded. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { ClientRequest, IncomingMessage } from "node:http";
import { createServer, request } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { load } from "js-yaml";
import { systemClock, systemRandom } from "../../src/api/machine.ts";
import { issueCertificate } from "../../src/auth/pki/certificate.ts";
import { kubeconfig } from "../../src/auth/pki/kubeconfig.ts";
import { newAuthority } from "./extension-server.ts";

export interface RecordingProxy {
  /** The path of a kubeconfig. */
  readonly kubeconfig: string;
  /** How often this was asked: `POST /apis/…`. */
  count(what: string): number;
  /** Requests for this path break off from now on. */
  break(path: string): void;
  stop(): Promise<void>;
}

interface Kubeconfig {
  clusters: { cluster: { server: string; "certificate-authority-data": string } }[];
  users: { user: { "client-certificate-data": string; "client-key-data": string } }[];
}

/** `as`: who its users are instead of the administrator. */
export async function startRecordingProxy(target: string, as?: string): Promise<RecordingProxy> {
  const config = load(readFileSync(target, "utf8")) as Kubeconfig;
  const { cluster } = config.clusters[0]!;
  const { user } = config.users[0]!;
  const decoded = (data: string) => Buffer.from(data, "base64").toString();
  const [cert, key] = [decoded(user["client-certificate-data"]), decoded(user["client-key-data"])];
  const main = new URL(cluster.server);
  const authority = newAuthority("recording-proxy");
  const issue = { clock: systemClock, random: systemRandom };
  const serving = issueCertificate(
    authority,
    { subject: { commonName: "recording-proxy" }, usages: ["serverAuth"], ipAddresses: ["127.0.0.1"] },
    issue,
  );
  const seen: string[] = [];
  const broken = new Set<string>();
  const sockets = new Set<Socket>();

  const server = createServer({ key: serving.keyPEM, cert: serving.cert }, (incoming, outgoing) => {
    const path = incoming.url?.split("?")[0] ?? "";
    seen.push(`${incoming.method} ${path}`);
    if (broken.has(path)) return void incoming.socket.destroy();
    const { authorization: _, ...headers } = incoming.headers;
    const forward: ClientRequest = request(
      {
        host: main.hostname,
        port: main.port,
        method: incoming.method,
        path: incoming.url,
        headers: { ...headers, ...(as !== undefined && { "impersonate-user": as }) },
        ca: decoded(cluster["certificate-authority-data"]),
        cert,
        key,
      },
      (answer: IncomingMessage) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        outgoing.flushHeaders();
        answer.pipe(outgoing);
        answer.on("error", () => outgoing.destroy());
      },
    );
    forward.on("error", () => outgoing.destroy());
    outgoing.on("close", () => forward.destroy());
    incoming.pipe(forward);
  });
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket)).on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const folder = mkdtempSync(join(tmpdir(), "tenon-cases-"));
  const path = join(folder, "kubeconfig");
  const own = issueCertificate(authority, { subject: { commonName: "own" }, usages: ["clientAuth"] }, issue);
  const text = kubeconfig({
    server: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    certificateAuthority: authority.cert,
    clientCertificate: own.cert,
    clientKey: own.keyPEM,
  });
  writeFileSync(path, text, { mode: 0o600 });
  return {
    kubeconfig: path,
    count: (what) => seen.filter((one) => one === what).length,
    break: (one) => void broken.add(one),
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
