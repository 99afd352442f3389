/** Objects inside of objects (x-kubernetes-embedded-resource): their metadata is decoded like any other, their names follow rules (spec: apiserver 8.3, 8.4). */
import { append, at, child, type FieldError, invalidValue, Printed, ROOT, required } from "../api/field-errors.ts";
import { tables } from "../api/generated/tables.ts";
import { stringifySorted } from "../api/json/canonical.ts";
import { isObject, newObject } from "../api/json/object.ts";
import type { JSONObject, JSONValue, ObjectMeta } from "../api/meta.ts";
import { dns1035Label, pathSegment } from "../api/names.ts";
import { validateObjectMeta } from "../api/object-meta.ts";
import { MAX_CAUSES } from "../api/status.ts";
import { decodeStruct } from "../api/types/decode-json.ts";
import { Cursor, DecodeError, describe } from "../api/types/fault.ts";
import { type FlatField, Types } from "../api/types/table.ts";
import { EMBEDDED, type SchemaNode } from "./node.ts";

const types = new Types(tables);

/**
 * ObjectMeta from a client: strictly decoded wherever it stands, whatever the schema says about it. `embedded`: problems and errors are named from
 * the metadata and not from its object. Throws DecodeError.
 */
export function decodeObjectMeta(value: JSONValue | undefined, cursor: Cursor, embedded = false): ObjectMeta {
  const metadata: JSONValue = value ?? newObject();
  if (!isObject(metadata)) {
    const place = embedded ? "value" : "struct field .metadata";
    throw new DecodeError(`json: cannot unmarshal ${describe(metadata)} into Go ${place} of type v1.ObjectMeta`);
  }
  const partial = types.kind({ group: "meta.k8s.io", version: "v1", kind: "PartialObjectMetadata" })!;
  const field = partial.byName.get("metadata") as FlatField;
  if (field.type.kind !== "struct") throw new TypeError("PartialObjectMetadata.metadata is no structure");
  if (!embedded) cursor.steps.push(field);
  const decoded = decodeStruct(field.type.struct(), metadata, cursor) as ObjectMeta;
  if (!embedded) cursor.steps.pop();
  if (cursor.error !== undefined) throw new DecodeError(cursor.error);
  return decoded;
}

/** Metadata that was stored when nobody checked it: fields that cannot be read are dropped. */
export function salvageObjectMeta(value: JSONValue | undefined): ObjectMeta {
  try {
    return decodeObjectMeta(value, new Cursor(), true);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
  }
  const sound = newObject();
  for (const name of isObject(value) ? Object.keys(value) : []) {
    const alone = newObject();
    alone[name] = (value as JSONObject)[name]!;
    try {
      decodeObjectMeta(alone, new Cursor(), true);
      sound[name] = alone[name]!;
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
    }
  }
  return decodeObjectMeta(sound, new Cursor(), true);
}

/** apiVersion, kind and metadata of every embedded object. */
export function embeddedErrors(node: SchemaNode, value: JSONValue): FieldError[] {
  const errors: FieldError[] = [];
  visit(node, value, ROOT, errors);
  return errors;
}

function visit(node: SchemaNode, value: JSONValue, path: string, errors: FieldError[]): void {
  if (!node.contains(EMBEDDED) || errors.length > MAX_CAUSES) return;
  if (Array.isArray(value)) {
    const { items } = node;
    if (items?.contains(EMBEDDED)) {
      for (const [index, item] of value.entries()) visit(items, item, at(path, index), errors);
    }
  } else if (isObject(value)) {
    if (node.embedded) append(errors, resourceErrors(value, path));
    for (const name of Object.keys(value)) {
      const property = node.property(name);
      if (property !== undefined) visit(property, value[name]!, child(path, name), errors);
      else if (node.additional !== undefined) visit(node.additional, value[name]!, at(path, name), errors);
    }
  }
}

function resourceErrors(object: JSONObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const name of ["apiVersion", "kind"]) {
    if (!Object.hasOwn(object, name)) errors.push(required(child(path, name)));
  }
  for (const name of Object.keys(object)) {
    const value = object[name]!;
    const field = child(path, name);
    if (name === "apiVersion" || name === "kind") {
      const shown = typeof value === "object" ? new Printed(stringifySorted(value)) : value;
      if (typeof value !== "string") errors.push(invalidValue(field, shown, "must be a string"));
      else if (value === "") errors.push(invalidValue(field, value, "must not be empty"));
      else if (name === "apiVersion") {
        if (value.split("/").length > 2) {
          errors.push(invalidValue(field, value, `unexpected GroupVersion string: ${value}`));
        }
      } else {
        const problems = dns1035Label(value.toLowerCase());
        if (problems.length > 0) {
          const detail = `may have mixed case, but should otherwise match: ${problems.join(",")}`;
          errors.push(invalidValue(field, value, detail));
        }
      }
    } else if (name === "metadata") append(errors, metadataErrors(value, field));
  }
  return errors;
}

function metadataErrors(value: JSONValue, path: string): FieldError[] {
  let metadata: ObjectMeta;
  try {
    metadata = decodeObjectMeta(value ?? undefined, new Cursor(), true);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    const shown = typeof value === "object" ? new Printed(stringifySorted(value)) : value;
    return [invalidValue(path, shown, error.message)];
  }
  // A template needs no name.
  const named = metadata.name ? metadata : { ...metadata, name: "fakename" };
  return validateObjectMeta(named, { namespaced: Boolean(metadata.namespace), nameRule: pathSegment }, path);
}
