/** Items of sets and map lists are unique (x-kubernetes-list-type; spec: apiserver 8.5). */
import { at, child, duplicate, type FieldError, invalidValue, Printed, ROOT } from "../api/field-errors.ts";
import { stringifySorted } from "../api/json/canonical.ts";
import { isObject, newObject } from "../api/json/object.ts";
import type { JSONValue } from "../api/meta.ts";
import { MAX_CAUSES } from "../api/status.ts";
import { LIST_TYPES, type SchemaNode } from "./node.ts";

export function listTypeErrors(node: SchemaNode, value: JSONValue): FieldError[] {
  const errors: FieldError[] = [];
  visit(node, value, ROOT, errors);
  return errors;
}

function visit(node: SchemaNode, value: JSONValue, path: string, errors: FieldError[]): void {
  if (!node.contains(LIST_TYPES) || errors.length > MAX_CAUSES) return;
  if (Array.isArray(value)) {
    if (node.listType === "set") uniqueItems(value, path, errors);
    else if (node.listType === "map") uniqueKeys(node, value, path, errors);
    const { items } = node;
    if (items?.contains(LIST_TYPES)) {
      for (const [index, item] of value.entries()) visit(items, item, at(path, index), errors);
    }
  } else if (isObject(value)) {
    const { additional } = node;
    for (const name of Object.keys(value)) {
      if (additional !== undefined) visit(additional, value[name]!, at(path, name), errors);
      const property = node.property(name);
      if (property !== undefined) visit(property, value[name]!, child(path, name), errors);
    }
  }
}

function uniqueKeys(node: SchemaNode, list: readonly JSONValue[], path: string, errors: FieldError[]): void {
  const wrong = list.findIndex((item) => item !== null && !isObject(item));
  if (wrong >= 0) {
    const item = list[wrong]!;
    const shown = typeof item === "object" ? new Printed(stringifySorted(item)) : item;
    errors.push(invalidValue(at(path, wrong), shown, "must be an object for an array of list-type map"));
    return;
  }
  const keys = node.schema["x-kubernetes-list-map-keys"] ?? [];
  if (keys.length === 1 && distinct(list, keys[0]!)) return;
  const identities = list.map((item) => {
    const identity = newObject();
    if (isObject(item)) {
      for (const key of keys) if (Object.hasOwn(item, key)) identity[key] = item[key]!;
    }
    return identity;
  });
  uniqueItems(identities, path, errors);
}

/** Whether every item has a scalar of its own under `key`: nearly always so, and quickly seen. */
function distinct(list: readonly JSONValue[], key: string): boolean {
  const seen = new Set<JSONValue>();
  for (const item of list) {
    const value = isObject(item) && Object.hasOwn(item, key) ? item[key]! : null;
    if (typeof value === "object") return false;
    seen.add(value);
  }
  return seen.size === list.length;
}

/** Every value that occurs more than once is reported where it occurs for the second time. */
function uniqueItems(list: readonly JSONValue[], path: string, errors: FieldError[]): void {
  if (list.length < 2) return;
  const compounds = list.some((item) => typeof item === "object" && item !== null);
  if (!compounds && new Set(list).size === list.length) return;
  const seen = new Map<unknown, number>();
  list.forEach((item, index) => {
    const compound = typeof item === "object" && item !== null;
    // Scalars are compared as they are: no text can be mistaken for a structure.
    const identity = compound ? stringifySorted(item) : typeof item === "string" ? `"${item}` : item;
    const times = seen.get(identity) ?? 0;
    seen.set(identity, times + 1);
    if (times === 1 && errors.length <= MAX_CAUSES) {
      errors.push(duplicate(at(path, index), compound ? new Printed(identity as string) : item));
    }
  });
}
