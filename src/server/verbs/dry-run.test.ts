import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { AdmissionAttributes } from "../admission.ts";
import { BASE, type Bench, bench, widget, widgets } from "./fixture.test-support.ts";

const WIDGETS = `${BASE}/namespaces/default/widgets`;
const MERGE = { "content-type": "application/merge-patch+json" };
let b: Bench;
let calls: string[];
beforeEach(async () => {
  calls = [];
  const note = (phase: string) => (at: AdmissionAttributes) => {
    const { operation, name, dryRun, subresource, object, oldObject } = at;
    calls.push(
      `${phase} ${operation} ${name}${subresource && `/${subresource}`}${dryRun ? " dry" : ""} ${object ? "new" : ""}${oldObject ? "old" : ""}`,
    );
    if (phase === "admit" && object !== undefined) object.metadata.annotations = { touched: "yes" };
  };
  b = await bench({ admission: { admit: note("admit"), validate: note("validate") } });
});
afterEach(() => b.close());

describe("a dry run does everything but store", () => {
  test("create: a uid and a time, no version", async () => {
    const answer = await b.send("POST", `${WIDGETS}?dryRun=All`, widget("", { metadata: { generateName: "g-" } }));
    expect(answer.status).toBe(201);
    expect(answer.json.metadata).toMatchObject({
      name: expect.stringMatching(/^g-[bcdfghjklmnpqrstvwxz2456789]{5}$/),
      uid: expect.any(String),
      creationTimestamp: "2026-01-01T00:00:00Z",
      annotations: { touched: "yes" },
    });
    expect(answer.json.metadata.resourceVersion).toBeUndefined();
    expect(b.state.revision).toBe(0);
    expect(calls).toEqual(["admit CREATE  dry new", `validate CREATE ${answer.json.metadata.name} dry new`]);
  });

  test("create: a version in the body is the store's to refuse, and it is not asked", async () => {
    const body = widget("a", { metadata: { resourceVersion: "5" } });
    expect((await b.send("POST", `${WIDGETS}?dryRun=All`, body)).status).toBe(201);
    expect((await b.send("POST", WIDGETS, body)).status).toBe(500);
  });

  test("create of a taken name is still 409", async () => {
    await b.send("POST", WIDGETS, widget("a"));
    expect((await b.send("POST", `${WIDGETS}?dryRun=All`, widget("a"))).status).toBe(409);
  });

  test("update, patch and delete: the result with the old version", async () => {
    await b.send("POST", WIDGETS, widget("a"));
    const patched = await b.send("PATCH", `${WIDGETS}/a?dryRun=All`, { spec: { color: "blue" } }, MERGE);
    expect(patched.json).toMatchObject({ metadata: { resourceVersion: "1", generation: 2 }, spec: { color: "blue" } });
    const deleted = await b.send("DELETE", `${WIDGETS}/a?dryRun=All`);
    expect(deleted.json).toMatchObject({ kind: "Status", status: "Success" });
    expect((await b.send("GET", `${WIDGETS}/a`)).json.spec).toEqual({});
    expect(b.state.revision).toBe(1);
  });
});

test("admission sees each write once, with what is new and what is old", async () => {
  await b.send("POST", WIDGETS, widget("a"));
  await b.send("PATCH", `${WIDGETS}/a/status`, { status: { x: 1 } }, MERGE);
  await b.send("DELETE", `${WIDGETS}/a`);
  expect(calls).toEqual([
    "admit CREATE a new",
    "validate CREATE a new",
    "admit UPDATE a/status newold",
    "validate UPDATE a/status newold",
    "admit DELETE a old",
    "validate DELETE a old",
  ]);
});

describe("generated names", () => {
  test("are tried eight times", async () => {
    await b.close();
    let uuids = 0;
    const random = { number: () => 0, bytes: (length: number) => new Uint8Array(length), uuid: () => `uid-${uuids++}` };
    b = await bench({ random });
    const one = await b.send("POST", WIDGETS, widget("", { metadata: { generateName: "g-" } }));
    expect(one.json.metadata.name).toBe("g-bbbbb");
    const two = await b.send("POST", WIDGETS, widget("", { metadata: { generateName: "g-" } }));
    expect(two.json).toMatchObject({
      code: 409,
      reason: "AlreadyExists",
      message:
        'widgets.test.example.com "g-bbbbb" already exists, the server was not able to generate a unique name for the object',
      details: { retryAfterSeconds: 1 },
    });
    expect(uuids).toBe(9);
  });
});

describe("a PUT that creates", () => {
  const allowing = { ...widgets(), strategy: { allowCreateOnUpdate: true } };
  const verdict = (answer: "Allow" | "Deny") => ({
    authorize: () => ({ verdict: answer, reason: "" }) as const,
    rulesFor: () => ({ resourceRules: [], nonResourceRules: [], incomplete: false, evaluationError: "" }),
  });

  test("is 201 where the kind and the authorizer allow it", async () => {
    await b.close();
    b = await bench({ resources: [{ definition: allowing }], authorizer: verdict("Allow") });
    expect((await b.send("PUT", `${WIDGETS}/a`, widget("a"))).status).toBe(201);
    expect((await b.send("PUT", `${WIDGETS}/a`, widget("a"))).status).toBe(200);
    expect((await b.send("PUT", `${WIDGETS}/b`, widget("b", { metadata: { uid: "x" } }))).status).toBe(409);
  });

  test("needs the verb create", async () => {
    await b.close();
    b = await bench({ resources: [{ definition: allowing }], authorizer: verdict("Deny") });
    expect((await b.send("PUT", `${WIDGETS}/a`, widget("a"))).json).toMatchObject({
      code: 403,
      message:
        'widgets.test.example.com "a" is forbidden: User "alice" cannot create resource "widgets" in API group "test.example.com" in the namespace "default"',
    });
  });

  test("is 404 for every other kind", async () => {
    expect((await b.send("PUT", `${WIDGETS}/a`, widget("a"))).status).toBe(404);
  });
});
