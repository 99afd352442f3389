/**
 * Sets of field paths, as `managedFields` has them: a tree whose edges are path elements (spec: apiserver 5.5).
 *
 * A path element is its FieldsV1 text: `f:name` a field, `k:{"port":80}` an element of a list by its keys, `v:"x"` an element of a set. A set is a
 * member of its node when the node itself is owned, and a child when something below it is; it may be both.
 */
import { isObject, newObject } from "../json/object.ts";
import { parseJSONText } from "../json/parse.ts";
import type { JSONObject, JSONValue } from "../meta.ts";

export type PathElement = string;

/** `managedFields` that no server wrote. */
export class ManagedFieldsError extends Error {}

export const fieldElement = (name: string): PathElement => `f:${name}`;

/** Says of the node that holds it that the node is owned itself. */
const SELF = ".";

/** Deeper than any object; what nests deeper was not written by a server. */
const MAX_DEPTH = 1000;

const NOTHING: ReadonlyMap<PathElement, FieldSet> = new Map();
const NOBODY: ReadonlySet<PathElement> = new Set();

/** Never changes once it was handed out: every operation makes a new set, sharing what is equal. */
export class FieldSet {
  readonly members: ReadonlySet<PathElement>;
  readonly children: ReadonlyMap<PathElement, FieldSet>;

  constructor(members: ReadonlySet<PathElement> = NOBODY, children: ReadonlyMap<PathElement, FieldSet> = NOTHING) {
    this.members = members;
    this.children = children;
  }

  get empty(): boolean {
    return this.members.size === 0 && this.children.size === 0;
  }

  has(path: readonly PathElement[]): boolean {
    let at: FieldSet | undefined = this;
    for (let index = 0; index < path.length - 1 && at !== undefined; index++) at = at.children.get(path[index]!);
    return at !== undefined && path.length > 0 && at.members.has(path.at(-1)!);
  }

  /** What is owned below one element; the empty set when nothing is. */
  below(element: PathElement): FieldSet {
    return this.children.get(element) ?? EMPTY;
  }

  union(other: FieldSet): FieldSet {
    if (other.empty || other === this) return this;
    if (this.empty) return other;
    const children = new Map(this.children);
    for (const [element, set] of other.children) children.set(element, children.get(element)?.union(set) ?? set);
    return new FieldSet(this.members.union(other.members), children);
  }

  intersection(other: FieldSet): FieldSet {
    const children = new Map<PathElement, FieldSet>();
    for (const [element, set] of this.children) {
      const both = other.children.get(element)?.intersection(set);
      if (both !== undefined && !both.empty) children.set(element, both);
    }
    return new FieldSet(this.members.intersection(other.members), children);
  }

  /** Without exactly the paths of `other`: what lies below them stays. */
  difference(other: FieldSet): FieldSet {
    if (other.empty) return this;
    const children = new Map<PathElement, FieldSet>();
    for (const [element, set] of this.children) {
      const without = other.children.get(element);
      const left = without === undefined ? set : set.difference(without);
      if (!left.empty) children.set(element, left);
    }
    return new FieldSet(this.members.difference(other.members), children);
  }

  /** Without the paths of `other` and all that lies below them. */
  without(other: FieldSet): FieldSet {
    if (other.empty) return this;
    const children = new Map<PathElement, FieldSet>();
    for (const [element, set] of this.children) {
      if (other.members.has(element)) continue;
      const left = set.without(other.below(element));
      if (!left.empty) children.set(element, left);
    }
    return new FieldSet(this.members.difference(other.members), children);
  }

  equals(other: FieldSet): boolean {
    if (this.members.size !== other.members.size || this.children.size !== other.children.size) return false;
    if (!this.members.isSubsetOf(other.members)) return false;
    for (const [element, set] of this.children) {
      const theirs = other.children.get(element);
      if (theirs === undefined || !set.equals(theirs)) return false;
    }
    return true;
  }

  /** Every path, in the order of FieldsV1. */
  *paths(before: readonly PathElement[] = []): Generator<readonly PathElement[]> {
    for (const element of this.elements()) {
      const path = [...before, element];
      if (this.members.has(element)) yield path;
      const child = this.children.get(element);
      if (child !== undefined) yield* child.paths(path);
    }
  }

  /** Members and children, sorted: fields by name, then list elements by keys, then set elements by value. */
  elements(): PathElement[] {
    const all = [...this.members.union(new Set(this.children.keys()))];
    const named = all.filter(isField).sort();
    if (named.length === all.length) return named;
    // Each is read once, however often it is compared.
    const others = all
      .filter((element) => !isField(element))
      .map((element) => ({ element, value: identityOf(element) }));
    others.sort((a, b) => RANK[a.element[0]!]! - RANK[b.element[0]!]! || compareValues(a.value, b.value));
    return [...named, ...others.map(({ element }) => element)];
  }

