/** Maps from literals and macros. Objects read through a schema are maps too (../declaration/view.ts). */
import { CelError } from "./errors.ts";
import { Double, integer, Uint } from "./numbers.ts";
import type { Value } from "./value.ts";

export abstract class MapValue {
  abstract readonly size: number;
  /** Undefined: there is no such key. */
  abstract find(key: Value): Value | undefined;
  abstract keys(): Iterable<Value>;
}

/** What keys that are equal have in common: numbers that are the same number are one key. Undefined: no key can be this. */
export function keyOf(key: Value): unknown {
  switch (typeof key) {
    case "string":
    case "boolean":
    case "number":
    case "bigint":
      return key;
    default:
  }
  if (key instanceof Uint) return key.value;
  if (key instanceof Double) {
    if (!Number.isInteger(key.value)) return undefined;
    return Number.isSafeInteger(key.value) ? key.value + 0 : integer(BigInt(key.value));
  }
  return undefined;
}

export class LiteralMap extends MapValue {
  readonly #entries: Map<unknown, [Value, Value]>;

  constructor(entries: Map<unknown, [Value, Value]>) {
    super();
    this.#entries = entries;
  }

  get size(): number {
    return this.#entries.size;
  }

  find(key: Value): Value | undefined {
    const normal = keyOf(key);
    return normal === undefined ? undefined : this.#entries.get(normal)?.[1];
  }

  *keys(): Iterable<Value> {
    for (const [key] of this.#entries.values()) yield key;
  }

  /** A map with one entry more; `owned`: nobody else has seen this map, it may grow itself. */
  insert(key: Value, value: Value, owned: boolean): LiteralMap | CelError {
    const normal = keyOf(key);
    if (normal === undefined) return new CelError("unsupported key type");
    if (this.#entries.has(normal)) return new CelError(`insert failed: key ${printKey(key)} already exists`);
    const entries = owned ? this.#entries : new Map(this.#entries);
    entries.set(normal, [key, value]);
    return owned ? this : new LiteralMap(entries);
  }

  static of(entries: Iterable<[Value, Value]>): LiteralMap {
    const map = new Map<unknown, [Value, Value]>();
    for (const [key, value] of entries) map.set(keyOf(key), [key, value]);
    return new LiteralMap(map);
  }
}

/** A key as errors print it. */
export function printKey(key: Value): string {
  if (key instanceof Uint || key instanceof Double) return String(key.value);
  return String(key);
}
