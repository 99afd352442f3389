/** The rules of what versions of a definition may say beside their schema: warnings, sub-resources, columns, selectable fields (spec: apiserver 8.1). */
import { at, child, duplicate, type FieldError, invalidValue, required, tooMany } from "../../api/field-errors.ts";
import { isPrintable } from "../../api/go-quote.ts";
import { utf8Length } from "../../api/json/index.ts";
import { printedJSON } from "../../schema/definition-print.ts";
import { type DefinitionSchema, MAX_ERRORS } from "../../schema/definition-schema.ts";
import { findField } from "../../schema/field-path.ts";
import type {
  CustomResourceColumnDefinition,
  CustomResourceSubresources,
  SelectableField,
} from "../generated/types.ts";

const COLUMN_TYPES = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];
const MAX_SELECTABLE_FIELDS = 8;

export function deprecationErrors(deprecated: boolean, warning: string | undefined, path: string): FieldError[] {
  if (warning === undefined) return [];
  const problems: string[] = [];
  if (!deprecated) problems.push("can only be set for deprecated versions");
  else {
    if (utf8Length(warning) > 256) problems.push("must be <= 256 characters long");
    if (warning === "") problems.push("must not be an empty string");
    const at = firstUnprintable(warning);
    if (at !== undefined) {
      problems.push(`must only contain printable UTF-8 characters; non-printable character found at index ${at}`);
    }
  }
  return problems.map((problem) => invalidValue(path, printedJSON(warning), problem));
}

/** The byte at which the first character nobody can see begins. */
function firstUnprintable(text: string): number | undefined {
  let bytes = 0;
  for (const character of text) {
    if (!isPrintable(character)) return bytes;
    bytes += utf8Length(character);
  }
  return undefined;
}

export function subresourceErrors(subresources: CustomResourceSubresources | undefined, path: string): FieldError[] {
  const scale = subresources?.scale;
  if (!scale) return [];
  const errors: FieldError[] = [];
  for (const [name, root] of [
    ["specReplicasPath", ".spec"],
    ["statusReplicasPath", ".status"],
  ] as const) {
    const value = scale[name] ?? "";
    const field = child(path, `scale.${name}`);
    if (value === "") errors.push(required(field));
    else if (!value.startsWith(".")) errors.push(notSimple(field, value));
    else if (!value.startsWith(`${root}.`)) {
      errors.push(invalidValue(field, value, `should be a json path under ${root}`));
    }
  }
  const selector = scale.labelSelectorPath ?? "";
  const field = child(path, "scale.labelSelectorPath");
  if (selector !== "" && !selector.startsWith(".")) errors.push(notSimple(field, selector));
  else if (selector !== "" && !/^\.(spec|status)\./.test(selector)) {
    errors.push(invalidValue(field, printedJSON(selector), "should be a json path under either .spec or .status"));
  }
  return errors;
}

function notSimple(field: string, value: string): FieldError {
  return invalidValue(field, value, "must be a simple json path starting with .");
}

export function columnErrors(column: CustomResourceColumnDefinition, path: string): FieldError[] {
  const { name = "", type = "", format = "", jsonPath = "" } = column;
  const errors: FieldError[] = [];
  if (name === "") errors.push(required(child(path, "name")));
  const types = `must be one of ${COLUMN_TYPES.join(",")}`;
  if (type === "") errors.push(required(child(path, "type"), types));
  else if (!COLUMN_TYPES.includes(type)) errors.push(invalidValue(child(path, "type"), type, types));
  if (format !== "" && !COLUMN_FORMATS.includes(format)) {
    errors.push(invalidValue(child(path, "format"), format, `must be one of ${COLUMN_FORMATS.join(",")}`));
  }
  const field = child(path, "JSONPath");
  if (jsonPath === "") errors.push(required(field));
  else if (!jsonPath.startsWith(".")) errors.push(notSimple(field, jsonPath));
  return errors;
}

/** `tooManyBefore`: the same fields, more than are allowed, were stored already. */
export function selectableFieldErrors(
  fields: readonly SelectableField[],
  schema: DefinitionSchema,
  path: string,
  tooManyBefore: boolean,
): FieldError[] {
  const errors: FieldError[] = [];
  const paths = new Set<string>();
  for (const [index, { jsonPath = "" }] of fields.entries()) {
    if (errors.length >= MAX_ERRORS) break;
    const field = child(at(path, index), "jsonPath");
    if (jsonPath === "") {
      errors.push(required(field));
      continue;
    }
    const found = findField(jsonPath, schema, false);
    if (typeof found === "string") {
      errors.push(invalidValue(field, jsonPath, `is an invalid path: ${found}`));
      continue;
    }
    if (found.root === "metadata") {
      errors.push(invalidValue(field, jsonPath, "must not point to fields in metadata"));
    }
    if (!["string", "boolean", "integer"].includes(found.schema?.type ?? "")) {
      const detail =
        "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.";
      errors.push(invalidValue(field, jsonPath, detail));
    }
    if (paths.has(found.path)) errors.push(duplicate(field, jsonPath));
    paths.add(found.path);
  }
  if (paths.size > MAX_SELECTABLE_FIELDS && !tooManyBefore) {
    errors.push(tooMany(path, paths.size, MAX_SELECTABLE_FIELDS));
  }
  return errors;
}

/** Whether more fields are selectable than a new definition may have. */
export function hasTooManySelectableFields(fields: readonly SelectableField[] | undefined): boolean {
  return (fields?.length ?? 0) > MAX_SELECTABLE_FIELDS;
}
