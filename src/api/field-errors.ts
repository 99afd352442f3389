/** Failed fields and how upstream words them (spec: apiserver 2.6). Paths are strings: `spec.containers[0].name`, `metadata.labels[foo]`. */
import { goFloat, goQuote } from "./go-quote.ts";
import { stringifyJSON } from "./json/encode.ts";
import type { FieldError } from "./status.ts";

export type { FieldError } from "./status.ts";

/** As the bad value: the message then shows none. */
export const OMITTED = Symbol("omitted");
/** The path of the object itself. */
export const ROOT = "<nil>";

/** A value whose text is known better by the caller (a struct in Go's field order, sorted keys). */
export class Printed {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** `base.name`; at the root just `name`. */
export function child(base: string, name: string): string {
  return base === "" || base === ROOT ? name : `${base}.${name}`;
}

/** `base[index]`, `base[key]`. */
export function at(base: string, index: number | string): string {
  return base === ROOT ? `[${index}]` : `${base}[${index}]`;
}

/** A bad value as messages show it: strings quoted as in Go, scalars plain, structures as JSON. */
export function printValue(value: unknown): string {
  switch (typeof value) {
    case "string":
      return goQuote(value);
    case "number":
      // Beyond 2^53 integers are bigints: such a number was written as a float.
      return Number.isSafeInteger(value) ? stringifyJSON(value) : goFloat(value);
    case "bigint":
    case "boolean":
      return `${value}`;
    default:
      return value instanceof Printed ? value.text : stringifyJSON(value ?? null);
  }
}

function fieldError(
  reason: FieldError["reason"],
  field: string,
  title: string,
  value: unknown,
  detail: string,
): FieldError {
  let message = title;
  if (value !== OMITTED) message += `: ${printValue(value)}`;
  if (detail !== "") message += `: ${detail}`;
  return { reason, field, message };
}

export function required(field: string, detail = ""): FieldError {
  return fieldError("FieldValueRequired", field, "Required value", OMITTED, detail);
}

export function invalidValue(field: string, value: unknown, detail: string): FieldError {
  return fieldError("FieldValueInvalid", field, "Invalid value", value, detail);
}

/** The value does not have the type of the schema. */
export function typeInvalid(field: string, value: unknown, detail: string): FieldError {
  return fieldError("FieldValueTypeInvalid", field, "Invalid value", value, detail);
}

export function duplicate(field: string, value: unknown): FieldError {
  return fieldError("FieldValueDuplicate", field, "Duplicate value", value, "");
}

/** `supported` is printed in the order given. */
export function notSupported(field: string, value: unknown, supported: readonly string[]): FieldError {
  const detail = supported.length === 0 ? "" : `supported values: ${supported.map(goQuote).join(", ")}`;
  return fieldError("FieldValueNotSupported", field, "Unsupported value", value, detail);
}

export function forbiddenField(field: string, detail: string): FieldError {
  return fieldError("FieldValueForbidden", field, "Forbidden", OMITTED, detail);
}

export function notFoundField(field: string, value: unknown): FieldError {
  return fieldError("FieldValueNotFound", field, "Not found", value, "");
}

/** `maximum` in bytes. */
export function tooLong(field: string, maximum: number): FieldError {
  const detail =
    maximum < 0 ? "value is too long" : `may not be more than ${maximum} ${maximum === 1 ? "byte" : "bytes"}`;
  return fieldError("FieldValueTooLong", field, "Too long", OMITTED, detail);
}

/** `minimum` in bytes. */
export function tooShort(field: string, minimum: number): FieldError {
  const detail = `must be at least ${minimum} ${minimum === 1 ? "byte" : "bytes"}`;
  return fieldError("FieldValueTooShort", field, "Too short", OMITTED, detail);
}

export function tooMany(field: string, actual: number, maximum: number): FieldError {
  const detail =
    maximum < 0 ? "has too many items" : `must have at most ${maximum} ${maximum === 1 ? "item" : "items"}`;
  return fieldError("FieldValueTooMany", field, "Too many", actual < 0 ? OMITTED : actual, detail);
}

export function tooFew(field: string, actual: number, minimum: number): FieldError {
  const detail = `must have at least ${minimum} ${minimum === 1 ? "item" : "items"}`;
  return fieldError("FieldValueTooFew", field, "Too few", actual < 0 ? OMITTED : actual, detail);
}

export function internalFieldError(field: string, detail: string): FieldError {
  return fieldError("InternalError", field, "Internal error", OMITTED, detail);
}

/** `path: body` of one error, `[a, b]` of several without repetitions: how Go joins them. */
export function aggregateErrors(errors: readonly FieldError[]): string {
  const lines = [...new Set(errors.map((error) => `${error.field}: ${error.message}`))];
  return lines.length === 1 ? lines[0]! : `[${lines.join(", ")}]`;
}

/** Adds all of `items`; `push(...items)` would put each on the stack, and a body can hold a million. */
export function append<T>(target: T[], items: Iterable<T>): void {
  for (const item of items) target.push(item);
}
