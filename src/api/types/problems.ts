/** Joins what the JSON parser and the field tables have found: duplicate fields that Go's decoder sees, and unknown ones (spec: apiserver 2.14). */
import { MAX_PROBLEMS } from "../json/index.ts";

/**
 * Go never looks inside a field that it does not know, so a duplicate below an unknown field is dropped. Duplicates come first: the parser
 * and the tables cannot tell how theirs interleave.
 */
export function mergeProblems(duplicates: readonly string[], unknown: readonly string[]): readonly string[] {
  if (duplicates.length === 0) return unknown;
  if (unknown.length === 0) return duplicates;
  const hidden = unknown.map((problem) => problem.slice('unknown field "'.length, -1));
  const kept = duplicates.filter((problem) => {
    const path = problem.slice('duplicate field "'.length, -1);
    return !hidden.some((prefix) => path === prefix || path.startsWith(`${prefix}.`) || path.startsWith(`${prefix}[`));
  });
  return [...kept, ...unknown].slice(0, MAX_PROBLEMS);
}
