import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { hasFormat, supportedFormat } from "./formats.ts";

interface Answers {
  format: string;
  yes: string[];
  no: string[];
}

/** Texts made at random from good ones, and what kube-openapi says of them. */
const oracle = readFileSync(join(import.meta.dirname, "testdata", "formats.oracle"), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Answers);

describe("formats", () => {
  it("belong to types", () => {
    expect(supportedFormat("date", ["string"])).toBe("date");
    expect(supportedFormat("date-time", [])).toBe("date-time");
    expect(supportedFormat("int32", ["string"])).toBe("");
    expect(supportedFormat("int32", ["integer"])).toBe("int32");
    expect(supportedFormat("float", ["number"])).toBe("float");
    expect(supportedFormat("date", ["object"])).toBe("");
    expect(supportedFormat("nonsense", ["string"])).toBe("");
    expect(supportedFormat(undefined, ["string"])).toBe("");
  });

  it.each(oracle)("$format is what it is to kube-openapi", ({ format, yes, no }) => {
    expect(yes.filter((text) => !hasFormat(format, text))).toEqual([]);
    expect(no.filter((text) => hasFormat(format, text))).toEqual([]);
  });

  it.each([
    ["email", `${"a(".repeat(100_000)}@b`],
    ["email", `"${"\\\\".repeat(100_000)}`],
    ["hostname", "a-".repeat(100_000)],
    ["k8s-long-name", "a.".repeat(100_000)],
    ["uri", `http://${"%41".repeat(100_000)}`],
    ["byte", "A".repeat(400_000)],
    ["duration", "1".repeat(100_000)],
    ["duration", "1 x".repeat(100_000)],
    ["ipv6", ":".repeat(100_000)],
    ["date-time", `2020-01-01T00:00:00.${"1".repeat(100_000)}`],
    ["creditcard", "4 ".repeat(100_000)],
    ["rgbcolor", `rgb(${" ".repeat(100_000)}`],
    ["isbn", "- ".repeat(100_000)],
  ])("%s answers to a long text", (format, text) => {
    expect([true, false]).toContain(hasFormat(format, text));
  });
});
