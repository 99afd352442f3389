import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { KubeObject } from "../../api/meta.ts";
import { BASE, type Bench, bench, tinyCodec, widget, widgets } from "./fixture.test-support.ts";

const SCALE = { group: "autoscaling", version: "v1", kind: "Scale" };
const TICKET = { group: "tickets.example.com", version: "v1", kind: "Ticket" };
const WIDGETS = `${BASE}/namespaces/default/widgets`;
const MERGE = { "content-type": "application/merge-patch+json" };
let b: Bench;
beforeEach(async () => {
  const definition = widgets({
    subresources: [
      {
        name: "scale",
        verbs: ["get", "update", "patch"],
        kind: SCALE,
        codec: tinyCodec(SCALE),
        projection: {
          read: ({ metadata: { name, namespace, uid, resourceVersion }, spec }: KubeObject) => ({
            kind: "Scale",
            apiVersion: "autoscaling/v1",
            metadata: { name, namespace, uid, resourceVersion },
            spec: { replicas: spec.replicas ?? 0 },
          }),
          write(parent, body) {
            const { replicas } = body["spec"];
            if (replicas < 0) {
              return [
                {
                  reason: "FieldValueInvalid",
                  field: "spec.replicas",
                  message: "Invalid value: -1: must be greater than or equal to 0",
                },
              ];
            }
            parent["spec"].replicas = replicas;
            return [];
          },
        },
      },
      {
        name: "ticket",
        verbs: ["create"],
        kind: TICKET,
        codec: tinyCodec(TICKET),
        create: (context, parent, body) => ({ ...body, status: { for: parent.metadata.uid, by: context.user.name } }),
      },
    ],
  });
  b = await bench({ resources: [{ definition }] });
  await b.send("POST", WIDGETS, widget("a", { spec: { replicas: 1 } }));
});
afterEach(() => b.close());

describe("a kind inside another", () => {
  test("is read from and written into its parent", async () => {
    const scale = await b.send("GET", `${WIDGETS}/a/scale`);
    expect(scale.json).toMatchObject({
      kind: "Scale",
      apiVersion: "autoscaling/v1",
      metadata: { name: "a", resourceVersion: "1" },
      spec: { replicas: 1 },
    });
    const put = await b.send("PUT", `${WIDGETS}/a/scale`, { ...scale.json, spec: { replicas: 3 } });
    expect(put.json).toMatchObject({ kind: "Scale", metadata: { resourceVersion: "2" }, spec: { replicas: 3 } });
    const patched = await b.send("PATCH", `${WIDGETS}/a/scale`, { spec: { replicas: 5 } }, MERGE);
    expect(patched.json.spec.replicas).toBe(5);
    expect((await b.send("GET", `${WIDGETS}/a`)).json).toMatchObject({
      kind: "Widget",
      metadata: { generation: 3 },
      spec: { replicas: 5 },
    });
    expect((await b.send("PUT", `${WIDGETS}/a/scale`, scale.json)).status).toBe(409);
    expect((await b.send("PATCH", `${WIDGETS}/a/scale`, { spec: { replicas: -1 } }, MERGE)).json).toMatchObject({
      code: 422,
      message: 'Scale.autoscaling "a" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0',
    });
  });
});

describe("an action", () => {
  const ticket = (name?: string) => ({
    apiVersion: "tickets.example.com/v1",
    kind: "Ticket",
    metadata: { name },
    spec: {},
  });

  test("answers 201 and stores nothing", async () => {
    const answer = await b.send("POST", `${WIDGETS}/a/ticket`, ticket());
    expect([answer.status, answer.json.kind, answer.json.status.by]).toEqual([201, "Ticket", "alice"]);
    expect(b.state.revision).toBe(1);
  });

  test.each([
    ["GET", "a/ticket", undefined, 405],
    ["POST", "none/ticket", ticket(), 404],
    ["POST", "a/ticket", ticket("b"), 400],
    ["GET", "a/nothing", undefined, 404],
    ["GET", "a/scale/deeper", undefined, 404],
    ["DELETE", "a/scale", undefined, 405],
  ])("%s %s: %s %i", async (method, path, body, status) => {
    expect((await b.send(method, `${WIDGETS}/${path}`, body)).status).toBe(status);
  });
});

test("discovery tells it all", () => {
  expect(b.backend.discovery()).toEqual({
    fresh: true,
    resources: [
      {
        resource: "widgets",
        responseKind: { group: "test.example.com", version: "v1", kind: "Widget" },
        scope: "Namespaced",
        singularResource: "widget",
        verbs: ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
        subresources: [
          { subresource: "scale", responseKind: SCALE, verbs: ["get", "patch", "update"] },
          { subresource: "ticket", responseKind: TICKET, verbs: ["create"] },
        ],
      },
    ],
  });
});
