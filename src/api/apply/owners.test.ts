import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { JSONObject, JSONValue } from "../meta.ts";
import { compare } from "./compare.ts";
import { EMPTY, type FieldSet } from "./field-set.ts";
import { fieldsOf } from "./fields-of.ts";
import type { Owners } from "./managed.ts";
import { merge } from "./merge.ts";
import { afterUpdate, applied, Conflicts, type Write } from "./owners.ts";
import { type MapShape, type Shape, showPath } from "./shape.ts";

const text: Shape = { type: "scalar", scalar: "string" };
const number: Shape = { type: "scalar", scalar: "numeric" };

function record(fields: Record<string, Shape>, defaults: Record<string, JSONValue> = {}): MapShape {
  return {
    type: "map",
    atomic: false,
    field: (name) => (Object.hasOwn(fields, name) ? fields[name] : undefined),
    members: undefined,
    defaultOf: (name) => (Object.hasOwn(defaults, name) ? defaults[name] : undefined),
  };
}

const port = record({ port: number, protocol: text, name: text }, { protocol: "TCP" });
const shape = record({
  name: text,
  ports: { type: "list", relation: "map", keys: ["port", "protocol"], element: () => port },
  tags: { type: "list", relation: "set", keys: [], element: () => text },
  args: { type: "list", relation: "atomic", keys: [], element: () => text },
  labels: { type: "map", atomic: false, field: () => undefined, members: () => text },
  selector: { type: "map", atomic: true, field: () => undefined, members: () => text },
});

const write = (manager: string, operation: "Apply" | "Update" = "Apply"): Write => ({
  shape,
  manager: { manager, operation, apiVersion: "v1", subresource: "" },
  now: "2026-01-01T00:00:00Z",
  ignored: EMPTY,
});
const nobody: Owners = new Map();
const fields = (set: FieldSet) => Array.from(set.paths(), showPath);
const byName = (owners: Owners) =>
  Object.fromEntries([...owners.values()].map((owner) => [owner.manager, fields(owner.fields)]));

/** What one server would hold after these applies, all forced. */
function afterApplies(configs: readonly (readonly [string, JSONObject])[]): { live: JSONValue; owners: Owners } {
  let live: JSONValue = {};
  let owners = nobody;
  for (const [manager, config] of configs) {
    const outcome = applied(write(manager), live, config, owners, true);
    live = outcome.object ?? live;
    owners = outcome.owners;
  }
  return { live, owners };
}

const word = fc.constantFrom("a", "b", "c");
const config: fc.Arbitrary<JSONObject> = fc.record(
  {
    name: word,
    ports: fc.uniqueArray(fc.record({ port: fc.constantFrom(80, 443), name: word }), {
      selector: ({ port: at }) => at,
      minLength: 1,
    }),
    tags: fc.uniqueArray(word, { minLength: 1 }),
    args: fc.array(word, { minLength: 1, maxLength: 3 }),
    labels: fc.dictionary(word, word, { minKeys: 1 }),
    selector: fc.dictionary(word, word, { minKeys: 1 }),
  },
  { requiredKeys: [] },
);
const manager = fc.constantFrom("one", "two", "three");
const history = fc.array(fc.tuple(manager, config), { maxLength: 6 });

