/** A structural schema, compiled once: prune, default, validate. */
import type { FieldError } from "../api/field-errors.ts";
import { ROOT } from "../api/field-errors.ts";
import type { JSONObject, JSONValue } from "../api/meta.ts";
import { compileNormalize } from "./normalize.ts";
import type { Schema } from "./types.ts";
import { compileCheck } from "./validate.ts";

export interface StructuralSchema {
  readonly schema: Schema;
  /** Prunes and defaults in place; the paths of unknown fields, at most 100, in document order. */
  normalize(object: JSONObject): string[];
  /** Errors with paths from the root of the object; none when it is valid. */
  validate(value: JSONValue): FieldError[];
}

/** `resource`: the root is a Kubernetes object, whose apiVersion, kind and metadata are known and checked elsewhere. Throws for a pattern that is no RE2. */
export function compileSchema(schema: Schema, resource = true): StructuralSchema {
  const normalize = compileNormalize(schema, resource);
  const check = compileCheck(schema, resource);
  return {
    schema,
    normalize(object) {
      const unknown: string[] = [];
      normalize(object, "", unknown);
      return unknown;
    },
    validate(value) {
      const errors: FieldError[] = [];
      check(value, ROOT, errors);
      return errors;
    },
  };
}
