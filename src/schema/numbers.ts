/** Limits on numbers, as kube-openapi checks them: integers and floats differ, down to what Go's conversions do to a limit. */
import { type FieldError, invalidValue, Printed } from "../api/field-errors.ts";
import { goFloat } from "../api/go-quote.ts";
import type { Place } from "./findings.ts";
import type { Schema, SchemaType } from "./types.ts";

export interface NumberRules {
  /** Empty for int-or-string and where any type goes. */
  readonly type: "integer" | "number" | "";
  readonly format: string;
  /** Integers that are surely right: between these, and multiples. undefined: every number needs the long way. */
  readonly sound: { readonly least: number; readonly most: number; readonly multipleOf: number } | undefined;
}

const MAX_FLOAT32 = 3.4028234663852886e38;
/** Beyond these a float is no integer, whatever its fraction. */
const MAX_JSON_INTEGER = Number.MAX_SAFE_INTEGER;

export function numberRules(schema: Schema, types: readonly SchemaType[], format: string): NumberRules {
  const only = types.length === 1 ? types[0] : undefined;
  const type = only === "integer" || only === "number" ? only : "";
  return { type, format: type === "" ? "" : format, sound: soundIntegers(schema, type === "integer" ? format : "") };
}

function soundIntegers(schema: Schema, format: string): NumberRules["sound"] {
  const { multipleOf = 1, maximum = Number.MAX_SAFE_INTEGER, minimum = Number.MIN_SAFE_INTEGER } = schema;
  if (![multipleOf, maximum, minimum].every(Number.isSafeInteger) || multipleOf <= 0) return undefined;
  const least = minimum + (schema.minimum !== undefined && schema.exclusiveMinimum === true ? 1 : 0);
  const most = maximum - (schema.maximum !== undefined && schema.exclusiveMaximum === true ? 1 : 0);
  if (format !== "int32") return { least, most, multipleOf };
  // A limit beyond the format is an error of its own, whatever the value.
  const fits = [schema.multipleOf, schema.maximum, schema.minimum].every(
    (limit) => limit === undefined || (limit >= -(2 ** 31) && limit < 2 ** 31),
  );
  return fits ? { least: Math.max(least, -(2 ** 31)), most: Math.min(most, 2 ** 31 - 1), multipleOf } : undefined;
}

/** Whether Go's decoder would have made it an int64. A float without a fraction cannot be told from an integer here. */
export function isInteger(value: number | bigint): boolean {
  return typeof value === "bigint" || Number.isSafeInteger(value);
}

/** Go's IsFloat64AJSONInteger: whole, or as good as, and not beyond 2^53. */
export function isJSONInteger(value: number): boolean {
  if (!Number.isFinite(value) || Math.abs(value) > MAX_JSON_INTEGER) return false;
  const whole = Math.trunc(value);
  if (value === whole) return true;
  // Go converts to uint64 first, which is what it compares with.
  const other = value > 0 ? whole : 0;
  const difference = Math.abs(value - other);
  if (value === 0 || other === 0) return false;
  return difference / Math.min(Math.abs(value) + Math.abs(other), Number.MAX_VALUE) < 1e-9;
}

/** Go's int64(float64) on amd64. */
function toInt64(value: number): bigint {
  if (!(value >= -(2 ** 63) && value < 2 ** 63)) return -(2n ** 63n);
  return BigInt(Math.trunc(value));
}

function inRange(value: number | bigint, { type, format }: NumberRules): boolean {
  if (type === "integer") {
    if (typeof value === "number" && !Number.isInteger(value)) return false;
    if (format === "int32") return value >= -(2 ** 31) && value < 2 ** 31;
    return value >= -(2 ** 63) && value < 2 ** 63;
  }
  return format !== "float" || Math.abs(Number(value)) <= MAX_FLOAT32;
}

/** Every limit of `schema` that `value` breaks, in upstream's order: range, multipleOf, minimum, maximum. */
export function numberErrors(value: number | bigint, schema: Schema, rules: NumberRules, place: Place): FieldError[] {
  const errors: FieldError[] = [];
  const integer = isInteger(value);
  const float = Number(value);
  const path = place.path;
  /** Limits that do not fit the type are compared, and the value is shown, as floats. */
  const invalid = (fits: boolean, detail: string) => {
    const shown = fits || !integer ? value : new Printed(goFloat(float));
    errors.push(invalidValue(place.field(path), shown, `${path} in body ${detail}`));
  };
  const outOfRange = (what: string) => {
    const format = rules.format === "" ? "(default format)" : `with format ${rules.format}`;
    errors.push(place.unplaced(`${what} value must be of type ${rules.type} ${format} in ${path}`));
  };
  if (!inRange(value, rules)) outOfRange("Checked");

  const { multipleOf, minimum, maximum } = schema;
  if (multipleOf !== undefined) {
    const fits = inRange(multipleOf, rules);
    if (!fits) outOfRange("MultipleOf");
    const asInteger = integer && fits;
    const factor = asInteger ? toInt64(multipleOf) : multipleOf;
    const text = typeof factor === "bigint" ? `${factor}` : goFloat(factor);
    if (factor <= 0) {
      errors.push(
        invalidValue(place.field(path), factor, `factor MultipleOf declared for ${path} must be positive: ${text}`),
      );
    } else if (
      typeof factor === "bigint"
        ? BigInt(value) % factor !== 0n
        : !isJSONInteger(factor < 1 ? (1 / factor) * float : float / factor)
    ) {
      invalid(fits, `should be a multiple of ${text}`);
    }
  }
  if (minimum !== undefined) {
    const exclusive = schema.exclusiveMinimum === true;
    const [limit, text, fits] = boundary(minimum, "Minimum boundary");
    if (exclusive ? value <= limit : value < limit) {
      invalid(fits, `should be greater than ${exclusive ? "" : "or equal to "}${text}`);
    }
  }
  if (maximum !== undefined) {
    const exclusive = schema.exclusiveMaximum === true;
    const [limit, text, fits] = boundary(maximum, "Maximum boundary");
    if (exclusive ? value >= limit : value > limit) {
      invalid(fits, `should be less than ${exclusive ? "" : "or equal to "}${text}`);
    }
  }
  return errors;

  /** An integer meets limits cut to integers, unless the limit itself has no place in the type. */
  function boundary(limit: number, what: string): [bigint | number, string, boolean] {
    const fits = inRange(limit, rules);
    if (!fits) outOfRange(what);
    if (!integer || !fits) return [limit, goFloat(limit), fits];
    const cut = toInt64(limit);
    return [cut, `${cut}`, fits];
  }
}
