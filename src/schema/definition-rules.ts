/** The rules every node of a definition's schema is held to, structural or not (spec: apiserver 8.2, 8.3, 8.6). */
import {
  append,
  at,
  child,
  type FieldError,
  forbiddenField,
  internalFieldError,
  invalidValue,
  notSupported,
  required,
} from "../api/field-errors.ts";
import type { Compiled, Declaration } from "./cel/index.ts";
import { printedItems, printedJSON, printedRule } from "./definition-print.ts";
import {
  bounded,
  type DefinitionRule,
  type DefinitionSchema,
  itemListOf,
  itemsOf,
  MAX_ERRORS,
  membersOf,
  propertyOf,
} from "./definition-schema.ts";
import { findField } from "./field-path.ts";
import { unsupportedField } from "./structural-rules.ts";
import type { Schema } from "./types.ts";

/** What compiles the rules of a node; the engine itself is loaded only when a definition has rules. */
export type RuleEngine = typeof import("./cel/index.ts");

/** What holds for the whole schema. An update asks less of what was stored before. */
export interface SchemaRuleOptions {
  readonly validTypes: boolean;
  readonly atomicSets: boolean;
  readonly mapKeys: boolean;
  /** Undefined: rules are not compiled, because the schema is not sound or there are none. */
  readonly engine: RuleEngine | undefined;
}

/** What holds for one node. */
interface Place {
  /** Why defaults are forbidden; undefined where they are allowed. */
  readonly noDefaults: string | undefined;
  /** Within the metadata of a resource. */
  readonly metadata: boolean;
  /** Above this path two revisions of an object cannot be matched up. */
  readonly uncorrelatable: string | undefined;
  /** The node describes values, and not conditions on them: rules may stand here. */
  readonly values: boolean;
}

/** What values can be. */
export const SCHEMA_TYPES = ["array", "boolean", "integer", "number", "object", "string"];
const REASONS = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
const META = new Set(["metadata", "kind", "apiVersion"]);
const UNSUPPORTED = ["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"] as const;
const PRESERVE = "x-kubernetes-preserve-unknown-fields";
const LIST_TYPE = "x-kubernetes-list-type";
const MAP_KEYS = "x-kubernetes-list-map-keys";
const MAP_TYPE = "x-kubernetes-map-type";
const RULES = "x-kubernetes-validations";

/** All errors of the schema at `path`, at most 1,000; those of expressions come last. */
export function schemaErrors(schema: DefinitionSchema, path: string, options: SchemaRuleOptions): FieldError[] {
  const check = new SchemaCheck(options);
  const place = { noDefaults: undefined, metadata: false, uncorrelatable: undefined, values: true };
  check.node(schema, path, place, true);
  return bounded([...check.schemaErrors, ...check.ruleErrors]);
}

/** One walk over a schema. */
class SchemaCheck {
  readonly schemaErrors: FieldError[] = [];
  readonly ruleErrors: FieldError[] = [];
  readonly #options: SchemaRuleOptions;

  constructor(options: SchemaRuleOptions) {
    this.#options = options;
  }

