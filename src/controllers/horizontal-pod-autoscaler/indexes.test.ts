import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { nothing, parseLabelSelector } from "../../api/selectors.ts";
import { SimulatedClock } from "../../api/simulated.ts";
import { eventBudget } from "./event-budget.ts";
import { goSelector } from "./go-selector.ts";
import { LabelIndex } from "./label-index.ts";
import { SelectorRegistry } from "./selector-registry.ts";

const labels = fc.dictionary(fc.constantFrom("a", "b", "c", "__proto__"), fc.constantFrom("", "1", "2"));
const selector = fc.constantFrom(
  ..."|a|!a|a=1|a=1,b=2|a in (1)|a in (1,2)|a!=1|b=2,c|a=1,a=2|c notin (1),b=1".split("|"),
);

describe("an index by labels", () => {
  test("finds what looking at everything finds, whatever came and went", () => {
    fc.assert(
      fc.property(fc.array(labels), fc.array(labels), fc.array(selector), (before, after, texts) => {
        const items = [...before, ...after].map((one) => ({ labels: one }));
        const index = new LabelIndex<(typeof items)[number]>((item) => item.labels, items.slice(0, before.length));
        for (const text of texts) index.select(parseLabelSelector(text));
        for (const item of items.slice(before.length)) index.add(item);
        for (const item of items.slice(0, before.length >> 1)) index.delete(item);
        const left = items.slice(before.length >> 1);
        expect(index.size).toBe(left.length);
        for (const text of texts) {
          const parsed = parseLabelSelector(text);
          expect(new Set(index.select(parsed))).toEqual(new Set(left.filter((item) => parsed.matches(item.labels))));
        }
      }),
    );
  });
});

describe("the registry of selectors", () => {
  test("knows who looks at a pod", () => {
    fc.assert(
      fc.property(fc.array(selector, { maxLength: 8 }), fc.array(labels, { maxLength: 4 }), (texts, pods) => {
        const registry = new SelectorRegistry();
        texts.forEach((text, index) => {
          registry.put("ns", `${index}`, nothing);
          registry.put("ns", `${index}`, parseLabelSelector(text));
        });
        registry.put("elsewhere", "x", parseLabelSelector(""));
        const expected = texts.flatMap((text, index) =>
          pods.some((pod) => parseLabelSelector(text).matches(pod)) ? [`${index}`] : [],
        );
        expect(registry.lookingAt("ns", pods).sort()).toEqual(expected);
        for (const index of texts.keys()) registry.delete("ns", `${index}`);
        expect(registry.lookingAt("ns", pods)).toEqual([]);
      }),
    );
  });
});

it("a budget of events fills up slowly", async () => {
  const clock = new SimulatedClock();
  const budget = eventBudget(clock);
  const taken = () => Array.from({ length: 30 }, () => budget.take("a")).filter(Boolean).length;
  expect([taken(), taken()]).toEqual([25, 0]);
  expect(budget.take("b")).toBe(true);
  await clock.advance(300_000);
  expect(taken()).toBe(1);
  await clock.advance(100 * 300_000);
  expect(taken()).toBe(25);
  budget.forget("a");
  expect(taken()).toBe(25);
});

it.each([
  [undefined, "nil"],
  [{}, "&LabelSelector{MatchLabels:map[string]string{},MatchExpressions:[]LabelSelectorRequirement{},}"],
  [
    { matchLabels: { b: "2", a: "1" }, matchExpressions: [{ key: "x", operator: "In", values: ["a", "b"] }] },
    "&LabelSelector{MatchLabels:map[string]string{a: 1,b: 2,},MatchExpressions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:x,Operator:In,Values:[a b],},},}",
  ],
])("%j as Go prints it", (given, text) => {
  expect(goSelector(given)).toBe(text);
});
