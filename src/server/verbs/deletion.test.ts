import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ResourceDefinition } from "../resource.ts";
import { BASE, type Bench, bench, widget, widgets } from "./fixture.test-support.ts";

const WIDGETS = `${BASE}/namespaces/default/widgets`;
const MERGE = { "content-type": "application/merge-patch+json" };
let b: Bench;
const start = async (changes: Partial<ResourceDefinition> = {}) => {
  b = await bench({ resources: [{ definition: widgets(changes) }] });
};
beforeEach(() => start());
afterEach(() => b.close());
const create = (metadata = {}) => b.send("POST", WIDGETS, widget("a", { metadata }));
const events = async () => {
  const cursor = b.state.cursor("/registry/", 0);
  return cursor.next(100).map(({ type, revision }) => `${type}@${revision}`);
};

describe("finalizers", () => {
  test("hold the object back, marked; the update that removes the last one removes it", async () => {
    await create({ finalizers: ["example.com/mine"] });
    const marked = await b.send("DELETE", `${WIDGETS}/a`);
    expect(marked.status).toBe(200);
    expect(marked.json.metadata).toMatchObject({
      deletionTimestamp: "2026-01-01T00:00:00Z",
      deletionGracePeriodSeconds: 0,
      generation: 2,
      resourceVersion: "2",
      finalizers: ["example.com/mine"],
    });
    const again = await b.send("DELETE", `${WIDGETS}/a`);
    expect(again.text).toBe(marked.text);
    const taken = await create();
    expect(taken.json.message).toBe('object is being deleted: widgets.test.example.com "a" already exists');
    const more = await b.send(
      "PATCH",
      `${WIDGETS}/a`,
      { metadata: { finalizers: ["example.com/mine", "example.com/new"] } },
      MERGE,
    );
    expect(more.json.message).toBe(
      'Widget.test.example.com "a" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"example.com/new"}',
    );
    const released = await b.send("PATCH", `${WIDGETS}/a`, { metadata: { finalizers: null } }, MERGE);
    expect([released.status, released.json.metadata.name]).toEqual([200, "a"]);
    expect((await b.send("GET", `${WIDGETS}/a`)).status).toBe(404);
    expect(await events()).toEqual(["put@1", "put@2", "delete@3"]);
  });

  test.each([
    ["Foreground", {}, ["foregroundDeletion"]],
    ["Orphan", {}, ["orphan"]],
    ["Background", { finalizers: ["orphan", "example.com/x"] }, ["example.com/x"]],
    [undefined, { finalizers: ["foregroundDeletion"] }, ["foregroundDeletion"]],
  ])("propagation %s", async (propagationPolicy, metadata, finalizers) => {
    await create(metadata);
    const { json } = await b.send("DELETE", `${WIDGETS}/a`, { propagationPolicy });
    expect(json.metadata.finalizers).toEqual(finalizers);
  });

  test("Background removes at once what only waited for dependents", async () => {
    await create({ finalizers: ["orphan"] });
    expect((await b.send("DELETE", `${WIDGETS}/a?propagationPolicy=Background`)).json.status).toBe("Success");
    expect((await b.send("GET", `${WIDGETS}/a`)).status).toBe(404);
  });

  test("202 in the one legacy case", async () => {
    await create({ finalizers: ["example.com/mine"] });
    expect((await b.send("DELETE", `${WIDGETS}/a?orphanDependents=false`)).status).toBe(202);
  });
});

describe("preconditions and options", () => {
  test.each([
    [
      { preconditions: { uid: "x" } },
      409,
      /^Operation cannot be fulfilled on Widget.test.example.com "a": the UID in the precondition \(x\) does not match the UID in record \(.*\)\. The object might have been deleted and then recreated$/,
    ],
    [
      { preconditions: { resourceVersion: "9" } },
      409,
      /the ResourceVersion in the precondition \(9\) does not match the ResourceVersion in record \(1\)\. The object might have been modified$/,
    ],
    [
      { propagationPolicy: "Sideways" },
      422,
      /^DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "Sideways": supported values: "Foreground", "Background", "Orphan", "nil"$/,
    ],
    [
      { propagationPolicy: "Orphan", orphanDependents: true },
      422,
      /propagationPolicy: Invalid value: "Orphan": orphanDependents and deletionPropagation cannot be both set$/,
    ],
    [{ kind: "Pod" }, 400, /^decoded object cannot be converted to DeleteOptions$/],
    ["{", 400, /unexpected end of JSON input/],
  ])("%j is refused", async (body, status, message) => {
    await create();
    const answer = await b.send("DELETE", `${WIDGETS}/a`, body);
    expect(answer.status).toBe(status);
    expect(answer.json.message).toMatch(message);
    expect(b.state.revision).toBe(1);
  });

  test("options in protobuf, as typed clients send them", async () => {
    const { json } = await create();
    const uid = Buffer.from(json.metadata.uid);
    const preconditions = Buffer.concat([Buffer.from([0x0a, uid.length]), uid]);
    const message = Buffer.concat([
      Buffer.from([0x12, preconditions.length]),
      preconditions,
      Buffer.from([0x22, 6]),
      Buffer.from("Orphan"),
    ]);
    const body = Buffer.concat([Buffer.from([0x6b, 0x38, 0x73, 0, 0x12, message.length]), message]);
    const answer = await b.send("DELETE", `${WIDGETS}/a`, body, {
      "content-type": "application/vnd.kubernetes.protobuf",
    });
    expect(answer.json.metadata.finalizers).toEqual(["orphan"]);
  });

  test("a missing object is 404", async () => {
    expect((await b.send("DELETE", `${WIDGETS}/a`)).json.message).toBe('widgets.test.example.com "a" not found');
  });
});

