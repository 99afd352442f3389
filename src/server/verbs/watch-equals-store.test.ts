import fc from "fast-check";
import { expect, test } from "vitest";
import { BASE, type Bench, bench, widget } from "./fixture.test-support.ts";

const WIDGETS = `${BASE}/namespaces/default/widgets`;
const MERGE = { "content-type": "application/merge-patch+json" };

const write = fc.record({
  verb: fc.constantFrom("create", "patch", "delete", "replace"),
  name: fc.constantFrom("a", "b", "c"),
  color: fc.constantFrom("red", "blue"),
});

async function perform(b: Bench, { verb, name, color }: { verb: string; name: string; color: string }) {
  if (verb === "create") await b.send("POST", WIDGETS, widget(name, { spec: { color } }));
  if (verb === "patch") await b.send("PATCH", `${WIDGETS}/${name}`, { spec: { color } }, MERGE);
  if (verb === "delete") await b.send("DELETE", `${WIDGETS}/${name}`);
  if (verb === "replace") await b.send("PUT", `${WIDGETS}/${name}`, widget(name, { spec: { color, replaced: true } }));
}

/** Applies events as an informer does, checking that each makes sense for what came before. */
async function follow(b: Bench, query: string, from: Map<string, unknown>, since: string, until: number) {
  const response = await b.open(
    `${WIDGETS}?watch=1&allowWatchBookmarks=true&timeoutSeconds=10&resourceVersion=${since}${query}`,
  );
  await b.clock.advance(10_000);
  let last = Number(since);
  let text = "";
  for await (const chunk of response.body) text += Buffer.from(chunk).toString();
  for (const line of text.split("\n").filter(Boolean)) {
    const { type, object } = JSON.parse(line);
    const revision = Number(object.metadata.resourceVersion);
    if (type === "BOOKMARK") {
      expect(revision).toBe(until);
      continue;
    }
    expect(revision).toBeGreaterThan(last);
    last = revision;
    const { name } = object.metadata;
    expect(from.has(name)).toBe(type !== "ADDED");
    if (type === "DELETED") from.delete(name);
    else from.set(name, object);
  }
  return Object.fromEntries([...from].sort());
}

// Law: a list and the events after it, through any selector, equal a later list through the same selector.
test("list + watch = list, for any interleaving of writes", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(write, { maxLength: 4 }), { maxLength: 8 }),
      fc.nat(),
      fc.constantFrom("", "&fieldSelector=spec.color%3Dred", "&fieldSelector=metadata.name!%3Db"),
      async (rounds, cut, query) => {
        const b = await bench();
        // Version 0 would mean "any" to a watch.
        await b.send("POST", `${BASE}/namespaces/elsewhere/widgets`, widget("first"));
        try {
          const listed = async () => {
            const { json } = await b.send("GET", `${WIDGETS}?x=1${query}`);
            const items = json.items as { metadata: { name: string } }[];
            return {
              version: json.metadata.resourceVersion,
              map: new Map<string, unknown>(items.map((item) => [item.metadata.name, item])),
            };
          };
          let before = await listed();
          for (const [index, round] of rounds.entries()) {
            await Promise.all(round.map((each) => perform(b, each)));
            if (index === cut % 8) before = await listed();
          }
          const after = await listed();
          const followed = await follow(b, query, before.map, before.version, b.state.revision);
          expect(followed).toEqual(Object.fromEntries([...after.map].sort()));
        } finally {
          await b.close();
        }
      },
    ),
    { numRuns: 60 },
  );
});