describe("apply", () => {
  it("done twice is done once", () => {
    fc.assert(
      fc.property(history, manager, config, (before, who, what) => {
        const once = afterApplies([...before, [who, what]]);
        const again = applied(write(who), once.live, what, once.owners, false);
        expect(again.object).toBeUndefined();
        expect(byName(again.owners)).toEqual(byName(once.owners));
      }),
    );
  });

  it("leaves what it says in the object, and its applier as the owner of just that", () => {
    fc.assert(
      fc.property(history, manager, config, (before, who, what) => {
        const { live, owners } = afterApplies([...before, [who, what]]);
        const said = fieldsOf(shape, what);
        expect(said.difference(fieldsOf(shape, live)).empty).toBe(true);
        expect(byName(owners)[who] ?? []).toEqual(fields(said));
        // Laid over the object once more it changes nothing, but for the order of what only others say.
        expect(compare(shape, live, merge(shape, live, what)).modified.empty).toBe(true);
      }),
    );
  });

  it("never loses an owner whose fields did not change", () => {
    fc.assert(
      fc.property(history, manager, config, (before, who, what) => {
        const start = afterApplies(before);
        const end = applied(write(who), start.live, what, start.owners, true);
        const { added, modified, removed } = compare(shape, start.live, end.object ?? start.live);
        const touched = added.union(modified).union(removed);
        for (const [key, owner] of start.owners) {
          if (owner.manager === who) continue;
          const kept = owner.fields.difference(touched);
          expect(kept.difference(end.owners.get(key)?.fields ?? EMPTY).empty).toBe(true);
        }
      }),
    );
  });

  it("takes everything away with the last owner", () => {
    fc.assert(
      fc.property(history, (before) => {
        const { live, owners } = afterApplies([...before, ["one", {}], ["two", {}], ["three", {}]]);
        expect(owners.size).toBe(0);
        // Maps and lists may stay, empty.
        expect(JSON.stringify(live)).toMatch(/^\{("\w+":(\{\}|\[\]),?)*\}$/);
      }),
    );
  });

  it("of two who say different things in any order leaves the same fields", () => {
    fc.assert(
      fc.property(config, config, (first, second) => {
        const ab = afterApplies([
          ["one", first],
          ["two", second],
        ]);
        const ba = afterApplies([
          ["two", second],
          ["one", first],
        ]);
        expect(fields(fieldsOf(shape, ab.live))).toEqual(fields(fieldsOf(shape, ba.live)));
      }),
    );
  });

  it("says every conflict, and only where values differ", () => {
    const { live, owners } = afterApplies([["one", { name: "a", labels: { x: "1", y: "2" }, tags: ["t"] }]]);
    const refused = () => applied(write("two"), live, { name: "b", labels: { x: "9", y: "2" } }, owners, false);
    expect(refused).toThrow(Conflicts);
    try {
      refused();
    } catch (error) {
      expect((error as Conflicts).conflicts.map(({ path }) => showPath(path))).toEqual([".labels.x", ".name"]);
    }
  });
});

describe("updates", () => {
  it("own what they change, and take it from everybody else", () => {
    fc.assert(
      fc.property(history, config, (before, after) => {
        const { live, owners } = afterApplies(before);
        const now = afterUpdate(write("updater", "Update"), live, after, owners);
        const { added, modified } = compare(shape, live, after);
        expect(byName(now)["updater"] ?? []).toEqual(fields(added.union(modified)));
        for (const owner of now.values()) {
          // Nobody owns what is not there.
          expect(owner.fields.difference(fieldsOf(shape, after).union(added)).empty).toBe(true);
        }
      }),
    );
  });

  it("beyond ten become one whose fields nobody remembers who changed", () => {
    let live: JSONObject = { labels: { seed: "1" } };
    let owners = nobody;
    for (let index = 0; index < 15; index++) {
      const next: JSONObject = { labels: { ...(live["labels"] as JSONObject), [`l${index}`]: "1" } };
      owners = afterUpdate(
        { ...write(`m${index}`, "Update"), now: `2026-01-01T00:00:${String(index).padStart(2, "0")}Z` },
        live,
        next,
        owners,
      );
      live = next;
    }
    const names = [...owners.values()].map((owner) => owner.manager);
    expect(names).toHaveLength(10);
    expect(byName(owners)["ancient-changes"]).toEqual([0, 1, 2, 3, 4, 5].map((index) => `.labels.l${index}`));
  });
});

describe("twenty thousand elements", () => {
  it("are merged, compared and written in linear passes", () => {
    const ports = Array.from({ length: 20_000 }, (_, port) => ({ port, name: "x" }));
    const { live, owners } = afterApplies([["one", { ports }]]);
    const again = applied(write("one"), live, { ports: ports.slice(1) }, owners, false);
    expect((again.object as { ports: unknown[] }).ports).toHaveLength(19_999);
    expect(Object.keys([...again.owners.values()][0]!.fields.toFieldsV1())).toEqual(["f:ports"]);
  });
});

describe("merging lists", () => {
  const merged = (live: readonly string[], configured: readonly string[]) =>
    (merge(shape, { tags: [...live] }, { tags: [...configured] }) as { tags: string[] }).tags.join("");

  it.each([
    ["ab", "ab", "ab"],
    ["ab", "ba", "ba"],
    ["abc", "b", "abc"],
    ["abc", "x", "abcx"],
    ["abc", "ca", "bca"],
    ["axbyc", "cba", "xycba"],
    ["", "ab", "ab"],
  ])("%s under %s is %s", (live, configured, result) => {
    expect(merged([...live], [...configured])).toBe(result);
  });

  it("tells elements apart by keys, with their defaults", () => {
    expect(
      merge(shape, { ports: [{ port: 80, protocol: "TCP", name: "a" }] }, { ports: [{ port: 80, name: "b" }] }),
    ).toEqual({ ports: [{ port: 80, protocol: "TCP", name: "b" }] });
  });
});
