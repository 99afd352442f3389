import { describe, expect, it } from "vitest";
import { seededRandom } from "../../api/simulated.ts";
import type { Exchange } from "../exchange.ts";
import { goaway } from "./goaway.ts";
import { warningHeaders } from "./warnings.ts";

describe("warningHeaders", () => {
  it.each([
    [
      ["a", "b", "a", ""],
      ['299 - "a"', '299 - "b"'],
    ],
    [['"\\'], ['299 - "\\"\\\\"']],
    [["bad\nline", "good"], ['299 - "good"']],
    [["日本"], ['299 - "日本"']],
  ])("%j", (texts, headers) => expect(warningHeaders(texts)).toEqual(headers));

  it("cuts all to 256 characters once 4096 are passed, and drops the rest once those are", () => {
    const long = (index: number) => `${index}`.padEnd(1000, "日");
    const some = warningHeaders([0, 1, 2, 3].map(long));
    expect(some.map((line) => line.length)).toEqual([1008, 1008, 1008, 1008]);
    const more = warningHeaders(Array.from({ length: 40 }, (_, index) => long(index)));
    expect(new Set(more.map((line) => line.length))).toEqual(new Set([264]));
    expect(more.length).toBe(16);
  });

  it("never splits a character in two", () => {
    const [first] = warningHeaders(["😀".repeat(5000)]);
    expect(first).toBe(`299 - "${"😀".repeat(256)}"`);
  });
});

describe("goaway", () => {
  it.each([
    ["h2", 1, "close"],
    ["h2", 0, undefined],
    ["h1", 1, undefined],
  ] as const)("%s with a chance of %i", async (transport, chance, expected) => {
    const set = new Map<string, string>();
    const exchange = {
      peer: { transport },
      response: { setHeader: (name: string, value: string) => set.set(name, value) },
    } as unknown as Exchange;
    let served = 0;
    await goaway(chance, seededRandom(1))(exchange, () => void served++);
    expect([set.get("Connection"), served]).toEqual([expected, 1]);
  });
});
