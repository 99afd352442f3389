import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareKeys, orderKey } from "./key-order.ts";
import { Tree, type TreeView } from "./tree.ts";

const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
/** Few letters and few keys, so that prefixes nest and keys repeat. */
const key = fc.oneof(
  fc.string({ unit: fc.constantFrom("a", "b", "/"), maxLength: 6 }),
  fc.nat(400).map((number) => `/n/${number}`),
  fc.string({ unit: fc.constantFrom("a", "ä", "\ud7ff", "\ue000", "\uffff", "\u{1f600}"), maxLength: 3 }),
);
const operation = fc.record({ key, remove: fc.boolean(), view: fc.nat(30) });

function check(view: TreeView<number>, model: ReadonlyMap<string, number>, probes: readonly string[]): void {
  const keys = [...model.keys()].sort(byBytes);
  expect(view.size).toBe(keys.length);
  expect([...view.range("")]).toEqual(keys.map((each) => model.get(each)));
  for (const probe of probes) {
    expect(view.get(probe)).toBe(model.get(probe));
    const under = keys.filter((each) => each.startsWith(probe));
    expect(view.count(probe)).toBe(under.length);
    for (const start of probes) {
      const expected = under.filter((each) => byBytes(each, start) >= 0).map((each) => model.get(each));
      expect([...view.range(probe, start)]).toEqual(expected);
    }
  }
}

describe("the tree", () => {
  it("is a sorted map, and every view of it stays what it was", () => {
    fc.assert(
      fc.property(
        fc.array(operation, { maxLength: 400, size: "max" }),
        fc.array(key, { maxLength: 4 }),
        (operations, probes) => {
          const tree = new Tree<number>();
          const model = new Map<string, number>();
          const kept: [TreeView<number>, Map<string, number>][] = [];
          operations.forEach(({ key, remove, view }, round) => {
            const before = model.get(key);
            if (remove) {
              expect(tree.delete(key)).toBe(before);
              model.delete(key);
            } else {
              expect(tree.set(key, round)).toBe(before);
              model.set(key, round);
            }
            if (view === 0) kept.push([tree.view(), new Map(model)]);
          });
          check(tree.view(), model, probes);
          for (const [view, then] of kept) check(view, then, probes.slice(0, 1));
        },
      ),
      { numRuns: 60 },
    );
  });

  it("stays right while thousands of keys come and go in any direction", () => {
    for (const order of [
      (index: number) => index,
      (index: number) => 4_999 - index,
      (index: number) => (index * 7_919) % 5_000,
    ]) {
      const tree = new Tree<number>();
      const name = (number: number) => `/registry/things/${String(number).padStart(5, "0")}`;
      for (let index = 0; index < 5_000; index++) tree.set(name(order(index)), order(index));
      const full = tree.view();
      for (let index = 0; index < 5_000; index++) {
        if (index % 10 !== 0) expect(tree.delete(name(order(index)))).toBe(order(index));
        if (index % 1_000 === 0) expect([...tree.view().range("/registry/")].length).toBe(tree.size);
      }
      expect(tree.size).toBe(500);
      expect([...tree.view().range("/registry/things/")]).toEqual(
        Array.from({ length: 5_000 }, (_, index) => index).filter((number) => tree.get(name(number)) !== undefined),
      );
      expect(full.count("/registry/things/0123")).toBe(10);
      expect([...full.range("/registry/", name(4_998))]).toEqual([4_998, 4_999]);
    }
  });

  it("a tree made from a view leaves the view alone", () => {
    const tree = new Tree<number>();
    for (let index = 0; index < 100; index++) tree.set(`/${index}`, index);
    const view = tree.view();
    const other = Tree.from(view);
    for (let index = 0; index < 100; index++) other.delete(`/${index}`);
    expect([other.size, view.size, tree.size]).toEqual([0, 100, 100]);
  });
});

describe("order keys", () => {
  it("compare as UTF-8 bytes do, keep prefixes, and leave ordinary keys alone", () => {
    const any = fc.string({ unit: "binary" });
    fc.assert(
      fc.property(any, any, (a, b) => {
        expect(Math.sign(compareKeys(a, b))).toBe(Math.sign(byBytes(a, b)));
        expect(orderKey(a + b).startsWith(orderKey(a))).toBe(true);
      }),
    );
    expect(orderKey("/registry/pods/default/é")).toBe("/registry/pods/default/é");
  });
});
