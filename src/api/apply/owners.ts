/** Who owns what after a write: updaters take what they change, appliers own what they say and give up what they no longer say (spec: apiserver 5.5). */
import { equalJSON } from "../json/object.ts";
import type { JSONValue } from "../meta.ts";
import { compare } from "./compare.ts";
import { EMPTY, FieldSet, fieldElement, fieldSetOf, type PathElement } from "./field-set.ts";
import { fieldsOf } from "./fields-of.ts";
import { keyOf, type ManagerName, type Owner, type Owners } from "./managed.ts";
import { merge } from "./merge.ts";
import { removeFields } from "./remove.ts";
import { memberShape, type Shape } from "./shape.ts";

/** One field that another manager owns with another value. */
export interface Conflict {
  readonly owner: Owner;
  readonly path: readonly PathElement[];
}

export class Conflicts extends Error {
  readonly conflicts: readonly Conflict[];
  constructor(conflicts: readonly Conflict[]) {
    super("conflicts with other managers");
    this.conflicts = conflicts;
  }
}

export interface Write {
  readonly shape: Shape;
  readonly manager: ManagerName;
  /** RFC 3339, seconds. */
  readonly now: string;
  /** What this endpoint resets: nobody comes to own it here. */
  readonly ignored: FieldSet;
}

const metadata = fieldElement("metadata");
/** The server's own: never owned by anybody. */
const SYSTEM_FIELDS = fieldSetOf(
  [fieldElement("apiVersion")],
  [fieldElement("kind")],
  [metadata],
  ...["name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName"].map((name) => [
    metadata,
    fieldElement(name),
  ]),
  ...["generation", "managedFields", "resourceVersion"].map((name) => [metadata, fieldElement(name)]),
);

/** Updaters beyond this many become one, whose fields nobody remembers who changed. */
const MOST_UPDATERS = 10;
const ANCIENT = "ancient-changes";

/** Takes from everybody but `writer` what changed and what is gone. Throws Conflicts unless `force`. */
function settle(
  owners: Map<string, Owner>,
  writer: string,
  changed: FieldSet,
  removed: FieldSet,
  force: boolean,
): void {
  const contested = [...owners].flatMap(([key, owner]) => {
    const fields = key === writer ? EMPTY : owner.fields.intersection(changed);
    return fields.empty ? [] : [{ owner, fields }];
  });
  if (!force && contested.length > 0) {
    throw new Conflicts(
      contested.flatMap(({ owner, fields }) => Array.from(fields.paths(), (path) => ({ owner, path }))),
    );
  }
  for (const [key, owner] of [...owners]) {
    const fields = key === writer ? owner.fields : owner.fields.difference(changed).difference(removed);
    if (fields.empty) owners.delete(key);
    else if (fields !== owner.fields) owners.set(key, { ...owner, fields });
  }
}

/** The owners after a create (`before` is then `{}`), an update or a patch that is no apply. */
export function afterUpdate(write: Write, before: JSONValue, after: JSONValue, last: Owners): Owners {
  const { manager, shape, ignored, now } = write;
  const owners = new Map(last);
  const key = keyOf(manager);
  const { added, modified, removed } = compare(shape, before, after);
  const changed = added.union(modified);
  settle(owners, "", changed.without(ignored), removed.without(ignored), true);
  const taken = changed.without(ignored).difference(SYSTEM_FIELDS);
  if (!taken.empty) {
    const fields = taken.union(owners.get(key)?.fields ?? EMPTY);
    owners.set(key, { ...manager, fields, time: now });
  }
  return capped(owners);
}

function capped(owners: Map<string, Owner>): Owners {
  const updaters = [...owners].filter(([, owner]) => owner.operation === "Update");
  if (updaters.length <= MOST_UPDATERS) return owners;
  updaters.sort(([a, { time: first = "" }], [b, { time: second = "" }]) =>
    first !== second ? (first < second ? -1 : 1) : a < b ? -1 : 1,
  );
  const oldest = new Map<string, string>();
  let count = updaters.length;
  for (const [key, owner] of updaters) {
    if (count <= MOST_UPDATERS) break;
    const { apiVersion } = owner;
    const name: ManagerName = { manager: ANCIENT, operation: "Update", apiVersion, subresource: "" };
    const bucket = keyOf(name);
    const first = oldest.get(apiVersion);
    if (first === undefined) {
      oldest.set(apiVersion, key);
      continue;
    }
    const held = owners.get(bucket) ?? owners.get(first);
    if (!owners.has(bucket)) owners.delete(first);
    owners.set(bucket, { ...name, fields: owner.fields.union(held?.fields ?? EMPTY), time: owner.time });
    if (key !== bucket) owners.delete(key);
    count--;
  }
  return owners;
}

export interface Applied {
  /** The object as applied; undefined when it is what it was. */
  readonly object: JSONValue | undefined;
  readonly owners: Owners;
}

/** Applies a configuration to the live object. Throws Conflicts unless `force`. The configuration was checked before. */
export function applied(write: Write, live: JSONValue, config: JSONValue, last: Owners, force: boolean): Applied {
  const { manager, shape, ignored, now } = write;
  const key = keyOf(manager);
  const owners = new Map(last);
  const before = owners.get(key);
  owners.set(key, { ...manager, fields: fieldsOf(shape, config).without(ignored), time: before?.time });
  const merged = pruned(shape, merge(shape, live, config), owners, before?.fields);
  const { added, modified, removed } = compare(shape, live, merged);
  settle(owners, key, added.union(modified).without(ignored), removed.without(ignored), force);
  const mine = owners.get(key);
  if (mine !== undefined) {
    const fields = mine.fields.difference(SYSTEM_FIELDS);
    if (fields.empty) owners.delete(key);
    else owners.set(key, { ...mine, fields });
  }
  if (equalJSON(live, merged)) return { object: undefined, owners };
  const current = owners.get(key);
  if (current !== undefined) owners.set(key, { ...current, time: now });
  return { object: merged, owners };
}

/** Without what the applier said last time, says no longer, and nobody else owns. */
function pruned(shape: Shape, merged: JSONValue, owners: Owners, last: FieldSet | undefined): JSONValue {
  if (last === undefined || last.empty) return merged;
  const named = (fields: FieldSet) => withNamedFields(shape, fields);
  const lastNamed = named(last);
  const mergedFields = named(fieldsOf(shape, merged));
  const owned = [...owners.values()].reduce((all, { fields }) => all.union(fields), EMPTY);
  const bare = removeFields(shape, merged, lastNamed);
  const back = removeFields(shape, merged, mergedFields.difference(named(fieldsOf(shape, bare)).union(named(owned))));
  // What fell away with its owner but was never the applier's comes back.
  return removeFields(shape, merged, mergedFields.difference(named(fieldsOf(shape, back))).intersection(lastNamed));
}

/** With every declared field on the way to a member: `spec` where `spec.replicas` is owned, but no map's key. */
function withNamedFields(shape: Shape, fields: FieldSet): FieldSet {
  if (fields.children.size === 0) return fields;
  const members = new Set(fields.members);
  const children = new Map<PathElement, FieldSet>();
  for (const [element, set] of fields.children) {
    let below: Shape | undefined;
    if (shape.type === "map" && element.startsWith("f:")) {
      const name = element.slice(2);
      if (shape.field(name) !== undefined) members.add(element);
      below = memberShape(shape, name);
    } else if (shape.type === "list" && element.startsWith("k:")) below = shape.element();
    children.set(element, below === undefined ? set : withNamedFields(below, set));
  }
  return new FieldSet(members, children);
}
