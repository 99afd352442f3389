/** The state behind a Lister: objects by key and by namespace, and who wants to hear of changes. */
import type { KubeObject } from "../api/meta.ts";
import type { Lister } from "./lister.ts";
import { Subscriptions } from "./subscriptions.ts";

export interface ListerRegistry<T extends KubeObject = KubeObject> extends Lister<T> {
  /** Makes the state exactly `items`, telling subscribers what that changed; the first call makes it synced. */
  replace(items: readonly T[]): void;
  /** One change. What it means is decided by what is known: an ADDED of a known object is an update. */
  apply(type: "ADDED" | "MODIFIED" | "DELETED", object: T): void;
}

/** `onError` is told when a subscriber throws; the others still hear. */
export function listerRegistry<T extends KubeObject>(onError: (error: unknown) => void): ListerRegistry<T> {
  const namespaces = new Map<string, Map<string, T>>();
  const subscribers = new Subscriptions<T>(onError);
  const waiting: (() => void)[] = [];
  let synced = false;
  /** Lists handed out, dropped with every change. */
  let everything: readonly T[] | undefined;

  const placeOf = (object: T) => [object.metadata.namespace ?? "", object.metadata.name ?? ""] as const;
  const known = (namespace: string, name: string) => namespaces.get(namespace)?.get(name);

  function put(object: T): void {
    const [namespace, name] = placeOf(object);
    let members = namespaces.get(namespace);
    if (members === undefined) {
      members = new Map();
      namespaces.set(namespace, members);
    }
    const old = members.get(name);
    if (old !== undefined && old.metadata.uid !== object.metadata.uid) {
      remove(old);
      put(object);
      return;
    }
    members.set(name, object);
    everything = undefined;
    if (old === undefined) subscribers.added(object);
    else if (old.metadata.resourceVersion !== object.metadata.resourceVersion || !object.metadata.resourceVersion) {
      subscribers.updated(object, old);
    }
  }

  function remove(object: T): void {
    const [namespace, name] = placeOf(object);
    const members = namespaces.get(namespace);
    if (members?.delete(name) !== true) return;
    if (members.size === 0) namespaces.delete(namespace);
    everything = undefined;
    subscribers.deleted(object);
  }

  function all(): readonly T[] {
    everything ??= [...namespaces.values()].flatMap((members) => [...members.values()]);
    return everything;
  }

  return {
    get synced() {
      return synced;
    },
    ready() {
      return synced ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve));
    },
    get: (name, namespace = "") => known(namespace, name),
    list: (namespace) => (namespace === undefined ? all() : [...(namespaces.get(namespace)?.values() ?? [])]),
    subscribe: (events) => subscribers.add(events, all()),
    replace(items) {
      const kept = new Map<string, Set<string>>();
      for (const item of items) {
        const [namespace, name] = placeOf(item);
        let names = kept.get(namespace);
        if (names === undefined) {
          names = new Set();
          kept.set(namespace, names);
        }
        names.add(name);
      }
      for (const object of all()) {
        const [namespace, name] = placeOf(object);
        if (!kept.get(namespace)?.has(name)) remove(object);
      }
      for (const item of items) put(item);
      synced = true;
      for (const resolve of waiting.splice(0)) resolve();
    },
    apply(type, object) {
      if (type === "DELETED") remove(object);
      else put(object);
    },
  };
}
