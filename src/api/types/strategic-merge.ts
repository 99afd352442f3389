/** Strategic merge patch: lists merge by the keys of the table, directives steer and never stay in the result (spec: apiserver 5.4). */
import { printGo } from "../go-print.ts";
import { cloneJSON, isObject, newObject } from "../json/index.ts";
import type { JSONObject, JSONValue } from "../meta.ts";
import { badRequest, StatusError } from "../status.ts";
import type { Struct, Type } from "./table.ts";

const PATCH = "$patch";
const RETAIN_KEYS = "$retainKeys";
const DELETE_FROM = "$deleteFromPrimitiveList";
const ELEMENT_ORDER = "$setElementOrder";

const BAD_PRIMITIVE_LIST = "invalid patch format of primitive list";
const BAD_RETAIN_KEYS = "invalid patch format of retainKeys";
const BAD_ELEMENT_ORDER = "invalid patch format of setElementOrder list";

/**
 * Merges `patch` into `original` and returns a new value; neither argument is touched. Throws the StatusErrors of kube-apiserver: 400 for a
 * malformed directive, 422 for lists of lists, 500 for whatever upstream does not foresee either.
 */
export function strategicMerge(struct: Struct, original: JSONObject, patch: JSONValue): JSONObject {
  if (!isObject(patch)) throw badRequest("invalid JSON document");
  return mergeMap(cloneJSON(original) as JSONObject, cloneJSON(patch) as JSONObject, struct);
}

/** Upstream has no status of its own for these: they reach the client as a bare 500. */
function unforeseen(text: string): StatusError {
  return new StatusError(500, "", text);
}

function listOfLists(): StatusError {
  const text = "lists of lists are not supported";
  return new StatusError(422, "Invalid", "the server rejected our request due to an error in our request", {
    causes: [{ reason: "UnexpectedServerResponse", message: text }],
  });
}

interface FieldMeta {
  /** The structure below: of the field, or of the list's elements. */
  readonly struct: Struct | undefined;
  readonly strategy: string;
  readonly mergeKey: string;
}

/** What the table says of a member that both sides hold. */
function metaOf(struct: Struct | undefined, key: string, list: boolean): FieldMeta {
  const field = struct?.byName.get(key);
  if (struct === undefined) return { struct: undefined, strategy: "", mergeKey: "" };
  if (field === undefined)
    throw unforeseen(`unable to find api field in struct ${struct.name} for the json field "${key}"`);
  let type: Type = field.type;
  if (list && type.kind === "list") type = type.element;
  const strategies = field.patchStrategy.split(",").filter((strategy) => strategy !== "" && strategy !== "retainKeys");
  if (strategies.length > 1)
    throw unforeseen(`unexpected patch strategy: [${field.patchStrategy.replaceAll(",", " ")}]`);
  return {
    struct: type.kind === "struct" ? type.struct() : undefined,
    strategy: strategies[0] ?? "",
    mergeKey: field.patchMergeKey,
  };
}

/** Deeper than any structure of ours; below it both sides are free-form JSON, and the stack is not theirs to spend. */
const MAX_DEPTH = 1_000;

function mergeMap(original: JSONObject, patch: JSONObject, struct: Struct | undefined, depth = 0): JSONObject {
  if (depth > MAX_DEPTH) throw badRequest("strategic merge patch: exceeded max depth");
  if (Object.hasOwn(patch, PATCH)) return applyDirective(patch);
  retainKeys(original, patch);
  orderElements(original, patch, struct, depth);
  for (const name of Object.keys(patch)) {
    const deletion = name.startsWith(DELETE_FROM);
    const key = deletion ? suffixOf(name, DELETE_FROM, BAD_PRIMITIVE_LIST) : name;
    const value = patch[name]!;
    if (value === null) {
      delete original[key];
      continue;
    }
    const held = original[key];
    const same = held !== undefined && held !== null && shapeOf(held) === shapeOf(value);
    if (!same || shapeOf(value) === "scalar") {
      if (!deletion) place(original, key, same ? value : withoutNulls(value));
      continue;
    }
    if (Array.isArray(value)) {
      const meta = metaOf(struct, key, true);
      const list = held as JSONValue[];
      original[key] =
        deletion || meta.strategy === "merge" ? mergeList(list, value, meta, deletion, depth) : stripped(value);
    } else {
      const meta = metaOf(struct, key, false);
      original[key] =
        meta.strategy === "replace"
          ? stripped(value)
          : mergeMap(held as JSONObject, value as JSONObject, meta.struct, depth + 1);
    }
  }
  return original;
}

