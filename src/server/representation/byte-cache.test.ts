import { expect, test } from "vitest";
import { ByteCache } from "./byte-cache.ts";

test("a cache makes each encoding once and forgets the oldest owner beyond its budget", () => {
  const cache = new ByteCache(1000);
  const owners = Array.from({ length: 5 }, (_, index) => ({ index }));
  let made = 0;
  const make = () => {
    made++;
    return new Uint8Array(200);
  };
  for (const owner of owners.slice(0, 3)) {
    cache.of(owner, "a", make);
    cache.of(owner, "a", make);
  }
  expect([made, cache.hits, cache.misses]).toEqual([3, 3, 3]);
  cache.of(owners[3]!, "a", make);
  expect(cache.bytes).toBeLessThanOrEqual(1000);
  expect(cache.get(owners[0]!, "a")).toBeUndefined();
  expect(cache.get(owners[3]!, "a")).toHaveLength(200);
  cache.clear();
  expect([cache.bytes, cache.get(owners[3]!, "a")]).toEqual([0, undefined]);
});

test("one owner larger than the budget is kept, alone", () => {
  const cache = new ByteCache(100);
  const owner = {};
  cache.set(owner, "big", new Uint8Array(500));
  expect(cache.get(owner, "big")).toHaveLength(500);
  cache.set({}, "other", new Uint8Array(500));
  expect(cache.get(owner, "big")).toBeUndefined();
});
