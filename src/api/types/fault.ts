/** Where a decoder stands in a document, and what it has found there: Go's type errors and strict problems (spec: apiserver 2.4, 2.14). */
import { goQuote } from "../go-quote.ts";
import { MAX_PROBLEMS } from "../json/index.ts";
import type { JSONValue } from "../meta.ts";
import type { FlatField, Struct } from "./table.ts";

/** A document that cannot become an object of the kind; `message` is what Go's decoder says, without the server's sentence around it. */
export class DecodeError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "DecodeError";
  }
}

/** Go's own limit is ten thousand JSON levels; recursive types (JSON schemas) are the only ones that come near it. */
const MAX_STRUCTS = 1_000;

/** One step from the root: a field, an index of a list, or a key of a map. */
type Step = FlatField | number | string;

export class Cursor {
  readonly steps: Step[] = [];
  readonly #structs: Struct[] = [];
  readonly problems: string[] = [];
  /** The first type error. Decoding goes on, because a later value that refuses itself (a time, a quantity) takes precedence in Go. */
  error: string | undefined;

  enter(struct: Struct): void {
    if (this.#structs.push(struct) > MAX_STRUCTS) throw new DecodeError("exceeded max depth");
  }

  leave(): void {
    this.#structs.pop();
  }

  /** Saves Go's UnmarshalTypeError for the value at this place. */
  mismatch(found: string, go: string): void {
    this.error ??= this.#mismatchText(found, go);
  }

  /** Fails at once, as Go does when a type's own UnmarshalJSON refuses a value of the wrong JSON type. */
  refuse(found: string, go: string): never {
    throw new DecodeError(this.#mismatchText(found, go));
  }

  unknown(key: string): void {
    if (this.problems.length >= MAX_PROBLEMS) return;
    const path = this.path();
    const problem = `unknown field ${goQuote(path === "" ? key : `${path}.${key}`)}`;
    if (!this.problems.includes(problem)) this.problems.push(problem);
  }

  path(): string {
    let path = "";
    for (const step of this.steps) {
      if (typeof step === "number") path += `[${step}]`;
      else path += (path === "" ? "" : ".") + (typeof step === "string" ? step : step.name);
    }
    return path;
  }

  #mismatchText(found: string, go: string): string {
    const fields = this.steps.filter((step): step is FlatField => typeof step === "object");
    if (fields.length === 0) return `json: cannot unmarshal ${found} into Go value of type ${go}`;
    // Go names the structure that holds the innermost field; inside a list of structures none has been entered yet.
    const struct = this.#structs.at(-1)?.name ?? "";
    const path = fields.map((field) => field.errorName).join(".");
    return `json: cannot unmarshal ${found} into Go struct field ${struct}.${path} of type ${go}`;
  }
}

/** How Go's errors call a JSON value. */
export function describe(value: JSONValue): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  switch (typeof value) {
    case "object":
      return "object";
    case "boolean":
      return "bool";
    case "string":
      return "string";
    default:
      return "number";
  }
}
