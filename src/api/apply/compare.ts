/** What differs between two states of an object, as sets of fields (spec: apiserver 5.5). */
import { equalJSON, isObject, own } from "../json/object.ts";
import type { JSONValue } from "../meta.ts";
import { type FieldSet, FieldSetBuilder, fieldElement, type PathElement } from "./field-set.ts";
import { type Determined, determined, elementOf, entriesOf, type ListShape, memberShape, type Shape } from "./shape.ts";

export interface Comparison {
  readonly added: FieldSet;
  readonly modified: FieldSet;
  readonly removed: FieldSet;
}

type Kind = "added" | "modified" | "removed";

/** A node of the three sets, which comes to be in each when something is added to it there. */
class Place {
  readonly #parent: Place | undefined;
  readonly #element: PathElement;
  readonly #builders: Partial<Record<Kind, FieldSetBuilder>> = {};

  constructor(parent?: Place, element: PathElement = "") {
    this.#parent = parent;
    this.#element = element;
  }

  at(kind: Kind): FieldSetBuilder {
    this.#builders[kind] ??= this.#parent?.at(kind).child(this.#element) ?? new FieldSetBuilder();
    return this.#builders[kind];
  }
}

export function compare(shape: Shape, before: JSONValue, after: JSONValue): Comparison {
  const root = new Place();
  walk(shape, before, after, root);
  return { added: root.at("added").done(), modified: root.at("modified").done(), removed: root.at("removed").done() };
}

/** Compares what stands under one element of `place`. */
function member(
  shape: Shape,
  element: PathElement,
  before: JSONValue | undefined,
  after: JSONValue | undefined,
  place: Place,
): void {
  const leaf = walk(shape, before, after, new Place(place, element));
  if (before === undefined) place.at("added").add(element);
  else if (after === undefined) place.at("removed").add(element);
  else if (leaf && !equalJSON(before, after)) place.at("modified").add(element);
}

const sameKind = (a: Determined, b: Determined) => a.type === b.type;

/** True when the two are compared as wholes. */
function walk(shape: Shape, before: JSONValue | undefined, after: JSONValue | undefined, place: Place): boolean {
  const [old, now] = [determined(shape, before ?? after), determined(shape, after ?? before)];
  // A value that changed its nature: what was in it is gone, and it is another one.
  if (!sameKind(old, now)) {
    into(old, before, undefined, place);
    into(now, undefined, after, place);
    return true;
  }
  return into(now, before, after, place);
}

function into(shape: Determined, before: JSONValue | undefined, after: JSONValue | undefined, place: Place): boolean {
  if (shape.type === "scalar") return true;
  if (shape.type === "list") {
    const [old, now] = [Array.isArray(before) ? before : [], Array.isArray(after) ? after : []];
    if (shape.relation === "atomic" || (old.length === 0 && now.length === 0)) return true;
    lists(shape, old, now, place);
    return false;
  }
  const [old, now] = [entriesOf(before), entriesOf(after)];
  if (shape.atomic || (old.length === 0 && now.length === 0)) return true;
  for (const [name, value] of old) {
    member(memberShape(shape, name), fieldElement(name), value, isObject(after) ? own(after, name) : undefined, place);
  }
  for (const [name, value] of now) {
    if (isObject(before) && Object.hasOwn(before, name)) continue;
    member(memberShape(shape, name), fieldElement(name), undefined, value, place);
  }
  return false;
}

function grouped(shape: ListShape, list: readonly JSONValue[]): Map<PathElement, JSONValue[]> {
  const groups = new Map<PathElement, JSONValue[]>();
  for (const item of list) {
    const element = elementOf(shape, item);
    const group = groups.get(element);
    if (group === undefined) groups.set(element, [item]);
    else group.push(item);
  }
  return groups;
}

/** Elements that share their keys are one value: stored objects may hold what may no longer be applied. */
function lists(shape: ListShape, before: readonly JSONValue[], after: readonly JSONValue[], place: Place): void {
  const [old, now] = [grouped(shape, before), grouped(shape, after)];
  for (const element of new Set([...old.keys(), ...now.keys()])) {
    const [left, right] = [old.get(element) ?? [], now.get(element) ?? []];
    if (left.length <= 1 && right.length <= 1) member(shape.element(), element, left[0], right[0], place);
    else if (left.length >= 2 && right.length >= 2) {
      if (!equalJSON(left, right)) place.at("modified").add(element);
    } else if (left.length >= 2) {
      if (right.length > 0) member(shape.element(), element, undefined, right[0], place);
      place.at("removed").add(element);
    } else {
      if (left.length > 0) member(shape.element(), element, left[0], undefined, place);
      place.at("added").add(element);
    }
  }
}
