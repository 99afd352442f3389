import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BASE, type Bench, type BenchOptions, bench, widget } from "./fixture.test-support.ts";

const WIDGETS = `${BASE}/namespaces/default/widgets`;
let b: Bench;
const start = async (options?: BenchOptions) => {
  b = await bench(options);
};
beforeEach(() => start());
afterEach(() => b.close());

/** A watch whose events are read one by one. */
async function open(query: string, headers: Record<string, string> = {}) {
  const abort = new AbortController();
  const response = await b.open(`${WIDGETS}?watch=1${query}`, headers, abort.signal);
  const body = response.body[Symbol.asyncIterator]();
  let text = "";
  return {
    response,
    abort,
    /** The next event, or undefined when the stream ended. */
    // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever came
    async next(): Promise<any> {
      for (;;) {
        const end = text.indexOf("\n");
        if (end >= 0) {
          const line = text.slice(0, end);
          text = text.slice(end + 1);
          return JSON.parse(line);
        }
        const { value, done } = await body.next();
        if (done) return undefined;
        text += Buffer.from(value).toString("utf8");
      }
    },
    async names(count: number) {
      const seen: string[] = [];
      for (let index = 0; index < count; index++) {
        const event = await this.next();
        const { name = "", resourceVersion } = event.object.metadata;
        seen.push(`${event.type} ${name}@${resourceVersion}`);
      }
      return seen;
    },
  };
}

const create = (name: string, color = "red") => b.send("POST", WIDGETS, widget(name, { spec: { color } }));

describe("where a watch starts", () => {
  test("without a version: what exists now, then what happens", async () => {
    await create("a");
    const watch = await open("");
    expect(watch.response.headers["content-type"]).toBe("application/json");
    expect(await watch.names(1)).toEqual(["ADDED a@1"]);
    await create("b");
    await b.send("DELETE", `${WIDGETS}/a`);
    expect(await watch.names(2)).toEqual(["ADDED b@2", "DELETED a@3"]);
  });

  test("at a version: only what came after it, in order", async () => {
    for (const name of ["a", "b", "c"]) await create(name);
    const watch = await open("&resourceVersion=1");
    expect(await watch.names(2)).toEqual(["ADDED b@2", "ADDED c@3"]);
  });

  test("in the future: it waits", async () => {
    const watch = await open("&resourceVersion=2");
    for (const name of ["a", "b", "c"]) await create(name);
    expect(await watch.names(1)).toEqual(["ADDED c@3"]);
  });

  test("at a forgotten version: one ERROR event, then the end", async () => {
    await b.close();
    await start({ history: { minChanges: 1, maxChanges: 1 } });
    for (const name of ["a", "b", "c"]) await create(name);
    const watch = await open("&resourceVersion=1");
    expect(watch.response.status).toBe(200);
    expect(await watch.next()).toEqual({
      type: "ERROR",
      object: {
        kind: "Status",
        apiVersion: "v1",
        metadata: {},
        status: "Failure",
        message: expect.stringMatching(/^too old resource version: 1 \(\d+\)$/),
        reason: "Expired",
        code: 410,
      },
    });
    expect(await watch.next()).toBeUndefined();
  });
});

describe("what a watch sends", () => {
  test("parses nothing, and frames an event once for all watchers", async () => {
    const watches = await Promise.all([
      open("&resourceVersion=0"),
      open("&resourceVersion=0"),
      open("&labelSelector=!x"),
    ]);
    await create("a");
    const { decodes, encodes } = b.backend.counters;
    for (const watch of watches) expect(await watch.names(1)).toEqual(["ADDED a@1"]);
    expect(b.backend.counters).toEqual({ decodes, encodes, metadataParses: 0, frames: 1 });
  });

  test("shows through a selector what begins, goes on and ceases to match", async () => {
    const watch = await open("&fieldSelector=spec.color%3Dred");
    await create("a", "blue");
    const put = async (color: string) => {
      const { json } = await b.send("GET", `${WIDGETS}/a`);
      await b.send("PUT", `${WIDGETS}/a`, { ...json, spec: { color, at: b.state.revision } });
    };
    for (const color of ["red", "red", "blue", "blue", "red"]) await put(color);
    await b.send("DELETE", `${WIDGETS}/a`);
    expect((await watch.next()).type).toBe("ADDED");
    expect((await watch.next()).type).toBe("MODIFIED");
    const left = await watch.next();
    expect(left).toMatchObject({
      type: "DELETED",
      object: { metadata: { resourceVersion: "4" }, spec: { color: "red" } },
    });
    expect(await watch.names(2)).toEqual(["ADDED a@6", "DELETED a@7"]);
  });

  test("reduced to metadata", async () => {
    const accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    const watch = await open("", { accept });
    await create("a");
    const event = await watch.next();
    expect(Object.keys(event.object)).toEqual(["kind", "apiVersion", "metadata"]);
    expect(event.object).toMatchObject({
      kind: "PartialObjectMetadata",
      metadata: { name: "a", resourceVersion: "1" },
    });
  });

  test("as table rows, the columns with the first only", async () => {
    const accept = "application/json;as=Table;g=meta.k8s.io;v=v1";
    const watch = await open("", { accept });
    await create("a");
    await create("b");
    const [first, second] = [await watch.next(), await watch.next()];
    expect(first.object.columnDefinitions.map((column: { name: string }) => column.name)).toEqual([
      "Name",
      "Created At",
    ]);
    expect(first.object.rows[0]).toMatchObject({
      cells: ["a", "2026-01-01T00:00:00Z"],
      object: { kind: "PartialObjectMetadata" },
    });
    expect(second.object).toMatchObject({
      columnDefinitions: null,
      metadata: { resourceVersion: "2" },
      rows: [{ cells: ["b", "2026-01-01T00:00:00Z"] }],
    });
  });
});

