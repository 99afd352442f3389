/** Tells why a schema is not structural: not a tree of typed nodes whose value rules speak only of nodes that exist (spec: apiserver 8.3). */
import { at, child, type FieldError, forbiddenField, invalidValue, required } from "../api/field-errors.ts";
import { compareUTF8 } from "../api/json/index.ts";
import {
  type DefinitionSchema,
  hasProperties,
  itemListOf,
  itemsOf,
  MAX_ERRORS,
  membersOf,
  propertyOf,
} from "./definition-schema.ts";
import { patternProblem } from "./pattern-rules.ts";

type Level = "root" | "item" | "field";

const EMPTY_TYPE: Record<Level, string> = {
  root: "must not be empty at the root",
  item: "must not be empty for specified array items",
  field: "must not be empty for specified object fields",
};

/** What must not stand on a node below a junctor, in upstream's order. */
const FORBIDDEN_BELOW: readonly (readonly [keyof DefinitionSchema, string])[] = [
  ["type", "must be empty to be structural"],
  ["additionalProperties", "must be undefined to be structural"],
  ["default", "must be undefined to be structural"],
  ["title", "must be empty to be structural"],
  ["description", "must be empty to be structural"],
  ["nullable", "must be false to be structural"],
  ["x-kubernetes-preserve-unknown-fields", "must be false to be structural"],
  ["x-kubernetes-embedded-resource", "must be false to be structural"],
  ["x-kubernetes-int-or-string", "must be false to be structural"],
  ["x-kubernetes-list-map-keys", "must be empty to be structural"],
  ["x-kubernetes-list-type", "must be undefined to be structural"],
  ["x-kubernetes-map-type", "must be undefined to be structural"],
  ["x-kubernetes-validations", "must be empty to be structural"],
];

/** All reasons, by text, at most 1,000; none when it is structural. `path` leads to the schema. The schema must be convertible (see `unsupportedField`). */
export function structuralViolations(schema: DefinitionSchema, path: string): FieldError[] {
  const errors: FieldError[] = [];
  invariants(schema, "root", path, errors);
  completeness(schema, schema, path, path, errors);
  const texts = new Map(errors.map((error) => [error, `${error.field}: ${error.message}`]));
  return errors.sort((a, b) => compareUTF8(texts.get(a)!, texts.get(b)!)).slice(0, MAX_ERRORS);
}

/** The first field that has no place in a structural schema, as upstream words it; undefined when the schema can be converted. */
export function unsupportedField(schema: DefinitionSchema): string | undefined {
  const words = unsupportedHere(schema);
  if (words !== undefined) return words;
  for (const nested of [schema.not, ...(schema.allOf ?? []), ...(schema.anyOf ?? []), ...(schema.oneOf ?? [])]) {
    const found = nested && unsupportedField(nested);
    if (found) return found;
  }
  if (schema["x-kubernetes-preserve-unknown-fields"] === false) {
    return "internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined";
  }
  if (itemListOf(schema).length > 0) return "OpenAPIV3Schema 'items' must be a schema, but is an array";
  for (const nested of [itemsOf(schema), membersOf(schema)]) {
    const found = nested && unsupportedField(nested);
    if (found) return found;
  }
  for (const name in schema.properties) {
    const found = unsupportedField(schema.properties[name]!);
    if (found) return found;
  }
  return undefined;
}

function unsupportedHere(schema: DefinitionSchema): string | undefined {
  const filled = (map: object | undefined) => map !== undefined && Object.keys(map).length > 0;
  const present: [string, boolean][] = [
    ["id", Boolean(schema.id)],
    ["schema", Boolean(schema.$schema)],
    ["$ref", Boolean(schema.$ref)],
    ["patternProperties", filled(schema.patternProperties)],
    ["dependencies", filled(schema.dependencies)],
    ["additionalItems", schema.additionalItems !== undefined],
    ["definitions", filled(schema.definitions)],
  ];
  const found = present.find(([, set]) => set);
  return found && `OpenAPIV3Schema '${found[0]}' is not supported`;
}

