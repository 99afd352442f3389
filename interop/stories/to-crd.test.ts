/** One definition, two mechanisms: the resource that `toCRD()` prints, and the same one served from a store, answer alike. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import type { KubeObject } from "../../src/api/meta.ts";
import { createServer, createStore, defineResource, type ExtensionServer } from "../../src/sdk/index.ts";
import { eventually, story } from "../story.ts";
import { uniqueName } from "../target.ts";

const group = `${uniqueName("gears")}.example.com`;
const Gear = defineResource({
  group,
  version: "v1",
  kind: "Gear",
  namespaced: true,
  shortNames: ["gr"],
  categories: ["machines"],
  description: "A gear of a machine.",
  spec: z.object({
    size: z.enum(["small", "large"]).default("small"),
    teeth: z.number().int().min(3).max(400),
    ratio: z.number().gt(0).lt(10).optional(),
    step: z.number().int().multipleOf(5).optional(),
    replicas: z.int32().min(0).default(1),
    note: z
      .string()
      .max(10)
      .regex(/^[a-z ]*$/)
      .nullable()
      .optional(),
    port: z.union([z.string(), z.number().int()]).optional(),
    labels: z.record(z.string(), z.number().int()).optional(),
    parts: z
      .array(z.object({ name: z.string().min(1), weight: z.number().default(2) }))
      .min(1)
      .max(3)
      .optional(),
    drive: z
      .discriminatedUnion("by", [
        z.object({ by: z.literal("belt"), length: z.number() }),
        z.object({ by: z.literal("chain"), links: z.number().int() }),
      ])
      .optional(),
    loose: z.looseObject({ known: z.boolean().optional() }).optional(),
    anything: z.any().optional(),
  }),
  status: z.object({ replicas: z.int32().default(0), phase: z.string().optional(), selector: z.string().optional() }),
  columns: {
    Size: ".spec.size",
    Teeth: { path: ".spec.teeth", type: "integer" },
    Phase: { path: ".status.phase", priority: 1 },
  },
  scale: {
    specReplicasPath: ".spec.replicas",
    statusReplicasPath: ".status.replicas",
    labelSelectorPath: ".status.selector",
  },
  validations: [
    {
      rule: "self.spec.size != 'large' || self.spec.teeth > 5",
      message: "large gears have many teeth",
      fieldPath: ".spec.teeth",
    },
    {
      rule: "self.metadata.name != 'forbidden'",
      messageExpression: "'never ' + self.metadata.name",
      reason: "FieldValueForbidden",
    },
  ],
  selectableFields: [".spec.size", ".spec.teeth"],
});

interface Reply {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the server answered
  readonly body: any;
  readonly warnings: string;
}
type Call = (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Reply>;

const { target, namespace } = story();
const collection = `/apis/${group}/v1/namespaces/${namespace}/gears`;
const apiVersion = `${group}/v1`;
const gear = (name: string, spec: object, more: object = {}) => ({
  apiVersion,
  kind: "Gear",
  metadata: { name },
  spec,
  ...more,
});

const asCRD: Call = async (method, path, body, headers = {}) => {
  const answer = await target.call(method, path, { ...(body !== undefined && { body }), headers });
  return { status: answer.status, body: answer.json, warnings: answer.headers["warning"] ?? "" };
};

let server: ExtensionServer;
let served = false;
const aggregated: Call = async (method, path, body, headers = {}) => {
  const response = await server.shell!.inMemory().request({
    method,
    path,
    headers: { "content-type": "application/json", ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const chunks: Uint8Array[] = [];
  for await (const chunk of response.body) chunks.push(chunk);
  return {
    status: response.status,
    body: JSON.parse(Buffer.concat(chunks).toString()),
    warnings: response.headers["warning"] ?? "",
  };
};

/** Without what differs from one server and moment to the next; a list of custom resources says `continue` even when there is none. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  const chance = new Set(["uid", "resourceVersion", "creationTimestamp", "managedFields"]);
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, inner]) => !chance.has(key) && !(key === "continue" && inner === ""))
      .map(([key, inner]) => [key, plain(inner)]),
  );
}

/** Upstream looks at fields in no order: several errors are compared as a set. */
function sorted({ status, body, warnings }: Reply): unknown {
  const causes: object[] | undefined = body?.details?.causes;
  if (causes === undefined || causes.length < 2) return plain({ status, body, warnings });
  const order = causes.map((cause) => JSON.stringify(cause)).sort();
  return plain({ status, body: { ...body, message: "", details: { ...body.details, causes: order } }, warnings });
}

beforeAll(async () => {
  const made = await target.call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {
    body: Gear.toCRD(),
  });
  expect(made.status, made.text).toBe(201);
  expect(made.headers["warning"]).toBeUndefined();
  const answer = await eventually(
    () => asCRD("GET", collection).catch(() => ({ status: 0 })),
    ({ status }) => status === 200,
    10,
  );
  served = answer.status === 200;
  server = createServer({ resources: [Gear.stored(createStore())] });
  await server.listen({ port: 0, insecure: true });
});

