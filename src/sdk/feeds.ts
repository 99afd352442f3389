/** Lists and watches from what authors have: a function to ask again and again, a stream of changes, a database that counts its revisions (spec: aggregation 7.6). */
import type { Clock } from "../api/clock.ts";
import { systemClock } from "../api/machine.ts";
import type { KubeObject } from "../api/meta.ts";
import { expired } from "../api/status.ts";
import { Collection } from "./collection.ts";
import type { Answer, Change, Handlers } from "./resource.ts";

type Maybe<V> = V | Promise<V>;
type Reading<T extends KubeObject> = Required<Pick<Handlers<T>, "get" | "list" | "watch">>;

export interface FeedOptions {
  /** Default: this machine's. */
  readonly clock?: Clock;
}

/**
 * Asks `all` for every object of every namespace: for each get and list, and every `milliseconds` while somebody watches; watchers hear what
 * changed between two answers. What `all` throws is the answer to a get or list, and ends the watches.
 */
export function polled<T extends KubeObject>(
  milliseconds: number,
  all: () => Maybe<readonly Answer<T>[]>,
  { clock = systemClock }: FeedOptions = {},
): Reading<T> {
  if (!(milliseconds > 0)) throw new TypeError(`milliseconds: ${milliseconds}: must be more than 0`);
  const collection = new Collection<T>(clock.now());
  let asking: Promise<void> | undefined;
  let watchers = 0;
  let round = new AbortController();

  /** One question at a time: who asks meanwhile gets the same answer. */
  function refresh(): Promise<void> {
    asking ??= Promise.resolve()
      .then(all)
      .then((items) => collection.replace(items))
      .finally(() => {
        asking = undefined;
      });
    return asking;
  }

  async function keepAsking({ signal }: AbortController): Promise<void> {
    try {
      for (;;) {
        await clock.sleep(milliseconds, signal);
        await refresh();
      }
    } catch (error) {
      if (!signal.aborted) collection.fail(error);
    }
  }

  return {
    async get({ namespace, name }) {
      await refresh();
      return collection.get(namespace, name);
    },
    async list({ namespace }) {
      await refresh();
      return collection.list(namespace);
    },
    async *watch({ namespace, since, signal }) {
      if (watchers++ === 0) {
        round = new AbortController();
        keepAsking(round).catch(() => {});
      }
      try {
        yield* collection.watch(namespace, since, signal);
      } finally {
        if (--watchers === 0) round.abort();
      }
    },
  };
}

/**
 * Follows a stream of changes from now until `signal` aborts; what it said so far is what there is. When it ends or throws, gets and lists
 * throw, and watches end.
 */
export function followed<T extends KubeObject>(
  changes: AsyncIterable<Change<T>>,
  { clock = systemClock, signal }: FeedOptions & { readonly signal?: AbortSignal } = {},
): Reading<T> {
  const collection = new Collection<T>(clock.now());
  async function follow(): Promise<void> {
    for await (const change of changes) {
      if (signal?.aborted) return;
      if (change.type !== "BOOKMARK") collection.apply(change.type, change.object);
    }
    throw new Error("the stream of changes ended");
  }
  follow().catch((error: unknown) => collection.fail(error));
  return {
    get: ({ namespace, name }) => collection.get(namespace, name),
    list: ({ namespace }) => collection.list(namespace),
    watch: ({ namespace, since, signal: asked }) => collection.watch(namespace, since, asked),
  };
}

/** A source whose every write has a number that grows, such as a row's revision column or a change log. */
export interface Revisions<T extends KubeObject> {
  /** All objects of a namespace, or of all ("") ones, and the revision that is true of. */
  list(namespace: string): Maybe<{ readonly items: readonly Answer<T>[]; readonly revision: number }>;
  /** What changed after `revision`, in order, each with its own; undefined when that is no longer known. */
  since(revision: number, namespace: string): Maybe<readonly RevisedChange<T>[] | undefined>;
  get?: Handlers<T>["get"];
}

export interface RevisedChange<T extends KubeObject> {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly revision: number;
  readonly object: Answer<T>;
}

/**
 * Reads a source of revisions: its numbers are the resourceVersions, so that any replica continues a watch another began. `since` is asked every
 * `milliseconds` for each watch.
 */
export function revised<T extends KubeObject>(
  milliseconds: number,
  source: Revisions<T>,
  { clock = systemClock }: FeedOptions = {},
): Required<Pick<Handlers<T>, "list" | "watch">> & Pick<Handlers<T>, "get"> {
  return {
    ...(source.get && { get: source.get }),
    async list({ namespace }) {
      const { items, revision } = await source.list(namespace);
      return { items, resourceVersion: String(revision) };
    },
    async *watch({ namespace, since, signal }) {
      let last = Number(since);
      while (!signal.aborted) {
        const changes = await source.since(last, namespace);
        if (changes === undefined) throw expired(`too old resource version: ${last}`);
        for (const { type, revision, object } of changes) {
          last = revision;
          yield { type, object: { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } } };
        }
        await clock.sleep(milliseconds, signal).catch(() => {});
      }
    },
  };
}