function applyDirective(patch: JSONObject): JSONObject {
  const directive = patch[PATCH]!;
  if (directive === "delete") return newObject();
  if (directive !== "replace") throw unforeseen(`unknown patch type: ${printGo(directive)} in map: ${printGo(patch)}`);
  delete patch[PATCH];
  return stripped(patch);
}

type Shape = "list" | "map" | "scalar";

function shapeOf(value: JSONValue): Shape {
  if (Array.isArray(value)) return "list";
  return typeof value === "object" && value !== null ? "map" : "scalar";
}

function suffixOf(name: string, prefix: string, problem: string): string {
  if (!name.startsWith(`${prefix}/`)) throw badRequest(problem);
  return name.slice(prefix.length + 1);
}

/** Sets what the patch brings new, without its directives; a value that is itself a directive removes the key. */
function place(target: JSONObject, key: string, value: JSONValue): void {
  const clean = withoutDirectives(value);
  if (clean === undefined) delete target[key];
  else target[key] = clean;
}

/** A value that replaces another as a whole. */
function stripped<T extends JSONValue>(value: T): T {
  return (withoutDirectives(value) ?? (Array.isArray(value) ? [] : newObject())) as T;
}

/** Cleans in place, without recursion: what a patch brings may be as deep as a body. */
function withoutDirectives(value: JSONValue): JSONValue | undefined {
  if (typeof value !== "object" || value === null) return value;
  const gone = (inner: JSONValue) => isObject(inner) && Object.hasOwn(inner, PATCH);
  if (gone(value)) return undefined;
  const work: (JSONValue[] | JSONObject)[] = [value];
  for (let next = work.pop(); next !== undefined; next = work.pop()) {
    if (Array.isArray(next)) {
      const kept = next.filter((item) => !gone(item));
      if (kept.length < next.length) {
        for (let index = 0; index < kept.length; index++) next[index] = kept[index]!;
        next.length = kept.length;
      }
      for (const item of next) if (typeof item === "object" && item !== null) work.push(item);
      continue;
    }
    for (const key of Object.keys(next)) {
      const inner = next[key]!;
      if (isDirective(key) || gone(inner)) delete next[key];
      else if (typeof inner === "object" && inner !== null) work.push(inner);
    }
  }
  return value;
}

function isDirective(key: string): boolean {
  return key === RETAIN_KEYS || key.startsWith(`${DELETE_FROM}/`) || key.startsWith(`${ELEMENT_ORDER}/`);
}

/** A null in a patch says "delete": where there is nothing to delete it disappears. Inside lists only maps are cleaned. */
function withoutNulls(value: JSONValue): JSONValue {
  const work: JSONValue[] = [value];
  for (let next = work.pop(); next !== undefined; next = work.pop()) {
    if (typeof next !== "object" || next === null) continue;
    if (Array.isArray(next)) {
      for (const item of next) work.push(item);
      continue;
    }
    for (const key of Object.keys(next)) {
      if (next[key] === null) delete next[key];
      else work.push(next[key]!);
    }
  }
  return value;
}

function retainKeys(original: JSONObject, patch: JSONObject): void {
  const keys = patch[RETAIN_KEYS];
  if (keys === undefined) return;
  delete patch[RETAIN_KEYS];
  if (!Array.isArray(keys)) throw badRequest(BAD_RETAIN_KEYS);
  const retained = new Set<JSONValue>(keys);
  for (const key of Object.keys(patch)) {
    if (patch[key] === null || key.startsWith(DELETE_FROM) || key.startsWith(ELEMENT_ORDER)) continue;
    if (!retained.has(key)) throw badRequest(BAD_RETAIN_KEYS);
  }
  for (const key of Object.keys(original)) if (!retained.has(key)) delete original[key];
}

