import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { createServer, createStore, defineResource, type ExtensionServer, type Served } from "./index.ts";

const Pump = defineResource({
  group: "water.example.com",
  version: "v1",
  kind: "Pump",
  plural: "pumps",
  categories: ["all"],
  spec: z.object({ replicas: z.int32().optional(), color: z.string().optional(), wet: z.boolean().optional() }),
  status: z.object({ replicas: z.int32().optional() }),
  validations: [{ rule: "!has(self.spec.replicas) || self.spec.replicas < 10", message: "too many" }],
  scale: { specReplicasPath: ".spec.replicas", statusReplicasPath: ".status.replicas" },
  selectableFields: [".spec.color", ".spec.wet"],
});
const BASE = "/apis/water.example.com/v1/pumps";

const servers: ExtensionServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

async function serving(...resources: Served[]) {
  const server = createServer({ resources });
  servers.push(server);
  await server.listen({ port: 0, insecure: true });
  const transport = server.shell!.inMemory();
  return async (method: string, path: string, body?: unknown, contentType = "application/json") => {
    const response = await transport.request({
      method,
      path,
      headers: { "content-type": contentType },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const chunks: Uint8Array[] = [];
    for await (const chunk of response.body) chunks.push(chunk);
    return { status: response.status, json: JSON.parse(Buffer.concat(chunks).toString()) };
  };
}

describe("toCRD", () => {
  it("prints everything a definition can say", () => {
    const { spec } = Pump.toCRD() as unknown as {
      spec: Record<string, unknown> & { versions: Record<string, unknown>[] };
    };
    expect(spec["scope"]).toBe("Cluster");
    expect(spec["names"]).toEqual({
      plural: "pumps",
      singular: "pump",
      kind: "Pump",
      listKind: "PumpList",
      categories: ["all"],
    });
    expect(spec.versions[0]).toMatchObject({
      subresources: {
        status: {},
        scale: { specReplicasPath: ".spec.replicas", statusReplicasPath: ".status.replicas" },
      },
      selectableFields: [{ jsonPath: ".spec.color" }, { jsonPath: ".spec.wet" }],
      schema: {
        openAPIV3Schema: { "x-kubernetes-validations": [{ message: "too many" }] },
      },
    });
    expect(spec.versions[0]).not.toHaveProperty("additionalPrinterColumns");
  });

  it("refuses what is not structural, and names it", () => {
    const Odd = defineResource({
      group: "a.example.com",
      version: "v1",
      kind: "Odd",
      spec: { properties: { a: { type: "array" } }, anyOf: [{ type: "object" }] },
    });
    expect(() => Odd.toCRD()).toThrow("schema.properties[spec].type: Required value");
  });

  it("is plain data: what is printed may be changed, and is printed anew", () => {
    const one = JSON.stringify(Pump.toCRD());
    (Pump.toCRD()["spec"].names.categories as string[]).push("more");
    expect(JSON.stringify(Pump.toCRD())).toBe(one);
  });
});

describe("a stored resource with rules", () => {
  it("holds them against objects, and forgives what did not change", async () => {
    const call = await serving(Pump.stored(createStore()));
    const refused = await call("POST", BASE, { metadata: { name: "p" }, spec: { replicas: 10 } });
    expect([refused.status, refused.json.details.causes]).toEqual([
      422,
      [{ reason: "FieldValueInvalid", message: expect.stringContaining("too many"), field: "<nil>" }],
    ]);
    expect((await call("POST", BASE, { metadata: { name: "p" }, spec: { replicas: 9 } })).status).toBe(201);
    const scale = await call("PATCH", `${BASE}/p/scale`, { spec: { replicas: 11 } }, "application/merge-patch+json");
    expect(scale.status).toBe(422);
  });
});

describe("a stored resource with a scale", () => {
  it("is read and written through it", async () => {
    const call = await serving(Pump.stored(createStore()));
    await call("POST", BASE, { metadata: { name: "p" }, spec: {} });
    const empty = await call("GET", `${BASE}/p/scale`);
    expect(empty.json).toMatchObject({ kind: "Scale", metadata: { name: "p" }, spec: {}, status: { replicas: 0 } });
    const merge = "application/merge-patch+json";
    const grown = await call("PATCH", `${BASE}/p/scale`, { spec: { replicas: 3 } }, merge);
    expect([grown.status, grown.json.spec]).toEqual([200, { replicas: 3 }]);
    expect((await call("GET", `${BASE}/p`)).json).toMatchObject({ metadata: { generation: 2 }, spec: { replicas: 3 } });
    const refused = await call("PATCH", `${BASE}/p/scale`, { spec: { replicas: -3 } }, merge);
    expect([refused.status, refused.json.message]).toEqual([
      422,
      expect.stringContaining("spec.replicas in body should be greater than or equal to 0"),
    ]);
    const many = await call("PATCH", `${BASE}/p/scale`, { spec: { replicas: 10 } }, merge);
    expect([many.status, many.json.message]).toEqual([422, expect.stringContaining("Invalid value: too many")]);
  });

  it("selects by the fields it names, and by no others", async () => {
    const call = await serving(Pump.stored(createStore()));
    await call("POST", BASE, { metadata: { name: "a" }, spec: { color: "red", wet: true } });
    await call("POST", BASE, { metadata: { name: "b" }, spec: { color: "blue" } });
    const names = async (selector: string) => {
      const { json } = await call("GET", `${BASE}?fieldSelector=${encodeURIComponent(selector)}`);
      return json.items?.map((item: { metadata: { name: string } }) => item.metadata.name) ?? json.message;
    };
    expect(await names("spec.color=red")).toEqual(["a"]);
    expect(await names("spec.wet!=true")).toEqual(["b"]);
    expect(await names("spec.replicas=1")).toContain("field label not supported: spec.replicas");
  });

  it.each([[".replicas"], [".spec.list[0]"], [".status.replicas"], [""]])("refuses the path %j", (specReplicasPath) => {
    const scale = { specReplicasPath, statusReplicasPath: ".status.replicas" };
    const Odd = defineResource({ group: "a.example.com", version: "v1", kind: "Odd", spec: z.object({}), scale });
    expect(() => Odd.stored(createStore())).toThrow(TypeError);
  });
});

describe("a resource that speaks another server's kind", () => {
  const Review = defineResource({
    group: "authorizer.example.com",
    version: "v1",
    kind: "SubjectAccessReview",
    kindOf: { group: "authorization.k8s.io", version: "v1" },
    spec: z.looseObject({ user: z.string().optional() }),
    status: z.object({ allowed: z.boolean() }),
  });
  const PATH = "/apis/authorizer.example.com/v1/subjectaccessreviews";
  const ask = { apiVersion: "authorization.k8s.io/v1", kind: "SubjectAccessReview", spec: { user: "jane", uid: "1" } };

  it("is created and never kept; discovery says whose kind it is", async () => {
    const call = await serving(
      Review.serve({ create: (_, review) => ({ ...review, status: { allowed: review.spec.user === "jane" } }) }),
    );
    const answer = await call("POST", PATH, ask);
    expect([answer.status, answer.json]).toEqual([201, { ...ask, metadata: {}, status: { allowed: true } }]);
    expect((await call("GET", PATH)).status).toBe(405);
    expect((await call("GET", "/apis/authorizer.example.com/v1")).json.resources).toEqual([
      {
        name: "subjectaccessreviews",
        singularName: "subjectaccessreview",
        namespaced: false,
        group: "authorization.k8s.io",
        version: "v1",
        kind: "SubjectAccessReview",
        verbs: ["create"],
      },
    ]);
    const wrong = await call("POST", PATH, { ...ask, apiVersion: "authorizer.example.com/v1" });
    expect(wrong.status).toBe(400);
  });

  it("has no definition to print", () => {
    expect(() => Review.toCRD()).toThrow("another server's kind");
  });
});
