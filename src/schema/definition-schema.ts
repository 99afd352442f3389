/** A schema as somebody writes it into a definition, before anything is known of it: what Kubernetes accepts beside what it forbids (spec: apiserver 8.2). */
import type { FieldError } from "../api/field-errors.ts";
import type { JSONValue } from "../api/meta.ts";

/** One entry of `x-kubernetes-validations`. */
export interface DefinitionRule {
  rule: string;
  message?: string;
  messageExpression?: string;
  reason?: string;
  fieldPath?: string;
  optionalOldSelf?: boolean;
}

/** JSONSchemaProps as its codec decodes it: what Go would hold as its zero value is absent. */
export interface DefinitionSchema {
  id?: string;
  $schema?: string;
  $ref?: string;
  description?: string;
  type?: string;
  format?: string;
  title?: string;
  default?: JSONValue;
  maximum?: number;
  exclusiveMaximum?: boolean;
  minimum?: number;
  exclusiveMinimum?: boolean;
  maxLength?: number;
  minLength?: number;
  pattern?: string;
  maxItems?: number;
  minItems?: number;
  uniqueItems?: boolean;
  multipleOf?: number;
  enum?: JSONValue[];
  maxProperties?: number;
  minProperties?: number;
  required?: string[];
  items?: DefinitionSchema | DefinitionSchema[];
  allOf?: DefinitionSchema[];
  oneOf?: DefinitionSchema[];
  anyOf?: DefinitionSchema[];
  not?: DefinitionSchema;
  properties?: Record<string, DefinitionSchema>;
  additionalProperties?: DefinitionSchema | boolean;
  patternProperties?: Record<string, DefinitionSchema>;
  dependencies?: Record<string, DefinitionSchema | string[]>;
  additionalItems?: DefinitionSchema | boolean;
  definitions?: Record<string, DefinitionSchema>;
  externalDocs?: { description?: string; url?: string };
  example?: JSONValue;
  nullable?: boolean;
  "x-kubernetes-preserve-unknown-fields"?: boolean;
  "x-kubernetes-embedded-resource"?: boolean;
  "x-kubernetes-int-or-string"?: boolean;
  "x-kubernetes-list-map-keys"?: string[];
  "x-kubernetes-list-type"?: string;
  "x-kubernetes-map-type"?: string;
  "x-kubernetes-validations"?: DefinitionRule[];
}

/** The most errors one definition is told; nobody reads more. */
export const MAX_ERRORS = 1_000;
/** The longest they may be together, in UTF-16 units: each can hold a long value. */
const MAX_TEXT = 2_000_000;

/** The first errors, as many as anybody can be told. */
export function bounded(errors: readonly FieldError[]): FieldError[] {
  let text = 0;
  const end = errors.findIndex(({ message }, index) => {
    text += message.length;
    return index >= MAX_ERRORS || text > MAX_TEXT;
  });
  return end < 0 ? [...errors] : errors.slice(0, Math.max(end, 1));
}

type Holder = DefinitionSchema | boolean | readonly unknown[] | null | undefined;

function isSchema(value: Holder): value is DefinitionSchema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The schema of all items; undefined when there is none or a list of them. */
export function itemsOf(schema: DefinitionSchema): DefinitionSchema | undefined {
  return isSchema(schema.items) ? schema.items : undefined;
}

/** The schemas of the first, second, … item. */
export function itemListOf(schema: DefinitionSchema): DefinitionSchema[] {
  return Array.isArray(schema.items) ? schema.items : [];
}

/** The schema of members that `properties` does not name. */
export function membersOf(schema: DefinitionSchema): DefinitionSchema | undefined {
  return isSchema(schema.additionalProperties) ? schema.additionalProperties : undefined;
}

/** The schema of a property, undefined for what is inherited or missing. */
export function propertyOf(schema: DefinitionSchema, name: string): DefinitionSchema | undefined {
  const { properties } = schema;
  return properties !== undefined && Object.hasOwn(properties, name) ? properties[name] : undefined;
}

/** Whether there are properties at all. */
export function hasProperties({ properties }: DefinitionSchema): boolean {
  // for…in stops at the first: a schema can have a hundred thousand.
  for (const _ in properties) return true;
  return false;
}

/** How a field holds schemas: one or a list of them, or a map. */
const HOLDERS: ReadonlyMap<string, "some" | "map"> = new Map([
  ["items", "some"],
  ["allOf", "some"],
  ["anyOf", "some"],
  ["oneOf", "some"],
  ["not", "some"],
  ["additionalProperties", "some"],
  ["additionalItems", "some"],
  ["properties", "map"],
  ["patternProperties", "map"],
  ["definitions", "map"],
  ["dependencies", "map"],
]);

/** Whether any schema in this one, itself included, answers true; asked in no order that matters. Nothing is put on the stack: depth does not hurt. */
export function someSchema(root: DefinitionSchema | undefined, holds: (schema: DefinitionSchema) => boolean): boolean {
  const open: DefinitionSchema[] = root === undefined ? [] : [root];
  const enter = (value: Holder) => {
    if (isSchema(value)) open.push(value);
    else if (Array.isArray(value)) for (const one of value) if (isSchema(one)) open.push(one);
  };
  for (let schema = open.pop(); schema !== undefined; schema = open.pop()) {
    if (holds(schema)) return true;
    // A schema says little and could say much: what it says is gone through.
    for (const name in schema) {
      const holder = HOLDERS.get(name);
      if (holder === undefined) continue;
      const value = schema[name as keyof DefinitionSchema] as Holder;
      if (holder === "some") enter(value);
      else if (isSchema(value)) for (const key in value) enter((value as Record<string, Holder>)[key]);
    }
  }
  return false;
}
