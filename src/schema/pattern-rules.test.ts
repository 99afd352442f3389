import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { patternProblem, patternSize } from "./pattern-rules.ts";

describe("patterns", () => {
  test.each([
    ["^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", undefined],
    ["(?i)x|\\pN{2}", undefined],
    ["(", "error parsing regexp: missing closing ): `(`"],
    ["\\", "error parsing regexp: trailing backslash at end of expression: ``"],
    ["(?=x)", "error parsing regexp: invalid or unsupported Perl syntax: `(?=`"],
    ["a{1001}", "error parsing regexp: invalid repeat count: `{1001}`"],
    ["x".repeat(100_000), "error parsing regexp: expression too large"],
    ["(a{1,40}){1,20}".repeat(100), "error parsing regexp: expression too large"],
  ])("%#", (pattern, problem) => {
    expect(patternProblem(pattern)).toBe(problem);
    expect(patternProblem(pattern)).toBe(problem);
  });

  test.each([
    ["abc", 3],
    ["a{10}", 10],
    ["(ab){2,5}", 15],
    ["(ab){3,}c", 10],
    ["((a{10}){10}){10}", 1110],
    ["\\x{10ffff}", 4],
  ])("the size of %s", (pattern, size) => {
    expect(patternSize(pattern)).toBe(size);
  });

  test("anything has a size", () => {
    fc.assert(
      fc.property(fc.string(), (pattern) => {
        expect(patternSize(pattern)).toBeGreaterThanOrEqual(0);
        expect(patternSize(pattern)).toBeLessThanOrEqual(1000 * pattern.length);
      }),
    );
  });
});
