/** A whole answer from a backend, within a limit of time and size: probes, discovery and OpenAPI documents. */
import type { Clock, Timer } from "../api/clock.ts";
import { DialError, dialError } from "./dial-errors.ts";
import type { Connection } from "./dialer.ts";
import type { Address } from "./resolver.ts";

export interface FetchOptions {
  readonly clock: Clock;
  readonly address: Address;
  readonly path: string;
  /** name, value, … */
  readonly headers: readonly string[];
  /** For everything, milliseconds. */
  readonly timeout: number;
  /** The largest body that is kept, bytes; 0: the answer is complete with its head, the body is thrown away. */
  readonly limit: number;
  readonly signal?: AbortSignal;
}

export interface Fetched {
  readonly status: number;
  /** Lower-case names; repeated headers are joined. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** How much of an unwanted body is read before the connection is given up, bytes. */
const DRAINED = 64 * 1024;

/** GETs one document. Rejects with a DialError whose text is upstream's; bodies beyond the limit are cut off and reported. */
export function fetchDocument(connection: Connection, options: FetchOptions): Promise<Fetched> {
  const { clock, address, limit } = options;
  const url = `https://${address.authority}${options.path}`;
  return new Promise((resolve, reject) => {
    let abortUpstream: ((reason: Error) => void) | undefined;
    let over = false;
    const finish = (result: Fetched | Error) => {
      if (over) return;
      over = true;
      timer.cancel();
      options.signal?.removeEventListener("abort", onAbort);
      if (result instanceof Error) reject(result);
      else resolve(result);
    };
    const cut = (error: Error) => {
      finish(error);
      abortUpstream?.(error);
    };
    const onAbort = () => cut(options.signal?.reason ?? new Error("aborted"));
    const timer = clock.after(options.timeout, () => {
      const text = `Get ${JSON.stringify(url)}: context deadline exceeded (Client.Timeout exceeded while awaiting headers)`;
      const connecting = abortUpstream === undefined;
      const reason = connecting && connection.handshaking ? "TLSTimeout" : "Timeout";
      cut(new DialError(reason, text, connecting));
    });
    if (options.signal?.aborted) return onAbort();
    options.signal?.addEventListener("abort", onAbort, { once: true });

    let status = 0;
    let headers: Record<string, string> = {};
    const chunks: Uint8Array[] = [];
    let length = 0;
    let leftover: Timer | undefined;
    const done = () =>
      finish({ status, headers, body: chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, length) });
    try {
      connection.dispatch(
        { method: "GET", path: options.path, headers: ["Host", address.authority, ...options.headers] },
        {
          onRequestStart(controller) {
            if (over) return controller.abort(new Error("no longer wanted"));
            abortUpstream = (reason) => controller.abort(reason);
          },
          onResponseStart(controller, code, received) {
            if (code < 200) return;
            status = code;
            headers = Object.create(null) as Record<string, string>;
            for (const [name, value] of Object.entries(received)) {
              if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(", ") : value;
            }
            if (limit === 0) {
              done();
              // A short body is drained, so that the connection can be used again.
              leftover = clock.after(options.timeout, () => controller.abort(new Error("body not wanted")));
            }
          },
          onResponseData(controller, chunk) {
            length += chunk.length;
            if (limit === 0) {
              if (length > DRAINED) controller.abort(new Error("body not wanted"));
              return;
            }
            if (length <= limit) return void chunks.push(chunk);
            chunks.length = 0;
            const error = new DialError("Other", `response of ${url} exceeds ${limit} bytes`, false);
            finish(error);
            controller.abort(error);
          },
          onResponseEnd() {
            leftover?.cancel();
            done();
          },
          onResponseError(_, error) {
            leftover?.cancel();
            const first = dialError(error, address.authority, clock.now());
            const { refusal } = connection;
            const refused = first.reason === "Reset" && refusal !== undefined;
            const known = refused ? dialError(refusal, address.authority, clock.now()) : first;
            finish(new DialError(known.reason, `Get ${JSON.stringify(url)}: ${known.message}`, known.atConnect, known));
          },
        },
      );
    } catch (error) {
      finish(dialError(error, address.authority, clock.now()));
    }
  });
}
