import fc from "fast-check";
import { expect, it } from "vitest";
import { Slabs, type StoredEntry } from "./slab.ts";

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

it.each([
  ['{"metadata":{"resourceVersion":""}}', '{"metadata":{"resourceVersion":"42"}}'],
  ['{"metadata":{"resourceVersion":"123456"}}', '{"metadata":{"resourceVersion":"42"}}'],
  [
    '{"a":"\\"resourceVersion\\":\\"","resourceVersion":""}',
    '{"a":"\\"resourceVersion\\":\\"","resourceVersion":"42"}',
  ],
  ['{"resourceVersion":"x1"}', '{"resourceVersion":"x1"}'],
  ['{"resourceVersion":"12', '{"resourceVersion":"12'],
  ['k8s\0"resourceVersion":""', 'k8s\0"resourceVersion":""'],
  ["", ""],
])("%s is stored as %s", (value, expected) => {
  const entry = new Slabs().store("/x", 42, Buffer.from(value));
  expect(text(entry.value)).toBe(expected);
  expect([entry.key, entry.revision, entry.memo]).toEqual(["/x", 42, undefined]);
});

it("whatever is freed, what lives keeps its bytes, and dead buffers are given back", () => {
  const step = fc.record({ size: fc.oneof(fc.nat(2_000), fc.nat(60_000)), free: fc.nat(3) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: "max" }), (steps) => {
      const slabs = new Slabs();
      let alive: { entry: StoredEntry; content: string; view: Uint8Array }[] = [];
      steps.forEach(({ size, free }, round) => {
        const content = String.fromCharCode(97 + (round % 26)).repeat(size);
        const entry = slabs.store(`/${round}`, round, Buffer.from(content));
        alive.push({ entry, content, view: entry.value });
        if (free === 0) return;
        const freed = alive.filter((_, index) => index % 3 < free);
        alive = alive.filter((_, index) => index % 3 >= free);
        for (const { entry: dead } of freed) {
          slabs.free(dead);
          slabs.free(dead);
        }
      });
      for (const { entry, content, view } of alive) {
        expect(text(entry.value) === content).toBe(true);
        // A view that was handed out is never written over.
        expect(text(view) === content).toBe(true);
      }
      const live = alive.reduce((sum, { content }) => sum + content.length, 0);
      // At most three quarters dead, and two slabs that are not judged yet.
      expect(slabs.heldBytes).toBeLessThanOrEqual(live * 4 + 2 * 256 * 1_024 + 16 * 1_024);
    }),
    { numRuns: 60 },
  );
});