  toFieldsV1(): JSONObject {
    const out = newObject();
    for (const element of this.elements()) {
      const child = this.children.get(element);
      if (child === undefined) {
        out[element] = newObject();
        continue;
      }
      const below = newObject();
      if (this.members.has(element)) below[SELF] = newObject();
      out[element] = Object.assign(below, child.toFieldsV1());
    }
    return out;
  }
}

export const EMPTY = new FieldSet();

/** Collects paths; `done` gives the set. Holds nothing until something is added: most nodes of an object add nothing. */
export class FieldSetBuilder {
  #members: Set<PathElement> | undefined;
  #children: Map<PathElement, FieldSetBuilder> | undefined;

  add(element: PathElement): void {
    this.#members ??= new Set();
    this.#members.add(element);
  }

  /** Adds a path; the empty one is nothing. */
  addPath(path: readonly PathElement[]): void {
    let at: FieldSetBuilder = this;
    for (let index = 0; index < path.length - 1; index++) at = at.child(path[index]!);
    if (path.length > 0) at.add(path.at(-1)!);
  }

  child(element: PathElement): FieldSetBuilder {
    this.#children ??= new Map();
    let child = this.#children.get(element);
    if (child === undefined) {
      child = new FieldSetBuilder();
      this.#children.set(element, child);
    }
    return child;
  }

  done(): FieldSet {
    if (this.#members === undefined && this.#children === undefined) return EMPTY;
    if (this.#children === undefined) return new FieldSet(this.#members);
    const children = new Map<PathElement, FieldSet>();
    for (const [element, builder] of this.#children) {
      const set = builder.done();
      if (!set.empty) children.set(element, set);
    }
    return new FieldSet(this.#members, children);
  }
}

export function fieldSetOf(...paths: readonly (readonly PathElement[])[]): FieldSet {
  const builder = new FieldSetBuilder();
  for (const path of paths) builder.addPath(path);
  return builder.done();
}

/** Throws a ManagedFieldsError for what no server writes. */
export function fromFieldsV1(value: JSONValue | undefined, depth = 0): FieldSet {
  if (value === undefined || value === null) return EMPTY;
  if (!isObject(value)) throw new ManagedFieldsError("fieldsV1 is no object");
  if (depth > MAX_DEPTH) throw new ManagedFieldsError("fieldsV1 nests too deep");
  const members = new Set<PathElement>();
  const children = new Map<PathElement, FieldSet>();
  for (const [element, below] of Object.entries(value)) {
    if (element === SELF) continue;
    if (!/^[fkvi]:/.test(element))
      throw new ManagedFieldsError(`fieldsV1 has ${JSON.stringify(element)}, which is no path element`);
    if (!isObject(below)) throw new ManagedFieldsError(`fieldsV1 has no object at ${JSON.stringify(element)}`);
    const names = Object.keys(below);
    if (names.length === 0 || Object.hasOwn(below, SELF)) members.add(element);
    if (names.length === 0) continue;
    const set = fromFieldsV1(below, depth + 1);
    if (!set.empty) children.set(element, set);
  }
  return new FieldSet(members, children);
}

const RANK: Readonly<Record<string, number>> = { k: 0, v: 1, i: 2 };

const isField = (element: PathElement) => element.startsWith("f:");

/** What a list's element is told apart by; its text when it is no JSON. */
function identityOf(element: PathElement): JSONValue {
  const text = element.slice(2);
  try {
    return parseJSONText(text).value;
  } catch {
    return text;
  }
}

/** How keys and set elements sort: numbers by size, texts by bytes, key objects by their members in turn. */
function compareValues(a: JSONValue, b: JSONValue): number {
  if (isObject(a) && isObject(b)) {
    const [left, right] = [Object.entries(a), Object.entries(b)];
    for (let index = 0; index < Math.min(left.length, right.length); index++) {
      const [name, value] = left[index]!;
      const [otherName, otherValue] = right[index]!;
      if (name !== otherName) return name < otherName ? -1 : 1;
      const order = compareValues(value, otherValue);
      if (order !== 0) return order;
    }
    return left.length - right.length;
  }
  const kinds = order(a) - order(b);
  if (kinds !== 0) return kinds;
  return a! < b! ? -1 : a! > b! ? 1 : 0;
}

function order(value: JSONValue): number {
  if (typeof value === "number" || typeof value === "bigint") return 0;
  return typeof value === "string" ? 1 : 2;
}