/** Applies every `$setElementOrder/<list>` together with the patch for that list, and takes both out of the patch. */
function orderElements(original: JSONObject, patch: JSONObject, struct: Struct | undefined, depth: number): void {
  for (const name of Object.keys(patch)) {
    if (!name.startsWith(ELEMENT_ORDER)) continue;
    const order = asList(patch[name]!);
    delete patch[name];
    const key = suffixOf(name, ELEMENT_ORDER, BAD_ELEMENT_ORDER);
    const held = original[key] === undefined ? undefined : asList(original[key]);
    const changes = patch[key] === undefined ? undefined : asList(patch[key]);
    const meta = metaOf(struct, key, true);
    checkOrder(changes ?? [], order, meta.mergeKey);
    if (held === undefined && changes === undefined) continue;
    let merged: JSONValue[];
    if (changes === undefined) merged = held!;
    else if (held === undefined) merged = stripped(changes);
    else if (meta.strategy === "merge") merged = mergeList(held, changes, meta, false, depth);
    else merged = stripped(changes);
    const kind = elementShape(held ?? [], changes ?? []);
    original[key] = arrange(merged, order, held ?? [], meta.mergeKey, kind);
    delete patch[key];
  }
}

function asList(value: JSONValue): JSONValue[] {
  if (Array.isArray(value)) return value;
  throw unforeseen(`expected a []interface {}, but received a ${goType(value)}`);
}

/** The patch must name its elements in the order of the directive. */
function checkOrder(changes: JSONValue[], order: JSONValue[], mergeKey: string): void {
  if (changes.length === 0 || order.length === 0) return;
  const kept = mergeKey === "" ? changes : changes.filter((item) => !(isObject(item) && Object.hasOwn(item, PATCH)));
  let next = 0;
  for (const wanted of order) {
    if (next >= kept.length) return;
    if (identity(kept[next]!, mergeKey) === identity(wanted, mergeKey)) next++;
  }
  if (next < kept.length) {
    throw unforeseen(
      `The order in patch list:\n${printGo(changes)}\n doesn't match ${ELEMENT_ORDER} list:\n${printGo(order)}\n`,
    );
  }
}

function mergeList(
  original: JSONValue[],
  patch: JSONValue[],
  meta: FieldMeta,
  deletion: boolean,
  depth: number,
): JSONValue[] {
  if (original.length === 0 && patch.length === 0) return original;
  const shape = elementShape(original, patch);
  if (shape !== "map") {
    if (deletion) {
      const gone = new Set(patch.map((item) => identity(item, "")));
      return original.filter((item) => !gone.has(identity(item, "")));
    }
    return arrange(unique([...original, ...patch]), patch, original, "", shape);
  }
  const { mergeKey } = meta;
  if (mergeKey === "") throw unforeseen("cannot merge lists without merge key for struct");
  const { base, changes } = applyElementDirectives(original as JSONObject[], patch as JSONObject[], mergeKey);
  const merged = [...base];
  const places = new Map<string, number>();
  base.forEach((item, index) => {
    const id = own(item, mergeKey);
    if (id !== undefined && !places.has(id)) places.set(id, index);
  });
  for (const change of changes) {
    const id = identity(change, mergeKey);
    const at = places.get(id);
    if (at === undefined) {
      const added = stripped(withoutNulls(change) as JSONObject);
      places.set(id, merged.push(added) - 1);
    } else merged[at] = mergeMap(merged[at]!, change, meta.struct, depth + 1);
  }
  return arrange(merged, changes, base, mergeKey, shape);
}

/** Takes `$patch` elements out of a list patch: delete removes the matching element, replace drops all that was there. */
function applyElementDirectives(
  original: JSONObject[],
  patch: JSONObject[],
  mergeKey: string,
): { base: JSONObject[]; changes: JSONObject[] } {
  const changes: JSONObject[] = [];
  const deleted = new Set<string>();
  let replace = false;
  for (const item of patch) {
    const directive = item[PATCH];
    if (directive === undefined) changes.push(item);
    else if (directive === "delete") deleted.add(identity(item, mergeKey));
    else if (directive === "replace") replace = true;
    else if (directive === "merge") throw unforeseen("merging lists cannot yet be specified in the patch");
    else throw unforeseen(`unknown patch type: ${printGo(directive)} in map: ${printGo(item)}`);
  }
  if (replace) return { base: changes.map((item) => stripped(item)), changes: [] };
  const base = deleted.size === 0 ? original : original.filter((item) => !deleted.has(own(item, mergeKey) ?? ""));
  return { base, changes };
}

