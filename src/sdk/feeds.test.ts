import { describe, expect, it } from "vitest";
import type { KubeObject } from "../api/meta.ts";
import { SimulatedClock } from "../api/simulated.ts";
import { Collection } from "./collection.ts";
import { followed, polled, revised } from "./feeds.ts";
import type { Asked, Change } from "./resource.ts";

type Thing = KubeObject & { spec: { value: number } };
const thing = (name: string, value: number, namespace = "ns") => ({ metadata: { name, namespace }, spec: { value } });
const asked = (more: object = {}) =>
  ({ namespace: "", name: "", signal: new AbortController().signal, ...more }) as unknown as Asked & {
    labels: { matches(): boolean; text: string };
    fields: string;
    since: string;
  };

/** What a watch says, in words; it runs until `stop`. */
function hear(changes: AsyncIterable<Change<Thing>>) {
  const heard: string[] = [];
  const done = (async () => {
    for await (const change of changes) {
      if (change.type === "BOOKMARK") continue;
      const { metadata, spec } = change.object as Thing;
      heard.push(`${change.type} ${metadata.name}=${spec.value}@${metadata.resourceVersion}`);
    }
  })();
  return { heard, done };
}

const turns = async (count = 20) => {
  for (let turn = 0; turn < count; turn++) await Promise.resolve();
};

describe("a collection", () => {
  it("says what differs, and only that", async () => {
    const collection = new Collection<Thing>(100);
    const stop = new AbortController();
    const { heard, done } = hear(collection.watch("", "", stop.signal));
    await turns();
    collection.replace([thing("a", 1), thing("b", 1)]);
    collection.replace([thing("a", 1), thing("b", 2)]);
    collection.replace([thing("b", 2)]);
    await turns();
    expect(heard).toEqual(["ADDED a=1@101", "ADDED b=1@102", "MODIFIED b=2@103", "DELETED a=1@104"]);
    expect(collection.list("").resourceVersion).toBe("104");
    stop.abort();
    await done;
  });

  it("an ADDED of something known is a change, a DELETED of something unknown is none", () => {
    const collection = new Collection<Thing>(0);
    collection.apply("ADDED", thing("a", 1));
    collection.apply("ADDED", thing("a", 1));
    collection.apply("ADDED", thing("a", 2));
    collection.apply("DELETED", thing("b", 1));
    expect(collection.list("").resourceVersion).toBe("2");
  });

  it("resumes where a watch ended, in its namespace", async () => {
    const collection = new Collection<Thing>(0);
    collection.replace([thing("a", 1), thing("b", 1, "other")]);
    const stop = new AbortController();
    const { heard, done } = hear(collection.watch("ns", "1", stop.signal));
    collection.apply("MODIFIED", thing("b", 2, "other"));
    collection.apply("MODIFIED", thing("a", 2));
    await turns();
    expect(heard).toEqual(["MODIFIED a=2@4"]);
    stop.abort();
    await done;
  });

  it("refuses what it forgot, and what it has not reached", async () => {
    const collection = new Collection<Thing>(0);
    for (let value = 1; value <= 1002; value++) collection.apply("MODIFIED", thing("a", value));
    const { signal } = new AbortController();
    for (const since of ["1", "1003", "x"]) {
      await expect(collection.watch("", since, signal).next()).rejects.toMatchObject({ code: 410 });
    }
    expect((await collection.watch("", "2", signal).next()).value).toMatchObject({ type: "MODIFIED" });
  });
});

