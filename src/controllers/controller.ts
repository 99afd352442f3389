/** The frame of every controller: keys come in from informers, workers take them out, failures come back later. */
import type { Client } from "../client/client.ts";
import type { InformerFactory } from "../client/informer-factory.ts";
import { createWorkQueue, runWorkers, type WorkQueue } from "../client/queue.ts";
import type { EventRecorder } from "../client/recorder.ts";

/** What a controller tells the operator; a subset of pino's interface. */
export interface ControllerLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface ControllerContext {
  readonly client: Client;
  /** One copy of each resource for all controllers. */
  readonly informers: InformerFactory;
  /** Who writes Events in the name of a component. */
  recorder(component: string): EventRecorder;
  readonly log: ControllerLog;
  readonly signal: AbortSignal;
}

/** Runs until the context's signal aborts. */
export type Controller = (context: ControllerContext) => Promise<void>;

/** How a sync ended: done, or to be repeated after some time, milliseconds. */
export type SyncResult = undefined | { readonly again: number };

export interface SyncLoop {
  readonly queue: WorkQueue;
  /** Resolves when the signal has aborted and every worker is done. */
  readonly finished: Promise<void>;
}

/** Starts `workers` that call `sync` for each key of the queue. A sync that throws is repeated, ever more slowly, up to half a minute. */
export function startSync(
  name: string,
  context: ControllerContext,
  workers: number,
  sync: (key: string) => Promise<SyncResult>,
): SyncLoop {
  const queue = createWorkQueue({ clock: context.client.clock, maxDelay: 30_000 });
  if (context.signal.aborted) queue.shutDown();
  else context.signal.addEventListener("abort", () => queue.shutDown(), { once: true });
  const work = async (key: string) => {
    const result = await sync(key);
    if (result !== undefined) queue.addAfter(key, result.again);
  };
  const finished = runWorkers(queue, workers, work, (error, key) => {
    if (context.signal.aborted) return;
    context.log.warn(
      { controller: name, key, error: String(error), failures: queue.failures(key) },
      "will be tried again",
    );
  });
  return { queue, finished };
}
