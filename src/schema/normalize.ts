/** What happens to an object before anybody looks at it: unknown fields go, nulls that a default replaces go, defaults come (spec: apiserver 8.4). */
import { cloneJSON, isObject } from "../api/json/object.ts";
import type { JSONValue } from "../api/meta.ts";
import type { Schema } from "./types.ts";

/** Changes `value` in place in one pass; `unknown` receives the paths of what was pruned. */
export type Normalize = (value: JSONValue, path: string, unknown: string[]) => void;

/** How many pruned paths are remembered. */
const MAX_UNKNOWN = 100;

const nothing: Normalize = () => {};
const IMPLICIT = new Set(["apiVersion", "kind", "metadata"]);

/** Compiles the pass for one schema. `resource`: apiVersion, kind and metadata are known without being specified. */
export function compileNormalize(schema: Schema, resource = false): Normalize {
  const embedded = resource || schema["x-kubernetes-embedded-resource"] === true;
  if (schema.items !== undefined) return compileList(schema.items);
  const additional = schema.additionalProperties;
  const preserve = schema["x-kubernetes-preserve-unknown-fields"] === true || additional === true;
  const fields = new Map<string, Normalize>();
  const defaults: [string, JSONValue][] = [];
  const notNullable = new Set<string>();
  for (const [name, child] of Object.entries(schema.properties ?? {})) {
    fields.set(name, embedded && name === "metadata" ? nothing : compileNormalize(child));
    if (child.default === undefined) continue;
    defaults.push([name, child.default]);
    if (child.nullable !== true) notNullable.add(name);
  }
  const members = typeof additional === "object" ? compileNormalize(additional) : undefined;
  const memberDefault = typeof additional === "object" && additional.nullable !== true ? additional.default : undefined;
  // A node with no type and no members says nothing about its value.
  if (schema.type !== "object" && schema.properties === undefined && members === undefined) return nothing;

  return (value, path, unknown) => {
    if (!isObject(value)) return;
    for (const name of Object.keys(value)) {
      const field = fields.get(name);
      if (field === undefined && members === undefined) {
        if (preserve || (embedded && IMPLICIT.has(name))) continue;
        if (unknown.length < MAX_UNKNOWN) unknown.push(path === "" ? name : `${path}.${name}`);
        delete value[name];
        continue;
      }
      const member = value[name]!;
      if (member === null) {
        if (notNullable.has(name)) delete value[name];
        else if (memberDefault !== undefined) value[name] = cloneJSON(memberDefault);
      } else if (typeof member === "object") {
        (field ?? members!)(member, path === "" ? name : `${path}.${name}`, unknown);
      }
    }
    for (const [name, absent] of defaults) {
      if (Object.hasOwn(value, name)) continue;
      const filled = cloneJSON(absent);
      value[name] = filled;
      // A default may itself lack what its own schema defaults.
      fields.get(name)!(filled, path === "" ? name : `${path}.${name}`, unknown);
    }
  };
}

function compileList(items: Schema): Normalize {
  const item = compileNormalize(items);
  const replacement = items.nullable === true ? undefined : items.default;
  if (item === nothing && replacement === undefined) return nothing;
  return (value, path, unknown) => {
    if (!Array.isArray(value)) return;
    for (let index = 0; index < value.length; index++) {
      if (value[index] === null && replacement !== undefined) value[index] = cloneJSON(replacement);
      else item(value[index]!, `${path}[${index}]`, unknown);
    }
  };
}
