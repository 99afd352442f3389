/** ConfigMap: text and bytes by key, optionally frozen. */
import { forbiddenField, invalidValue, tooLong } from "../../api/field-errors.ts";
import { configMapKey, dns1123Subdomain, utf8Length } from "../../api/names.ts";
import type { FieldError } from "../../api/status.ts";
import type { ResourceDefinition } from "../../server/resource.ts";
import { AGE_COLUMN, age, column, NAME_COLUMN } from "../columns.ts";
import { defineKind } from "../define.ts";
import type { ConfigMap } from "../generated/types.ts";
import { semanticEqual } from "../semantic.ts";

/** All values of a ConfigMap or Secret together, in bytes. */
export const MAX_DATA_BYTES = 1024 * 1024;
export const FROZEN = "field is immutable when `immutable` is set";

/** How many bytes padded base64 stands for. */
export function base64Length(text: string): number {
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  return (text.length / 4) * 3 - padding;
}

export function validateConfigMap(object: ConfigMap): FieldError[] {
  const errors: FieldError[] = [];
  const binary = object.binaryData ?? {};
  let bytes = 0;
  for (const [key, value] of Object.entries(object.data ?? {})) {
    for (const message of configMapKey(key)) errors.push(invalidValue(`data[${key}]`, key, message));
    if (Object.hasOwn(binary, key)) {
      errors.push(invalidValue(`data[${key}]`, key, "duplicate of key present in binaryData"));
    }
    bytes += utf8Length(value);
  }
  for (const [key, value] of Object.entries(binary)) {
    for (const message of configMapKey(key)) errors.push(invalidValue(`binaryData[${key}]`, key, message));
    bytes += base64Length(value);
  }
  if (bytes > MAX_DATA_BYTES) errors.push(tooLong("", MAX_DATA_BYTES));
  return errors;
}

function validateUpdate(object: ConfigMap, old: ConfigMap): FieldError[] {
  const errors: FieldError[] = [];
  if (old.immutable) {
    if (!object.immutable) errors.push(forbiddenField("immutable", FROZEN));
    if (!semanticEqual(object.data, old.data)) errors.push(forbiddenField("data", FROZEN));
    if (!semanticEqual(object.binaryData, old.binaryData)) errors.push(forbiddenField("binaryData", FROZEN));
  }
  return [...errors, ...validateConfigMap(object)];
}

export function configMaps(): ResourceDefinition<ConfigMap> {
  return defineKind<ConfigMap>({
    group: "",
    version: "v1",
    kind: "ConfigMap",
    namespaced: true,
    shortNames: ["cm"],
    nameRule: dns1123Subdomain,
    strategy: { validate: validateConfigMap, validateUpdate },
    table: {
      columns: [NAME_COLUMN, column("Data", "How many keys there are."), AGE_COLUMN],
      cells: (object, now) => [
        object.metadata.name ?? "",
        Object.keys(object.data ?? {}).length + Object.keys(object.binaryData ?? {}).length,
        age(object, now),
      ],
    },
  });
}
