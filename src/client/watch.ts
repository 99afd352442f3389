/** Watching a resource: one connection, or as many as it takes. A watch never goes silent: a connection that says nothing for too long is replaced. */
import type { Timer } from "../api/clock.ts";
import type { KubeObject } from "../api/meta.ts";
import { type Status, StatusError } from "../api/status.ts";
import { backoff } from "./backoff.ts";
import type { Client } from "./client.ts";
import { parseBody } from "./json.ts";
import type { ResourceClient } from "./resource.ts";
import { listQuery, resourcePath } from "./resource.ts";
import { errorOfStatus } from "./response-error.ts";

export type ResourceEvent<T extends KubeObject = KubeObject> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: T }
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string; readonly initialEventsEnd: boolean };

export interface WatchOptions {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Where to begin: changes after it. */
  readonly resourceVersion?: string;
  /** Ask for the present state as ADDED events first (one connection only). */
  readonly sendInitialEvents?: boolean;
  /** A connection without a byte for this long is given up, milliseconds. Default 120 s; servers send bookmarks every minute. */
  readonly idleTimeout?: number;
  /** How long the server should keep one connection, seconds. Default: between 300 and 600, at random. */
  readonly timeoutSeconds?: number;
  readonly signal?: AbortSignal;
  /** Told of every connection that failed and is tried again. */
  onRetry?(error: unknown): void;
}

/** A connection fell silent for longer than `idleTimeout`. */
export class WatchIdle extends Error {
  constructor(milliseconds: number) {
    super(`watch said nothing for ${milliseconds} ms`);
    this.name = "WatchIdle";
  }
}

const IDLE = 120_000;
/** One event larger than this ends the connection, bytes. */
const MAX_EVENT = 64 * 1024 * 1024;

/** One watch connection until the server ends it. Throws the StatusError of an ERROR event, WatchIdle, or what the transport threw. */
export async function* watchOnce<T extends KubeObject>(
  client: Client,
  resource: ResourceClient<T>,
  options: WatchOptions,
): AsyncGenerator<ResourceEvent<T>, void, undefined> {
  const idle = options.idleTimeout ?? IDLE;
  const stop = new AbortController();
  const onAbort = () => stop.abort(options.signal?.reason);
  if (options.signal?.aborted) onAbort();
  else options.signal?.addEventListener("abort", onAbort, { once: true });
  let timer: Timer | undefined;
  const touch = () => {
    timer?.cancel();
    timer = client.clock.after(idle, () => stop.abort(new WatchIdle(idle)));
  };
  try {
    touch();
    const response = await client.stream({
      method: "GET",
      path: resourcePath(resource.resource, resource.namespace),
      query: {
        ...listQuery({
          ...(options.labelSelector !== undefined && { labelSelector: options.labelSelector }),
          ...(options.fieldSelector !== undefined && { fieldSelector: options.fieldSelector }),
          ...(options.resourceVersion !== undefined && { resourceVersion: options.resourceVersion }),
        }),
        watch: true,
        allowWatchBookmarks: true,
        timeoutSeconds: options.timeoutSeconds ?? 300 + Math.floor(client.random.number() * 300),
        sendInitialEvents: options.sendInitialEvents ? true : undefined,
        resourceVersionMatch: options.sendInitialEvents ? "NotOlderThan" : undefined,
      },
      signal: stop.signal,
      about: { resource: resource.resource },
    });
    for await (const line of lines(interruptible(response.body, stop.signal), MAX_EVENT, touch)) {
      const event = decodeEvent<T>(line);
      if (event !== undefined) yield event;
    }
  } catch (error) {
    // However the transport words an abort, the reason is what matters.
    throw stop.signal.aborted ? stop.signal.reason : error;
  } finally {
    timer?.cancel();
    options.signal?.removeEventListener("abort", onAbort);
    stop.abort();
  }
}

/**
 * Changes of a resource until the caller stops or `signal` aborts. Connections that end, fail or fall silent are resumed at the last
 * resourceVersion seen, with back-off. Without a start everything that exists arrives first as ADDED, closed by a bookmark with
 * `initialEventsEnd`. Throws when resuming is impossible: 410 (relist), or an error that repeating cannot cure (403, 404, …).
 */
