import { describe, expect, it } from "vitest";
import { story } from "../story.ts";

const { target, namespace } = story();
const configMaps = `/api/v1/namespaces/${namespace}/configmaps`;

describe("the life of an object", () => {
  it("is created with the server's metadata", async () => {
    const made = await target.call("POST", configMaps, { body: { metadata: { name: "life" }, data: { a: "1" } } });
    expect(made.status).toBe(201);
    expect(made.headers["content-type"]).toBe("application/json");
    expect(made.json).toMatchObject({ kind: "ConfigMap", apiVersion: "v1", data: { a: "1" } });
    const { metadata } = made.json;
    expect(metadata.uid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(metadata.creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(metadata.resourceVersion).toMatch(/^[1-9]\d*$/);
    expect(metadata.generation).toBeUndefined();
    expect((await target.call("GET", `${configMaps}/life`)).json).toEqual(made.json);
  });

  it("cannot be created twice", async () => {
    const again = await target.call("POST", configMaps, { body: { metadata: { name: "life" } } });
    expect(again.status).toBe(409);
    expect(again.json).toEqual({
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: 'configmaps "life" already exists',
      reason: "AlreadyExists",
      details: { name: "life", kind: "configmaps" },
      code: 409,
    });
  });

  it("does not move when nothing changes", async () => {
    const before = (await target.call("GET", `${configMaps}/life`)).json;
    const put = await target.call("PUT", `${configMaps}/life`, { body: before });
    expect(put.status).toBe(200);
    expect(put.json.metadata.resourceVersion).toBe(before.metadata.resourceVersion);
    const patch = await target.call("PATCH", `${configMaps}/life`, {
      contentType: "application/merge-patch+json",
      body: { data: { a: "1" } },
    });
    expect(patch.json.metadata.resourceVersion).toBe(before.metadata.resourceVersion);
  });

  it("refuses a stale update, and takes one without a version", async () => {
    const before = (await target.call("GET", `${configMaps}/life`)).json;
    const first = await target.call("PUT", `${configMaps}/life`, { body: { ...before, data: { a: "2" } } });
    expect(first.status).toBe(200);
    const stale = await target.call("PUT", `${configMaps}/life`, { body: { ...before, data: { a: "3" } } });
    expect(stale.status).toBe(409);
    expect(stale.json).toMatchObject({
      reason: "Conflict",
      message:
        'Operation cannot be fulfilled on configmaps "life": the object has been modified; please apply your changes to the latest version and try again',
      details: { name: "life", kind: "configmaps" },
    });
    const blind = await target.call("PUT", `${configMaps}/life`, {
      body: { metadata: { name: "life" }, data: { a: "4" } },
    });
    expect(blind.status).toBe(200);
    expect(Number(blind.json.metadata.resourceVersion)).toBeGreaterThan(Number(first.json.metadata.resourceVersion));
    expect(blind.json.metadata.uid).toBe(before.metadata.uid);
  });

  it("is patched three ways", async () => {
    const merge = await target.call("PATCH", `${configMaps}/life`, {
      contentType: "application/merge-patch+json",
      body: { data: { b: "x", a: null } },
    });
    expect(merge.json.data).toEqual({ b: "x" });
    const json = await target.call("PATCH", `${configMaps}/life`, {
      contentType: "application/json-patch+json",
      body: [
        { op: "test", path: "/data/b", value: "x" },
        { op: "add", path: "/data/c", value: "y" },
      ],
    });
    expect(json.json.data).toEqual({ b: "x", c: "y" });
    const strategic = await target.call("PATCH", `${configMaps}/life`, {
      contentType: "application/strategic-merge-patch+json",
      body: { data: { c: null }, metadata: { finalizers: ["example.com/a"] } },
    });
    expect(strategic.json.data).toEqual({ b: "x" });
    const added = await target.call("PATCH", `${configMaps}/life`, {
      contentType: "application/strategic-merge-patch+json",
      body: { metadata: { finalizers: ["example.com/b"] } },
    });
    expect(added.json.metadata.finalizers.toSorted()).toEqual(["example.com/a", "example.com/b"]);
  });

  it("stays while it has finalizers, and goes with the last one", async () => {
    const deleted = await target.call("DELETE", `${configMaps}/life`);
    expect(deleted.status).toBe(200);
    expect(deleted.json).toMatchObject({ kind: "ConfigMap", metadata: { deletionGracePeriodSeconds: 0 } });
    expect(deleted.json.metadata.deletionTimestamp).toBeDefined();
    const again = await target.call("POST", configMaps, { body: { metadata: { name: "life" } } });
    expect(again.json.message).toBe('object is being deleted: configmaps "life" already exists');
    const forbidden = await target.call("PATCH", `${configMaps}/life`, {
      contentType: "application/merge-patch+json",
      body: { metadata: { finalizers: ["example.com/a", "example.com/b", "example.com/c"] } },
    });
    expect(forbidden.status).toBe(422);
    expect(forbidden.json.message).toContain(
      'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"example.com/c"}',
    );
    const last = await target.call("PATCH", `${configMaps}/life`, {
      contentType: "application/merge-patch+json",
      body: { metadata: { finalizers: null } },
    });
    expect(last.status).toBe(200);
    expect((await target.call("GET", `${configMaps}/life`)).status).toBe(404);
  });

  it("answers a plain delete with a Status that names the object", async () => {
    const made = await target.call("POST", configMaps, { body: { metadata: { name: "short" } } });
    const deleted = await target.call("DELETE", `${configMaps}/short`);
    expect(deleted.json).toEqual({
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Success",
      details: { name: "short", kind: "configmaps", uid: made.json.metadata.uid },
    });
    const gone = await target.call("GET", `${configMaps}/short`);
    expect(gone.json).toEqual({
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: 'configmaps "short" not found',
      reason: "NotFound",
      details: { name: "short", kind: "configmaps" },
      code: 404,
    });
  });

  it("gets a generated name", async () => {
    const made = await target.call("POST", configMaps, { body: { metadata: { generateName: "gen-" } } });
    expect(made.status).toBe(201);
    expect(made.json.metadata.name).toMatch(/^gen-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
    const nameless = await target.call("POST", configMaps, { body: { metadata: {} } });
    expect(nameless.status).toBe(422);
    expect(nameless.json.message).toBe(
      'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required',
    );
  });

  it("is only tried in a dry run", async () => {
    const tried = await target.call("POST", `${configMaps}?dryRun=All`, { body: { metadata: { name: "dry" } } });
    expect(tried.status).toBe(201);
    expect(tried.json.metadata.uid).toBeDefined();
    expect(tried.json.metadata.resourceVersion).toBeUndefined();
    expect((await target.call("GET", `${configMaps}/dry`)).status).toBe(404);
    const wrong = await target.call("POST", `${configMaps}?dryRun=Some`, { body: { metadata: { name: "dry" } } });
    expect(wrong.status).toBe(422);
    expect(wrong.json.message).toContain('dryRun: Unsupported value: ["Some"]: supported values: "All"');
  });

  it("checks preconditions of a delete", async () => {
    await target.call("POST", configMaps, { body: { metadata: { name: "guarded" } } });
    const wrong = await target.call("DELETE", `${configMaps}/guarded`, {
      body: { kind: "DeleteOptions", apiVersion: "v1", preconditions: { uid: "00000000-0000-4000-8000-000000000000" } },
    });
    expect(wrong.status).toBe(409);
    expect(wrong.json.reason).toBe("Conflict");
    expect(wrong.json.message).toContain(
      "the UID in the precondition (00000000-0000-4000-8000-000000000000) does not match the UID in record",
    );
    expect((await target.call("DELETE", `${configMaps}/guarded`)).status).toBe(200);
  });

  it("is deleted with its whole collection by selector", async () => {
    for (const [name, color] of [
      ["c1", "red"],
      ["c2", "red"],
      ["c3", "blue"],
    ]) {
      await target.call("POST", configMaps, { body: { metadata: { name, labels: { color } } } });
    }
    const deleted = await target.call("DELETE", `${configMaps}?labelSelector=color%3Dred`);
    expect(deleted.status).toBe(200);
    expect(deleted.json.kind).toBe("ConfigMapList");
    const left = await target.call("GET", `${configMaps}?labelSelector=color`);
    expect(left.json.items.map((item: { metadata: { name: string } }) => item.metadata.name)).toEqual(["c3"]);
  });
});

describe("what an object may not be", () => {
  const post = (body: unknown, query = "") => target.call("POST", `${configMaps}${query}`, { body });

  it.each([
    [
      "a name with capitals",
      { metadata: { name: "Bad_Name" } },
      422,
      'ConfigMap "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name"',
    ],
    [
      "a label value with a space",
      { metadata: { name: "x", labels: { a: "b c" } } },
      422,
      "metadata.labels: Invalid value",
    ],
    [
      "another namespace",
      { metadata: { name: "x", namespace: "elsewhere" } },
      400,
      "the namespace of the provided object does not match the namespace sent on the request",
    ],
    ["another version", { apiVersion: "v2", kind: "ConfigMap", metadata: { name: "x" } }, 400, ""],
    [
      "a resourceVersion",
      { metadata: { name: "x", resourceVersion: "5" } },
      500,
      "resourceVersion should not be set on objects to be created",
    ],
    [
      "a number for a string",
      { metadata: { name: "x" }, data: { a: 1 } },
      400,
      "json: cannot unmarshal number into Go struct field ConfigMap.data of type string",
    ],
  ])("%s", async (_, body, code, text) => {
    const answer = await post(body);
    expect(answer.status).toBe(code);
    expect(answer.json.message).toContain(text);
  });

  it("says which field it does not know, as strictly as asked", async () => {
    const body = '{"metadata":{"name":"strict"},"data":{"a":"1"},"data":{"a":"2"},"dta":{}}';
    const strict = await post(body, "?fieldValidation=Strict");
    expect(strict.status).toBe(400);
    expect(strict.json.message).toContain('strict decoding error: duplicate field "data", unknown field "dta"');
    const warned = await post(body, "?fieldValidation=Warn&dryRun=All");
    expect(warned.status).toBe(201);
    expect(warned.headers["warning"]).toContain('unknown field \\"dta\\"');
    expect(warned.json.data).toEqual({ a: "2" });
    const ignored = await post(body, "?fieldValidation=Ignore&dryRun=All");
    expect(ignored.headers["warning"]).toBeUndefined();
  });
});
