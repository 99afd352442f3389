/** Defaults of a definition must be values of the schema they stand in (spec: apiserver 8.3, rule 11). */
import { aggregateErrors, append, at, child, type FieldError, invalidValue, ROOT } from "../api/field-errors.ts";
import { isObject, newObject } from "../api/json/object.ts";
import type { JSONObject, JSONValue } from "../api/meta.ts";
import type { Budget } from "./cel/index.ts";
import { printedJSON } from "./definition-print.ts";
import { type DefinitionSchema, itemsOf, MAX_ERRORS, membersOf, propertyOf } from "./definition-schema.ts";
import { embeddedErrors } from "./embedded.ts";
import { Findings, Place as ValuePlace } from "./findings.ts";
import { nodeOf, RULES, type SchemaNode } from "./node.ts";
import { Rules } from "./rules.ts";
import type { Schema } from "./types.ts";
import { check } from "./validate.ts";

const EMBEDDED = "x-kubernetes-embedded-resource";
/** The step into a list. */
const ITEM = Symbol("item");
const META = new Set(["apiVersion", "kind", "metadata"]);

/** All errors of the defaults below `path`, at most 1,000. The schema is structural. `pruned`: what a default holds must be specified. `budget`: for rules, whose engine is loaded; without it they are not held against defaults. */
export function defaultErrors(schema: DefinitionSchema, path: string, pruned: boolean, budget?: Budget): FieldError[] {
  const errors: FieldError[] = [];
  const root = { ...schema, [EMBEDDED]: true };
  visit(root, path, { pruned, resource: root, steps: [], insideMetadata: false, budget }, errors);
  return errors;
}

interface Place {
  readonly pruned: boolean;
  /** The object this node is part of, and the way from there. */
  readonly resource: DefinitionSchema;
  readonly steps: readonly (string | typeof ITEM)[];
  /** Part of the object's apiVersion, kind or metadata. */
  readonly insideMetadata: boolean;
  readonly budget: Budget | undefined;
}

function visit(schema: DefinitionSchema, path: string, given: Place, errors: FieldError[]): void {
  if (errors.length >= MAX_ERRORS) return;
  const embedded = schema[EMBEDDED] === true;
  const place = embedded ? { ...given, resource: schema, steps: [], insideMetadata: false } : given;
  if (schema.default !== undefined) append(errors, ownErrors(schema, child(path, "default"), place));
  // No default may stand below additionalProperties of metadata, and elsewhere upstream does not look there.
  const items = itemsOf(schema);
  const { steps } = place;
  if (items !== undefined) visit(items, child(path, "items"), { ...place, steps: [...steps, ITEM] }, errors);
  for (const name in schema.properties) {
    const insideMetadata = place.insideMetadata || (embedded && META.has(name));
    // Only metadata needs the way to itself, and metadata is not deep.
    const next = insideMetadata ? { ...place, insideMetadata, steps: [...steps, name] } : place;
    visit(schema.properties[name]!, at(child(path, "properties"), name), next, errors);
  }
}

function ownErrors(schema: DefinitionSchema, path: string, place: Place): FieldError[] {
  const value = schema.default!;
  const errors: FieldError[] = [];
  const node = nodeOf(schema as Schema);
  if (place.insideMetadata) {
    const wrong = embeddedErrors(nodeOf(place.resource as Schema), surrounding(value, place.steps));
    if (wrong.length > 0) {
      return [invalidValue(path, shown(value), `must result in valid metadata: ${aggregateErrors(wrong)}`)];
    }
  } else {
    if (place.pruned && holdsUnknown(value, schema)) {
      errors.push(invalidValue(path, shown(value), "must not have unknown fields"));
    }
    const wrong = embeddedErrors(node, value);
    if (wrong.length > 0) return [...errors, ...below(path, wrong)];
  }
  const findings = new Findings();
  check(node, value, new ValuePlace(""), findings);
  const wrong = findings.errors.length > 0 ? findings.errors : ruleErrors(node, value, place);
  return [...errors, ...below(path, wrong)];
}

/** A default must be good as a new value and as one that stays. */
function ruleErrors(node: SchemaNode, value: JSONValue, place: Place): FieldError[] {
  const { budget, resource } = place;
  if (!node.contains(RULES) || budget === undefined || budget.remaining < 0) return [];
  const rules = new Rules(node, resource === node.schema);
  const said = new Set<string>();
  return [...rules.errors(value, undefined, budget), ...rules.errors(value, value, budget)].filter(
    ({ field, message }) => !said.has(`${field}\n${message}`) && said.add(`${field}\n${message}`),
  );
}

function below(path: string, errors: readonly FieldError[]): FieldError[] {
  return errors.map((error) => ({ ...error, field: error.field === ROOT ? path : child(path, error.field) }));
}

/** An object that has the value where the steps lead, and is sound otherwise. */
function surrounding(value: JSONValue, steps: readonly (string | typeof ITEM)[]): JSONObject {
  const object = newObject();
  object["apiVersion"] = "validation/v1";
  object["kind"] = "Validation";
  const [first, ...rest] = steps;
  if (typeof first === "string") {
    object[first] = rest.reduceRight<JSONValue>((inner, step) => {
      if (step === ITEM) return [inner];
      const outer = newObject();
      outer[step] = inner;
      return outer;
    }, value);
  }
  return object;
}

function shown(value: JSONValue): unknown {
  return typeof value === "object" ? printedJSON(value) : value;
}

/** Whether pruning by the schema would take something away. Undefined: nothing is specified. */
function holdsUnknown(value: JSONValue, schema: DefinitionSchema | undefined): boolean {
  if (Array.isArray(value)) {
    const preserves = schema?.["x-kubernetes-preserve-unknown-fields"] === true;
    const items = schema && itemsOf(schema);
    return value.some((item) => (preserves ? holdsUnknownBelow(item, items) : holdsUnknown(item, items)));
  }
  if (!isObject(value)) return false;
  return schema === undefined ? Object.keys(value).length > 0 : membersHoldUnknown(value, schema);
}

/** Below a list that preserves: its items preserve as well. */
function holdsUnknownBelow(value: JSONValue, schema: DefinitionSchema | undefined): boolean {
  if (schema === undefined) return false;
  return holdsUnknown(value, { ...schema, "x-kubernetes-preserve-unknown-fields": true });
}

function membersHoldUnknown(value: JSONObject, schema: DefinitionSchema): boolean {
  const embedded = schema[EMBEDDED] === true;
  const preserves = schema["x-kubernetes-preserve-unknown-fields"] === true;
  return Object.keys(value).some((name) => {
    if (embedded && META.has(name)) return false;
    const property = propertyOf(schema, name);
    if (property !== undefined) return holdsUnknown(value[name]!, property);
    if (schema.additionalProperties !== undefined) return holdsUnknown(value[name]!, membersOf(schema));
    return !preserves;
  });
}
