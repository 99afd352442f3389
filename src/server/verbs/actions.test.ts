import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { KubeObject } from "../../api/meta.ts";
import { BASE, type Bench, bench, tinyCodec, widget, widgets } from "./fixture.test-support.ts";

const CLAIM = { group: "test.example.com", version: "v1", kind: "Claim" };
const FAREWELL = { group: "test.example.com", version: "v1", kind: "Farewell" };
const WIDGETS = `${BASE}/namespaces/default/widgets`;
const SUCCESS = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 };
let b: Bench;

const body = (kind: string, fields: object = {}) => ({
  apiVersion: "test.example.com/v1",
  kind,
  metadata: { name: "a" },
  ...fields,
});

beforeEach(async () => {
  const definition = widgets({
    strategy: {
      // What only the action may do.
      validateUpdate: () => [{ reason: "FieldValueForbidden", field: "spec", message: "Forbidden: never changes" }],
    },
    subresources: [
      {
        name: "claim",
        verbs: ["create"],
        kind: CLAIM,
        codec: tinyCodec(CLAIM),
        change: (_, parent, claim) => ({ ...parent, spec: { ...(parent["spec"] as object), ...claim["spec"] } }),
      },
      {
        name: "farewell",
        verbs: ["create"],
        kind: FAREWELL,
        codec: tinyCodec(FAREWELL),
        deletion: {
          options: (farewell) => farewell["spec"] as never,
          mark(parent: KubeObject) {
            parent["status"] = { said: "farewell" };
          },
        },
      },
    ],
  });
  b = await bench({ resources: [{ definition }] });
  await b.send("POST", WIDGETS, widget("a", { spec: { size: 1 } }));
});
afterEach(() => b.close());

const stored = async () => (await b.send("GET", `${WIDGETS}/a`)).json;

describe("an action that changes the parent", () => {
  test("stores what the kind refuses to others, and says that it succeeded", async () => {
    const answer = await b.send("POST", `${WIDGETS}/a/claim`, body("Claim", { spec: { owner: "me" } }));
    expect([answer.status, answer.json]).toEqual([201, SUCCESS]);
    expect((await stored()).spec).toEqual({ size: 1, owner: "me" });
    expect((await b.send("PUT", `${WIDGETS}/a`, widget("a", { spec: { size: 2 } }))).status).toBe(422);
  });

  test("stores nothing in a dry run", async () => {
    const before = await stored();
    expect(
      (await b.send("POST", `${WIDGETS}/a/claim?dryRun=All`, body("Claim", { spec: { owner: "me" } }))).status,
    ).toBe(201);
    expect(await stored()).toEqual(before);
  });

  test.each([
    ["uid", { uid: "another" }],
    ["resourceVersion", { resourceVersion: "999" }],
  ])("takes the %s of its body as a precondition", async (_, metadata) => {
    const claim = body("Claim", { spec: { owner: "me" }, metadata: { name: "a", ...metadata } });
    const answer = await b.send("POST", `${WIDGETS}/a/claim`, claim);
    expect([answer.status, answer.json.reason]).toEqual([409, "Conflict"]);
    expect((await stored()).spec).toEqual({ size: 1 });
  });

  test("needs the parent", async () => {
    const claim = body("Claim", { metadata: { name: "none" } });
    expect((await b.send("POST", `${WIDGETS}/none/claim`, claim)).status).toBe(404);
  });
});

describe("an action that deletes the parent", () => {
  test("does, and says that it succeeded", async () => {
    const answer = await b.send("POST", `${WIDGETS}/a/farewell`, body("Farewell"));
    expect([answer.status, answer.json]).toEqual([201, SUCCESS]);
    expect((await b.send("GET", `${WIDGETS}/a`)).status).toBe(404);
  });

  test("notes why in what stays for its finalizers, even when asked for one version", async () => {
    await b.send("POST", WIDGETS, widget("held", { metadata: { name: "held", finalizers: ["example.com/hold"] } }));
    const { resourceVersion } = (await b.send("GET", `${WIDGETS}/held`)).json.metadata;
    const farewell = (version: string) =>
      body("Farewell", { metadata: { name: "held" }, spec: { preconditions: { resourceVersion: version } } });
    expect((await b.send("POST", `${WIDGETS}/held/farewell`, farewell("999"))).status).toBe(409);
    expect((await b.send("GET", `${WIDGETS}/held`)).json.metadata.resourceVersion).toBe(resourceVersion);
    expect((await b.send("POST", `${WIDGETS}/held/farewell`, farewell(resourceVersion))).status).toBe(201);
    const { metadata, status } = (await b.send("GET", `${WIDGETS}/held`)).json;
    expect(status).toEqual({ said: "farewell" });
    expect(metadata.deletionTimestamp).toBeTypeOf("string");
  });

  test.each([
    ["in the query", "?dryRun=All", {}],
    ["in the body", "", { dryRun: ["All"] }],
    ["in both", "?dryRun=All", { dryRun: ["All"] }],
  ])("runs dry when told so %s", async (_, query, deleteOptions) => {
    const before = await stored();
    const answer = await b.send("POST", `${WIDGETS}/a/farewell${query}`, body("Farewell", { spec: deleteOptions }));
    expect(answer.status).toBe(201);
    expect(await stored()).toEqual(before);
  });

  test.each([
    ["options nobody knows", { propagationPolicy: "Sideways" }, 422],
    ["another object", { preconditions: { uid: "another" } }, 409],
  ])("refuses %s", async (_, deleteOptions, status) => {
    const before = await stored();
    const answer = await b.send("POST", `${WIDGETS}/a/farewell`, body("Farewell", { spec: deleteOptions }));
    expect(answer.status).toBe(status);
    expect(await stored()).toEqual(before);
  });
});
