import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BASE, type Bench, bench, widget } from "./fixture.test-support.ts";

let b: Bench;
beforeEach(async () => {
  b = await bench();
});
afterEach(() => b.close());

const WIDGETS = `${BASE}/namespaces/default/widgets`;

describe("an object's life", () => {
  test("is created with what the server owns, read back as the same bytes, listed and deleted", async () => {
    const created = await b.send(
      "POST",
      WIDGETS,
      widget("a", { spec: { color: "red" }, status: { sent: "by client" } }),
    );
    expect(created.status).toBe(201);
    expect(created.headers["content-type"]).toBe("application/json");
    expect(created.json).toEqual({
      kind: "Widget",
      apiVersion: "test.example.com/v1",
      metadata: {
        name: "a",
        namespace: "default",
        uid: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
        resourceVersion: "1",
        generation: 1,
        creationTimestamp: "2026-01-01T00:00:00Z",
      },
      spec: { color: "red" },
    });
    const read = await b.send("GET", `${WIDGETS}/a`);
    expect(read.status).toBe(200);
    expect(read.text).toBe(created.text);
    const list = await b.send("GET", WIDGETS);
    expect(list.json).toEqual({
      kind: "WidgetList",
      apiVersion: "test.example.com/v1",
      metadata: { resourceVersion: "1" },
      items: [created.json],
    });
    const deleted = await b.send("DELETE", `${WIDGETS}/a`);
    expect(deleted.status).toBe(200);
    expect(deleted.json).toEqual({
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Success",
      details: { name: "a", group: "test.example.com", kind: "widgets", uid: created.json.metadata.uid },
    });
    const gone = await b.send("GET", `${WIDGETS}/a`);
    expect(gone.status).toBe(404);
    expect(gone.json).toEqual({
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: 'widgets.test.example.com "a" not found',
      reason: "NotFound",
      details: { name: "a", group: "test.example.com", kind: "widgets" },
      code: 404,
    });
  });

  test("costs one decode and one encode to write, and none of either to read", async () => {
    await b.send("POST", WIDGETS, widget("a", { metadata: { labels: { app: "x" } }, spec: { color: "red" } }));
    expect(b.backend.counters).toMatchObject({ decodes: 1, encodes: 1, metadataParses: 0 });
    for (const path of [
      `${WIDGETS}/a`,
      WIDGETS,
      `${BASE}/widgets?labelSelector=app%3Dx`,
      `${BASE}/widgets?fieldSelector=spec.color%3Dred,metadata.name%3Da`,
    ]) {
      expect((await b.send("GET", path)).status).toBe(200);
      const accept =
        "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
      if (path !== `${WIDGETS}/a`)
        expect((await b.send("GET", path, undefined, { accept })).json.items).toHaveLength(1);
    }
    expect(b.backend.counters).toMatchObject({ decodes: 1, encodes: 1, metadataParses: 0 });
  });
});

describe("what a create refuses", () => {
  test.each([
    ["a taken name", "POST", WIDGETS, widget("taken"), 409, 'widgets.test.example.com "taken" already exists'],
    [
      "no name",
      "POST",
      WIDGETS,
      widget(""),
      422,
      'Widget.test.example.com "" is invalid: metadata.name: Required value: name or generateName is required',
    ],
    [
      "another namespace",
      "POST",
      WIDGETS,
      widget("a", { metadata: { namespace: "other" } }),
      400,
      "the namespace of the provided object does not match the namespace sent on the request",
    ],
    [
      "a resourceVersion",
      "POST",
      WIDGETS,
      widget("a", { metadata: { resourceVersion: "5" } }),
      500,
      "resourceVersion should not be set on objects to be created",
    ],
    [
      "what the kind refuses",
      "POST",
      WIDGETS,
      widget("a", { spec: { color: "invisible" } }),
      422,
      'Widget.test.example.com "a" is invalid: spec.color: Invalid value: "invisible": must be visible',
    ],
    [
      "all namespaces",
      "POST",
      `${BASE}/widgets`,
      widget("a"),
      405,
      "the server does not allow this method on the requested resource",
    ],
    [
      "an unknown resource",
      "POST",
      `${BASE}/namespaces/default/gadgets`,
      widget("a"),
      404,
      "the server could not find the requested resource",
    ],
    [
      "another version",
      "POST",
      WIDGETS,
      { ...widget("a"), apiVersion: "test.example.com/v2" },
      400,
      "the API version in the data (test.example.com/v2) does not match the expected API version (test.example.com/v1)",
    ],
    [
      "an odd dryRun",
      "POST",
      `${WIDGETS}?dryRun=Some`,
      widget("a"),
      422,
      'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Some"]: supported values: "All"',
    ],
  ])("%s", async (_, method, path, body, status, message) => {
    await b.send("POST", WIDGETS, widget("taken"));
    const answer = await b.send(method, path, body);
    expect({ status: answer.status, message: answer.json.message }).toEqual({ status, message });
    expect(answer.json.code).toBe(status);
  });
});
