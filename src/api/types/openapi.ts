/** OpenAPI v3 component schemas from the tables: names, types and x-kubernetes facts, no descriptions (spec: apiserver 7.4). */
import { newObject } from "../json/index.ts";
import type { GroupVersionKind, JSONObject, JSONValue } from "../meta.ts";
import type { Field, FlatField, ScalarKind, Struct, Type } from "./table.ts";

const META = "io.k8s.apimachinery.pkg.apis.meta.v1.";
const EXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.";

/** Types that are structures in Go and schemas of their own in the document, though they are scalars here. */
const NAMED: Partial<Record<ScalarKind, readonly [name: string, schema: JSONObject]>> = {
  time: [`${META}Time`, { type: "string", format: "date-time" }],
  microTime: [`${META}MicroTime`, { type: "string", format: "date-time" }],
  duration: [`${META}Duration`, { type: "string" }],
  fieldsV1: [`${META}FieldsV1`, { type: "object" }],
  quantity: ["io.k8s.apimachinery.pkg.api.resource.Quantity", { oneOf: [{ type: "string" }, { type: "number" }] }],
  intOrString: [
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
    { format: "int-or-string", oneOf: [{ type: "integer" }, { type: "string" }] },
  ],
  raw: ["io.k8s.apimachinery.pkg.runtime.RawExtension", { type: "object" }],
  json: [`${EXTENSIONS}JSON`, {}],
  schemaOrArray: [`${EXTENSIONS}JSONSchemaPropsOrArray`, {}],
  schemaOrBool: [`${EXTENSIONS}JSONSchemaPropsOrBool`, {}],
  schemaOrStrings: [`${EXTENSIONS}JSONSchemaPropsOrStringArray`, {}],
};

/** A structure that is a kind, possibly of several group-versions (DeleteOptions is one of all). */
export interface SchemaRoot {
  readonly struct: Struct;
  readonly kinds: readonly GroupVersionKind[];
}

/** The schemas of the roots and of everything they refer to, by model name, in order of first mention. */
export function openapiSchemas(roots: Iterable<SchemaRoot>): JSONObject {
  const out = newObject();
  const kinds = new Map<string, readonly GroupVersionKind[]>();
  const queue: Struct[] = [];
  for (const root of roots) {
    kinds.set(root.struct.model, root.kinds);
    queue.push(root.struct);
  }
  for (let struct = queue.shift(); struct !== undefined; struct = queue.shift()) {
    if (out[struct.model] !== undefined) continue;
    out[struct.model] = schemaOf(struct, kinds.get(struct.model) ?? [], queue, out);
  }
  return out;
}

function schemaOf(struct: Struct, kinds: readonly GroupVersionKind[], queue: Struct[], out: JSONObject): JSONObject {
  const properties = newObject();
  const required: string[] = [];
  for (const field of struct.fields) {
    properties[field.name] = propertyOf(field, queue, out);
    if (field.required) required.push(field.name);
  }
  const schema: JSONObject = { type: "object" };
  if (struct.fields.length > 0) schema["properties"] = properties;
  if (required.length > 0) schema["required"] = required;
  if (kinds.length > 0) {
    schema["x-kubernetes-group-version-kind"] = kinds.map(({ group, kind, version }) => ({ group, kind, version }));
  }
  if (struct.mapType !== "") schema["x-kubernetes-map-type"] = struct.mapType;
  return schema;
}

function propertyOf(field: FlatField, queue: Struct[], out: JSONObject): JSONObject {
  const schema = typeSchema(field.type, field, queue, out);
  const fallback = defaultOf(field);
  if (fallback !== undefined) schema["default"] = fallback;
  if (field.format !== "") schema["format"] = field.format;
  if (field.enum.length > 0) {
    const holder = field.type.kind === "list" ? (schema["items"] as JSONObject) : schema;
    holder["enum"] = [...field.enum];
  }
  if (field.listType !== "") schema["x-kubernetes-list-type"] = field.listType;
  if (field.listMapKeys.length > 0) schema["x-kubernetes-list-map-keys"] = [...field.listMapKeys];
  if (field.mapType !== "") schema["x-kubernetes-map-type"] = field.mapType;
  if (field.patchStrategy !== "") schema["x-kubernetes-patch-strategy"] = field.patchStrategy;
  if (field.patchMergeKey !== "") schema["x-kubernetes-patch-merge-key"] = field.patchMergeKey;
  const { $ref, ...beside } = schema;
  return $ref === undefined || Object.keys(beside).length === 0 ? schema : { allOf: [{ $ref }], ...beside };
}

/** A declared default, or the zero value of what Go always writes. */
function defaultOf(field: Field): JSONValue | undefined {
  if (field.default !== undefined) return field.default;
  if (field.pointer || (field.omitEmpty && field.type.kind !== "struct")) return undefined;
  return zeroDefault(field.type);
}

function zeroDefault(type: Type): JSONValue | undefined {
  switch (type.kind) {
    case "string":
      return "";
    case "bool":
      return false;
    case "int32":
    case "int64":
    case "double":
      return 0;
    case "struct":
      return {};
    default:
      return undefined;
  }
}

function typeSchema(type: Type, field: Field, queue: Struct[], out: JSONObject): JSONObject {
  switch (type.kind) {
    case "string":
      return { type: "string" };
    case "bool":
      return { type: "boolean" };
    case "int32":
      return { type: "integer", format: "int32" };
    case "int64":
      return { type: "integer", format: "int64" };
    case "double":
      return { type: "number", format: "double" };
    case "bytes":
      return { type: "string", format: "byte" };
    case "any":
      return { type: "object" };
    case "list":
      return { type: "array", items: elementSchema(type.element, field, queue, out) };
    case "map":
      return { type: "object", additionalProperties: elementSchema(type.element, field, queue, out) };
    case "struct":
      queue.push(type.struct());
      return reference(type.struct().model, field.pointer);
    default: {
      const [name, schema] = NAMED[type.kind]!;
      out[name] ??= structuredClone(schema);
      if (type.schema !== undefined) queue.push(type.schema());
      return reference(name, true);
    }
  }
}

function elementSchema(type: Type, field: Field, queue: Struct[], out: JSONObject): JSONObject {
  const schema = typeSchema(type, { ...field, pointer: false }, queue, out);
  const zero = zeroDefault(type);
  if (zero !== undefined) schema["default"] = zero;
  return schema;
}

/** A reference that may have siblings must be wrapped: OpenAPI 3.0 ignores what stands beside `$ref`. */
function reference(model: string, bare: boolean): JSONObject {
  const target = { $ref: `#/components/schemas/${model}` };
  return bare ? target : { allOf: [target] };
}
