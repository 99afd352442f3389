/** What a Lister holds, found by something other than the name, and kept so with every change: no lookup walks all objects. */
import type { KubeObject } from "../api/meta.ts";
import type { Lister } from "./lister.ts";

export interface Index<T> {
  get(key: string): readonly T[];
  count(key: string): number;
}

/** Subscribe to the lister after making its indexes: then a subscriber finds them up to date. `keysOf` must be a function of the object alone. */
export function indexBy<T extends KubeObject>(lister: Lister<T>, keysOf: (object: T) => readonly string[]): Index<T> {
  const entries = new Map<string, Map<string, T>>();
  const idOf = ({ metadata }: T) => `${metadata.namespace ?? ""}/${metadata.name ?? ""}`;
  const put = (object: T, keys: readonly string[]) => {
    const id = idOf(object);
    for (const key of keys) {
      const members = entries.get(key);
      if (members === undefined) entries.set(key, new Map([[id, object]]));
      else members.set(id, object);
    }
  };
  const remove = (object: T, keys: readonly string[]) => {
    const id = idOf(object);
    for (const key of keys) {
      const members = entries.get(key);
      if (members?.delete(id) && members.size === 0) entries.delete(key);
    }
  };
  lister.subscribe({
    added: (object) => put(object, keysOf(object)),
    updated(object, old) {
      const keys = keysOf(object);
      remove(
        old,
        keysOf(old).filter((key) => !keys.includes(key)),
      );
      put(object, keys);
    },
    deleted: (object) => remove(object, keysOf(object)),
  });
  return {
    get: (key) => [...(entries.get(key)?.values() ?? [])],
    count: (key) => entries.get(key)?.size ?? 0,
  };
}
