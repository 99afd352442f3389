/** Asking remote servers the same thing again and again: soon after a failure, slowly while all is well, once for APIServices that share a server. */
import type { Clock } from "../api/clock.ts";
import { createWorkQueue, runWorkers } from "../client/index.ts";
import type { RemoteService } from "./remote-service.ts";

export interface PollingOptions<D> {
  readonly clock: Clock;
  /** Milliseconds between successes. */
  readonly interval: number;
  /** After the first failure, milliseconds; doubles up to `maxBackoff`. */
  readonly baseBackoff: number;
  readonly maxBackoff: number;
  remote(name: string): RemoteService | undefined;
  /** Asks one server. `previous` is what it said last, for conditional requests. */
  download(remote: RemoteService, previous: D | undefined): Promise<D>;
  /** Takes over what a server said; may ask further. */
  apply(remote: RemoteService, document: D): Promise<void> | void;
  /** Asking failed; it is tried again by itself. */
  failed(remote: RemoteService, error: unknown): void;
  onError(error: unknown, name: string): void;
}

export interface Polling {
  start(): void;
  stop(): Promise<void>;
  /** Ask now: the APIService is new or changed. An answer to an earlier question does not count. */
  dirty(name: string): void;
  forget(name: string): void;
}

/** Servers asked at the same time. */
const WORKERS = 64;

export function polling<D>(options: PollingOptions<D>): Polling {
  const { clock } = options;
  const queue = createWorkQueue({ clock, baseDelay: options.baseBackoff, maxDelay: options.maxBackoff });
  /** By APIService: when its last question was raised. */
  const raised = new Map<string, number>();
  /** By server: its last answer, which question it belongs to, and when that was asked. */
  const servers = new Map<string, { order: number; at: number; answer: Promise<D>; last: D | undefined }>();
  let order = 0;
  let loops: Promise<void> = Promise.resolve();

  const serverOf = ({ service, tls }: RemoteService) =>
    `${service.namespace}/${service.name}:${service.port} ${tls.insecureSkipVerify ? "insecure" : tls.caBundle}`;

  /** The server's answer to a question not older than `since`, nor than one interval: a running one is shared. */
  function ask(remote: RemoteService, since: number): Promise<D> {
    const key = serverOf(remote);
    const known = servers.get(key);
    const now = clock.monotonic();
    if (known !== undefined && known.order > since && now - known.at < options.interval) return known.answer;
    const entry = { order: ++order, at: now, answer: options.download(remote, known?.last), last: known?.last };
    servers.set(key, entry);
    entry.answer.then(
      (document) => {
        entry.last = document;
      },
      () => undefined,
    );
    return entry.answer;
  }

  async function sync(name: string): Promise<void> {
    const remote = options.remote(name);
    if (remote === undefined) return;
    try {
      await options.apply(remote, await ask(remote, raised.get(name) ?? 0));
    } catch (error) {
      // The next attempt must ask anew.
      raised.set(name, ++order);
      if (options.remote(name) === remote) options.failed(remote, error);
      throw error;
    }
    if (options.remote(name) === remote) queue.addAfter(name, options.interval);
  }

  return {
    start() {
      loops = runWorkers(queue, WORKERS, sync, options.onError);
    },
    async stop() {
      queue.shutDown();
      await loops;
    },
    dirty(name) {
      raised.set(name, ++order);
      queue.forget(name);
      queue.add(name);
    },
    forget(name) {
      raised.delete(name);
      queue.forget(name);
      const used = new Set<string>();
      for (const other of raised.keys()) {
        const remote = options.remote(other);
        if (remote !== undefined) used.add(serverOf(remote));
      }
      for (const key of servers.keys()) if (!used.has(key)) servers.delete(key);
    },
  };
}
