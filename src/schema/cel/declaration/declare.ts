/** The type of a schema node, and how values of it are read; parts are made when an expression first comes to them. */
import type { Schema } from "../../types.ts";
import {
  BOOL,
  BYTES,
  type CelType,
  DOUBLE,
  DURATION,
  DYN,
  INT,
  listOf,
  mapOf,
  STRING,
  struct,
  TIMESTAMP,
} from "../check/types.ts";
import type { Merge } from "../values/list.ts";
import { Double } from "../values/numbers.ts";
import type { Value } from "../values/value.ts";
import { escapeName, isKeyword } from "./escape.ts";
import {
  MapView,
  nullable,
  ObjectView,
  type Property,
  type Read,
  readBool,
  readBytes,
  readDate,
  readDouble,
  readDuration,
  readInt,
  readIntOrString,
  readList,
  readMap,
  readObject,
  readString,
  readTimestamp,
  readUnknown,
} from "./view.ts";

/** What a schema node looks like to expressions. */
export interface Declaration {
  readonly schema: Schema;
  readonly type: CelType;
  readonly read: Read;
}

/**
 * Undefined: expressions cannot see the node, because nothing says what is in it. `resource`: the node is the root of an object of
 * Kubernetes, whose kind and name are always there. `name` is what its type is called in errors.
 */
export function declare(schema: Schema, resource: boolean, name = "selfType"): Declaration | undefined {
  const made = declareNonNull(schema, resource, name);
  return made && { ...made, read: nullable(made.read, schema.nullable === true) };
}

const STRING_FORMATS = new Map<string, [CelType, Read]>([
  ["byte", [BYTES, readBytes]],
  ["duration", [DURATION, readDuration]],
  ["date", [TIMESTAMP, readDate]],
  ["date-time", [TIMESTAMP, readTimestamp]],
]);

function declareNonNull(schema: Schema, resource: boolean, name: string): Declaration | undefined {
  if (schema["x-kubernetes-int-or-string"] === true) return { schema, type: DYN, read: readIntOrString };
  switch (schema.type) {
    case "array":
      return declareList(schema, name);
    case "object":
      return declareObject(schema, resource, name);
    case "string": {
      const [type, read] = STRING_FORMATS.get(schema.format ?? "") ?? [STRING, readString];
      return { schema, type, read };
    }
    case "boolean":
      return { schema, type: BOOL, read: readBool };
    case "number":
      return { schema, type: DOUBLE, read: readDouble };
    case "integer":
      return { schema, type: INT, read: readInt };
    default:
      return undefined;
  }
}

function isEmbedded(schema: Schema): boolean {
  return schema["x-kubernetes-embedded-resource"] === true;
}

function declareList(schema: Schema, name: string): Declaration | undefined {
  if (schema.items === undefined) return undefined;
  const items = declare(schema.items, isEmbedded(schema.items), `${name}.@idx`);
  return items && { schema, type: listOf(items.type), read: readList(items.read, mergeOf(schema)) };
}

function declareObject(schema: Schema, resource: boolean, name: string): Declaration | undefined {
  const values = schema.additionalProperties;
  if (typeof values === "object") {
    const declared = declare(values, isEmbedded(values), `${name}.@elem`);
    return declared && { schema, type: mapOf(STRING, declared.type), read: readMap(declared.read) };
  }
  const properties = new Map(Object.entries(schema.properties ?? {}));
  if (resource) addMeta(properties);
  const declared = new Map<string, Declaration | undefined>();
  const names = new Map<string, string>();
  for (const property of properties.keys()) {
    const escaped = escapeName(property);
    if (escaped !== undefined) names.set(escaped, property);
    if (isKeyword(property)) names.set(property, property);
  }
  const find = (field: string): Declaration | undefined => {
    const property = names.get(field);
    if (property === undefined) return undefined;
    if (!declared.has(field)) {
      const child = properties.get(property)!;
      declared.set(field, declare(child, isEmbedded(child), `${name}.${field}`));
    }
    return declared.get(field);
  };
  const shape = (): Map<string, Property> => {
    const all = new Map<string, Property>();
    for (const [field, property] of names)
      all.set(field, {
        name: property,
        read: find(field)?.read ?? readUnknown,
        plain: !(property in Object.prototype),
      });
    return all;
  };
  return { schema, type: struct(name, (field) => find(field)?.type), read: readObject(shape) };
}

const TEXT: Schema = { type: "string" };
const META: Schema = { type: "object", properties: { name: TEXT, generateName: TEXT } };

/** `kind`, `apiVersion` and the name are there, whatever the schema says; when it says less, it says nothing of metadata. */
function addMeta(properties: Map<string, Schema>): void {
  const meta = properties.get("metadata");
  const complete =
    properties.get("kind")?.type === "string" &&
    properties.get("apiVersion")?.type === "string" &&
    meta?.type === "object" &&
    meta.properties?.["name"]?.type === "string" &&
    meta.properties["generateName"]?.type === "string";
  if (complete) return;
  properties.set("kind", TEXT);
  properties.set("apiVersion", TEXT);
  properties.set("metadata", META);
}

/** How sets, and lists that are maps of their elements, compare and grow. */
function mergeOf(schema: Schema): Merge | undefined {
  switch (schema["x-kubernetes-list-type"]) {
    case "set":
      return { key: (raw) => raw, replace: false, raw: rawOf };
    case "map": {
      const keys = schema["x-kubernetes-list-map-keys"] ?? [];
      return { key: (raw) => keyOf(raw, keys), replace: true, raw: rawOf };
    }
    default:
      return undefined;
  }
}

function keyOf(raw: unknown, keys: readonly string[]): unknown {
  if (typeof raw !== "object" || raw === null) return raw;
  const parts = keys.map((key) => (Object.hasOwn(raw, key) ? (raw as Record<string, unknown>)[key] : undefined));
  return parts.length === 1
    ? parts[0]
    : JSON.stringify(parts.map((part) => (typeof part === "bigint" ? `${part}n` : (part ?? null))));
}

/** The JSON a value was read from. */
function rawOf(value: Value): unknown {
  if (value instanceof ObjectView || value instanceof MapView) return value.raw;
  return value instanceof Double ? value.value : value;
}
