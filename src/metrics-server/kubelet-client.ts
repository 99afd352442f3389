/** Asks kubelets for their payloads: connections kept alive, gzip asked for and undone, the answer bounded (spec: metrics 2.2). */
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { Agent, request } from "undici";
import type { Clock } from "../api/clock.ts";

const decompress = promisify(gunzip);

/** Who this is to kubelets, and whom of them to believe. All texts are PEM. */
export interface KubeletClientOptions {
  readonly clock: Clock;
  /** The only trust roots when set; otherwise the system's. */
  readonly ca?: string | undefined;
  /** Believe any certificate. */
  readonly insecureTLS?: boolean;
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
  readonly token?: string | undefined;
  /** Read again every minute: mounted tokens are replaced while the process runs. */
  readonly tokenFile?: string | undefined;
  /** The largest payload, decompressed, in bytes. Default 64 MiB: two hundred times that of a node with 250 pods. */
  readonly maxBytes?: number;
}

export interface KubeletClient {
  /** The body of a 200, decompressed. Rejects for anything else, and with the signal's reason when it aborts. */
  fetch(url: string, signal: AbortSignal): Promise<Uint8Array>;
  close(): Promise<void>;
}

const TOKEN_AGE_MILLISECONDS = 60_000;

export function kubeletClient(options: KubeletClientOptions): KubeletClient {
  const { clock, tokenFile } = options;
  const maxBytes = options.maxBytes ?? 64 * 1024 * 1024;
  const agent = new Agent({
    allowH2: false,
    // The caller's signal is the only time bound, as upstream.
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: 90_000,
    connect: {
      ...(options.ca !== undefined && { ca: options.ca }),
      ...(options.certificate !== undefined && { cert: options.certificate, key: options.key }),
      ...(options.insecureTLS && { rejectUnauthorized: false }),
    },
  });
  let fileToken: { readonly value: string; readonly read: number } | undefined;

  async function authorization(): Promise<string | undefined> {
    if (tokenFile !== undefined) {
      if (fileToken === undefined || clock.monotonic() - fileToken.read > TOKEN_AGE_MILLISECONDS) {
        fileToken = { value: (await readFile(tokenFile, "utf8")).trim(), read: clock.monotonic() };
      }
      return `Bearer ${fileToken.value}`;
    }
    return options.token === undefined ? undefined : `Bearer ${options.token}`;
  }

  return {
    async fetch(url, signal) {
      const authorized = await authorization();
      try {
        const response = await request(url, {
          dispatcher: agent,
          headers: {
            accept: "text/plain",
            "accept-encoding": "gzip",
            "user-agent": "tenon-metrics-server",
            ...(authorized !== undefined && { authorization: authorized }),
          },
          signal,
        });
        if (response.statusCode !== 200) {
          await response.body.dump({ limit: 64 * 1024 });
          throw new Error(`request failed, status: ${response.statusCode} (${new URL(url).host})`);
        }
        const chunks: Buffer[] = [];
        let length = 0;
        for await (const chunk of response.body as AsyncIterable<Buffer>) {
          length += chunk.length;
          if (length > maxBytes) throw new RangeError(`the payload of ${url} exceeds ${maxBytes} bytes`);
          chunks.push(chunk);
        }
        const body = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
        if (response.headers["content-encoding"] !== "gzip") return body;
        return await decompress(body, { maxOutputLength: maxBytes });
      } catch (error) {
        // However the transport words an abort, the reason is what matters.
        throw signal.aborted ? signal.reason : error;
      }
    },
    close: () => agent.destroy(),
  };
}
