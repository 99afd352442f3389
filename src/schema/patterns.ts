/** Regular expressions of schemas: compiled when a value meets them, matched in linear time, the latest of them kept (spec: security A-32). */
import { RE2JS } from "re2js";

/** Patterns that stay compiled, for all schemas together. */
const KEPT = 1_000;
const compiled = new Map<string, RE2JS | string>();

/** Whether the pattern occurs in `text`; a text says why the pattern itself is none. */
export function matchesPattern(pattern: string, text: string): boolean | string {
  let expression = compiled.get(pattern);
  if (expression === undefined) {
    expression = compile(pattern);
    if (compiled.size >= KEPT) compiled.delete(compiled.keys().next().value!);
    compiled.set(pattern, expression);
  }
  return typeof expression === "string" ? expression : expression.matcher(text).find();
}

function compile(pattern: string): RE2JS | string {
  try {
    return RE2JS.compile(pattern);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