  node(schema: DefinitionSchema, path: string, place: Place, root: boolean): void {
    const errors = this.schemaErrors;
    if (errors.length >= MAX_ERRORS || this.ruleErrors.length >= MAX_ERRORS) return;
    const before = errors.length;
    standards(schema, path, place, this.#options.validTypes, errors);
    if (schema.uniqueItems) {
      const detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
      errors.push(forbiddenField(child(path, "uniqueItems"), detail));
    }
    this.#members(schema, path, place);
    this.#properties(schema, path, place, root);
    this.#junctors(schema, path, place);
    this.#items(schema, path, place);
    if (schema[PRESERVE] === false) {
      errors.push(invalidValue(child(path, PRESERVE), false, "must be true or undefined"));
    }
    topology(schema, path, this.#options.atomicSets, errors);
    if (this.#options.mapKeys) append(errors, mapKeyErrors(schema, path));
    const rules = schema[RULES];
    if (!rules || rules.length === 0) return;
    let convertible: boolean | undefined;
    // What cannot be converted has no paths, and is told elsewhere.
    const leadsNowhere = (fieldPath: string) => {
      if (typeof findField(fieldPath, schema) !== "string") return false;
      convertible ??= unsupportedField(schema) === undefined;
      return convertible;
    };
    for (const [index, rule] of rules.entries()) {
      if (errors.length >= MAX_ERRORS) return;
      ruleForm(rule, at(child(path, RULES), index), leadsNowhere, errors);
    }
    // An unsound schema has no types: what expressions make of it would only confuse.
    if (errors.length === before && place.values) this.#compile(schema, rules, path, place, root);
  }

  #members(schema: DefinitionSchema, path: string, place: Place): void {
    const { additionalProperties } = schema;
    if (additionalProperties === undefined) return;
    const field = child(path, "additionalProperties");
    if (additionalProperties !== true && Object.keys(schema.properties ?? {}).length > 0) {
      this.schemaErrors.push(forbiddenField(field, "additionalProperties and properties are mutual exclusive"));
    }
    const members = membersOf(schema);
    if (members === undefined) return;
    const noDefaults = place.metadata ? " inside additionalProperties applying to object metadata" : place.noDefaults;
    this.node(members, field, { ...place, noDefaults }, false);
  }

  #properties(schema: DefinitionSchema, path: string, place: Place, root: boolean): void {
    const { properties } = schema;
    if (properties === undefined) return;
    const resource = root || schema["x-kubernetes-embedded-resource"] === true;
    for (const name in properties) {
      const meta = resource && META.has(name);
      const own = !meta
        ? place
        : { ...place, metadata: true, noDefaults: root ? ` in top-level ${name}` : place.noDefaults };
      this.node(properties[name]!, at(child(path, "properties"), name), own, false);
    }
  }

  #junctors(schema: DefinitionSchema, path: string, place: Place): void {
    const inner = place.values ? { ...place, values: false } : place;
    if (schema.not) this.node(schema.not, child(path, "not"), inner, false);
    for (const junctor of ["allOf", "oneOf", "anyOf"] as const) {
      for (const [index, one] of (schema[junctor] ?? []).entries()) {
        this.node(one, at(child(path, junctor), index), inner, false);
      }
    }
    for (const map of ["definitions", "dependencies"] as const) {
      for (const name in schema[map]) {
        const one = schema[map][name]!;
        if (!Array.isArray(one)) this.node(one, at(child(path, map), name), inner, false);
      }
    }
  }

  #items(schema: DefinitionSchema, path: string, place: Place): void {
    if (schema.items === undefined) return;
    const inner = schema[LIST_TYPE] === "map" ? place : uncorrelatable(place, path);
    const items = itemsOf(schema);
    const field = child(path, "items");
    if (items !== undefined) this.node(items, field, inner, false);
    for (const [index, one] of itemListOf(schema).entries()) this.node(one, at(field, index), inner, false);
  }

  #compile(
    schema: DefinitionSchema,
    rules: readonly DefinitionRule[],
    path: string,
    place: Place,
    root: boolean,
  ): void {
    const { engine } = this.#options;
    if (engine === undefined) return;
    const errors = this.ruleErrors;
    const field = child(path, RULES);
    const declaration = declarationOf(engine, schema, root);
    if (declaration === undefined) {
      const detail =
        "internal error: failed to construct type information for x-kubernetes-validations rules: unable to convert structural schema to CEL declarations";
      errors.push(internalFieldError(field, detail));
      return;
    }
    for (const [index, rule] of rules.entries()) {
      if (errors.length >= MAX_ERRORS) return;
      this.#compiled(rule, compiledRule(engine, rule, declaration), at(field, index), place);
    }
  }

  #compiled(rule: DefinitionRule, { condition, message }: CompiledRule, path: string, place: Place): void {
    const errors = this.ruleErrors;
    const { optionalOldSelf } = rule;
    const broken = "error" in condition;
    if (broken) errors.push(invalidValue(child(path, "rule"), printedRule(rule), condition.error));
    else if (message !== undefined && "error" in message) {
      errors.push(invalidValue(child(path, "messageExpression"), printedRule(rule), message.error));
    }
    if (!broken && condition.program.usesOldSelf) {
      if (place.uncorrelatable === undefined) return;
      const detail = `oldSelf cannot be used on the uncorrelatable portion of the schema within ${place.uncorrelatable}`;
      errors.push(invalidValue(child(path, "rule"), rule.rule, detail));
    } else if (optionalOldSelf !== undefined) {
      const detail = "may not be set if oldSelf is not used in rule";
      errors.push(invalidValue(child(path, "optionalOldSelf"), optionalOldSelf, detail));
    }
  }
}

interface CompiledRule {
  readonly condition: Compiled<boolean>;
  readonly message: Compiled<string> | undefined;
}

const declarations = new WeakMap<DefinitionSchema, Declaration>();
const compiledRules = new WeakMap<DefinitionRule, CompiledRule>();

/** What expressions see of a sound node; undefined: nothing. `root`: of the definition. */
export function declarationOf(engine: RuleEngine, schema: DefinitionSchema, root: boolean): Declaration | undefined {
  const known = declarations.get(schema);
  if (known !== undefined) return known;
  // Sound schemas are schemas as instances are checked against.
  const declaration = engine.declareSchema(schema as Schema, root || schema["x-kubernetes-embedded-resource"] === true);
  if (declaration !== undefined) declarations.set(schema, declaration);
  return declaration;
}

