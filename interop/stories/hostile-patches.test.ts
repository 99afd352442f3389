/** Patches nobody should send: refused, bounded, or applied to data and to nothing else. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { story } from "../story.ts";

const { target, namespace } = story();
const configMaps = `/api/v1/namespaces/${namespace}/configmaps`;
const JSON_PATCH = "application/json-patch+json";
const MERGE = "application/merge-patch+json";
const STRATEGIC = "application/strategic-merge-patch+json";
const keys = Object.getOwnPropertyNames(Object.prototype).join();

beforeEach(async () => {
  await target.call("DELETE", `${configMaps}/base`);
  const made = await target.call("POST", configMaps, { body: { metadata: { name: "base" }, data: { key: "v" } } });
  expect(made.status).toBe(201);
});
afterEach(async () => {
  expect((await target.call("GET", "/readyz")).text).toBe("ok");
  expect(Object.getOwnPropertyNames(Object.prototype).join()).toBe(keys);
});

const patch = (contentType: string, body: unknown) => target.call("PATCH", `${configMaps}/base`, { contentType, body });
const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;
const stored = async () => (await target.call("GET", `${configMaps}/base`)).text;

describe.each([JSON_PATCH, MERGE, STRATEGIC])("%s", (contentType) => {
  it.each(
    ["", "{", "1", '"x"', "[1]", "[".repeat(100_000), nested(100_000), nested(10_001), "\xff"].map((body) => [
      body.slice(0, 20),
      body,
    ]),
  )("%j is no patch", async (_, body) => {
    const before = await stored();
    const answer = await patch(contentType, body);
    expect([answer.status, answer.json.reason]).toEqual([400, "BadRequest"]);
    expect(await stored()).toBe(before);
  });

  it("of three megabytes and a byte is too large", async () => {
    const answer = await patch(contentType, `"${"x".repeat(3 * 1024 * 1024 - 1)}"`);
    expect([answer.status, answer.json.reason]).toEqual([413, "RequestEntityTooLarge"]);
  });
});

describe("JSON patch", () => {
  it.each([
    "/__proto__/x",
    "/data/__proto__/x",
    "/constructor/prototype/x",
    "/metadata/__proto__/x",
    "/nope/x",
    "data",
  ])("adds nothing at %s", async (path) => {
    const before = await stored();
    const answer = await patch(JSON_PATCH, [{ op: "add", path, value: "polluted" }]);
    expect([answer.status, answer.json.reason]).toEqual([422, "Invalid"]);
    expect(await stored()).toBe(before);
  });

  it.each(["__proto__", "constructor", "prototype", "~0~1"])("%s is a key like any other", async (key) => {
    const answer = await patch(JSON_PATCH, [
      { op: "add", path: "/data/x", value: "y" },
      { op: "copy", from: "/data/key", path: `/data/${key}` },
      { op: "move", from: `/data/${key}`, path: "/data/moved" },
      { op: "remove", path: "/data/x" },
    ]);
    expect([answer.status, answer.json.data]).toEqual([200, { key: "v", moved: "v" }]);
  });

  it.each([
    [[{ op: "move", from: "/data", path: "/data/a" }]],
    [[{ op: "nope", path: "/data/a", value: "x" }]],
    [[{ path: "/data/a" }]],
    [[{ op: "add" }]],
    [[{ op: "test", path: "/data/key", value: "x".repeat(2_000_000) }]],
  ])("%j", async (operations) => {
    const answer = await patch(JSON_PATCH, operations);
    expect(answer.status).toBe(422);
  });

  it.each([[[{ op: "add", path: 1, value: 1 }]], [[{ op: 1 }]], [[{ op: "copy", from: {}, path: "/a" }]]])(
    "%j has a field of a wrong type",
    async (operations) => {
      const answer = await patch(JSON_PATCH, operations);
      expect(answer.status).toBe(400);
      expect(answer.json.message).toMatch(
        /json: cannot unmarshal \w+ into Go struct field jsonPatchOp\.\w+ of type string/,
      );
    },
  );

  it.each(["/__proto__", "/constructor", "/data/toString"])("what a copy finds at %s is nothing", async (from) => {
    const answer = await patch(JSON_PATCH, [{ op: "copy", from, path: "/data/a" }]);
    expect([answer.status, answer.json.data]).toEqual([200, { key: "v", a: "" }]);
  });

  it("cannot grow a document by copies", async () => {
    const bomb = [
      { op: "add", path: "/metadata/annotations", value: { a: "x".repeat(1000) } },
      ...Array.from({ length: 30 }, (_, index) => ({ op: "copy", from: "/metadata", path: `/metadata/m${index}` })),
    ];
    const answer = await patch(JSON_PATCH, bomb);
    expect([413, 422]).toContain(answer.status);
  });

  it("has ten thousand operations at most", async () => {
    const operations = (count: number) => Array(count).fill({ op: "test", path: "/data/key", value: "v" });
    expect((await patch(JSON_PATCH, operations(10_000))).status).toBe(200);
    expect((await patch(JSON_PATCH, operations(10_001))).status).toBe(413);
  });
});

describe.each([MERGE, STRATEGIC])("%s", (contentType) => {
  it("keys that mean something to JavaScript", async () => {
    const answer = await patch(contentType, '{"data":{"__proto__":"x","constructor":"y"},"__proto__":{"polluted":1}}');
    expect(answer.status).toBe(200);
    expect(answer.text).toContain('"data":{"__proto__":"x","constructor":"y","key":"v"}');
    expect((await patch(contentType, '{"data":{"__proto__":null,"constructor":null}}')).json.data).toEqual({
      key: "v",
    });
    expect((await patch(contentType, '{"data":{"__proto__":{"x":"y"}}}')).status).toBe(422);
    expect((await patch(contentType, '{"constructor":{"prototype":{"x":1}}}')).status).toBe(200);
    expect((await patch(contentType, '{"metadata":{"labels":{"__proto__":"x"}}}')).status).toBe(422);
  });
});

describe("strategic merge", () => {
  it("of any depth a body may have", async () => {
    expect((await patch(STRATEGIC, `{"zzz":${nested(9_990)}}`)).status).toBe(200);
    const answer = await patch(STRATEGIC, `{"data":${nested(9_000)}}`);
    expect([answer.status, answer.json.reason]).toEqual([422, "Invalid"]);
  });

  it("null changes nothing", async () => {
    expect((await patch(STRATEGIC, "null")).status).toBe(200);
  });

  it("an order of a hundred thousand elements", async () => {
    const order = Array.from({ length: 100_000 }, (_, index) => `example.com/${index}`);
    const body = { metadata: { "$setElementOrder/finalizers": order, finalizers: ["example.com/1"] } };
    expect((await patch(STRATEGIC, body)).json.metadata.finalizers).toEqual(["example.com/1"]);
    const gone = { metadata: { "$deleteFromPrimitiveList/finalizers": order } };
    expect((await patch(STRATEGIC, gone)).json.metadata.finalizers ?? []).toEqual([]);
  });

  it.each([
    '{"$patch":"nope"}',
    '{"$retainKeys":"x"}',
    '{"metadata":{"$setElementOrder/finalizers":1}}',
    '{"metadata":{"ownerReferences":[1]}}',
    '{"$setElementOrder/__proto__":["a"],"__proto__":["a"]}',
  ])("%s is refused without a panic", async (body) => {
    const before = await stored();
    const answer = await patch(STRATEGIC, body);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.text).not.toContain("panic");
    expect(await stored()).toBe(before);
  });
});
