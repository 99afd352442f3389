/** Patterns, RE2's only: matching is linear in the text whatever the pattern. */
import { RE2JS } from "re2js";
import { CelError } from "../values/errors.ts";

/** Patterns made at run time are kept, a bounded number of them. */
const MAX_PATTERNS = 200;
const patterns = new Map<string, RE2JS | CelError>();

/** The pattern compiled, or what is wrong with it in Go's words. */
export function compilePattern(text: string): RE2JS | CelError {
  const known = patterns.get(text);
  if (known !== undefined) return known;
  let compiled: RE2JS | CelError;
  try {
    compiled = RE2JS.compile(text);
  } catch (error) {
    compiled = new CelError(error instanceof Error ? error.message : String(error));
  }
  if (patterns.size >= MAX_PATTERNS) patterns.clear();
  patterns.set(text, compiled);
  return compiled;
}

/** Whether any part of `text` matches. */
export function matches(text: string, pattern: string): boolean | CelError {
  const compiled = compilePattern(pattern);
  return compiled instanceof CelError ? compiled : compiled.test(text);
}

/** The parts that match, at most `limit` of them. */
export function findAll(text: string, pattern: string, limit: number): string[] | CelError {
  const compiled = compilePattern(pattern);
  if (compiled instanceof CelError) return compiled;
  const found: string[] = [];
  const matcher = compiled.matcher(text);
  while (found.length < limit && matcher.find()) found.push(matcher.group() ?? "");
  return found;
}