/** A rule of the node of `declaration`, compiled once. */
export function compiledRule(engine: RuleEngine, rule: DefinitionRule, declaration: Declaration): CompiledRule {
  const known = compiledRules.get(rule);
  if (known !== undefined) return known;
  const { messageExpression, optionalOldSelf } = rule;
  const input = { declaration, ...(optionalOldSelf !== undefined && { optionalOldSelf }) };
  const compiled = {
    condition: engine.compileRule({ expression: rule.rule, ...input }),
    message: messageExpression
      ? engine.compileMessageExpression({ expression: messageExpression, ...input })
      : undefined,
  };
  compiledRules.set(rule, compiled);
  return compiled;
}

/** The highest such path stays. */
function uncorrelatable(place: Place, path: string): Place {
  return place.uncorrelatable === undefined ? { ...place, uncorrelatable: path } : place;
}

/** Fields that have no place in a definition. */
function standards(
  schema: DefinitionSchema,
  path: string,
  place: Place,
  validTypes: boolean,
  errors: FieldError[],
): void {
  const { type } = schema;
  if (validTypes && type && !SCHEMA_TYPES.includes(type)) {
    errors.push(notSupported(child(path, "type"), type, SCHEMA_TYPES));
  }
  if (schema.default !== undefined && place.noDefaults !== undefined) {
    errors.push(forbiddenField(child(path, "default"), `must not be set${place.noDefaults}`));
  }
  for (const name of UNSUPPORTED) {
    const value = schema[name];
    if (value === undefined || value === null) continue;
    // Empty maps are as good as none, but for dependencies, which upstream only asks to be there.
    if ((name === "patternProperties" || name === "definitions") && Object.keys(value).length === 0) continue;
    errors.push(forbiddenField(child(path, name), `${name} is not supported`));
  }
  if (type === "null") {
    errors.push(forbiddenField(child(path, "type"), "type cannot be set to null, use nullable as an alternative"));
  }
  if (itemListOf(schema).length > 0) {
    errors.push(forbiddenField(child(path, "items"), "items must be a schema object and not an array"));
  }
  if (place.metadata && schema["x-kubernetes-embedded-resource"]) {
    const detail = "must not be used inside of resource meta";
    errors.push(forbiddenField(child(path, "x-kubernetes-embedded-resource"), detail));
  }
}

/** How lists and maps merge: the `x-kubernetes-…-type` family. */
function topology(schema: DefinitionSchema, path: string, atomicSets: boolean, errors: FieldError[]): void {
  const { type = "", [MAP_TYPE]: mapType, [LIST_TYPE]: listType, [MAP_KEYS]: keys = [] } = schema;
  const wrongType = (wanted: string, because: string) => {
    const field = child(path, "type");
    const detail = `must be ${wanted} if ${because} is specified`;
    errors.push(type === "" ? required(field, detail) : invalidValue(field, type, detail));
  };
  if (mapType !== undefined && type !== "object") wrongType("object", MAP_TYPE);
  if (mapType !== undefined && mapType !== "atomic" && mapType !== "granular") {
    errors.push(notSupported(child(path, MAP_TYPE), mapType, ["atomic", "granular"]));
  }
  const items = itemsOf(schema);
  if (listType !== undefined && type !== "array") wrongType("array", LIST_TYPE);
  else if (atomicSets && listType === "set" && items !== undefined) {
    const detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
    const part = items.type === "array" ? LIST_TYPE : MAP_TYPE;
    // Upstream prints the list type in both cases.
    if (!isAtomic(items)) {
      errors.push(invalidValue(child(child(path, "items"), part), printedJSON(items[LIST_TYPE]), detail));
    }
  }
  const field = child(path, LIST_TYPE);
  if (listType !== undefined && !["atomic", "set", "map"].includes(listType)) {
    errors.push(notSupported(field, listType, ["atomic", "set", "map"]));
  }
  if (keys.length > 0 && listType !== "map") {
    const detail = "must be map if x-kubernetes-list-map-keys is non-empty";
    errors.push(listType === undefined ? required(field, detail) : invalidValue(field, listType, detail));
  }
  if (listType === "map") listMap(schema, keys, path, errors);
}

/** Whether the items of a set are compared as wholes: lists are unless they say otherwise, objects only when they say so. */
function isAtomic(items: DefinitionSchema): boolean {
  if (items.type === "array") return (items[LIST_TYPE] ?? "atomic") === "atomic";
  return items.type !== "object" || items[MAP_TYPE] === "atomic";
}

