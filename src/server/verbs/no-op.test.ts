import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BASE, type Bench, bench, widget } from "./fixture.test-support.ts";

const WIDGETS = `${BASE}/namespaces/default/widgets`;
const MERGE = { "content-type": "application/merge-patch+json" };
let b: Bench;
beforeEach(async () => {
  b = await bench();
  await b.send("POST", WIDGETS, widget("a", { spec: { color: "red" } }));
});
afterEach(() => b.close());

describe("what changes nothing is not written", () => {
  test.each([
    ["PUT of what was read", async () => b.send("PUT", `${WIDGETS}/a`, (await b.send("GET", `${WIDGETS}/a`)).json)],
    [
      "PUT of only what the client may set",
      () => b.send("PUT", `${WIDGETS}/a`, widget("a", { spec: { color: "red" } })),
    ],
    ["an empty merge patch", () => b.send("PATCH", `${WIDGETS}/a`, {}, MERGE)],
    ["a patch to the same value", () => b.send("PATCH", `${WIDGETS}/a`, { spec: { color: "red" } }, MERGE)],
    ["status through the main endpoint", () => b.send("PATCH", `${WIDGETS}/a`, { status: { x: 1 } }, MERGE)],
    [
      "spec through the status endpoint",
      () => b.send("PATCH", `${WIDGETS}/a/status`, { spec: { color: "blue" } }, MERGE),
    ],
  ])("%s", async (_, write) => {
    const before = (await b.send("GET", `${WIDGETS}/a`)).text;
    const answer = await write();
    expect([answer.status, answer.text]).toEqual([200, before]);
    expect(b.state.revision).toBe(1);
  });
});

describe("generation and versions", () => {
  test("a new spec counts, labels and status do not", async () => {
    const patch = async (path: string, body: unknown) =>
      (await b.send("PATCH", `${WIDGETS}/a${path}`, body, MERGE)).json.metadata;
    expect(await patch("", { spec: { color: "blue" } })).toMatchObject({ generation: 2, resourceVersion: "2" });
    expect(await patch("", { metadata: { labels: { a: "b" } } })).toMatchObject({
      generation: 2,
      resourceVersion: "3",
    });
    expect(await patch("/status", { status: { ready: true } })).toMatchObject({ generation: 2, resourceVersion: "4" });
  });

  test("what is the server's cannot be changed", async () => {
    const { json } = await b.send("GET", `${WIDGETS}/a`);
    const changed = await b.send("PUT", `${WIDGETS}/a`, {
      ...json,
      metadata: { ...json.metadata, creationTimestamp: "2020-01-01T00:00:00Z", generation: 40, selfLink: "/x" },
    });
    expect(changed.json).toEqual(json);
  });
});

describe("conflicts", () => {
  test("a stale PUT is refused with upstream's sentence", async () => {
    const { json } = await b.send("GET", `${WIDGETS}/a`);
    await b.send("PATCH", `${WIDGETS}/a`, { spec: { color: "blue" } }, MERGE);
    const answer = await b.send("PUT", `${WIDGETS}/a`, json);
    expect(answer.json).toEqual({
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message:
        'Operation cannot be fulfilled on widgets.test.example.com "a": the object has been modified; please apply your changes to the latest version and try again',
      reason: "Conflict",
      details: { name: "a", group: "test.example.com", kind: "widgets" },
      code: 409,
    });
  });

  test("a PUT without a version overwrites", async () => {
    const answer = await b.send("PUT", `${WIDGETS}/a`, widget("a", { spec: { color: "green" } }));
    expect(answer.json).toMatchObject({ metadata: { resourceVersion: "2", generation: 2 }, spec: { color: "green" } });
  });

  test("patches at the same time all take effect; those that name a version do not", async () => {
    const many = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        b.send("PATCH", `${WIDGETS}/a`, { spec: { [`k${index}`]: index } }, MERGE),
      ),
    );
    expect(many.map((answer) => answer.status)).toEqual(Array(20).fill(200));
    expect(Object.keys((await b.send("GET", `${WIDGETS}/a`)).json.spec)).toHaveLength(21);
    const stale = await b.send("PATCH", `${WIDGETS}/a`, { metadata: { resourceVersion: "1" } }, MERGE);
    expect(stale.json).toMatchObject({ code: 409, reason: "Conflict" });
  });

  test("another uid in the body is a precondition", async () => {
    const answer = await b.send("PUT", `${WIDGETS}/a`, widget("a", { metadata: { uid: "other" } }));
    expect(answer.status).toBe(409);
    expect(answer.json.message).toContain("Precondition failed: UID in precondition: other, UID in object meta: ");
  });
});
