/** Definitions as errors print them: the fields of upstream's internal types, in their order, none left out (spec: apiserver 2.6). */
import { Printed } from "../api/field-errors.ts";
import { stringifySorted } from "../api/json/canonical.ts";
import { quoteJSON, sortKeys, stringifyJSON } from "../api/json/index.ts";
import type { JSONValue } from "../api/meta.ts";
import type { DefinitionRule, DefinitionSchema } from "./definition-schema.ts";

type Form =
  | "string"
  | "bool"
  | "pointer"
  | "list"
  | "json"
  | "jsonList"
  | "schema"
  | "schemas"
  | "map"
  | "items"
  | "orBool"
  | "dependencies"
  | "docs"
  | "rules";

/** Go's name of a field, its name in JSON, what it holds. */
const FIELDS: readonly (readonly [string, keyof DefinitionSchema, Form])[] = [
  ["ID", "id", "string"],
  ["Schema", "$schema", "string"],
  ["Ref", "$ref", "pointer"],
  ["Description", "description", "string"],
  ["Type", "type", "string"],
  ["Nullable", "nullable", "bool"],
  ["Format", "format", "string"],
  ["Title", "title", "string"],
  ["Default", "default", "json"],
  ["Maximum", "maximum", "pointer"],
  ["ExclusiveMaximum", "exclusiveMaximum", "bool"],
  ["Minimum", "minimum", "pointer"],
  ["ExclusiveMinimum", "exclusiveMinimum", "bool"],
  ["MaxLength", "maxLength", "pointer"],
  ["MinLength", "minLength", "pointer"],
  ["Pattern", "pattern", "string"],
  ["MaxItems", "maxItems", "pointer"],
  ["MinItems", "minItems", "pointer"],
  ["UniqueItems", "uniqueItems", "bool"],
  ["MultipleOf", "multipleOf", "pointer"],
  ["Enum", "enum", "jsonList"],
  ["MaxProperties", "maxProperties", "pointer"],
  ["MinProperties", "minProperties", "pointer"],
  ["Required", "required", "list"],
  ["Items", "items", "items"],
  ["AllOf", "allOf", "schemas"],
  ["OneOf", "oneOf", "schemas"],
  ["AnyOf", "anyOf", "schemas"],
  ["Not", "not", "schema"],
  ["Properties", "properties", "map"],
  ["AdditionalProperties", "additionalProperties", "orBool"],
  ["PatternProperties", "patternProperties", "map"],
  ["Dependencies", "dependencies", "dependencies"],
  ["AdditionalItems", "additionalItems", "orBool"],
  ["Definitions", "definitions", "map"],
  ["ExternalDocs", "externalDocs", "docs"],
  ["Example", "example", "json"],
  ["XPreserveUnknownFields", "x-kubernetes-preserve-unknown-fields", "pointer"],
  ["XEmbeddedResource", "x-kubernetes-embedded-resource", "bool"],
  ["XIntOrString", "x-kubernetes-int-or-string", "bool"],
  ["XListMapKeys", "x-kubernetes-list-map-keys", "list"],
  ["XListType", "x-kubernetes-list-type", "pointer"],
  ["XMapType", "x-kubernetes-map-type", "pointer"],
  ["XValidations", "x-kubernetes-validations", "rules"],
];

/** What the root may hold when the status sub-resource is on, in upstream's words. */
const AT_ROOT = [
  "Description",
  "Type",
  "Format",
  "Title",
  "Maximum",
  "ExclusiveMaximum",
  "Minimum",
  "ExclusiveMinimum",
  "MaxLength",
  "MinLength",
  "Pattern",
  "MaxItems",
  "MinItems",
  "UniqueItems",
  "MultipleOf",
  "Required",
  "Items",
  "Properties",
  "ExternalDocs",
  "Example",
  "XPreserveUnknownFields",
  "XValidations",
];

