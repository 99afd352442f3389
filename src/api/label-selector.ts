/** Label selectors: the grammar of `labelSelector=…` and of LabelSelector objects, with upstream's parse errors (spec: apiserver 2.13). */
import { aggregateErrors, at, child, type FieldError, invalidValue, notSupported, ROOT } from "./field-errors.ts";
import { goQuote } from "./go-quote.ts";
import { compareUTF8 } from "./json/utf8.ts";
import { labelValue, qualifiedName } from "./names.ts";
import { badRequest } from "./status.ts";

export type LabelOperator = "in" | "notin" | "=" | "==" | "!=" | "gt" | "lt" | "exists" | "!";

export interface LabelRequirement {
  readonly key: string;
  readonly operator: LabelOperator;
  /** Sorted, without repetitions. */
  readonly values: readonly string[];
}

export type Labels = Readonly<Record<string, string>> | null | undefined;

/** All requirements must hold. `empty` matches everything. */
export interface LabelSelector {
  /** Sorted by key. */
  readonly requirements: readonly LabelRequirement[];
  readonly empty: boolean;
  matches(labels: Labels): boolean;
  /** The canonical text. */
  toString(): string;
}

/** A LabelSelector as objects contain it. */
export interface LabelSelectorObject {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}

const BINARY = ["in", "notin", "=", "==", "!=", "gt", "lt"];
const OPERATORS = [...BINARY, "exists", "!"];

class Requirements implements LabelSelector {
  readonly requirements: readonly LabelRequirement[];
  readonly #tests: readonly ((labels: Readonly<Record<string, string>>) => boolean)[];

  constructor(requirements: readonly LabelRequirement[]) {
    this.requirements = requirements.toSorted((a, b) => compareUTF8(a.key, b.key));
    this.#tests = this.requirements.map(compile);
  }

  get empty(): boolean {
    return this.requirements.length === 0;
  }

