import { expect, it } from "vitest";
import { append, invalidValue } from "./field-errors.ts";
import type { ObjectMeta } from "./meta.ts";
import { validateObjectMeta } from "./object-meta.ts";
import { applyJSONPatch } from "./patch/json-patch.ts";
import { invalid, MAX_CAUSES } from "./status.ts";

const rules = { namespaced: true, nameRule: () => [] };
const MILLION = 1_000_000;

it("a body that is wrong in a million places is told of a thousand", () => {
  const errors = Array.from({ length: MILLION }, (_, index) => invalidValue(`spec.x[${index}]`, "", "no"));
  const { message, status } = invalid({ group: "", kind: "Pod" }, "a", errors);
  expect(status.details?.causes).toHaveLength(MAX_CAUSES);
  expect(message).toContain('spec.x[999]: Invalid value: "": no, and more]');
  const few = invalid({ group: "", kind: "Pod" }, "a", errors.slice(0, MAX_CAUSES));
  expect(few.message).not.toContain("and more");
});

it.each([
  ["finalizers", { finalizers: Array<string>(MILLION).fill("-") }],
  ["labels", { labels: Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`-${index}`, "v"])) }],
])("%s without end cost no stack", (_, part) => {
  const errors = validateObjectMeta({ name: "a", namespace: "b", ...part } as ObjectMeta, rules);
  expect(errors.length).toBeGreaterThan(MAX_CAUSES);
  expect(errors.length).toBeLessThan(MAX_CAUSES + 10);
});

it("append takes what the stack could not", () => {
  const target: number[] = [];
  append(target, Array<number>(MILLION).fill(1));
  expect(target).toHaveLength(MILLION);
});

it("a JSON patch copies lists of any length", () => {
  const document = { a: Array<number>(300_000).fill(1) };
  const copied = applyJSONPatch(document, [
    { op: "add", path: "/a/-", value: 2 },
    { op: "copy", from: "/a", path: "/b" },
    { op: "replace", path: "/b/0", value: 3 },
  ]) as { a: number[]; b: number[] };
  expect([copied.a[0], copied.b[0], copied.b.length]).toEqual([1, 3, 300_001]);
});
