import type { LookupAddress } from "node:dns";
import { expect, it } from "vitest";
import { SimulatedClock } from "../api/simulated.ts";
import { nameLookup } from "./names.ts";

type Done = (error: Error | null, addresses: readonly LookupAddress[]) => void;

const V4 = { address: "192.0.2.1", family: 4 };
const V6 = { address: "2001:db8::1", family: 6 };

function world(allowLoopback = false) {
  const clock = new SimulatedClock();
  const asked: [name: string, done: Done][] = [];
  const lookup = nameLookup({ clock, allowLoopback, ask: (name, done) => asked.push([name, done]) });
  /** What came back: an error's text, or addresses. */
  const ask = (name: string, options: { all?: boolean; family?: number } = { all: true }) => {
    const outcome: { value?: unknown } = {};
    lookup(name, options, (error, address) => {
      outcome.value = error === null ? address : error.message;
    });
    return outcome;
  };
  return { clock, asked, ask, names: () => asked.map(([name]) => name) };
}

it("one question for all who ask at a time; its answer counts for five seconds", async () => {
  const { clock, asked, ask } = world();
  const both = [ask("a"), ask("a", {})];
  expect(asked).toHaveLength(1);
  asked[0]![1](null, [V4, V6]);
  expect(both.map(({ value }) => value)).toEqual([[V4, V6], V4.address]);
  expect(ask("a", { family: 6 }).value).toBe(V6.address);
  await clock.advance(5000);
  ask("a");
  expect(asked).toHaveLength(2);
});

it("a resolver that does not answer holds two threads and nobody for longer than five seconds", async () => {
  const { clock, names, ask, asked } = world();
  const outcomes = ["a", "b", "c", "d"].map((name) => ask(name));
  expect(names()).toEqual(["a", "b"]);
  await clock.advance(5000);
  expect(outcomes.map(({ value }) => value)).toEqual(
    ["a", "b", "c", "d"].map((name) => `dial tcp: lookup ${name}: i/o timeout`),
  );
  expect(names()).toEqual(["a", "b"]);
  // Nobody waits for c and d any more; who asks now is next.
  const e = ask("e");
  asked[0]![1](null, [V4]);
  expect(names()).toEqual(["a", "b", "e"]);
  asked[2]![1](null, [V6]);
  expect([e.value, clock.waiting]).toEqual([[V6], 0]);
});

it("a failure is told to who waits, and asked again", () => {
  const { asked, ask } = world();
  const first = ask("a");
  asked[0]![1](Object.assign(new Error("getaddrinfo ENOTFOUND a"), { code: "ENOTFOUND" }), []);
  expect(first.value).toBe("getaddrinfo ENOTFOUND a");
  const second = ask("a", { family: 6 });
  asked[1]![1](null, [V4]);
  expect(second.value).toBe("dial tcp: lookup a: no such host");
});

it.each([
  ["127.0.0.1", "loopback"],
  ["::ffff:127.0.0.1", "loopback"],
  ["169.254.169.254", "linkLocal"],
  ["0.0.0.0", "unspecified"],
])("a name that leads to %s is refused, one good address beside it or not", (address, range) => {
  const { asked, ask } = world();
  const outcome = ask("evil");
  asked[0]![1](null, [V4, { address, family: address.includes(":") ? 6 : 4 }]);
  expect(outcome.value).toContain("dial tcp: lookup evil: ");
  expect(outcome.value).toContain(range);
  const allowed = world(true);
  const fine = allowed.ask("local");
  allowed.asked[0]![1](null, [{ address, family: 4 }]);
  expect(fine.value).toEqual([{ address, family: 4 }]);
});
