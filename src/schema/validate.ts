/** Checks values against a schema, compiled once to closures; errors carry upstream's words (spec: apiserver 8.5). Formats are documentation only. */
import { RE2JS } from "re2js";
import {
  at,
  child,
  duplicate,
  type FieldError,
  invalidValue,
  notSupported,
  Printed,
  ROOT,
  required,
  tooLong,
  tooMany,
  typeInvalid,
} from "../api/field-errors.ts";
import { goFloat } from "../api/go-quote.ts";
import { stringifySorted } from "../api/json/canonical.ts";
import { equalJSON, isObject } from "../api/json/object.ts";
import type { JSONValue } from "../api/meta.ts";
import type { Schema } from "./types.ts";

export type Check = (value: JSONValue, path: string, errors: FieldError[]) => void;

/** Nobody reads more; a body of three megabytes could hold a million. */
const MAX_ERRORS = 1_000;
const META = new Set(["apiVersion", "kind", "metadata"]);

/** Compiles the checks of `schema`. `resource`: metadata is checked elsewhere. Throws when a pattern is no RE2. */
export function compileCheck(schema: Schema, resource = false): Check {
  const checks: Check[] = [];
  const intOrString = schema["x-kubernetes-int-or-string"] === true;
  if (schema.enum !== undefined) checks.push(enumCheck(schema.enum));
  checks.push(
    ...stringChecks(schema),
    ...numberChecks(schema),
    ...listChecks(schema),
    ...objectChecks(schema, resource),
  );
  checks.push(...junctorChecks(schema));
  const types: readonly string[] = intOrString ? ["integer", "string"] : schema.type === undefined ? [] : [schema.type];
  const nullable = schema.nullable === true;
  return (value, path, errors) => {
    if (errors.length >= MAX_ERRORS) return;
    if (value === null && nullable) return;
    if (types.length > 0 && !types.some((type) => hasType(value, type))) {
      const actual = typeOf(value);
      errors.push(typeInvalid(path, actual, `${inBody(path)} must be of type ${types.join(",")}: "${actual}"`));
      return;
    }
    for (const check of checks) check(value, path, errors);
  };
}

function inBody(path: string): string {
  return path === ROOT ? " in body" : `${path} in body`;
}

function typeOf(value: JSONValue): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "bigint") return "integer";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

function hasType(value: JSONValue, type: string): boolean {
  const actual = typeOf(value);
  return actual === type || (type === "number" && actual === "integer");
}

function isNumber(value: JSONValue): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}

/** Structures are printed with sorted keys, as Go prints maps. */
function shown(value: JSONValue): unknown {
  return typeof value === "object" ? new Printed(stringifySorted(value)) : value;
}

function enumCheck(allowed: readonly JSONValue[]): Check {
  const names = allowed.map((value) => (typeof value === "string" ? value : stringifySorted(value)));
  return (value, path, errors) => {
    if (!allowed.some((candidate) => equalJSON(candidate, value))) errors.push(notSupported(path, shown(value), names));
  };
}

/** The number of code points: what lengths of strings count. */
function codePoints(text: string): number {
  let count = 0;
  for (let index = 0; index < text.length; index++) {
    if ((text.charCodeAt(index) & 0xfc00) !== 0xdc00) count++;
  }
  return count;
}

function stringChecks({ minLength, maxLength, pattern }: Schema): Check[] {
  const checks: Check[] = [];
  if (maxLength !== undefined) {
    checks.push((value, path, errors) => {
      if (typeof value === "string" && codePoints(value) > maxLength) errors.push(tooLong(path, maxLength));
    });
  }
  if (minLength !== undefined) {
    checks.push((value, path, errors) => {
      if (typeof value === "string" && codePoints(value) < minLength) {
        errors.push(invalidValue(path, value, `${inBody(path)} should be at least ${minLength} chars long`));
      }
    });
  }
  if (pattern !== undefined && pattern !== "") {
    // Linear in the length of the value, whatever the pattern (security A-32).
    const compiled = RE2JS.compile(pattern);
    checks.push((value, path, errors) => {
      if (typeof value === "string" && !compiled.matcher(value).find()) {
        errors.push(invalidValue(path, value, `${inBody(path)} should match '${pattern}'`));
      }
    });
  }
  return checks;
}

function numberChecks(schema: Schema): Check[] {
  const { minimum, maximum, multipleOf } = schema;
  const checks: Check[] = [];
  if (multipleOf !== undefined) {
    checks.push((value, path, errors) => {
      if (!isNumber(value)) return;
      const quotient = Number(value) / multipleOf;
      if (!Number.isInteger(quotient)) {
        errors.push(invalidValue(path, value, `${inBody(path)} should be a multiple of ${goFloat(multipleOf)}`));
      }
    });
  }
  const bound = (limit: number, exclusive: boolean, words: string, wrong: (value: number | bigint) => boolean) => {
    const detail = `should be ${words}${exclusive ? "" : " than or equal to"} ${goFloat(limit)}`;
    checks.push((value, path, errors) => {
      if (isNumber(value) && wrong(value)) errors.push(invalidValue(path, value, `${inBody(path)} ${detail}`));
    });
  };
  if (maximum !== undefined) {
    const exclusive = schema.exclusiveMaximum === true;
    bound(maximum, exclusive, exclusive ? "less than" : "less", (value) =>
      exclusive ? value >= maximum : value > maximum,
    );
  }
  if (minimum !== undefined) {
    const exclusive = schema.exclusiveMinimum === true;
    bound(minimum, exclusive, exclusive ? "greater than" : "greater", (value) =>
      exclusive ? value <= minimum : value < minimum,
    );
  }
  return checks;
}

