/** A copy of a resource kept up to date: LIST, then WATCH, and again whenever the two no longer fit together. */
import type { KubeObject } from "../api/meta.ts";
import { StatusError } from "../api/status.ts";
import { backoff } from "./backoff.ts";
import type { Client } from "./client.ts";
import type { Lister } from "./lister.ts";
import { type ListerRegistry, listerRegistry } from "./lister-registry.ts";
import type { ResourceClient } from "./resource.ts";

export interface InformerOptions {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** See WatchOptions. */
  readonly idleTimeout?: number;
  /** Told of failures that are being retried, and of subscribers that threw. */
  onError?(error: unknown): void;
}

export interface Informer<T extends KubeObject = KubeObject> extends Lister<T> {
  /** Begins; may be called again without effect. */
  start(): void;
  /** Ends for good; the copy stays readable. */
  stop(): Promise<void>;
  /** The resourceVersion the copy stands at. */
  readonly resourceVersion: string;
  /** How often it had to LIST. */
  readonly lists: number;
}

/**
 * An informer over a resource. Deletions that happened while no watch was open are found by comparing lists; an object that was replaced by
 * another of the same name is delivered as deleted and added. Failures are retried with back-off and jitter, for ever.
 */
export function createInformer<T extends KubeObject>(
  client: Client,
  resource: ResourceClient<T>,
  options: InformerOptions = {},
): Informer<T> {
  const onError = options.onError ?? (() => {});
  const registry: ListerRegistry<T> = listerRegistry<T>(onError);
  const abort = new AbortController();
  const { signal } = abort;
  let resourceVersion = "";
  let lists = 0;
  let running: Promise<void> | undefined;
  const selectors = {
    ...(options.labelSelector !== undefined && { labelSelector: options.labelSelector }),
    ...(options.fieldSelector !== undefined && { fieldSelector: options.fieldSelector }),
  };

  async function list(): Promise<void> {
    // "0" lets the server answer from memory; after that never go back behind what was seen, unless the server has lost it.
    let from = resourceVersion === "" ? "0" : resourceVersion;
    for (;;) {
      lists++;
      try {
        const all = await resource.listAll({ ...selectors, resourceVersion: from, signal });
        registry.replace(all.items);
        resourceVersion = all.metadata.resourceVersion ?? "";
        return;
      } catch (error) {
        if (from === "" || !lostVersion(error)) throw error;
        from = "";
      }
    }
  }

  async function run(): Promise<void> {
    const delays = backoff(client.random, { initial: 800, factor: 2, max: 30_000, jitter: 1 });
    let mustList = true;
    while (!signal.aborted) {
      try {
        if (mustList) {
          await list();
          mustList = false;
          delays.reset();
        }
        const events = resource.watch({
          ...selectors,
          ...(options.idleTimeout !== undefined && { idleTimeout: options.idleTimeout }),
          resourceVersion,
          signal,
          onRetry: onError,
        });
        for await (const event of events) {
          if (event.type === "BOOKMARK") {
            if (event.resourceVersion !== "") resourceVersion = event.resourceVersion;
            continue;
          }
          registry.apply(event.type, event.object);
          resourceVersion = event.object.metadata.resourceVersion || resourceVersion;
        }
      } catch (error) {
        if (signal.aborted) return;
        onError(error);
        // Whatever a watch could have resumed, it has: what is left asks for a new list.
        mustList = true;
        // History moved on: list what the server has now, at once, but not in a loop.
        if (error instanceof StatusError && error.code === 410) resourceVersion = "";
        await client.clock.sleep(delays.next(), signal).catch(() => undefined);
      }
    }
  }

  return {
    get synced() {
      return registry.synced;
    },
    get resourceVersion() {
      return resourceVersion;
    },
    get lists() {
      return lists;
    },
    ready: () => registry.ready(),
    get: (name, namespace) => registry.get(name, namespace),
    list: (namespace) => registry.list(namespace),
    subscribe: (events) => registry.subscribe(events),
    start() {
      running ??= run();
    },
    async stop() {
      abort.abort(new Error("informer stopped"));
      await running;
    },
  };
}

/** The server cannot list at this revision. */
function lostVersion(error: unknown): boolean {
  if (!(error instanceof StatusError)) return false;
  if (error.code === 410) return true;
  return error.status.details?.causes?.some((cause) => cause.reason === "ResourceVersionTooLarge") ?? false;
}
