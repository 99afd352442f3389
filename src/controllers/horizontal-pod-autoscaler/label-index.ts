/** Labelled things found by selector without looking at all of them: by the value of one key that the selector asks for. */
import type { LabelSelector, Labels } from "../../api/selectors.ts";

const NOTHING: ReadonlySet<never> = new Set();

export class LabelIndex<T> {
  readonly #labelsOf: (item: T) => Labels;
  readonly #items = new Set<T>();
  /** key → value → items; made for a key when a selector first asks for it. */
  readonly #byKey = new Map<string, Map<string, Set<T>>>();

  constructor(labelsOf: (item: T) => Labels, items: Iterable<T> = []) {
    this.#labelsOf = labelsOf;
    for (const item of items) this.#items.add(item);
  }

  get size(): number {
    return this.#items.size;
  }

  add(item: T): void {
    this.#items.add(item);
    for (const [key, values] of this.#byKey) put(values, this.#valueOf(item, key), item);
  }

  delete(item: T): void {
    this.#items.delete(item);
    for (const [key, values] of this.#byKey) {
      const value = this.#valueOf(item, key);
      if (value === undefined) continue;
      const members = values.get(value);
      members?.delete(item);
      if (members?.size === 0) values.delete(value);
    }
  }

  select(selector: LabelSelector): T[] {
    const found: T[] = [];
    for (const item of this.#candidates(selector)) if (selector.matches(this.#labelsOf(item))) found.push(item);
    return found;
  }

  /** The fewest that one requirement leaves. */
  #candidates({ requirements }: LabelSelector): ReadonlySet<T> {
    let fewest: ReadonlySet<T> = this.#items;
    for (const { key, operator, values } of requirements) {
      const equals = (operator === "=" || operator === "==" || operator === "in") && values.length === 1;
      if (!equals) continue;
      const members = this.#indexOf(key).get(values[0]!) ?? NOTHING;
      if (members.size < fewest.size) fewest = members;
    }
    return fewest;
  }

  #indexOf(key: string): Map<string, Set<T>> {
    let values = this.#byKey.get(key);
    if (values === undefined) {
      values = new Map();
      for (const item of this.#items) put(values, this.#valueOf(item, key), item);
      this.#byKey.set(key, values);
    }
    return values;
  }

  #valueOf(item: T, key: string): string | undefined {
    const labels = this.#labelsOf(item);
    return labels && Object.hasOwn(labels, key) ? labels[key] : undefined;
  }
}

function put<T>(values: Map<string, Set<T>>, value: string | undefined, item: T): void {
  if (value === undefined) return;
  const members = values.get(value);
  if (members === undefined) values.set(value, new Set([item]));
  else members.add(item);
}
