/** A Lister over the store of this process: no copy, no watch over the network; objects are parsed when somebody asks, once per stored state. */
import { parseJSON } from "../api/json/index.ts";
import type { KubeObject } from "../api/meta.ts";
import type { Lister } from "../client/lister.ts";
import { Subscriptions } from "../client/subscriptions.ts";
import { type Change, type Cursor, type Entry, ExpiredError, type State } from "../store/state.ts";

export interface StateLister<T extends KubeObject = KubeObject> extends Lister<T> {
  close(): void;
}

/** Changes handled before other work of the process gets its turn. */
const BATCH = 256;

/** What a stored kind is to a lister; every ResourceDefinition fits. */
export interface StoredKind {
  readonly storagePrefix: string;
  readonly namespaced: boolean;
}

/** `onError` is told when a subscriber throws; the others still hear. */
export function stateLister<T extends KubeObject>(
  state: State,
  kind: StoredKind,
  onError: (error: unknown) => void,
): StateLister<T> {
  const prefix = kind.storagePrefix;
  const parsed = new WeakMap<Entry, T>();
  const subscribers = new Subscriptions<T>(onError);
  let cursor: Cursor | undefined;
  /** What subscribers know: needed only to find out what changed when the history was lost. */
  let told = new Map<string, Entry>();

  function objectOf(entry: Entry): T {
    let object = parsed.get(entry);
    if (object === undefined) {
      object = parseJSON(entry.value).value as unknown as T;
      parsed.set(entry, object);
    }
    return object;
  }

  function move(key: string, next: Entry | undefined, last?: Entry): void {
    const known = told.get(key);
    if (next !== undefined) told.set(key, next);
    else told.delete(key);
    if (known === undefined) {
      if (next !== undefined) subscribers.added(objectOf(next));
    } else if (next === undefined) subscribers.deleted(objectOf(last ?? known));
    else if (objectOf(next).metadata.uid !== objectOf(known).metadata.uid) {
      subscribers.deleted(objectOf(known));
      subscribers.added(objectOf(next));
    } else if (next.revision !== known.revision) subscribers.updated(objectOf(next), objectOf(known));
  }

  function apply(change: Change): void {
    if (change.type === "delete") move(change.key, undefined, change.entry);
    else move(change.key, change.entry);
  }

  /** Catches up with the store; when the history is gone, by comparison. */
  function pump(): void {
    const reading = cursor;
    if (reading === undefined) return;
    try {
      for (let changes = reading.next(BATCH); changes.length > 0; changes = reading.next(BATCH)) changes.forEach(apply);
      reading.onReady(pump);
    } catch (error) {
      if (!(error instanceof ExpiredError)) throw error;
      reading.close();
      const view = state.view();
      const present = new Map([...view.range(prefix)].map((entry) => [entry.key, entry]));
      for (const key of [...told.keys()]) if (!present.has(key)) move(key, undefined);
      for (const [key, entry] of present) move(key, entry);
      cursor = state.cursor(prefix, view.revision);
      pump();
    }
  }

  return {
    synced: true,
    ready: () => Promise.resolve(),
    get(name, namespace = "") {
      const entry = state.view().get(kind.namespaced ? `${prefix}${namespace}/${name}` : prefix + name);
      return entry === undefined ? undefined : objectOf(entry);
    },
    list(namespace) {
      const range = kind.namespaced && namespace !== undefined ? `${prefix}${namespace}/` : prefix;
      return Array.from(state.view().range(range), objectOf);
    },
    subscribe(events) {
      if (cursor === undefined) {
        const view = state.view();
        told = new Map(Array.from(view.range(prefix), (entry) => [entry.key, entry]));
        cursor = state.cursor(prefix, view.revision);
        cursor.onReady(pump);
      } else pump();
      return subscribers.add(events, Array.from(told.values(), objectOf));
    },
    close() {
      cursor?.close();
      cursor = undefined;
      subscribers.clear();
    },
  };
}