beforeEach((context) => {
  context.skip(!served, "this server stores definitions and does not serve them");
});

afterAll(async () => {
  await server?.close();
  await target.call("DELETE", `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gears.${group}`);
});

/** Asks both; the answers are the same, and the first is handed back for a closer look. */
async function both(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Reply> {
  const [one, other] = [await asCRD(method, path, body, headers), await aggregated(method, path, body, headers)];
  expect(sorted(other), `${method} ${path}`).toEqual(sorted(one));
  return one;
}

describe("a definition as CRD and as aggregated resource", () => {
  it("is structural, established and free of remarks", async () => {
    const found = await target.call("GET", `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gears.${group}`);
    const conditions = found.json.status.conditions.map(({ type, status }: { type: string; status: string }) => [
      type,
      status,
    ]);
    expect(conditions).toEqual([
      ["NamesAccepted", "True"],
      ["Established", "True"],
    ]);
    const printed = Gear.toCRD()["spec"].versions[0].schema.openAPIV3Schema;
    expect(found.json.spec.versions[0].schema.openAPIV3Schema).toEqual(printed);
  });

  it("is the same in discovery", async () => {
    const [one, other] = [await asCRD("GET", `/apis/${apiVersion}`), await aggregated("GET", `/apis/${apiVersion}`)];
    const known = ({ body }: Reply) =>
      body.resources
        .map((resource: Record<string, unknown>) => {
          const { storageVersionHash: _, ...rest } = resource;
          return { ...rest, verbs: (rest["verbs"] as string[]).toSorted() };
        })
        .toSorted((a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1));
    expect(known(other)).toEqual(known(one));
  });

  it("creates with defaults, prunes with a warning, drops the status", async () => {
    const made = await both(
      "POST",
      collection,
      gear(
        "full",
        {
          teeth: 12,
          ratio: 1.5,
          note: "a note",
          port: "http",
          labels: { a: 1 },
          parts: [{ name: "axle", extra: true }],
          drive: { by: "belt", length: 2 },
          loose: { known: true, more: [1] },
          anything: { at: ["all", 1] },
          unheard: "of",
        },
        { status: { phase: "Forged" }, stray: 1 },
      ),
    );
    expect(made.status).toBe(201);
    expect(made.body.spec).toMatchObject({ size: "small", replicas: 1, parts: [{ name: "axle", weight: 2 }] });
    expect(made.body.status).toBeUndefined();
    expect(made.body.spec.loose).toEqual({ known: true, more: [1] });
    expect(made.warnings).toContain('unknown field \\"spec.unheard\\"');
    expect((await both("POST", collection, gear("plain", { teeth: 3, port: 80, note: null }))).status).toBe(201);
    expect((await both("POST", collection, gear("plain", { teeth: 3 }))).status).toBe(409);
  });

  it.each<[string, object]>([
    ["a missing field", {}],
    ["a wrong type", { teeth: "many" }],
    ["too few", { teeth: 1 }],
    ["too many", { teeth: 1000 }],
    ["no choice", { teeth: 3, size: "medium" }],
    ["bounds that are not included", { teeth: 3, ratio: 10 }],
    ["no multiple", { teeth: 3, step: 7 }],
    ["a long text", { teeth: 3, note: "far too long a note" }],
    ["a text that does not match", { teeth: 3, note: "A1" }],
    ["neither number nor text", { teeth: 3, port: true }],
    ["a map of something else", { teeth: 3, labels: { a: "b" } }],
    ["what a rule forbids", { teeth: 4, size: "large" }],
    ["a fraction", { teeth: 3.5 }],
    ["null where none is allowed", { teeth: null }],
    ["an empty list", { teeth: 3, parts: [] }],
    ["a list that is too long", { teeth: 3, parts: [1, 2, 3, 4].map((n) => ({ name: `p${n}` })) }],
    ["an item without its field", { teeth: 3, parts: [{}] }],
    ["an empty name", { teeth: 3, parts: [{ name: "" }] }],
    ["several things at once", { teeth: 1, size: "x", note: "A", ratio: 20 }],
  ])("refuses %s alike", async (_, spec) => {
    const refused = await both("POST", collection, gear("bad", spec));
    expect(refused.status).toBe(422);
  });

  it.each<[string, object, number]>([
    ["neither of two", { teeth: 3, drive: { by: "belt" } }, 422],
    ["an unknown one of two", { teeth: 3, drive: { by: "magic" } }, 422],
    ["the other of two", { teeth: 3, drive: { by: "chain", links: 4 } }, 201],
  ])("takes a union alike: %s", async (_, spec, status) => {
    const object = gear(`union-${status}`, spec);
    const [one, other] = [await asCRD("POST", collection, object), await aggregated("POST", collection, object)];
    expect([one.status, other.status]).toEqual([status, status]);
  });

  it("holds rules alike", async () => {
    expect((await both("POST", collection, gear("forbidden", { teeth: 4 }))).status).toBe(422);
    expect((await both("POST", collection, gear("wide", { teeth: 6, size: "large" }))).status).toBe(201);
    const merge = { "content-type": "application/merge-patch+json" };
    expect((await both("PATCH", `${collection}/wide`, { spec: { teeth: 4 } }, merge)).status).toBe(422);
  });

  it("reads, lists, selects and prints alike", async () => {
    const json = { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" };
    expect((await both("GET", `${collection}/full`)).status).toBe(200);
    expect((await both("GET", `${collection}/nothing`)).status).toBe(404);
    const listed = await both("GET", `${collection}?fieldSelector=spec.size%3Dsmall%2Cspec.teeth%3D12`);
    expect(listed.body.items.map((item: KubeObject) => item.metadata.name)).toEqual(["full"]);
    expect((await both("GET", `${collection}?fieldSelector=spec.note%3Dx`)).status).toBe(400);
    const [one, other] = [
      await asCRD("GET", collection, undefined, json),
      await aggregated("GET", collection, undefined, json),
    ];
    const table = ({ body }: Reply) => ({
      columns: body.columnDefinitions.map(({ name, type, priority }: Record<string, unknown>) => [
        name,
        type,
        priority,
      ]),
      rows: body.rows.map(({ cells }: { cells: unknown[] }) => cells.slice(0, -1)),
    });
    expect(table(other)).toEqual(table(one));
    expect(table(one).columns.at(-1)).toEqual(["Age", "date", 0]);
  });

  it("updates: generation for what is wanted, status by its own path", async () => {
    const edit = async (call: Call, path: string, change: (object: KubeObject) => void) => {
      const object = (await call("GET", `${collection}/full`)).body;
      change(object);
      return call("PUT", path, object);
    };
    const twice = async (path: string, change: (object: KubeObject) => void) => {
      const [one, other] = [await edit(asCRD, path, change), await edit(aggregated, path, change)];
      expect(plain(other)).toEqual(plain(one));
      return one.body;
    };
    const item = `${collection}/full`;
    expect((await twice(item, (object) => Object.assign(object["spec"], { teeth: 13 }))).metadata.generation).toBe(2);
    const status = await twice(`${item}/status`, (object) => {
      object["status"] = { phase: "Forged", selector: "a=b", lost: 1 };
      object["spec"].teeth = 99;
    });
    expect([status.metadata.generation, status.spec.teeth, status.status]).toEqual([
      2,
      13,
      { phase: "Forged", selector: "a=b", replicas: 0 },
    ]);
    expect((await twice(item, (object) => Object.assign(object["status"], { phase: "Melted" }))).status.phase).toBe(
      "Forged",
    );
    const unconditional = await both("PUT", item, gear("full", { teeth: 5 }));
    expect(unconditional.status).toBe(422);
    expect((await both("PUT", `${item}/status`, gear("full", { teeth: 5 }, { status: { phase: 7 } }))).status).toBe(
      422,
    );
  });

  it("patches alike, and not in ways that need a Go type", async () => {
    const item = `${collection}/plain`;
    const patch = (type: string, body: unknown) => both("PATCH", item, body, { "content-type": `application/${type}` });
    expect((await patch("merge-patch+json", { spec: { replicas: 2, note: null } })).body.spec.replicas).toBe(2);
    expect((await patch("json-patch+json", [{ op: "replace", path: "/spec/teeth", value: 7 }])).body.spec.teeth).toBe(
      7,
    );
    expect((await patch("json-patch+json", [{ op: "replace", path: "/spec/teeth", value: 1 }])).status).toBe(422);
    const strategic = { "content-type": "application/strategic-merge-patch+json" };
    const refused = [asCRD, aggregated].map(
      async (call) => (await call("PATCH", item, { spec: { teeth: 9 } }, strategic)).status,
    );
    expect(await Promise.all(refused)).toEqual([415, 415]);
  });

  it("scales alike", async () => {
    const scale = `${collection}/full/scale`;
    const read = await both("GET", scale);
    expect([read.body.kind, read.body.spec, read.body.status]).toEqual([
      "Scale",
      { replicas: 1 },
      { replicas: 0, selector: "a=b" },
    ]);
    const merge = { "content-type": "application/merge-patch+json" };
    expect((await both("PATCH", scale, { spec: { replicas: 4 } }, merge)).body.spec.replicas).toBe(4);
    expect((await both("GET", `${collection}/full`)).body.spec.replicas).toBe(4);
    const negative = await asCRD("PATCH", scale, { spec: { replicas: -1 } }, merge);
    expect([negative.status, (await aggregated("PATCH", scale, { spec: { replicas: -1 } }, merge)).status]).toEqual([
      422, 422,
    ]);
  });

  it("deletes alike", async () => {
    expect((await both("DELETE", `${collection}/plain`)).status).toBe(200);
    expect((await both("DELETE", `${collection}/plain`)).status).toBe(404);
  });
});