export async function* watchFrom<T extends KubeObject>(
  client: Client,
  resource: ResourceClient<T>,
  options: WatchOptions,
): AsyncGenerator<ResourceEvent<T>, void, undefined> {
  let resourceVersion = options.resourceVersion ?? "";
  if (resourceVersion === "" || resourceVersion === "0") {
    const { labelSelector, fieldSelector, signal } = options;
    const list = await resource.listAll({
      ...(labelSelector !== undefined && { labelSelector }),
      ...(fieldSelector !== undefined && { fieldSelector }),
      ...(signal !== undefined && { signal }),
      ...(resourceVersion === "0" && { resourceVersion }),
    });
    for (const object of list.items) yield { type: "ADDED", object };
    resourceVersion = list.metadata.resourceVersion ?? "";
    yield { type: "BOOKMARK", resourceVersion, initialEventsEnd: true };
  }
  const delays = backoff(client.random, { initial: 800, factor: 2, max: 30_000, jitter: 1 });
  while (!options.signal?.aborted) {
    const started = client.clock.monotonic();
    let heard = false;
    let failure: unknown;
    try {
      for await (const event of watchOnce(client, resource, { ...options, resourceVersion })) {
        heard = true;
        resourceVersion = versionOf(event) || resourceVersion;
        yield event;
      }
    } catch (error) {
      if (options.signal?.aborted) break;
      if (!mayResume(error)) throw error;
      failure = error;
      options.onRetry?.(error);
    }
    if (heard || client.clock.monotonic() - started >= 5000) delays.reset();
    // A server that closes at once and says nothing would otherwise be asked in a tight loop.
    if (failure !== undefined || !heard) {
      const asked = failure instanceof StatusError ? (failure.status.details?.retryAfterSeconds ?? 0) * 1000 : 0;
      await client.clock.sleep(Math.max(delays.next(), Math.min(asked, 30_000)), options.signal).catch(() => undefined);
    }
  }
  options.signal?.throwIfAborted();
}

/** The resourceVersion to resume after `event`. */
export function versionOf(event: ResourceEvent): string {
  return event.type === "BOOKMARK" ? event.resourceVersion : (event.object.metadata?.resourceVersion ?? "");
}

/** Whether the same watch may be asked for again. */
export function mayResume(error: unknown): boolean {
  if (!(error instanceof StatusError)) return true;
  return error.code === 429 || error.code === 408 || error.code >= 500;
}

function decodeEvent<T extends KubeObject>(line: Uint8Array): ResourceEvent<T> | undefined {
  const { type, object } = parseBody(line) as { type?: string; object?: unknown };
  if (typeof object !== "object" || object === null) throw new TypeError("watch event without an object");
  switch (type) {
    case "ADDED":
    case "MODIFIED":
    case "DELETED":
      return { type, object: object as T };
    case "BOOKMARK": {
      const metadata = (object as KubeObject).metadata ?? {};
      const initialEventsEnd = metadata.annotations?.["k8s.io/initial-events-end"] === "true";
      return { type, resourceVersion: metadata.resourceVersion ?? "", initialEventsEnd };
    }
    case "ERROR":
      throw errorOfStatus(object as Status, 500);
    default:
      return undefined;
  }
}

/** Splits a body at newlines; calls `onBytes` for every chunk. */
async function* lines(body: AsyncIterable<Uint8Array>, limit: number, onBytes: () => void): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    onBytes();
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const part = chunk.subarray(start, end);
      start = end + 1;
      const line = rest.length === 0 ? part : Buffer.concat([...rest, part]);
      rest = [];
      length = 0;
      if (line.length > 0) yield line;
    }
    if (start < chunk.length) {
      rest.push(chunk.subarray(start));
      length += chunk.length - start;
      if (length > limit) throw new RangeError(`watch event exceeds ${limit} bytes`);
    }
  }
  // Half a line is a broken connection, not an event: whoever resumes gets it whole.
}

/** The same chunks, ending with the signal's reason when it aborts, whatever the transport does about it. */
async function* interruptible(body: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const iterator = body[Symbol.asyncIterator]();
  // One promise for each step: racing a long-lived one would collect a reaction per chunk for as long as the watch lives.
  let interrupt: (() => void) | undefined;
  const onAbort = () => interrupt?.();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    for (;;) {
      signal.throwIfAborted();
      const { done, value } = await new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
        interrupt = () => reject(signal.reason);
        iterator.next().then(resolve, reject);
      });
      if (done) return;
      yield value;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    // Not awaited: a body that hangs must not hold its reader.
    void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}