describe("a watch list", () => {
  const QUERY = "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";

  test("marks the end of what existed", async () => {
    await create("a");
    await create("b");
    const watch = await open(QUERY);
    expect(await watch.names(2)).toEqual(["ADDED a@1", "ADDED b@2"]);
    expect(await watch.next()).toEqual({
      type: "BOOKMARK",
      object: {
        kind: "Widget",
        apiVersion: "test.example.com/v1",
        metadata: { resourceVersion: "2", annotations: { "k8s.io/initial-events-end": "true" } },
      },
    });
  });

  test("is no table: the next clause is taken, and without one it is refused", async () => {
    const table = "application/json;as=Table;g=meta.k8s.io;v=v1";
    expect((await b.send("GET", `${WIDGETS}?watch=1${QUERY}`, undefined, { accept: table })).status).toBe(406);
    const watch = await open(QUERY, { accept: `${table},application/json` });
    expect((await watch.next()).object.kind).toBe("Widget");
  });

  test.each([
    [
      "&sendInitialEvents=true",
      "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
    ],
    [
      "&resourceVersionMatch=NotOlderThan",
      "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
    ],
    [
      "&sendInitialEvents=true&resourceVersionMatch=Exact",
      '[resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan, resourceVersionMatch: Unsupported value: "Exact": supported values: "NotOlderThan"]',
    ],
  ])("%s is refused", async (query, why) => {
    const answer = await b.send("GET", `${WIDGETS}?watch=1${query}`);
    expect(answer.status).toBe(422);
    expect(answer.json.message).toBe(`ListOptions.meta.k8s.io "" is invalid: ${why}`);
  });
});

describe("time", () => {
  test("a bookmark a minute, one two seconds before the deadline, then the end", async () => {
    await create("a");
    const watch = await open("&resourceVersion=1&allowWatchBookmarks=true&timeoutSeconds=100");
    await b.clock.advance(59_000);
    await create("b");
    await b.clock.advance(1000);
    expect(await watch.names(2)).toEqual(["ADDED b@2", "BOOKMARK @2"]);
    await b.send("POST", `${BASE}/namespaces/elsewhere/widgets`, widget("c"));
    await b.clock.advance(38_000);
    expect(await watch.names(1)).toEqual(["BOOKMARK @3"]);
    await b.clock.advance(2000);
    expect(await watch.next()).toBeUndefined();
  });

  test("no bookmark for a watcher that did not ask", async () => {
    const watch = await open("&resourceVersion=0&timeoutSeconds=200");
    await b.clock.advance(200_000);
    expect(await watch.next()).toBeUndefined();
  });

  test("a client that takes no byte for five seconds is cut off", async () => {
    await b.close();
    await start({ highWaterMark: 10 });
    const watch = await open("&resourceVersion=0");
    await create("a");
    await b.clock.advance(4999);
    expect(b.clock.waiting).toBeGreaterThan(1);
    await b.clock.advance(1);
    // What was written before may still be read; behind it the stream is broken, not ended.
    await expect(
      (async () => {
        for (let index = 0; index < 3; index++) if ((await watch.next()) === undefined) return "ended";
      })(),
    ).rejects.toThrow();
  });

  test("one that was overtaken by history is ended, for the client to resume from what it saw", async () => {
    await b.close();
    await start({ highWaterMark: 10, history: { minChanges: 1, maxChanges: 1 } });
    const watch = await open("&resourceVersion=0");
    for (const name of ["a", "b", "c", "d"]) await create(name);
    expect(await watch.names(1)).toEqual(["ADDED a@1"]);
    expect(await watch.next()).toBeUndefined();
  });

  test("leaves no timer behind when the client goes", async () => {
    const waiting = b.clock.waiting;
    const watch = await open("&resourceVersion=0&allowWatchBookmarks=true");
    expect(b.clock.waiting).toBe(waiting + 3);
    watch.abort.abort();
    await b.clock.advance(0);
    expect(b.clock.waiting).toBe(waiting);
  });
});