function invariants(schema: DefinitionSchema, level: Level, path: string, errors: FieldError[]): void {
  if (errors.length >= MAX_ERRORS) return;
  const items = itemsOf(schema);
  if (schema.type === "array" && items === undefined) errors.push(required(child(path, "items"), "must be specified"));
  if (items !== undefined) invariants(items, "item", child(path, "items"), errors);
  for (const name in schema.properties) {
    invariants(schema.properties[name]!, "field", at(child(path, "properties"), name), errors);
  }
  const intOrString = schema["x-kubernetes-int-or-string"] === true;
  const preserves = schema["x-kubernetes-preserve-unknown-fields"] === true;
  const embedded = schema["x-kubernetes-embedded-resource"] === true;
  if (schema.additionalProperties !== undefined) {
    const additional = child(path, "additionalProperties");
    if (level === "root") errors.push(forbiddenField(additional, "must not be used at the root"));
    const members = membersOf(schema);
    if (members !== undefined) invariants(members, "field", additional, errors);
    if (embedded) {
      errors.push(forbiddenField(additional, "must not be used if x-kubernetes-embedded-resource is set"));
    }
  }
  if (intOrString) {
    const detail = "must be false if x-kubernetes-int-or-string is true";
    for (const [name, set] of [
      ["x-kubernetes-preserve-unknown-fields", preserves],
      ["x-kubernetes-embedded-resource", embedded],
    ] as const) {
      if (set) errors.push(invalidValue(child(path, name), true, detail));
    }
  }
  valueRules(schema, isIntOrString(schema.anyOf), isIntOrString(schema.allOf?.[0]?.anyOf), path, errors);
  typeRules(schema, level, path, errors);
  metadataRules(schema, level, path, errors);
  if (embedded && !preserves && !hasProperties(schema)) {
    const detail =
      "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
    errors.push(required(child(path, "properties"), detail));
  }
}

function typeRules(schema: DefinitionSchema, level: Level, path: string, errors: FieldError[]): void {
  const { type = "" } = schema;
  const field = child(path, "type");
  if (schema["x-kubernetes-embedded-resource"] && type !== "object") {
    const detail = "must be object if x-kubernetes-embedded-resource is true";
    errors.push(type === "" ? required(field, detail) : invalidValue(field, type, detail));
  } else if (type === "" && !schema["x-kubernetes-int-or-string"] && !schema["x-kubernetes-preserve-unknown-fields"]) {
    errors.push(required(field, EMPTY_TYPE[level]));
  }
  if (level === "root" && type !== "" && type !== "object") {
    errors.push(invalidValue(field, type, "must be object at the root"));
  }
}

/** What a resource says of its own identity: kind and apiVersion are strings, metadata may only restrict names. */
function metadataRules(schema: DefinitionSchema, level: Level, path: string, errors: FieldError[]): void {
  const resource = level === "root" || schema["x-kubernetes-embedded-resource"] === true;
  const place = (name: string) => at(child(path, "properties"), name);
  if (resource) {
    for (const name of ["kind", "apiVersion"]) {
      const property = propertyOf(schema, name);
      if (property !== undefined && property.type !== "string") {
        errors.push(invalidValue(child(place(name), "type"), property.type ?? "", "must be string"));
      }
    }
  }
  const metadata = propertyOf(schema, "metadata");
  if (metadata === undefined) return;
  if (resource && metadata.type !== "object") {
    errors.push(invalidValue(child(place("metadata"), "type"), metadata.type ?? "", "must be object"));
  }
  if (level === "root" && !restrictsNamesOnly(metadata)) {
    const detail = "must not specify anything other than name and generateName, but metadata is implicitly specified";
    errors.push(forbiddenField(place("metadata"), detail));
  }
}

function restrictsNamesOnly(metadata: DefinitionSchema): boolean {
  for (const name in metadata.properties) if (name !== "name" && name !== "generateName") return false;
  const free = new Set(["type", "default", "properties"]);
  return Object.entries(metadata).every(([key, value]) => free.has(key) || value === undefined);
}

