/** Lists: elements that are values already, or JSON that is read element by element when it is asked for. */
import type { Value } from "./value.ts";

/** How a list that stands for a set or a map of its elements compares and grows; absent for plain lists. */
export interface Merge {
  /** Two elements with the same key are the same element. `raw` is what the list holds. */
  key(raw: unknown): unknown;
  /** An element that comes later takes the place of the one with its key (lists of type map); else it is left out. */
  readonly replace: boolean;
  /** A value as this list holds it. */
  raw(value: Value): unknown;
}

export class ListValue {
  readonly items: readonly unknown[];
  /** Undefined: the items are values. */
  readonly read: ((raw: unknown) => Value) | undefined;
  readonly merge: Merge | undefined;

  constructor(items: readonly unknown[], read?: (raw: unknown) => Value, merge?: Merge) {
    this.items = items;
    this.read = read;
    this.merge = merge;
  }

  get size(): number {
    return this.items.length;
  }

  /** `index` is in range. */
  get(index: number): Value {
    const raw = this.items[index];
    return this.read === undefined ? (raw as Value) : this.read(raw);
  }

  values(): Value[] {
    return this.read === undefined ? (this.items as Value[]) : this.items.map(this.read);
  }
}

export type List = ListValue;

/** `a + b`. */
export function concat(a: ListValue, b: ListValue): ListValue {
  if (a.merge !== undefined) return merged(a, b, a.merge);
  if (a.size === 0 && a.read === undefined) return b;
  if (b.size === 0) return a;
  if (a.read === b.read && b.merge === undefined) return new ListValue([...a.items, ...b.items], a.read);
  return new ListValue([...a.values(), ...b.values()]);
}

function merged(a: ListValue, b: ListValue, merge: Merge): ListValue {
  const items = [...a.items];
  const places = new Map(items.map((item, i) => [merge.key(item), i]));
  for (const value of b.values()) {
    const raw = merge.raw(value);
    const key = merge.key(raw);
    const place = places.get(key);
    if (place === undefined) {
      places.set(key, items.length);
      items.push(raw);
    } else if (merge.replace) items[place] = raw;
  }
  return new ListValue(items, a.read, merge);
}
