/** Pairs a value with what stood in its place before an update: what did not change may stay invalid (spec: apiserver 8.7). */
import { equalJSON, isObject } from "../api/json/object.ts";
import type { JSONObject, JSONValue } from "../api/meta.ts";
import type { SchemaNode } from "./node.ts";

/** A place that exists in both versions: fields by name, items of a map list by their keys; items of other lists have no counterpart. */
export class Correlated {
  readonly #value: JSONValue;
  readonly #old: JSONValue;
  readonly #node: SchemaNode;
  #unchanged: boolean | undefined;
  #children: Map<string | number, Correlated> | undefined;
  #oldItems: KeyedItems | undefined;

  constructor(value: JSONValue, old: JSONValue, node: SchemaNode) {
    this.#value = value;
    this.#old = old;
    this.#node = node;
  }

  key(name: string): Correlated | undefined {
    const known = this.#children?.get(name);
    if (known !== undefined) return known;
    const [value, old] = [this.#value, this.#old];
    if (!isObject(value) || !isObject(old) || !Object.hasOwn(value, name) || !Object.hasOwn(old, name))
      return undefined;
    return this.#child(name, value[name]!, old[name]!, this.#node.property(name) ?? this.#node.additional);
  }

  index(index: number): Correlated | undefined {
    const known = this.#children?.get(index);
    if (known !== undefined) return known;
    const [value, old] = [this.#value, this.#old];
    if (!Array.isArray(value) || !Array.isArray(old) || this.#node.listType !== "map") return undefined;
    this.#oldItems ??= new KeyedItems(old, this.#node);
    const counterpart = this.#oldItems.like(value[index]);
    return counterpart === undefined ? undefined : this.#child(index, value[index]!, counterpart, this.#node.items);
  }

  #child(
    step: string | number,
    value: JSONValue,
    old: JSONValue,
    node: SchemaNode | undefined,
  ): Correlated | undefined {
    if (node === undefined) return undefined;
    const child = new Correlated(value, old, node);
    this.#children ??= new Map();
    this.#children.set(step, child);
    return child;
  }

  /** Whether nothing changed here, as upstream compares: what the schema does not describe counts as changed, the order of a map list does not. */
  unchanged(): boolean {
    this.#unchanged ??= this.#compare();
    return this.#unchanged;
  }

  #compare(): boolean {
    const [value, old] = [this.#value, this.#old];
    if (Array.isArray(value) && Array.isArray(old)) {
      if (value.length !== old.length) return false;
      if (this.#node.listType !== "map") return equalJSON(value, old);
      return value.every((_, index) => this.index(index)?.unchanged() === true);
    }
    if (isObject(value) && isObject(old)) {
      const names = Object.keys(value);
      return names.length === Object.keys(old).length && names.every((name) => this.key(name)?.unchanged() === true);
    }
    return equalJSON(value, old);
  }
}

/** The items of a list by their map keys; of several with the same keys the first. */
export class KeyedItems {
  readonly #keys: readonly string[];
  readonly #items = new Map<string | number | bigint | boolean, JSONObject>();

  constructor(list: readonly JSONValue[], node: SchemaNode) {
    this.#keys = node.listType === "map" ? (node.schema["x-kubernetes-list-map-keys"] ?? []) : [];
    if (this.#keys.length === 0) return;
    for (const item of list) {
      const key = this.#keyOf(item);
      if (key !== undefined && !this.#items.has(key)) this.#items.set(key, item as JSONObject);
    }
  }

  /** The item with the keys of `item`. */
  like(item: JSONValue | undefined): JSONObject | undefined {
    const key = this.#keyOf(item);
    return key === undefined ? undefined : this.#items.get(key);
  }

  /** One key is its own value, several make a text. */
  #keyOf(item: JSONValue | undefined): string | number | bigint | boolean | undefined {
    if (!isObject(item) || this.#keys.length === 0) return undefined;
    if (this.#keys.length === 1) {
      const name = this.#keys[0]!;
      const value = Object.hasOwn(item, name) ? item[name] : undefined;
      return typeof value === "object" ? undefined : value;
    }
    let text = "";
    for (const name of this.#keys) {
      const value = Object.hasOwn(item, name) ? item[name] : undefined;
      if (value === undefined || value === null || typeof value === "object") return undefined;
      text += typeof value === "string" ? `${JSON.stringify(value)},` : `${value},`;
    }
    return text;
  }
}
