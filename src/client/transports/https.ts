/** Requests over HTTPS: one pool of connections to one API server. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { ClientTransport } from "../transport.ts";

export interface HTTPSOptions {
  /** `https://host:port`; a path in front of the API is kept. `http://` is for tests and local proxies. */
  readonly server: string;
  /** PEM. The only trust roots when set. */
  readonly ca?: string;
  readonly insecureSkipTLSVerify?: boolean;
  /** What the certificate must be for, when it is not the host of `server`. */
  readonly serverName?: string;
  /** Client certificate and key, PEM. */
  readonly certificate?: string;
  readonly key?: string;
  readonly token?: string;
  /** Read again every minute: mounted tokens are replaced while the process runs. */
  readonly tokenFile?: string;
  readonly username?: string;
  readonly password?: string;
  /** Share one HTTP/2 connection. Default false: HTTP/1.1 is the faster for short requests. */
  readonly http2?: boolean;
  /** The most connections kept open. Default: no limit, as every watch holds one. */
  readonly connections?: number;
  /** How long to wait for the response's head, milliseconds. Default 70 s, a little more than servers allow themselves. */
  readonly headersTimeout?: number;
}

const TOKEN_AGE = 60_000;

/** Loaded with the first transport: a client of a server in the same process needs none. */
const undici = () => createRequire(import.meta.url)("undici") as typeof import("undici");

export function httpsTransport(options: HTTPSOptions): ClientTransport {
  const url = new URL(options.server);
  const prefix = url.pathname.replace(/\/+$/, "");
  const pool = new (undici().Pool)(url.origin, {
    allowH2: options.http2 ?? false,
    connections: options.connections ?? null,
    pipelining: options.http2 ? 100 : 1,
    headersTimeout: options.headersTimeout ?? 70_000,
    bodyTimeout: 0,
    keepAliveTimeout: 30_000,
    connect: {
      timeout: 30_000,
      keepAlive: true,
      ...(options.ca !== undefined && { ca: options.ca }),
      ...(options.certificate !== undefined && { cert: options.certificate }),
      ...(options.key !== undefined && { key: options.key }),
      ...(options.insecureSkipTLSVerify && { rejectUnauthorized: false }),
      ...(options.serverName !== undefined && { servername: options.serverName }),
    },
  });
  let fileToken: { readonly value: string; readonly read: number } | undefined;

  async function authorization(): Promise<string | undefined> {
    if (options.tokenFile !== undefined) {
      if (fileToken === undefined || performance.now() - fileToken.read > TOKEN_AGE) {
        fileToken = { value: (await readFile(options.tokenFile, "utf8")).trim(), read: performance.now() };
      }
      return `Bearer ${fileToken.value}`;
    }
    if (options.token !== undefined) return `Bearer ${options.token}`;
    if (options.username !== undefined) {
      return `Basic ${Buffer.from(`${options.username}:${options.password ?? ""}`).toString("base64")}`;
    }
    return undefined;
  }

  return {
    async request({ method, path, headers, body, signal }) {
      const authorized = await authorization();
      const response = await pool.request({
        method: method as "GET",
        path: prefix + path,
        headers: { ...(authorized !== undefined && { authorization: authorized }), ...headers },
        body: body ?? null,
        signal: signal ?? null,
      });
      const received: Record<string, string> = Object.create(null);
      for (const [name, value] of Object.entries(response.headers)) {
        if (value !== undefined) received[name] = Array.isArray(value) ? value.join(", ") : value;
      }
      return { status: response.statusCode, headers: received, body: response.body };
    },
    close: () => pool.destroy(),
  };
}