/** One key for Go's comparison of two merge keys or two scalars. */
function identity(item: JSONValue, mergeKey: string): string {
  if (mergeKey === "") return `${typeof item}:${printGo(item)}`;
  if (!isObject(item)) throw unforeseen(`expected a map[string]interface {}, but received a ${goType(item)}`);
  const id = own(item, mergeKey);
  if (id === undefined) throw unforeseen(`map: ${printGo(item)} does not contain declared merge key: ${mergeKey}`);
  return id;
}

function own(item: JSONObject, mergeKey: string): string | undefined {
  if (!Object.hasOwn(item, mergeKey)) return undefined;
  const value = item[mergeKey]!;
  return typeof value === "object" && value !== null ? printGo(value) : `${typeof value}:${value}`;
}

/** Each scalar once. Upstream moves the last element into the gap of a duplicate, and so do we. */
function unique(list: JSONValue[]): JSONValue[] {
  const out = [...list];
  const lastPlace = new Map<string, number>();
  for (let index = 0; index < out.length; index++) {
    for (;;) {
      const id = identity(out[index]!, "");
      const first = lastPlace.get(id);
      if (first === undefined) {
        lastPlace.set(id, index);
        break;
      }
      const last = out.pop()!;
      if (index >= out.length) break;
      out[index] = last;
    }
  }
  return out;
}

/**
 * Elements that `order` names come in that order; those only the server has keep the order of `serverOrder`; both are interleaved so that a
 * server element stays in front of a named one where the server had it so.
 */
function arrange(
  merged: JSONValue[],
  order: JSONValue[],
  serverOrder: JSONValue[],
  mergeKey: string,
  shape: Shape,
): JSONValue[] {
  const id = (item: JSONValue) => identity(item, shape === "map" ? mergeKey : "");
  const rank = (list: JSONValue[]) => {
    const ranks = new Map<string, number>();
    list.forEach((item, index) => {
      const key = id(item);
      if (!ranks.has(key)) ranks.set(key, index);
    });
    return ranks;
  };
  const named = rank(order);
  const served = rank(serverOrder);
  const left = merged.filter((item) => !named.has(id(item)));
  const right = merged.filter((item) => named.has(id(item)));
  right.sort((a, b) => named.get(id(a))! - named.get(id(b))!);
  left.sort((a, b) => (served.get(id(a)) ?? 0) - (served.get(id(b)) ?? 0));
  const out: JSONValue[] = [];
  let i = 0;
  let j = 0;
  while (i < left.length && j < right.length) {
    const l = served.get(id(left[i]!));
    const r = served.get(id(right[j]!));
    out.push(l !== undefined && r !== undefined && l < r ? left[i++]! : right[j++]!);
  }
  return [...out, ...left.slice(i), ...right.slice(j)];
}

/** What both lists hold; upstream refuses mixtures. */
function elementShape(...lists: JSONValue[][]): Shape {
  let found: string | undefined;
  let shape: Shape = "scalar";
  for (const item of lists.flat(1)) {
    if (Array.isArray(item)) throw listOfLists();
    const type = goType(item);
    if (found !== undefined && found !== type) {
      throw unforeseen(`list element types are not identical: ${printGo(lists)}`);
    }
    found = type;
    shape = shapeOf(item);
  }
  if (found === undefined) throw unforeseen("no elements in any of the given slices");
  return shape;
}

function goType(value: JSONValue): string {
  if (value === null) return "%!s(<nil>)";
  if (Array.isArray(value)) return "[]interface {}";
  switch (typeof value) {
    case "object":
      return "map[string]interface {}";
    case "boolean":
      return "bool";
    case "string":
      return "string";
    case "bigint":
      return "int64";
    default:
      return Number.isInteger(value) ? "int64" : "float64";
  }
}
