/** What Go writes for a field that holds nothing, and which values count as nothing (encoding/json's omitempty and omitzero). */
import { newObject } from "../json/index.ts";
import type { JSONObject, JSONValue } from "../meta.ts";
import type { Field, FlatField, Struct, Type } from "./table.ts";

/** The zero value of a type as Go would encode it. A fresh value each time. */
export function zeroValue(type: Type): JSONValue {
  switch (type.kind) {
    case "string":
      return "";
    case "bool":
      return false;
    case "int32":
    case "int64":
    case "double":
    case "intOrString":
      return 0;
    case "quantity":
      return "0";
    case "duration":
      return "0s";
    case "struct":
      return zeroStruct(type.struct());
    default:
      return null;
  }
}

function zeroStruct(struct: Struct): JSONObject {
  const out = newObject();
  for (const field of struct.fields) {
    const value = absentValue(field);
    if (value !== undefined) out[field.name] = value;
  }
  return out;
}

/** What stands in the output for a field that the input did not set; undefined when Go leaves it out. */
export function absentValue(field: Field): JSONValue | undefined {
  if (field.omitZero) return undefined;
  if (field.pointer) return field.omitEmpty ? undefined : null;
  if (field.omitEmpty && !hasNoEmptyForm(field.type)) return undefined;
  return zeroValue(field.type);
}

/** Go's omitempty never applies to structures; these are structures in Go. */
export function hasNoEmptyForm(type: Type): boolean {
  switch (type.kind) {
    case "struct":
    case "time":
    case "microTime":
    case "duration":
    case "quantity":
    case "intOrString":
    case "raw":
    case "json":
    case "fieldsV1":
    case "schemaOrArray":
    case "schemaOrBool":
    case "schemaOrStrings":
      return true;
    default:
      return false;
  }
}

/** Whether a decoded value disappears under omitempty or omitzero. */
export function isOmitted(field: FlatField, value: JSONValue): boolean {
  if (value === null) return field.omitZero || (field.omitEmpty && (field.pointer || !hasNoEmptyForm(field.type)));
  if (!field.omitEmpty || field.pointer) return false;
  switch (field.type.kind) {
    case "string":
    case "bytes":
      return value === "";
    case "bool":
      return value === false;
    case "int32":
    case "int64":
    case "double":
      return value === 0 || value === 0n;
    case "list":
      return (value as JSONValue[]).length === 0;
    case "map": {
      for (const _ in value as JSONObject) return false;
      return true;
    }
    default:
      return false;
  }
}
