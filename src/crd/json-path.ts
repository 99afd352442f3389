/** The JSON paths of printer columns and selectable fields, as kubectl's: fields, indexes, slices, unions, wildcards, filters, recursive descent. */
import type { JSONValue } from "../api/meta.ts";

/** The values a path leads to; missing keys lead nowhere. Throws a JSONPathError where upstream gives up (a filter on what is no list, an index out of bounds). */
export type JSONPath = (root: JSONValue) => JSONValue[];

export class JSONPathError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "JSONPathError";
  }
}

/** Values one evaluation may look at. */
const BUDGET = 100_000;

interface Budget {
  left: number;
}

/** From the current values to the next. */
type Step = (values: JSONValue[], budget: Budget) => JSONValue[];

/** `path`: without braces, such as `.status.conditions[?(@.type=="Ready")].status`. Throws a JSONPathError for what is none. */
export function parseJSONPath(path: string): JSONPath {
  const steps = parseSteps(path);
  return (root) => run(steps, [root], { left: BUDGET });
}

function run(steps: readonly Step[], values: JSONValue[], budget: Budget): JSONValue[] {
  let current = values;
  for (const step of steps) {
    current = step(current, budget);
    budget.left -= current.length;
    if (budget.left < 0) throw new JSONPathError("the path leads to too many values");
  }
  return current;
}

const TERMINATORS = new Set([" ", "\t", "\r", "\n", ".", ",", "[", "]", "$", "@", "{", "}"]);

function parseSteps(text: string): Step[] {
  const steps: Step[] = [];
  let at = 0;
  const fieldAt = () => {
    let name = "";
    while (at < text.length && !TERMINATORS.has(text[at]!)) {
      if (text[at] === "\\" && at + 1 < text.length) at++;
      name += text[at++];
    }
    return name;
  };
  while (at < text.length) {
    const rest = text.slice(at);
    const character = text[at]!;
    if (rest.startsWith("[?(")) {
      const end = filterEnd(text, at + 3);
      steps.push(filter(text.slice(at + 3, end)));
      at = end + 2;
    } else if (rest.startsWith("..")) {
      at += 2;
      steps.push(descend);
      if (/[\p{L}\p{Nd}_]/u.test(text[at] ?? "")) steps.push(named(fieldAt()));
    } else if (character === ".") {
      at++;
      steps.push(named(fieldAt()));
    } else if (character === "[") {
      const end = text.indexOf("]", at);
      if (end < 0) throw new JSONPathError("unterminated array");
      steps.push(...bracketed(text.slice(at + 1, end)));
      at = end + 1;
    } else if (character === "$" || character === "@" || character === " ") {
      at++;
    } else if (character === '"' || character === "'") {
      const literal = /^(["'])((?:\\.|(?!\1)[^\n\\])*)\1/s.exec(rest);
      if (literal === null) throw new JSONPathError("unterminated quoted string");
      const value = literal[2]!.replace(/\\(.)/gs, "$1");
      steps.push(() => [value]);
      at += literal[0].length;
    } else {
      const literal = /^(?:[+-]?\d[\d.]*|true\b|false\b)/.exec(rest);
      if (literal === null) throw new JSONPathError(`unrecognized character in action: ${JSON.stringify(character)}`);
      const value: JSONValue = /^[tf]/.test(literal[0]) ? literal[0] === "true" : Number(literal[0]);
      if (Number.isNaN(value)) throw new JSONPathError(`cannot parse number ${literal[0]}`);
      steps.push((values) => values.map(() => value));
      at += literal[0].length;
    }
  }
  return steps;
}

function named(name: string): Step {
  return name === "*" ? everything : (values) => values.flatMap((value) => field(value, name));
}

function field(value: JSONValue, name: string): JSONValue[] {
  if (value === null || typeof value !== "object" || Array.isArray(value) || !Object.hasOwn(value, name)) return [];
  return [value[name]!];
}

const children = (value: JSONValue): JSONValue[] => {
  if (value === null || typeof value !== "object") return [];
  return Array.isArray(value) ? value : Object.values(value);
};

const everything: Step = (values) => values.flatMap(children);

/** Each value that has some inside, before what is in it. Iterates: objects may be deep. */
const descend: Step = (values, budget) => {
  const found: JSONValue[] = [];
  const waiting = values.toReversed();
  for (let value = waiting.pop(); value !== undefined; value = waiting.pop()) {
    const inside = children(value);
    if (inside.length === 0) continue;
    found.push(value);
    if (--budget.left < 0) throw new JSONPathError("the path leads to too many values");
    for (let index = inside.length - 1; index >= 0; index--) waiting.push(inside[index]!);
  }
  return found;
};

/** What stands between `[` and `]`. */
function bracketed(text: string): Step[] {
  if (text === "*") return [everything];
  const parts = text.split(",");
  if (parts.length > 1) {
    const union = parts.map((part) => bracketed(part.trim()));
    return [(values, budget) => union.flatMap((steps) => run(steps, values, budget))];
  }
  const key = /^'([^']*)'$/.exec(text);
  if (key !== null) return parseSteps(`.${key[1]}`);
  const slice = /^(-?\d*)(:-?\d*)?(:-?\d*)?$/.exec(text);
  if (slice === null) throw new JSONPathError(`invalid array index ${text}`);
  const number = (part: string | undefined) => (part === undefined || part === "" ? undefined : Number(part));
  const start = number(slice[1]);
  const single = slice[2] === undefined;
  const end = single ? (start ?? 0) + 1 : number(slice[2]!.slice(1));
  const step = number(slice[3]?.slice(1)) ?? 1;
  if (Number.isNaN(start) || Number.isNaN(end) || Number.isNaN(step)) {
    throw new JSONPathError(`array index ${text} is not a number`);
  }
  return [(values) => values.flatMap((value) => (value === null ? [] : sliceOf(value, start ?? 0, end, step, single)))];
}