  matches(labels: Labels): boolean {
    const given = labels ?? NO_LABELS;
    for (const test of this.#tests) if (!test(given)) return false;
    return true;
  }

  toString(): string {
    return this.requirements.map(print).join(",");
  }
}

const NO_LABELS: Readonly<Record<string, string>> = Object.freeze({});

function compile({ key, operator, values }: LabelRequirement): (labels: Readonly<Record<string, string>>) => boolean {
  switch (operator) {
    case "exists":
      return (labels) => Object.hasOwn(labels, key);
    case "!":
      return (labels) => !Object.hasOwn(labels, key);
    case "gt":
    case "lt": {
      const bound = parseInt64(values[0] ?? "")!;
      return (labels) => {
        const value = Object.hasOwn(labels, key) ? parseInt64(labels[key]!) : undefined;
        return value !== undefined && (operator === "gt" ? value > bound : value < bound);
      };
    }
    case "notin":
    case "!=": {
      const test = membership(values);
      return (labels) => !Object.hasOwn(labels, key) || !test(labels[key]!);
    }
    default: {
      const test = membership(values);
      return (labels) => Object.hasOwn(labels, key) && test(labels[key]!);
    }
  }
}

function membership(values: readonly string[]): (value: string) => boolean {
  const [only] = values;
  if (values.length === 1) return (value) => value === only;
  const set = new Set(values);
  return (value) => set.has(value);
}

function print({ key, operator, values }: LabelRequirement): string {
  switch (operator) {
    case "exists":
      return key;
    case "!":
      return `!${key}`;
    case "in":
    case "notin":
      return `${key} ${operator} (${values.join(",")})`;
    case "gt":
      return `${key}>${values[0]}`;
    case "lt":
      return `${key}<${values[0]}`;
    default:
      return `${key}${operator}${values[0]}`;
  }
}

/** Go's strconv.ParseInt(text, 10, 64); undefined when it errs. */
function parseInt64(text: string): bigint | undefined {
  if (!/^[+-]?[0-9]{1,40}$/.test(text)) return undefined;
  const value = BigInt(text.startsWith("+") ? text.slice(1) : text);
  return BigInt.asIntN(64, value) === value ? value : undefined;
}

/** Checks one requirement; a good one has no errors. `path` is where its `key` and `values` are. */
export function validateRequirement(
  key: string,
  operator: string,
  values: readonly string[],
  path = ROOT,
): FieldError[] {
  const errors: FieldError[] = [];
  const keyMessages = qualifiedName(key);
  if (keyMessages.length > 0) errors.push(invalidValue(child(path, "key"), key, keyMessages.join("; ")));
  const valuesPath = child(path, "values");
  switch (operator) {
    case "in":
    case "notin":
      if (values.length === 0) {
        errors.push(invalidValue(valuesPath, values, "for 'in', 'notin' operators, values set can't be empty"));
      }
      break;
    case "=":
    case "==":
    case "!=":
      if (values.length !== 1) {
        errors.push(invalidValue(valuesPath, values, "exact-match compatibility requires one single value"));
      }
      break;
    case "exists":
    case "!":
      if (values.length !== 0) {
        errors.push(invalidValue(valuesPath, values, "values set must be empty for exists and does not exist"));
      }
      break;
    case "gt":
    case "lt":
      if (values.length !== 1) {
        errors.push(invalidValue(valuesPath, values, "for 'Gt', 'Lt' operators, exactly one value is required"));
      }
      values.forEach((value, index) => {
        if (parseInt64(value) === undefined) {
          errors.push(
            invalidValue(at(valuesPath, index), value, "for 'Gt', 'Lt' operators, the value must be an integer"),
          );
        }
      });
      break;
    default:
      errors.push(notSupported(child(path, "operator"), operator, OPERATORS));
  }
  values.forEach((value, index) => {
    const messages = labelValue(value);
    if (messages.length > 0) errors.push(invalidValue(at(at(valuesPath, index), key), value, messages.join("; ")));
  });
  return errors;
}

/** Everything matches. */
export const everything: LabelSelector = new Requirements([]);

/** Nothing matches: what an absent LabelSelector object means. */
export const nothing: LabelSelector = {
  requirements: [],
  empty: false,
  matches: () => false,
  toString: () => "",
};

/** Parses `labelSelector=…`. Throws 400 with upstream's text. */
export function parseLabelSelector(text: string): LabelSelector {
  if (text === "") return everything;
  try {
    return new Requirements(new Parser(text).parse());
  } catch (error) {
    if (error instanceof SelectorSyntaxError) throw badRequest(error.message);
    throw error;
  }
}

/** Equality with every label of `labels`, unchecked. */
export function labelSelectorFromLabels(labels: Labels): LabelSelector {
  return new Requirements(
    Object.entries(labels ?? {}).map(([key, value]) => ({ key, operator: "=", values: [value] })),
  );
}

const OBJECT_OPERATORS = new Map<string, LabelOperator>([
  ["In", "in"],
  ["NotIn", "notin"],
  ["Exists", "exists"],
  ["DoesNotExist", "!"],
]);

/** A LabelSelector object: absent matches nothing, empty matches everything. Throws 400 for one that validation should have refused. */
export function labelSelectorFromObject(selector: LabelSelectorObject | null | undefined): LabelSelector {
  if (selector === null || selector === undefined) return nothing;
  const requirements: LabelRequirement[] = [];
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) {
    requirements.push(checked(key, "=", [value]));
  }
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    const known = OBJECT_OPERATORS.get(operator);
    if (known === undefined) throw badRequest(`${goQuote(operator)} is not a valid label selector operator`);
    requirements.push(checked(key, known, values ?? []));
  }
  return new Requirements(requirements);
}

function checked(key: string, operator: LabelOperator, values: readonly string[]): LabelRequirement {
  const errors = validateRequirement(key, operator, values);
  if (errors.length > 0) throw badRequest(aggregateErrors(errors));
  return { key, operator, values: [...new Set(values)].sort(compareUTF8) };
}

class SelectorSyntaxError extends Error {}

interface Token {
  /** A symbol or keyword stands for itself. */
  readonly type: "identifier" | "end" | ")" | "," | "!" | "==" | "=" | ">" | "in" | "<" | "!=" | "notin" | "(";
  readonly text: string;
}

/** NUL ends the text, as in upstream's lexer. */
function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  const pattern = /[ \t\r\n]*(?:(==|!=|[=!(),<>])|([^ \t\r\n=!(),<>\0]+))/y;
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    const symbol = match[1] as Token["type"] | undefined;
    const word = match[2] ?? "";
    if (symbol !== undefined) tokens.push({ type: symbol, text: symbol });
    else tokens.push({ type: word === "in" || word === "notin" ? word : "identifier", text: word });
  }
  tokens.push({ type: "end", text: "" });
  return tokens;
}

