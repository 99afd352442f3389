import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import type { KubeObject } from "../../api/meta.ts";
import { notFound } from "../../api/status.ts";
import type { VirtualResource, WatchEvent } from "../resource.ts";
import { BASE, type Bench, bench, widget, widgets } from "./fixture.test-support.ts";
import { BOOKMARK_INTERVAL } from "./watch-timers.ts";

const WIDGETS = `${BASE}/namespaces/default/widgets`;
let b: Bench;
const start = async (virtual: VirtualResource, changes = {}) => {
  b = await bench({ resources: [{ definition: widgets(changes), virtual }] });
};
afterEach(() => b.close());

const named = (name: string, color: string): KubeObject => ({
  ...widget(name, { metadata: { namespace: "default", resourceVersion: "7", labels: { color } } }),
  spec: { color },
});

describe("a resource answered by functions", () => {
  test("is got, listed, selected, paged and shown like a stored one", async () => {
    const all = [named("c", "red"), named("a", "red"), named("b", "blue")];
    await start({
      get: ({ name }) => all.find((object) => object.metadata.name === name),
      list: () => ({
        apiVersion: "test.example.com/v1",
        kind: "WidgetList",
        metadata: { resourceVersion: "7" },
        items: all,
      }),
    });
    expect((await b.send("GET", `${WIDGETS}/a`)).json.spec).toEqual({ color: "red" });
    expect((await b.send("GET", `${WIDGETS}/x`)).json.message).toBe('widgets.test.example.com "x" not found');
    const names = async (query: string) =>
      (await b.send("GET", `${WIDGETS}?${query}`)).json.items.map((item: KubeObject) => item.metadata.name).join("");
    expect(await names("")).toBe("cab");
    expect(await names("labelSelector=color%3Dred")).toBe("ca");
    expect(await names("fieldSelector=spec.color%3Dblue")).toBe("b");
    const first = (await b.send("GET", `${WIDGETS}?limit=2`)).json;
    expect(first.metadata).toMatchObject({ resourceVersion: "7", remainingItemCount: 1 });
    expect(await names(`limit=2&continue=${first.metadata.continue}`)).toBe("c");
    const table = await b.send("GET", WIDGETS, undefined, { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" });
    expect(table.json.rows).toHaveLength(3);
  });

  test("a review is created only: 201, its own answer, no table", async () => {
    await start(
      { create: ({ user }, review) => ({ ...review, status: { user: user.name } }) },
      { verbs: ["create"], namespaced: false },
    );
    const answer = await b.send("POST", `${BASE}/widgets`, { spec: {} });
    expect([answer.status, answer.json.status]).toEqual([201, { user: "alice" }]);
    expect(answer.json.metadata.uid).toBeUndefined();
    const accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
    expect((await b.send("POST", `${BASE}/widgets`, { spec: {} }, { accept })).status).toBe(406);
    expect((await b.send("GET", `${BASE}/widgets`)).status).toBe(405);
  });

  test("updates, patches and deletes reach the functions", async () => {
    let stored: KubeObject | undefined = named("a", "red");
    await start({
      get: () => stored,
      update: (_, object) => {
        stored = { ...object, metadata: { ...object.metadata, resourceVersion: "8" } };
        return stored;
      },
      delete: () => {
        const last = stored;
        stored = undefined;
        return last;
      },
    });
    const patched = await b.send(
      "PATCH",
      `${WIDGETS}/a`,
      { spec: { color: "blue" } },
      { "content-type": "application/merge-patch+json" },
    );
    expect(patched.json).toMatchObject({ metadata: { resourceVersion: "8" }, spec: { color: "blue" } });
    expect((await b.send("PUT", `${WIDGETS}/a`, named("a", "red"))).status).toBe(409);
    expect((await b.send("DELETE", `${WIDGETS}/a`)).json.status).toBe("Success");
    expect((await b.send("GET", `${WIDGETS}/a`)).status).toBe(404);
  });
});

describe("deleting what functions answer for", () => {
  test("calls the function only for what exists and is what the caller means", async () => {
    const deleted: string[] = [];
    await start({
      get: ({ name }) => (name === "a" ? named("a", "red") : undefined),
      delete: ({ name }) => {
        deleted.push(name);
        return undefined;
      },
    });
    expect((await b.send("DELETE", `${WIDGETS}/x`)).json).toMatchObject({ code: 404, reason: "NotFound" });
    const other = { preconditions: { uid: "other" } };
    expect((await b.send("DELETE", `${WIDGETS}/a`, other)).json).toMatchObject({ code: 409, reason: "Conflict" });
    expect(deleted).toEqual([]);
    expect((await b.send("DELETE", `${WIDGETS}/a`)).json.status).toBe("Success");
    expect(deleted).toEqual(["a"]);
  });
});

describe("a watch answered by a function", () => {
  const read = async (query: string, count: number) => {
    const response = await b.open(`${WIDGETS}?watch=1${query}`);
    let text = "";
    for await (const chunk of response.body) {
      text += Buffer.from(chunk).toString();
      if (text.split("\n").length > count) break;
    }
    return text
      .split("\n")
      .slice(0, count)
      .map((line) => JSON.parse(line))
      .map(
        ({ type, object }) =>
          `${type} ${object.metadata?.name ?? object.reason ?? ""}@${object.metadata?.resourceVersion ?? ""}`,
      );
  };
  const events = (...list: WatchEvent[]) =>
    async function* () {
      yield* list;
    };

  test("begins with what is listed, ends the initial events, and goes on through the selector", async () => {
    await start({
      list: () => ({
        apiVersion: "v1",
        kind: "WidgetList",
        metadata: { resourceVersion: "7" },
        items: [named("a", "red"), named("b", "blue")],
      }),
      watch: (_, query) =>
        events(
          {
            type: "MODIFIED",
            object: {
              ...named("b", "red"),
              metadata: { ...named("b", "red").metadata, resourceVersion: `${query.resourceVersion}1` },
            },
          },
          { type: "MODIFIED", object: named("a", "blue") },
          { type: "MODIFIED", object: named("b", "red") },
          { type: "BOOKMARK", resourceVersion: "90" },
        )(),
    });
    const query =
      "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&labelSelector=color%3Dred";
    expect(await read(query, 6)).toEqual([
      "ADDED a@7",
      "BOOKMARK @7",
      "ADDED b@71",
      "DELETED a@7",
      "MODIFIED b@7",
      "BOOKMARK @90",
    ]);
  });

  test("an event that comes while a bookmark is written is not left waiting for the next one", async () => {
    const due = Promise.withResolvers<void>();
    const watch = async function* () {
      yield { type: "ADDED", object: named("a", "red") } as const;
      await due.promise;
      yield { type: "ADDED", object: named("b", "red") } as const;
    };
    b = await bench({ resources: [{ definition: widgets(), virtual: { watch } }], highWaterMark: 1 });
    const abort = new AbortController();
    const response = await b.open(`${WIDGETS}?watch=1&resourceVersion=1&allowWatchBookmarks=true`, {}, abort.signal);
    const chunks = response.body[Symbol.asyncIterator]();
    const next = async () => Buffer.from((await chunks.next()).value!).toString();
    expect(await next()).toContain('"name":"a"');
    await b.clock.advance(BOOKMARK_INTERVAL);
    // The bookmark is written and nobody has read it: the event comes now.
    due.resolve();
    await nextTurn();
    expect(await next()).toContain('"BOOKMARK"');
    expect(await next()).toContain('"name":"b"');
    abort.abort();
  });

  test("a failure of the function is an ERROR event", async () => {
    await start({
      watch: async function* () {
        yield { type: "ADDED", object: named("a", "red") } as const;
        throw notFound({ group: "", resource: "things" }, "x");
      },
    });
    expect(await read("&resourceVersion=1", 2)).toEqual(["ADDED a@7", "ERROR NotFound@"]);
  });
});
