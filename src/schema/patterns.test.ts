import { describe, expect, it } from "vitest";
import { matchesPattern } from "./patterns.ts";

describe("patterns", () => {
  it("match anywhere in a text, in the syntax of RE2", () => {
    expect(matchesPattern("b+", "abbc")).toBe(true);
    expect(matchesPattern("^b", "abbc")).toBe(false);
    expect(matchesPattern("(?i)^ABC$", "abc")).toBe(true);
    expect(matchesPattern("\\p{Greek}", "ω")).toBe(true);
  });

  it("say why they are none", () => {
    expect(matchesPattern("(?=a)", "a")).toEqual(expect.any(String));
    expect(matchesPattern("a(", "a")).toEqual(expect.any(String));
  });

  it("remember answers, and forget them without changing one", () => {
    for (let round = 0; round < 3; round++) {
      for (let index = 0; index < 250; index++) {
        expect(matchesPattern("^[0-9]*[02468]$", `${index}`)).toBe(index % 2 === 0);
      }
    }
  });

  it("are linear, and forgotten when there are very many", () => {
    const text = `${"a".repeat(20_000)}!`;
    for (let index = 0; index < 1_100; index++) matchesPattern(`^a{1,${(index % 900) + 1}}${index}$`, "a");
    expect(matchesPattern("^(a+)+$", text)).toBe(false);
  });
});
