/** `'%s of %d'.format([…])`, as upstream's second version of the strings library prints it for English readers. */
import { CelError } from "../values/errors.ts";
import type { ListValue } from "../values/list.ts";
import { Double, Uint } from "../values/numbers.ts";
import { typeOfValue, type Value } from "../values/value.ts";
import { fixed, printValue } from "./text.ts";

const CLAUSE = /%(?:%|(?:\.(\d*))?(.)?)/gsu;
const DEFAULT_PRECISION = 6;
const MAX_PRECISION = 1000;

/** The text with each clause replaced by its argument, or what is wrong with one. */
export function format(text: string, args: ListValue): string | CelError {
  let next = 0;
  let failed: CelError | undefined;
  const out = text.replace(CLAUSE, (clause, digits: string | undefined, verb: string | undefined) => {
    if (failed !== undefined) return "";
    if (clause === "%%") return "%";
    if (verb === undefined) {
      failed = new CelError("unexpected end of string");
      return "";
    }
    if (next >= args.size) {
      failed = new CelError(`index ${next} out of range`);
      return "";
    }
    const precision = digits === undefined || digits === "" ? DEFAULT_PRECISION : Number(digits);
    const value = args.get(next++);
    const printed =
      precision > MAX_PRECISION
        ? new CelError(`precision ${precision} is too large`)
        : value instanceof CelError
          ? value
          : clauseText(verb, value, precision);
    if (typeof printed === "string") return printed;
    failed = printed;
    return "";
  });
  return failed ?? out;
}

function clauseText(verb: string, value: Value, precision: number): string | CelError {
  switch (verb) {
    case "s":
      return printValue(value);
    case "d":
      return typeof value === "number" || typeof value === "bigint"
        ? String(value)
        : value instanceof Uint
          ? String(value.value)
          : wrong("decimal", "integers", value);
    case "f":
      return real(value, (number) => group(fixed(number, precision)), "fixed-point");
    case "e":
      // The precision is taken for a width, which only shows around what is no number.
      return real(value, scientific, "scientific", precision);
    case "b":
      if (typeof value === "boolean") return value ? "1" : "0";
      return integerText(value, 2) ?? wrong("only integers and bools can be formatted as binary", undefined, value);
    case "o":
      return integerText(value, 8) ?? wrong("octal", "integers", value);
    case "x":
      return hexadecimal(value);
    case "X": {
      const text = hexadecimal(value);
      return typeof text === "string" ? text.toUpperCase() : text;
    }
    default:
      return new CelError(`could not parse formatting clause: unrecognized formatting clause "${verb}"`);
  }
}

function wrong(kind: string, takes: string | undefined, value: Value): CelError {
  const given = `was given ${typeOfValue(value).name}`;
  if (takes === undefined) return new CelError(`error during formatting: ${kind}, ${given}`);
  return new CelError(`error during formatting: ${kind} clause can only be used on ${takes}, ${given}`);
}

function integerText(value: Value, base: number): string | undefined {
  if (typeof value === "number" || typeof value === "bigint") return value.toString(base);
  return value instanceof Uint ? value.value.toString(base) : undefined;
}

function hexadecimal(value: Value): string | CelError {
  const number = integerText(value, 16);
  if (number !== undefined) return number;
  const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
  if (bytes instanceof Uint8Array) return Buffer.from(bytes).toString("hex");
  return wrong("only integers, byte buffers, and strings can be formatted as hex", undefined, value);
}

const WORDS: Record<string, number> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  "-Infinity": Number.NEGATIVE_INFINITY,
};

function real(value: Value, print: (value: number) => string, kind: string, width = 0): string | CelError {
  const number =
    value instanceof Double
      ? value.value
      : typeof value === "string" && Object.hasOwn(WORDS, value)
        ? WORDS[value]
        : undefined;
  if (number === undefined) return wrong(kind, "doubles", value);
  if (Number.isNaN(number)) return "NaN".padStart(width);
  if (!Number.isFinite(number)) return (number > 0 ? "∞" : "-∞").padStart(width);
  return print(number).padStart(width);
}

/** Thousands are set apart. */
function group(text: string): string {
  const match = /^(-?)(\d+)(.*)$/.exec(text)!;
  return match[1] + match[2]!.replace(/\B(?=(\d{3})+$)/g, ",") + match[3];
}

const SUPERSCRIPTS: Record<string, string> = {
  "-": "⁻",
  0: "⁰",
  1: "¹",
  2: "²",
  3: "³",
  4: "⁴",
  5: "⁵",
  6: "⁶",
  7: "⁷",
  8: "⁸",
  9: "⁹",
};

function scientific(value: number): string {
  const [mantissa, exponent] = value.toExponential(DEFAULT_PRECISION).split("e") as [string, string];
  const power = Number(exponent);
  const digits = `${power < 0 ? "-" : ""}${String(Math.abs(power)).padStart(2, "0")}`;
  return `${mantissa}×10${[...digits].map((digit) => SUPERSCRIPTS[digit]).join("")}`;
}
