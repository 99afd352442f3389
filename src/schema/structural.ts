/** A structural schema at work: prunes, defaults and validates objects. Nothing of it is compiled before a value needs it. */
import { append, type FieldError, invalidValue, ROOT } from "../api/field-errors.ts";
import type { JSONObject, JSONValue } from "../api/meta.ts";
import { Correlated } from "./correlation.ts";
import { embeddedErrors } from "./embedded.ts";
import { Findings, Place } from "./findings.ts";
import { listTypeErrors } from "./list-types.ts";
import { EMBEDDED, LIST_TYPES, nodeOf, RULES, type SchemaNode } from "./node.ts";
import { normalize } from "./normalize.ts";
import { Rules } from "./rules.ts";
import type { Schema } from "./types.ts";
import { check } from "./validate.ts";

export interface StructuralSchema {
  readonly schema: Schema;
  /** Prunes and defaults in place; the paths of unknown fields, at most 1,000 each, sorted, those in embedded metadata last. Throws CoercionError. */
  normalize(object: JSONObject): string[];
  /** The same for what was stored, perhaps before the schema asked for anything: embedded metadata that cannot be read is dropped. */
  normalizeStored(object: JSONObject): void;
  /** Errors with paths from the root of the object in upstream's order, rules apart; none when it is valid. At most one more than a Status shows. */
  validate(value: JSONValue): FieldError[];
  /** The same for a change of `old`: what was wrong before and did not change may stay (spec: apiserver 8.7). */
  validateUpdate(value: JSONValue, old: JSONValue): FieldError[];
  /** The same for a change of the status alone: nothing else is held against the schema, uniqueness of items apart. */
  validateStatusUpdate(value: JSONObject, old: JSONObject): FieldError[];
  /**
   * What the rules of the schema add to `errors`, all that was found before, metadata included. undefined: there are no rules. `old` undefined: a
   * create. Broken rules about what did not change are told to `warn` (spec: apiserver 8.6, 8.7).
   */
  validateRules(
    value: JSONValue,
    old: JSONValue | undefined,
    errors: readonly FieldError[],
    warn?: (text: string) => void,
  ): Promise<FieldError[]> | undefined;
}

/** `resource`: the root is a Kubernetes object, whose apiVersion, kind and metadata are known and checked elsewhere. */
export function compileSchema(schema: Schema, resource = true): StructuralSchema {
  const root = nodeOf(schema);
  const rules = new Rules(root, resource);
  const structural = (value: JSONValue) => (root.contains(EMBEDDED) ? embeddedErrors(root, value) : []);
  return {
    schema,
    normalize: (object) => normalize(root, object, resource),
    normalizeStored: (object) => {
      normalize(root, object, resource, true);
    },
    validate(value) {
      const errors = schemaErrors(root, value);
      append(errors, structural(value));
      if (root.contains(LIST_TYPES)) append(errors, listTypeErrors(root, value));
      return errors;
    },
    validateUpdate(value, old) {
      const errors = schemaErrors(root, value, new Correlated(value, old, root));
      append(errors, structural(value));
      append(errors, newListTypeErrors(root, value, old));
      return errors;
    },
    validateStatusUpdate(value, old) {
      const status = root.property("status");
      const errors: FieldError[] = [];
      if (status !== undefined && Object.hasOwn(value, "status")) {
        append(
          errors,
          schemaErrors(status, value["status"]!, new Correlated(value, old, root).key("status"), "status"),
        );
      }
      append(errors, newListTypeErrors(root, value, old));
      return errors;
    },
    validateRules(value, old, errors, warn) {
      if (!root.contains(RULES)) return undefined;
      if (errors.some(({ reason }) => BLOCKING.has(reason))) return Promise.resolve([UNCHECKED]);
      return rules.errorsInSlices(value, old, warn);
    },
  };
}

/** After these a rule could meet a value it was not written for. */
const BLOCKING: ReadonlySet<FieldError["reason"]> = new Set([
  "FieldValueNotSupported",
  "FieldValueRequired",
  "FieldValueTooLong",
  "FieldValueTooMany",
  "FieldValueTypeInvalid",
]);
const UNCHECKED = invalidValue(
  ROOT,
  null,
  "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation",
);

/** Looks for what did not change only when there is something to forgive. */
function schemaErrors(node: SchemaNode, value: JSONValue, correlated?: Correlated, base = ""): FieldError[] {
  const plain = new Findings();
  check(node, value, new Place(base), plain);
  if (plain.errors.length === 0 || correlated === undefined) return plain.errors;
  const ratcheted = new Findings();
  check(node, value, new Place(base), ratcheted, correlated);
  return ratcheted.errors;
}

/** Lists that had repetitions before may have others now. */
function newListTypeErrors(root: SchemaNode, value: JSONValue, old: JSONValue): FieldError[] {
  if (!root.contains(LIST_TYPES)) return [];
  const errors = listTypeErrors(root, value);
  return errors.length > 0 && listTypeErrors(root, old).length > 0 ? [] : errors;
}