/** Exactly `[{type: integer}, {type: string}]`. */
function isIntOrString(list: readonly DefinitionSchema[] | undefined): boolean {
  return list?.length === 2 && isJustType(list[0]!, "integer") && isJustType(list[1]!, "string");
}

function isJustType(schema: DefinitionSchema, type: string): boolean {
  return schema.type === type && Object.keys(schema).length === 1;
}

/** The junctors and the pattern of a node. `skip…`: that place holds the int-or-string form. */
function valueRules(
  schema: DefinitionSchema,
  skipAnyOf: boolean,
  skipFirstAllOfAnyOf: boolean,
  path: string,
  errors: FieldError[],
): void {
  const each = (junctor: "anyOf" | "allOf" | "oneOf", skipFirst: boolean) => {
    for (const [index, one] of (schema[junctor] ?? []).entries()) {
      nestedRules(one, skipFirst && index === 0, at(child(path, junctor), index), errors);
    }
  };
  if (!skipAnyOf) each("anyOf", false);
  each("allOf", skipFirstAllOfAnyOf);
  each("oneOf", false);
  if (schema.not) nestedRules(schema.not, false, child(path, "not"), errors);
  const { pattern } = schema;
  if (pattern) {
    const problem = patternProblem(pattern);
    if (problem !== undefined) {
      const detail = `must be a valid regular expression, but isn't: ${problem}`;
      errors.push(invalidValue(child(path, "pattern"), pattern, detail));
    }
  }
}

/** A node below a junctor: only value rules are allowed there. */
function nestedRules(schema: DefinitionSchema, skipAnyOf: boolean, path: string, errors: FieldError[]): void {
  if (errors.length >= MAX_ERRORS) return;
  valueRules(schema, skipAnyOf, false, path, errors);
  const items = itemsOf(schema);
  if (items !== undefined) nestedRules(items, false, child(path, "items"), errors);
  for (const name in schema.properties) {
    nestedRules(schema.properties[name]!, false, at(child(path, "properties"), name), errors);
  }
  for (const [name, detail] of FORBIDDEN_BELOW) {
    const value = schema[name];
    // `additionalProperties: false` says nothing here; other empty values were dropped when the schema was decoded.
    if (value === undefined || (value === false && name === "additionalProperties")) continue;
    errors.push(forbiddenField(child(path, name), detail));
  }
  if (propertyOf(schema, "metadata") !== undefined) {
    errors.push(forbiddenField(at(child(path, "properties"), "metadata"), "must not be specified in a nested context"));
  }
}

/** Everything junctors below `rules` speak of must exist in `node`, which lies at `nodePath`. */
function completeness(
  rules: DefinitionSchema,
  node: DefinitionSchema,
  nodePath: string,
  rulePath: string,
  errors: FieldError[],
): void {
  const nested = (one: DefinitionSchema, path: string) => nestedCompleteness(one, node, nodePath, path, errors);
  if (rules.not) nested(rules.not, child(rulePath, "not"));
  for (const junctor of ["allOf", "anyOf", "oneOf"] as const) {
    for (const [index, one] of (rules[junctor] ?? []).entries()) nested(one, at(child(rulePath, junctor), index));
  }
}

function nestedCompleteness(
  rules: DefinitionSchema,
  node: DefinitionSchema | undefined,
  nodePath: string,
  rulePath: string,
  errors: FieldError[],
): void {
  if (errors.length >= MAX_ERRORS) return;
  if (node === undefined) {
    errors.push(required(nodePath, `because it is defined in ${rulePath}`));
    return;
  }
  completeness(rules, node, nodePath, rulePath, errors);
  const items = itemsOf(rules);
  if (items !== undefined) {
    nestedCompleteness(items, itemsOf(node), child(nodePath, "items"), child(rulePath, "items"), errors);
  }
  for (const name in rules.properties) {
    const [nodeField, ruleField] = [nodePath, rulePath].map((path) => at(child(path, "properties"), name)) as [
      string,
      string,
    ];
    nestedCompleteness(rules.properties[name]!, propertyOf(node, name), nodeField, ruleField, errors);
  }
}
