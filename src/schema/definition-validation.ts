/** Whether a schema may stand in a definition: structural, with sound defaults, rules and topology (spec: apiserver 8.2, 8.3). */
import { child, type FieldError, forbiddenField, invalidValue } from "../api/field-errors.ts";
import { defaultErrors } from "./definition-defaults.ts";
import { printedSchema, rootWithStatus } from "./definition-print.ts";
import { hasGranularSet, mapKeyErrors, type RuleEngine, SCHEMA_TYPES, schemaErrors } from "./definition-rules.ts";
import { bounded, type DefinitionSchema, MAX_ERRORS, someSchema } from "./definition-schema.ts";
import { supportedFormat } from "./formats.ts";
import { structuralViolations, unsupportedField } from "./structural-rules.ts";
import type { SchemaType } from "./types.ts";

/** A message that would hold more schemas than this leaves them out. */
const PRINTED_SCHEMAS = 500;

/** What is asked of a schema; an update does not ask for what was missing before. */
export interface DefinitionSchemaOptions {
  /** Beside a status sub-resource the root may say less. */
  readonly status: boolean;
  readonly structural: boolean;
  readonly prunedDefaults: boolean;
  readonly validTypes: boolean;
  readonly atomicSets: boolean;
  readonly mapKeys: boolean;
  /** Undefined when nothing has rules. */
  readonly engine: RuleEngine | undefined;
}

/** Errors in upstream's order, at most 1,000. `path` leads to the schema's holder. */
export function definitionSchemaErrors(
  schema: DefinitionSchema,
  holder: string,
  options: DefinitionSchemaOptions,
): FieldError[] {
  const path = child(holder, "openAPIV3Schema");
  const errors: FieldError[] = [];
  const refused = options.status ? rootWithStatus(schema) : undefined;
  if (refused === "type") {
    const detail =
      'only "object" is allowed as the type at the root of the schema if the status subresource is enabled';
    errors.push(invalidValue(child(path, "type"), schema.type ?? "", detail));
  } else if (refused !== undefined) errors.push(invalidValue(path, printed(schema), refused));
  if (schema.nullable) errors.push(forbiddenField(child(path, "nullable"), "nullable cannot be true at the root"));
  let sound = false;
  let unsupported: string | undefined;
  if (options.structural) {
    unsupported = unsupportedField(schema);
    if (unsupported === undefined) {
      const found = structuralViolations(schema, path);
      const { engine } = options;
      const budget = engine && { remaining: engine.RUNTIME_COST_BUDGET };
      const wrong = found.length > 0 ? found : defaultErrors(schema, path, options.prunedDefaults, budget);
      for (const error of wrong) errors.push(error);
      sound = wrong.length === 0;
    }
  }
  const engine = sound ? options.engine : undefined;
  for (const error of schemaErrors(schema, path, { ...options, engine })) errors.push(error);
  // It overlaps with what was just found, and says less.
  if (errors.length === 0 && unsupported !== undefined) errors.push(invalidValue(path, "", unsupported));
  return bounded(errors);
}

function printed(schema: DefinitionSchema): unknown {
  let count = 0;
  return someSchema(schema, () => ++count > PRINTED_SCHEMAS) ? "…" : printedSchema(schema);
}

/** Whether the schema has rules, and the engine is needed. */
export function hasRules(schema: DefinitionSchema): boolean {
  return someSchema(schema, (one) => (one["x-kubernetes-validations"]?.length ?? 0) > 0);
}

/** Formats that the type of their node does not know, in the order of the schema's nodes, at most 1,000. */
export function unknownFormatsOf(schema: DefinitionSchema): string[] {
  const found: string[] = [];
  someSchema(schema, ({ type, format }) => {
    if (format && supportedFormat(format, type ? [type as SchemaType] : []) === "") found.push(format);
    return found.length >= MAX_ERRORS;
  });
  return found;
}

export function hasDefaults(schema: DefinitionSchema): boolean {
  return someSchema(schema, (one) => one.default !== undefined);
}

/** Whether the schema uses what only structural schemas may use. */
export function hasExtensions(schema: DefinitionSchema): boolean {
  return someSchema(
    schema,
    (one) =>
      one["x-kubernetes-embedded-resource"] === true ||
      one["x-kubernetes-preserve-unknown-fields"] !== undefined ||
      one["x-kubernetes-int-or-string"] === true ||
      one["x-kubernetes-list-type"] !== undefined ||
      (one["x-kubernetes-list-map-keys"]?.length ?? 0) > 0 ||
      (one["x-kubernetes-validations"]?.length ?? 0) > 0,
  );
}

/** What is asked of the next version of a definition with these schemas. */
export function askedAfter(
  schemas: readonly DefinitionSchema[],
): Pick<DefinitionSchemaOptions, "structural" | "prunedDefaults" | "validTypes" | "atomicSets" | "mapKeys"> {
  const none = (holds: (schema: DefinitionSchema) => boolean) => !schemas.some((schema) => someSchema(schema, holds));
  const structural = (schema: DefinitionSchema) =>
    unsupportedField(schema) === undefined && structuralViolations(schema, "").length === 0;
  const sound = schemas.map(structural);
  return {
    structural: !sound.includes(false),
    prunedDefaults: !schemas.some(
      (schema, index) =>
        sound[index] &&
        hasDefaults(schema) &&
        defaultErrors(schema, "", true).some((error) => error.message.endsWith("must not have unknown fields")),
    ),
    validTypes: none((schema) => Boolean(schema.type) && !SCHEMA_TYPES.includes(schema.type!)),
    atomicSets: none(hasGranularSet),
    mapKeys: none((schema) => mapKeyErrors(schema, "").length > 0),
  };
}