function listChecks(schema: Schema): Check[] {
  const { minItems, maxItems, items } = schema;
  const checks: Check[] = [];
  if (minItems !== undefined) {
    checks.push((value, path, errors) => {
      if (Array.isArray(value) && value.length < minItems) {
        errors.push(invalidValue(path, value.length, `${inBody(path)} should have at least ${minItems} items`));
      }
    });
  }
  if (maxItems !== undefined) {
    checks.push((value, path, errors) => {
      if (Array.isArray(value) && value.length > maxItems) errors.push(tooMany(path, value.length, maxItems));
    });
  }
  if (items !== undefined) {
    const item = compileCheck(items);
    checks.push((value, path, errors) => {
      if (!Array.isArray(value)) return;
      for (let index = 0; index < value.length && errors.length < MAX_ERRORS; index++) {
        item(value[index]!, at(path, index), errors);
      }
    });
  }
  const listType = schema["x-kubernetes-list-type"];
  if (listType === "set" || listType === "map") {
    const keys = schema["x-kubernetes-list-map-keys"] ?? [];
    checks.push((value, path, errors) => {
      if (Array.isArray(value)) uniqueItems(value, listType === "set" ? undefined : keys, path, errors);
    });
  }
  return checks;
}

/** Items of a set are equal as wholes, items of a map when their keys are. */
function uniqueItems(list: JSONValue[], keys: readonly string[] | undefined, path: string, errors: FieldError[]): void {
  const seen = new Set<string>();
  const reported = new Set<string>();
  list.forEach((item, index) => {
    let identity: JSONValue = item;
    if (keys !== undefined) {
      if (!isObject(item)) return;
      identity = Object.fromEntries(keys.filter((key) => Object.hasOwn(item, key)).map((key) => [key, item[key]!]));
    }
    const text = stringifySorted(identity);
    if (seen.has(text) && !reported.has(text)) {
      reported.add(text);
      errors.push(duplicate(at(path, index), shown(identity)));
    }
    seen.add(text);
  });
}

function objectChecks(schema: Schema, resource: boolean): Check[] {
  const { minProperties, maxProperties, additionalProperties } = schema;
  const checks: Check[] = [];
  if (maxProperties !== undefined) {
    checks.push((value, path, errors) => {
      const count = isObject(value) ? Object.keys(value).length : 0;
      if (count > maxProperties) errors.push(tooMany(path, count, maxProperties));
    });
  }
  if (minProperties !== undefined) {
    checks.push((value, path, errors) => {
      if (!isObject(value)) return;
      const count = Object.keys(value).length;
      if (count < minProperties) {
        errors.push(invalidValue(path, count, `${inBody(path)} should have at least ${minProperties} properties`));
      }
    });
  }
  const embedded = schema["x-kubernetes-embedded-resource"] === true;
  const wanted = embedded ? [...new Set([...(schema.required ?? []), "apiVersion", "kind"])] : (schema.required ?? []);
  const properties = new Map<string, Check>();
  for (const [name, member] of Object.entries(schema.properties ?? {})) {
    if (!((resource || embedded) && META.has(name))) properties.set(name, compileCheck(member));
  }
  const additional = typeof additionalProperties === "object" ? compileCheck(additionalProperties) : undefined;
  if (properties.size > 0 || additional !== undefined) {
    checks.push((value, path, errors) => {
      if (!isObject(value)) return;
      for (const name of Object.keys(value)) {
        const check = properties.get(name) ?? (schema.properties === undefined ? additional : undefined);
        check?.(value[name]!, child(path, name), errors);
      }
    });
  }
  if (wanted.length > 0) {
    checks.push((value, path, errors) => {
      if (!isObject(value)) return;
      for (const name of wanted) if (!Object.hasOwn(value, name)) errors.push(required(child(path, name)));
    });
  }
  return checks;
}

function junctorChecks({ allOf, anyOf, oneOf, not }: Schema): Check[] {
  const checks: Check[] = [];
  const passes = (check: Check, value: JSONValue, path: string) => {
    const errors: FieldError[] = [];
    check(value, path, errors);
    return errors.length === 0;
  };
  // Upstream reports these at no field and with no value.
  const report = (errors: FieldError[], detail: string) => errors.push(invalidValue(ROOT, "", detail));
  const named = (path: string) => JSON.stringify(path === ROOT ? "" : path);
  if (anyOf !== undefined && anyOf.length > 0) {
    const compiled = anyOf.map((schema) => compileCheck(schema));
    checks.push((value, path, errors) => {
      if (!compiled.some((check) => passes(check, value, path))) {
        report(errors, `${named(path)} must validate at least one schema (anyOf)`);
      }
    });
  }
  if (oneOf !== undefined && oneOf.length > 0) {
    const compiled = oneOf.map((schema) => compileCheck(schema));
    checks.push((value, path, errors) => {
      const count = compiled.filter((check) => passes(check, value, path)).length;
      if (count === 1) return;
      const found = count === 0 ? "Found none valid" : `Found ${count} valid alternatives`;
      report(errors, `${named(path)} must validate one and only one schema (oneOf). ${found}`);
    });
  }
  if (allOf !== undefined && allOf.length > 0) {
    const compiled = allOf.map((schema) => compileCheck(schema));
    checks.push((value, path, errors) => {
      const before = errors.length;
      for (const check of compiled) check(value, path, errors);
      if (errors.length > before) report(errors, `${named(path)} must validate all the schemas (allOf)`);
    });
  }
  if (not !== undefined) {
    const compiled = compileCheck(not);
    checks.push((value, path, errors) => {
      if (passes(compiled, value, path)) report(errors, `${named(path)} must not validate the schema (not)`);
    });
  }
  return checks;
}
