/** Bytes on a TLS connection exactly as a test wants them: what no HTTP client would agree to send. */
import { readFileSync } from "node:fs";
import { connect, type TLSSocket } from "node:tls";
import { load } from "js-yaml";

export interface RawAnswer {
  /** 0: the connection ended without a response. */
  readonly status: number;
  readonly head: string;
  /** What followed the head, chunks and all. */
  readonly body: string;
}

export interface RawPeer {
  /** An open connection, with the kubeconfig's client certificate unless `anonymous`. */
  connect(options?: { anonymous?: boolean; protocol?: "http/1.1" | "h2" }): Promise<TLSSocket>;
  /** Sends the bytes on a connection of their own and reads until the other side is done, at most `seconds` (default 10). */
  send(
    bytes: string | readonly (string | Uint8Array)[],
    options?: { anonymous?: boolean; seconds?: number },
  ): Promise<RawAnswer>;
}

interface Kubeconfig {
  clusters: { cluster: { server: string; "certificate-authority-data": string } }[];
  users: { user: { "client-certificate-data"?: string; "client-key-data"?: string } }[];
}

export function rawPeer(kubeconfig: string): RawPeer {
  const config = load(readFileSync(kubeconfig, "utf8")) as Kubeconfig;
  const { cluster } = config.clusters[0]!;
  const { user } = config.users[0]!;
  const decoded = (data: string | undefined) => (data === undefined ? undefined : Buffer.from(data, "base64"));
  const { hostname, port } = new URL(cluster.server);

  function open(options: { anonymous?: boolean; protocol?: "http/1.1" | "h2" } = {}): Promise<TLSSocket> {
    return new Promise((resolve, reject) => {
      const socket = connect(
        {
          host: hostname,
          port: Number(port),
          ca: decoded(cluster["certificate-authority-data"]),
          ALPNProtocols: [options.protocol ?? "http/1.1"],
          ...(!options.anonymous && {
            cert: decoded(user["client-certificate-data"]),
            key: decoded(user["client-key-data"]),
          }),
        },
        () => {
          socket.off("error", reject);
          socket.on("error", () => {});
          resolve(socket);
        },
      );
      socket.once("error", reject);
    });
  }

  return {
    connect: open,
    async send(bytes, options = {}) {
      const socket = await open(options);
      const chunks: Buffer[] = [];
      const text = () => Buffer.concat(chunks).toString("latin1");
      const over = new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, (options.seconds ?? 10) * 1000);
        const done = () => {
          clearTimeout(timer);
          resolve();
        };
        socket.on("data", (chunk: Buffer) => {
          chunks.push(chunk);
          if (complete(text())) done();
        });
        socket.once("end", done).once("close", done);
      });
      for (const part of typeof bytes === "string" ? [bytes] : bytes) {
        if (!socket.destroyed) socket.write(typeof part === "string" ? Buffer.from(part, "latin1") : part);
      }
      await over;
      socket.destroy();
      const all = text();
      const end = all.indexOf("\r\n\r\n");
      return {
        status: Number(/^HTTP\/1\.[01] (\d{3})/.exec(all)?.[1] ?? 0),
        head: end < 0 ? all : all.slice(0, end),
        body: end < 0 ? "" : all.slice(end + 4),
      };
    },
  };
}

function complete(text: string): boolean {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return false;
  const head = text.slice(0, end).toLowerCase();
  if (head.startsWith("http/1.1 100")) return false;
  const length = /content-length: *(\d+)/.exec(head)?.[1];
  if (length !== undefined) return text.length - end - 4 >= Number(length);
  return /transfer-encoding: *chunked/.test(head) && text.endsWith("0\r\n\r\n");
}