class Parser {
  readonly #tokens: readonly Token[];
  #position = 0;

  constructor(text: string) {
    this.#tokens = tokenize(text);
  }

  parse(): LabelRequirement[] {
    const requirements: LabelRequirement[] = [];
    for (;;) {
      const token = this.#peek();
      if (token.type === "end") return requirements;
      if (token.type !== "identifier" && token.type !== "!") {
        throw new SelectorSyntaxError(`found '${token.text}', expected: !, identifier, or 'end of string'`);
      }
      requirements.push(this.#requirement());
      const separator = this.#take();
      if (separator.type === "end") return requirements;
      if (separator.type !== ",") {
        throw new SelectorSyntaxError(`found '${separator.text}', expected: ',' or 'end of string'`);
      }
      const next = this.#peek();
      if (next.type !== "identifier" && next.type !== "!") {
        throw new SelectorSyntaxError(`found '${next.text}', expected: identifier after ','`);
      }
    }
  }

  /** Keywords are identifiers wherever no operator is expected. */
  #peek(): Token {
    const token = this.#tokens[this.#position] ?? { type: "end", text: "" };
    return token.type === "in" || token.type === "notin" ? { type: "identifier", text: token.text } : token;
  }

  #take(): Token {
    const token = this.#peek();
    this.#position++;
    return token;
  }

  #refuse(message: string): never {
    throw new SelectorSyntaxError(`unable to parse requirement: ${message}`);
  }

  #requirement(): LabelRequirement {
    let token = this.#take();
    const negated = token.type === "!";
    if (negated) token = this.#take();
    if (token.type !== "identifier") this.#refuse(`found '${token.text}', expected: identifier`);
    const key = token.text;
    const messages = qualifiedName(key);
    if (messages.length > 0) this.#refuse(aggregateErrors([invalidValue(ROOT, key, messages.join("; "))]));
    const next = this.#peek().type;
    if (negated || next === "end" || next === ",") return this.#checked(key, negated ? "!" : "exists", []);
    const operator = this.#operator();
    const values = operator === "in" || operator === "notin" ? this.#values() : [this.#value()];
    return this.#checked(key, operator, [...new Set(values)].sort(compareUTF8));
  }

  #checked(key: string, operator: LabelOperator, values: readonly string[]): LabelRequirement {
    const errors = validateRequirement(key, operator, values);
    if (errors.length > 0) this.#refuse(aggregateErrors(errors));
    return { key, operator, values };
  }

  #operator(): LabelOperator {
    const token = this.#tokens[this.#position++]!;
    switch (token.type) {
      case "in":
      case "notin":
      case "=":
      case "==":
      case "!=":
        return token.type;
      case ">":
        return "gt";
      case "<":
        return "lt";
      default:
        return this.#refuse(`found '${token.text}', expected: ${BINARY.join(", ")}`);
    }
  }

  #value(): string {
    const next = this.#peek();
    if (next.type === "end" || next.type === ",") return "";
    const token = this.#take();
    if (token.type !== "identifier") this.#refuse(`found '${token.text}', expected: identifier`);
    return token.text;
  }

  #values(): string[] {
    const open = this.#take();
    if (open.type !== "(") this.#refuse(`found '${open.text}' expected: '('`);
    const first = this.#peek();
    if (first.type === ")") {
      this.#take();
      return [""];
    }
    if (first.type !== "identifier" && first.type !== ",") {
      this.#refuse(`found '${first.text}', expected: ',', ')' or identifier`);
    }
    const values: string[] = [];
    for (;;) {
      const token = this.#take();
      const next = this.#peek();
      if (token.type === "identifier") {
        values.push(token.text);
        if (next.type === ",") continue;
        if (next.type !== ")") this.#refuse(`found '${next.text}', expected: ',' or ')'`);
        break;
      }
      if (token.type !== ",") this.#refuse(`found '${token.text}', expected: ',', or identifier`);
      // An empty place in the list is the empty value.
      if (values.length === 0) values.push("");
      if (next.type === ")") {
        values.push("");
        break;
      }
      if (next.type === ",") values.push("");
    }
    this.#take();
    return values;
  }
}
