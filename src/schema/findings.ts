/** What a validation has found so far, and where in the value it stands. */
import { type FieldError, invalidValue, ROOT } from "../api/field-errors.ts";
import { MAX_CAUSES } from "../api/status.ts";

/** Errors of one value or of one alternative, each said once, at most as many as a Status shows, and one more to tell that there were more. */
export class Findings {
  readonly errors: FieldError[] = [];
  /** Checks that applied: by them the alternative that fits best is chosen. */
  matches = 0;
  #said: Set<string> | undefined;

  get full(): boolean {
    return this.errors.length > MAX_CAUSES;
  }

  add(error: FieldError): void {
    const { errors } = this;
    if (this.full) return;
    if (errors.length > 0) {
      if (this.#said === undefined) this.#said = new Set(errors.map(textOf));
      const text = textOf(error);
      if (this.#said.has(text)) return;
      this.#said.add(text);
    }
    errors.push(error);
  }

  merge(other: Findings): void {
    this.matches += other.matches;
    for (const error of other.errors) this.add(error);
  }
}

function textOf({ field, message }: FieldError): string {
  return `${field}\n${message}`;
}

/** Deeper than any schema goes that the API accepts. */
const MAX_DEPTH = 2_000;

/** The way from the root to the value under examination. Texts are made only for errors. */
export class Place {
  readonly #steps: (string | number)[] = [];
  /** Where errors say that the root is: "" for an object, `status` when only its status is examined. */
  readonly #base: string;

  constructor(base = "") {
    this.#base = base;
  }

  /** Whether one more step would be too deep. */
  get tooDeep(): boolean {
    return this.#steps.length >= MAX_DEPTH;
  }

  get atRoot(): boolean {
    return this.#steps.length === 0;
  }

  enter(step: string | number): void {
    this.#steps.push(step);
  }

  leave(): void {
    this.#steps.pop();
  }

  /** `spec.list[0].name`: how the sentences of schema errors name the value; "" at the root. */
  get path(): string {
    let path = "";
    for (const step of this.#steps) {
      if (typeof step === "number") path += `[${step}]`;
      else path += path === "" ? step : `.${step}`;
    }
    return path;
  }

  /** The same for the `field` of an error. */
  field(path = this.path): string {
    const name = path.startsWith(".") ? path.slice(1) : path;
    if (this.#base === "") return name === "" ? ROOT : name;
    return name === "" ? this.#base : `${this.#base}.${name}`;
  }

  /** An error that upstream reports for the whole, with no value: its text alone says where. */
  unplaced(text: string): FieldError {
    return invalidValue(this.#base === "" ? ROOT : this.#base, "", text);
  }
}