function sliceOf(value: JSONValue, start: number, end: number | undefined, step: number, single: boolean): JSONValue[] {
  if (!Array.isArray(value)) throw new JSONPathError("the value is no list");
  const { length } = value;
  const from = start < 0 ? start + length : start;
  let to = end ?? length;
  if (to < 0 || (to === 0 && single)) to += length;
  if (from === to) return [];
  if (from < 0 || from >= length || to < 0 || to > length || from > to || step <= 0) {
    throw new JSONPathError(`array index out of bounds: index ${from}, length ${length}`);
  }
  return value.slice(from, to).filter((_, index) => index % step === 0);
}

/** Where the `)` of a filter is that no quotes enclose. */
function filterEnd(text: string, from: number): number {
  let quote = "";
  for (let at = from; at < text.length; at++) {
    const character = text[at]!;
    if (quote !== "") {
      if (character === quote && text[at - 1] !== "\\") quote = "";
    } else if (character === '"' || character === "'") quote = character;
    else if (character === ")") {
      if (text[at + 1] !== "]") throw new JSONPathError("unclosed array expect ]");
      return at;
    }
  }
  throw new JSONPathError("unterminated filter");
}

const COMPARE: Record<string, (a: JSONValue, b: JSONValue) => boolean> = {
  "==": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  "<": (a, b) => a! < b!,
  "<=": (a, b) => a! <= b!,
  ">": (a, b) => a! > b!,
  ">=": (a, b) => a! >= b!,
};

function filter(text: string): Step {
  const parts = /^([^!<>=]+)([!<>=]+)(.+?)$/s.exec(text);
  const each = (keep: (value: JSONValue, budget: Budget) => boolean): Step => {
    return (values, budget) =>
      values.flatMap((value) => {
        if (!Array.isArray(value)) throw new JSONPathError("the value is no list and cannot be filtered");
        return value.filter((item) => keep(item, budget));
      });
  };
  if (parts === null) {
    const steps = parseSteps(text);
    return each((item, budget) => run(steps, [item], budget).length > 0);
  }
  const left = parseSteps(parts[1]!);
  const right = parseSteps(parts[3]!);
  const compare = Object.hasOwn(COMPARE, parts[2]!) ? COMPARE[parts[2]!] : undefined;
  return each((item, budget) => {
    if (compare === undefined) throw new JSONPathError(`unrecognized filter operator ${parts[2]}`);
    const lefts = run(left, [item], budget);
    if (lefts.length === 0) return false;
    const rights = run(right, [item], budget);
    if (rights.length === 0) return false;
    if (lefts.length > 1 || rights.length > 1) throw new JSONPathError("can only compare one element at a time");
    const [a, b] = [lefts[0]!, rights[0]!];
    if (kindOf(a) !== kindOf(b)) throw new JSONPathError("incompatible types for comparison");
    return compare(a, b);
  });
}

const kindOf = (value: JSONValue) => (typeof value === "bigint" ? "number" : typeof value);