/** Why a schema cannot stand at the root beside a status sub-resource: what comes first in upstream's order. */
export function rootWithStatus(schema: DefinitionSchema): "type" | string | undefined {
  for (const [go, name] of FIELDS) {
    if (schema[name] === undefined) continue;
    if (go === "Type") {
      if (schema.type !== "object") return "type";
    } else if (!AT_ROOT.includes(go)) {
      return `only [${AT_ROOT.join(" ")}] fields are allowed at the root of the schema if the status subresource is enabled`;
    }
  }
  return undefined;
}

export function printedSchema(schema: DefinitionSchema): Printed {
  return new Printed(schemaText(schema));
}

export function printedRule(rule: DefinitionRule): Printed {
  return new Printed(ruleText(rule));
}

/** The holder of `items`: one schema, or a list. */
export function printedItems(items: DefinitionSchema["items"]): Printed {
  return new Printed(itemsText(items));
}

/** A value behind a pointer: quoted as JSON and not as Go quotes. */
export function printedJSON(value: JSONValue | undefined): Printed {
  return new Printed(stringifySorted(value ?? null));
}

function schemaText(schema: DefinitionSchema): string {
  const parts = FIELDS.map(([go, name, form]) => `"${go}":${formText(form, schema[name])}`);
  return `{${parts.join(",")}}`;
}

function formText(form: Form, value: DefinitionSchema[keyof DefinitionSchema]): string {
  if (form === "string") return quoteJSON((value as string | undefined) ?? "");
  if (form === "bool") return value === true ? "true" : "false";
  if (value === undefined || value === null) return "null";
  switch (form) {
    case "schema":
      return schemaText(value as DefinitionSchema);
    case "schemas":
      return `[${(value as DefinitionSchema[]).map(schemaText).join(",")}]`;
    case "map":
      return mapText(value as Record<string, DefinitionSchema>, schemaText);
    case "items":
      return itemsText(value as DefinitionSchema["items"]);
    case "orBool":
      return `{"Allows":${value !== false},"Schema":${typeof value === "object" ? schemaText(value as DefinitionSchema) : "null"}}`;
    case "dependencies":
      return mapText(value as Record<string, DefinitionSchema | string[]>, (one) =>
        Array.isArray(one)
          ? `{"Schema":null,"Property":${stringifyJSON(one)}}`
          : `{"Schema":${schemaText(one)},"Property":null}`,
      );
    case "docs": {
      const { description = "", url = "" } = value as { description?: string; url?: string };
      return `{"Description":${quoteJSON(description)},"URL":${quoteJSON(url)}}`;
    }
    case "rules":
      return `[${(value as DefinitionRule[]).map(ruleText).join(",")}]`;
    default:
      return stringifySorted(value);
  }
}

function itemsText(items: DefinitionSchema["items"]): string {
  const [one, list] = Array.isArray(items)
    ? ["null", `[${items.map(schemaText).join(",")}]`]
    : [items ? schemaText(items) : "null", "null"];
  return `{"Schema":${one},"JSONSchemas":${list}}`;
}

function mapText<T>(map: Readonly<Record<string, T>>, one: (value: T) => string): string {
  return `{${sortKeys(Object.keys(map))
    .map((name) => `${quoteJSON(name)}:${one(map[name]!)}`)
    .join(",")}}`;
}

function ruleText(rule: DefinitionRule): string {
  const { rule: text = "", message = "", messageExpression = "", fieldPath = "" } = rule;
  const reason = rule.reason === undefined ? "null" : quoteJSON(rule.reason);
  const optional = rule.optionalOldSelf === undefined ? "null" : `${rule.optionalOldSelf}`;
  return (
    `{"Rule":${quoteJSON(text)},"Message":${quoteJSON(message)},"MessageExpression":${quoteJSON(messageExpression)},` +
    `"Reason":${reason},"FieldPath":${quoteJSON(fieldPath)},"OptionalOldSelf":${optional}}`
  );
}