describe("polled", () => {
  it("asks for each get and list, and no more while nobody watches", async () => {
    const clock = new SimulatedClock(5000);
    let asks = 0;
    const feed = polled<Thing>(1000, () => [thing("a", ++asks)], { clock });
    expect(await feed.list(asked())).toMatchObject({ items: [{ spec: { value: 1 } }], resourceVersion: "5001" });
    expect(await feed.get(asked({ namespace: "ns", name: "a" }))).toMatchObject({ spec: { value: 2 } });
    expect(await feed.get(asked({ namespace: "ns", name: "b" }))).toBeUndefined();
    await clock.advance(10_000);
    expect(asks).toBe(3);
  });

  it("one question serves all watchers, and the last one ends it", async () => {
    const clock = new SimulatedClock(0);
    let asks = 0;
    const feed = polled<Thing>(1000, () => [thing("a", Math.floor(++asks / 2))], { clock });
    const stops = [new AbortController(), new AbortController()];
    const watches = stops.map(({ signal }) => hear(feed.watch(asked({ since: "", signal }))));
    await turns();
    for (let second = 0; second < 4; second++) await clock.advance(1000);
    await turns();
    expect(asks).toBe(4);
    for (const { heard } of watches) expect(heard).toEqual(["ADDED a=0@1", "MODIFIED a=1@2", "MODIFIED a=2@3"]);
    for (const stop of stops) stop.abort();
    await Promise.all(watches.map(({ done }) => done));
    await clock.advance(10_000);
    expect(asks).toBe(4);
    expect(clock.waiting).toBe(0);
  });

  it("a failure ends the watches and is the answer; the next question may succeed", async () => {
    const clock = new SimulatedClock(0);
    let broken = false;
    const feed = polled<Thing>(
      1000,
      () => {
        if (broken) throw new Error("no answer");
        return [thing("a", 1)];
      },
      { clock },
    );
    await feed.list(asked());
    const { done } = hear(feed.watch(asked({ since: "1" })));
    const ended = expect(done).rejects.toThrow("no answer");
    await turns();
    broken = true;
    await clock.advance(1000);
    await ended;
    await expect(feed.list(asked())).rejects.toThrow("no answer");
    broken = false;
    expect(await feed.list(asked())).toMatchObject({ resourceVersion: "1" });
  });

  it.each([0, -1, Number.NaN])("refuses to ask every %d ms", (milliseconds) => {
    expect(() => polled<Thing>(milliseconds, () => [])).toThrow("must be more than 0");
  });
});

describe("followed", () => {
  it("knows what was said, tells what is said, and fails when the stream ends", async () => {
    const clock = new SimulatedClock(0);
    let finish = () => {};
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    async function* changes(): AsyncGenerator<Change<Thing>> {
      yield { type: "ADDED", object: thing("a", 1) };
      await finished;
      yield { type: "DELETED", object: thing("a", 1) };
    }
    const feed = followed<Thing>(changes(), { clock });
    await turns();
    expect(feed.list(asked())).toMatchObject({ items: [{ metadata: { name: "a" } }], resourceVersion: "1" });
    const { heard, done } = hear(feed.watch(asked({ since: "1" })));
    const ended = expect(done).rejects.toThrow("the stream of changes ended");
    finish();
    await ended;
    expect(heard).toEqual(["DELETED a=1@2"]);
    expect(() => feed.get(asked())).toThrow("the stream of changes ended");
  });
});

describe("revised", () => {
  it("the source's revisions are the resourceVersions; what it forgot is 410", async () => {
    const clock = new SimulatedClock(0);
    const log = [1, 2, 3].map((revision) => ({ type: "MODIFIED" as const, revision, object: thing("a", revision) }));
    let forgotten = 0;
    const feed = revised<Thing>(
      1000,
      {
        list: () => ({ items: [thing("a", log.length)], revision: log.length }),
        since: (revision) => (revision < forgotten ? undefined : log.filter((change) => change.revision > revision)),
      },
      { clock },
    );
    expect(await feed.list(asked())).toMatchObject({ resourceVersion: "3" });
    const { heard, done } = hear(feed.watch(asked({ since: "1" })));
    const ended = expect(done).rejects.toMatchObject({ code: 410 });
    await turns();
    log.push({ type: "MODIFIED", revision: 4, object: thing("a", 4) });
    await clock.advance(1000);
    expect(heard).toEqual(["MODIFIED a=2@2", "MODIFIED a=3@3", "MODIFIED a=4@4"]);
    forgotten = 9;
    await clock.advance(1000);
    await ended;
  });
});