function listMap(schema: DefinitionSchema, keys: readonly string[], path: string, errors: FieldError[]): void {
  const keysField = child(path, MAP_KEYS);
  const itemsField = child(path, "items");
  if (keys.length === 0) {
    errors.push(required(keysField, "must not be empty if x-kubernetes-list-type is map"));
  }
  if (schema.items === undefined) {
    errors.push(required(itemsField, "must have a schema if x-kubernetes-list-type is map"));
    return;
  }
  const items = itemsOf(schema);
  if (items === undefined) {
    const detail = "must only have a single schema if x-kubernetes-list-type is map";
    errors.push(invalidValue(itemsField, printedItems(schema.items), detail));
    return;
  }
  if (items.type !== "object") {
    const detail = "must be object if parent array's x-kubernetes-list-type is map";
    errors.push(invalidValue(child(itemsField, "type"), items.type ?? "", detail));
    return;
  }
  const seen = new Set<string>();
  const printed = printedJSON([...keys]);
  for (const key of keys) {
    if (errors.length >= MAX_ERRORS) return;
    const property = propertyOf(items, key);
    if (property === undefined) {
      errors.push(invalidValue(keysField, printed, "entries must all be names of item properties"));
    } else if (property.type === "array" || property.type === "object") {
      const detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
      // Upstream prints the type of the item.
      errors.push(invalidValue(child(at(child(itemsField, "properties"), key), "type"), items.type, detail));
    }
    if (seen.has(key)) errors.push(invalidValue(keysField, printed, "must not contain duplicate entries"));
    seen.add(key);
  }
}

/** Whether sets of objects, or of lists, are not compared as wholes: stored before upstream asked for it. */
export function hasGranularSet(schema: DefinitionSchema): boolean {
  const items = itemsOf(schema);
  return schema[LIST_TYPE] === "set" && items !== undefined && !isAtomic(items);
}

/** Items of sets and maps, and the keys of maps, are always there. */
export function mapKeyErrors(schema: DefinitionSchema, path: string): FieldError[] {
  const items = itemsOf(schema);
  const listType = schema[LIST_TYPE];
  if (items === undefined || (listType !== "set" && listType !== "map")) return [];
  const errors: FieldError[] = [];
  const field = child(path, "items");
  if (items.nullable) {
    const detail = `cannot be nullable when x-kubernetes-list-type is ${listType}`;
    errors.push(forbiddenField(child(field, "nullable"), detail));
  }
  if (listType === "set") return errors;
  const wanted = new Set(items.required);
  for (const key of schema[MAP_KEYS] ?? []) {
    if (errors.length >= MAX_ERRORS) break;
    const property = propertyOf(items, key);
    if (property === undefined) continue;
    const place = at(child(field, "properties"), key);
    const because = "this property is in x-kubernetes-list-map-keys, so it";
    if (!wanted.has(key) && property.default === undefined) {
      errors.push(required(child(place, "default"), `${because} must have a default or be a required property`));
    }
    if (property.nullable) errors.push(forbiddenField(child(place, "nullable"), `${because} cannot be nullable`));
  }
  return errors;
}

const hasLineBreaks = (text: string) => /[\n\r]/.test(text);

/** What a rule must look like before anybody compiles it. */
function ruleForm(
  rule: DefinitionRule,
  path: string,
  leadsNowhere: (fieldPath: string) => boolean,
  errors: FieldError[],
): void {
  const { rule: expression = "", message = "", messageExpression = "", fieldPath = "", reason } = rule;
  const [ruleText, messageText] = [goTrim(expression), goTrim(message)];
  const messageField = child(path, "message");
  if (ruleText === "") errors.push(required(child(path, "rule"), "rule is not specified"));
  else if (message !== "" && messageText === "") {
    errors.push(invalidValue(messageField, message, "must be non-empty if specified"));
  } else if (hasLineBreaks(messageText)) {
    errors.push(invalidValue(messageField, message, "must not contain line breaks"));
  } else if (hasLineBreaks(ruleText) && messageText === "") {
    errors.push(required(messageField, "message must be specified if rule contains line breaks"));
  }
  if (messageExpression !== "" && goTrim(messageExpression) === "") {
    errors.push(required(child(path, "messageExpression"), "messageExpression must be non-empty if specified"));
  }
  if (reason !== undefined && !REASONS.includes(reason)) {
    errors.push(notSupported(child(path, "reason"), reason, REASONS));
  }
  if (fieldPath === "") return;
  const field = child(path, "fieldPath");
  if (goTrim(fieldPath) === "") errors.push(invalidValue(field, fieldPath, "must be non-empty if specified"));
  if (hasLineBreaks(fieldPath)) errors.push(invalidValue(field, fieldPath, "must not contain line breaks"));
  if (leadsNowhere(fieldPath)) {
    errors.push(invalidValue(field, fieldPath, "must be a valid path"));
  }
}

/** As strings.TrimSpace: Unicode's white space, which is not quite JavaScript's. */
function goTrim(text: string): string {
  return text.replace(/^[\p{White_Space}]+|[\p{White_Space}]+$/gu, "");
}
