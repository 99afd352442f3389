/** Regular expressions of schemas: compiled when a value meets them, matched in linear time, the latest of them kept (spec: security A-32). */
import { RE2JS } from "re2js";

/** Patterns that stay compiled, for all schemas together. */
const KEPT = 1_000;
/** Answers each of them remembers, of texts no longer than that: most objects are written again and again with the same names. */
const ANSWERS = 100;
const SHORT = 100;

interface Pattern {
  /** A text says why it is none. */
  readonly expression: RE2JS | string;
  readonly answers: Map<string, boolean>;
}

const compiled = new Map<string, Pattern>();

/** Whether the pattern occurs in `text`; a text says why the pattern itself is none. */
export function matchesPattern(pattern: string, text: string): boolean | string {
  let known = compiled.get(pattern);
  if (known === undefined) {
    known = { expression: compile(pattern), answers: new Map() };
    if (compiled.size >= KEPT) compiled.delete(compiled.keys().next().value!);
    compiled.set(pattern, known);
  }
  const { expression, answers } = known;
  if (typeof expression === "string") return expression;
  const remembered = answers.get(text);
  if (remembered !== undefined) return remembered;
  const found = expression.matcher(text).find();
  if (text.length <= SHORT) {
    if (answers.size >= ANSWERS) answers.clear();
    answers.set(text, found);
  }
  return found;
}

function compile(pattern: string): RE2JS | string {
  try {
    return RE2JS.compile(pattern);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