describe("grace", () => {
  beforeEach(async () => {
    await b.close();
    const base = widgets();
    await start({
      strategy: { ...base.strategy, gracePeriodSeconds: (_, asked) => asked ?? 30, returnsDeletedObject: true },
    });
    await create();
  });

  test("begins, may be shortened and never lengthened, and ends with zero", async () => {
    const remove = (seconds?: number) => b.send("DELETE", `${WIDGETS}/a`, { gracePeriodSeconds: seconds });
    const first = await remove();
    expect(first.json.metadata).toMatchObject({
      deletionTimestamp: "2026-01-01T00:00:30Z",
      deletionGracePeriodSeconds: 30,
      generation: 2,
    });
    expect((await remove(60)).json.metadata.resourceVersion).toBe("2");
    expect((await remove(10)).json.metadata).toMatchObject({
      deletionTimestamp: "2026-01-01T00:00:10Z",
      deletionGracePeriodSeconds: 10,
      generation: 2,
    });
    expect((await remove(0)).json.metadata).toMatchObject({ name: "a", resourceVersion: "5" });
    expect(await events()).toEqual(["put@1", "put@2", "put@3", "put@4", "delete@5"]);
  });
});

describe("a kind that must be emptied first", () => {
  test("is marked by the delete and goes when its own finalizers and the others are gone", async () => {
    await b.close();
    await start({
      strategy: {
        beginDelete(object) {
          if (object["spec"].finalizers.length === 0) return false;
          object["status"] = { phase: "Terminating" };
          return true;
        },
        shouldDeleteOnUpdate: (object) => object["spec"].finalizers.length === 0,
        returnsDeletedObject: true,
      },
      subresources: [{ name: "finalize", verbs: ["update"], strategy: {} }],
    });
    await b.send("POST", WIDGETS, widget("a", { spec: { finalizers: ["kubernetes"] } }));
    const marked = await b.send("DELETE", `${WIDGETS}/a`);
    expect(marked.json).toMatchObject({
      metadata: { deletionTimestamp: "2026-01-01T00:00:00Z" },
      status: { phase: "Terminating" },
    });
    expect(marked.json.metadata.deletionGracePeriodSeconds).toBeUndefined();
    const label = await b.send("PATCH", `${WIDGETS}/a`, { metadata: { labels: { a: "b" } } }, MERGE);
    expect(label.status).toBe(200);
    expect((await b.send("GET", `${WIDGETS}/a`)).status).toBe(200);
    const finalized = await b.send("PUT", `${WIDGETS}/a/finalize`, { ...label.json, spec: { finalizers: [] } });
    expect(finalized.status).toBe(200);
    expect((await b.send("GET", `${WIDGETS}/a`)).status).toBe(404);
  });
});

describe("a collection", () => {
  test("is deleted one by one, by selector, and answers with what it deleted", async () => {
    for (const [name, app] of [
      ["a", "x"],
      ["b", "y"],
      ["c", "x"],
    ] as const) {
      await b.send("POST", WIDGETS, widget(name, { metadata: { labels: { app } } }));
    }
    const answer = await b.send("DELETE", `${WIDGETS}?labelSelector=app%3Dx`);
    expect(answer.status).toBe(200);
    expect(answer.json.kind).toBe("WidgetList");
    expect(answer.json.items.map((item: { metadata: { name: string } }) => item.metadata.name)).toEqual(["a", "c"]);
    const left = await b.send("GET", WIDGETS);
    expect(left.json.items.map((item: { metadata: { name: string } }) => item.metadata.name)).toEqual(["b"]);
    expect((await b.send("DELETE", `${BASE}/widgets`)).status).toBe(405);
  });
});
