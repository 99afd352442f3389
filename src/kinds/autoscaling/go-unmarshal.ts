/** Reads JSON as Go's encoding/json fills a struct: keys in any case, unknown ones skipped, null as absent, anything of a wrong type refused. */
import { isObject, newObject, parseJSONText } from "../../api/json/index.ts";
import type { JSONValue } from "../../api/meta.ts";
import { canonicalQuantity } from "../../api/quantity.ts";
import { formatTime, parseTime } from "../../api/time.ts";

/** What a value has to be. `labels`: a map of strings. */
export type Shape =
  | "string"
  | "int32"
  | "quantity"
  | "time"
  | "labels"
  | readonly [Shape]
  | { readonly [field: string]: Shape };

/** The value of a JSON text, with the keys of the shape. Throws for what is no JSON and for what has another shape. */
export function unmarshal(text: string, shape: Shape): unknown {
  return fill(parseJSONText(text).value, shape);
}

function fill(value: JSONValue, shape: Shape): unknown {
  if (value === null) return undefined;
  switch (shape) {
    case "string":
      return typeof value === "string" ? value : mismatch(shape);
    case "int32":
      return typeof value === "number" && (value | 0) === value ? value : mismatch(shape);
    case "quantity":
      return typeof value === "string" || typeof value === "number" || typeof value === "bigint"
        ? canonicalQuantity(value)
        : mismatch(shape);
    case "time":
      return fillTime(value);
    case "labels":
      return fillLabels(value);
    default:
      return Array.isArray(shape)
        ? fillList(value, shape[0] as Shape)
        : fillStruct(value, shape as Record<string, Shape>);
  }
}

function mismatch(shape: string): never {
  throw new TypeError(`the value is no ${shape}`);
}

function fillTime(value: JSONValue): string {
  const at = typeof value === "string" ? parseTime(value) : undefined;
  return at === undefined ? mismatch("time") : formatTime(at);
}

function fillLabels(value: JSONValue): unknown {
  if (!isObject(value)) return mismatch("map of strings");
  const labels = newObject();
  for (const [key, text] of Object.entries(value)) labels[key] = fill(text, "string") === undefined ? "" : text;
  return labels;
}

function fillList(value: JSONValue, item: Shape): unknown {
  const zero = item === "string" ? "" : {};
  return Array.isArray(value) ? value.map((member) => fill(member, item) ?? zero) : mismatch("list");
}

function fillStruct(value: JSONValue, fields: Record<string, Shape>): unknown {
  if (!isObject(value)) return mismatch("object");
  const names = new Map(Object.keys(fields).map((name) => [name.toLowerCase(), name]));
  const filled = newObject() as Record<string, unknown>;
  for (const [key, member] of Object.entries(value)) {
    const name = names.get(key.toLowerCase());
    if (name === undefined) continue;
    const result = fill(member, fields[name]!);
    if (result !== undefined) filled[name] = result;
  }
  return filled;
}
