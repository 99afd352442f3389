import { once } from "node:events";
import { type AddressInfo, createServer as createNetServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { systemClock, systemRandom } from "../api/machine.ts";
import { createClient } from "../client/client.ts";
import { createServer, createStore, defineResource, type ExtensionServer, type Served } from "./index.ts";

const Joke = defineResource({
  group: "fun.example.com",
  version: "v1",
  kind: "Joke",
  namespaced: true,
  shortNames: ["jk"],
  spec: z.object({ topic: z.string().max(40), stars: z.number().int().min(0).max(5).default(3) }),
  status: z.object({ text: z.string() }),
  columns: { Topic: ".spec.topic", Text: { path: ".status.text", priority: 1 } },
});
const BASE = "/apis/fun.example.com/v1";
const JOKES = `${BASE}/namespaces/home/jokes`;

const servers: ExtensionServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

async function serving(...resources: Served[]) {
  const server = createServer({ resources });
  servers.push(server);
  await server.listen({ port: 0, insecure: true });
  const transport = server.shell!.inMemory();
  return async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const response = await transport.request({
      method,
      path,
      headers: { "content-type": "application/json", ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const chunks: Uint8Array[] = [];
    for await (const chunk of response.body) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    return { status: response.status, text, json: () => JSON.parse(text) };
  };
}

const joke = (name: string, topic: string, labels = {}) => ({
  metadata: { name, namespace: "home", labels, creationTimestamp: "2026-01-01T00:00:00Z" },
  spec: { topic, stars: 3 },
  status: { text: `about ${topic}` },
});

describe("a resource served by functions", () => {
  const all = [joke("a", "cats", { kind: "pet" }), joke("b", "tax")];
  const virtual = Joke.serve({
    get: ({ name }) => all.find((one) => one.metadata.name === name),
    list: () => all,
    async *watch() {
      yield { type: "ADDED", object: all[0]! };
      yield { type: "DELETED", object: all[1]! };
    },
  });

  it("appears in discovery with the verbs it has functions for", async () => {
    const call = await serving(virtual);
    const { resources } = (await call("GET", BASE)).json();
    expect(resources).toMatchObject([
      {
        name: "jokes",
        singularName: "joke",
        namespaced: true,
        kind: "Joke",
        shortNames: ["jk"],
        verbs: ["get", "list", "watch"],
      },
    ]);
    expect((await call("GET", "/apis")).json().groups[0].name).toBe("fun.example.com");
  });

  it("gets and lists, with the kind filled in", async () => {
    const call = await serving(virtual);
    expect((await call("GET", `${JOKES}/a`)).json()).toMatchObject({
      apiVersion: "fun.example.com/v1",
      kind: "Joke",
      spec: { topic: "cats" },
    });
    expect((await call("GET", JOKES)).json()).toMatchObject({
      kind: "JokeList",
      items: [{ metadata: { name: "a" } }, { metadata: { name: "b" } }],
    });
    const missing = await call("GET", `${JOKES}/c`);
    expect([missing.status, missing.json().message]).toEqual([404, 'jokes.fun.example.com "c" not found']);
  });

  it("filters by labels for the author", async () => {
    const call = await serving(virtual);
    const names = (await call("GET", `${JOKES}?labelSelector=kind%3Dpet`))
      .json()
      .items.map((one: { metadata: { name: string } }) => one.metadata.name);
    expect(names).toEqual(["a"]);
  });

  it("prints columns from paths", async () => {
    const call = await serving(virtual);
    const table = (
      await call("GET", JOKES, undefined, { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" })
    ).json();
    expect(table.columnDefinitions.map((column: { name: string }) => column.name)).toEqual([
      "Name",
      "Topic",
      "Text",
      "Age",
    ]);
    expect(table.rows[0].cells.slice(0, 3)).toEqual(["a", "cats", "about cats"]);
  });

  it("streams what the author yields, behind the list when no version is given", async () => {
    const call = await serving(virtual);
    const whole = await call("GET", `${JOKES}?watch=1`);
    expect(whole.text.trim().split("\n")).toHaveLength(4);
    const lines = (await call("GET", `${JOKES}?watch=1&resourceVersion=5`)).text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.map((line) => `${line.type} ${line.object.kind} ${line.object.metadata.name}`)).toEqual([
      "ADDED Joke a",
      "DELETED Joke b",
    ]);
  });

  it("refuses verbs without a function", async () => {
    const call = await serving(virtual);
    expect((await call("DELETE", `${JOKES}/a`)).status).toBe(405);
  });

  it("is never asked to change anything for a dry run", async () => {
    const calls: string[] = [];
    const guarded = Joke.serve({
      get: ({ name }) => all.find((one) => one.metadata.name === name),
      create: (_, object) => {
        calls.push("create");
        return object;
      },
      update: (_, object) => {
        calls.push("update");
        return object;
      },
      delete: ({ name }) => {
        calls.push("delete");
        return all.find((one) => one.metadata.name === name);
      },
    });
    const call = await serving(guarded);
    const body = { apiVersion: "fun.example.com/v1", kind: "Joke", metadata: { name: "a" }, spec: { topic: "new" } };
    expect((await call("POST", `${JOKES}?dryRun=All`, { ...body, metadata: { name: "n" } })).status).toBe(201);
    expect((await call("PUT", `${JOKES}/a?dryRun=All`, body)).json().spec.topic).toBe("new");
    expect((await call("DELETE", `${JOKES}/a?dryRun=All`)).status).toBe(200);
    const wrong = await call("POST", `${JOKES}?dryRun=All`, { ...body, spec: {} });
    expect(wrong.status).toBe(422);
    expect(calls).toEqual([]);
    await call("DELETE", `${JOKES}/a`);
    expect(calls).toEqual(["delete"]);
  });

  it("publishes its schema", async () => {
    const call = await serving(virtual);
    const index = (await call("GET", "/openapi/v3")).json();
    const document = (await call("GET", index.paths["apis/fun.example.com/v1"].serverRelativeURL)).json();
    const schema = document.components.schemas["com.example.fun.v1.Joke"];
    expect(schema.properties.spec.properties.topic).toEqual({ type: "string", maxLength: 40 });
    expect(schema["x-kubernetes-group-version-kind"]).toEqual([
      { group: "fun.example.com", version: "v1", kind: "Joke" },
    ]);
  });
});

describe("the same resource in a store", () => {
  const body = (topic: string, more = {}) => ({
    apiVersion: "fun.example.com/v1",
    kind: "Joke",
    metadata: { name: "s", ...more },
    spec: { topic },
  });

  it("lives as any object does", async () => {
    const call = await serving(Joke.stored(createStore()));
    const made = await call("POST", JOKES, body("cats"));
    expect([made.status, made.json().spec]).toEqual([201, { stars: 3, topic: "cats" }]);
    expect(made.json().metadata).toMatchObject({ generation: 1, namespace: "home" });
    const patched = await call(
      "PATCH",
      `${JOKES}/s`,
      { spec: { topic: "dogs" } },
      { "content-type": "application/merge-patch+json" },
    );
    expect(patched.json().metadata.generation).toBe(2);
    const status = await call(
      "PATCH",
      `${JOKES}/s/status`,
      { status: { text: "woof" }, spec: { topic: "no" } },
      { "content-type": "application/merge-patch+json" },
    );
    expect(status.json()).toMatchObject({
      spec: { topic: "dogs" },
      status: { text: "woof" },
      metadata: { generation: 2 },
    });
    expect((await call("DELETE", `${JOKES}/s`)).status).toBe(200);
    expect((await call("GET", `${JOKES}/s`)).status).toBe(404);
  });

  it("is validated by its schema", async () => {
    const call = await serving(Joke.stored(createStore()));
    const long = await call("POST", JOKES, body("x".repeat(41)));
    expect(long.status).toBe(422);
    expect(long.json().message).toBe(
      'Joke.fun.example.com "s" is invalid: spec.topic: Too long: may not be more than 40 bytes',
    );
    const missing = await call("POST", JOKES, { ...body("x"), spec: {} });
    expect(missing.json().message).toContain("spec.topic: Required value");
    const blind = await call("POST", JOKES, body("x"));
    expect(blind.status).toBe(201);
    const put = await call("PUT", `${JOKES}/s`, body("y"));
    expect(put.json().message).toContain("metadata.resourceVersion: Invalid value: 0: must be specified for an update");
  });
});

describe("listening", () => {
  it("leaves nothing open when the registration fails, and may be tried again", async () => {
    const server = createServer({ resources: [Joke.serve({ list: () => [] })] });
    servers.push(server);
    const taken = createNetServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as AddressInfo;
    taken.close();
    await once(taken, "close");
    const client = createClient(
      { request: () => Promise.reject(new Error("nobody answers")), close: async () => {} },
      { clock: systemClock, random: systemRandom },
    );
    const register = { service: "jokes" };
    await expect(server.listen({ port, insecure: true, client, register })).rejects.toThrow("nobody answers");
    expect(server.shell).toBeUndefined();
    expect(await server.listen({ port, insecure: true })).toMatchObject({ port });
  });

  it("fails with what opening the store failed with, and closes all the same", async () => {
    const store = createStore({ path: "/dev/null/store.db" });
    const server = createServer({ resources: [Joke.stored(store)] });
    await expect(server.listen({ port: 0, insecure: true })).rejects.toMatchObject({ code: "STORE_OPEN" });
    expect(await server.close()).toBeUndefined();
  });

  it("creates with a PUT where the author allows it", async () => {
    const call = await serving(
      Joke.stored(createStore(), { allowCreateOnUpdate: true, allowUnconditionalUpdate: true }),
    );
    const body = { apiVersion: "fun.example.com/v1", kind: "Joke", metadata: { name: "s" }, spec: { topic: "cats" } };
    const put = await call("PUT", `${JOKES}/s`, body);
    expect([put.status, put.json().spec]).toEqual([201, { stars: 3, topic: "cats" }]);
  });
});

describe("the same resource as a definition", () => {
  it("prints a CustomResourceDefinition", () => {
    expect(Joke.toCRD()).toMatchObject({
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      metadata: { name: "jokes.fun.example.com" },
      spec: {
        group: "fun.example.com",
        scope: "Namespaced",
        names: { plural: "jokes", singular: "joke", kind: "Joke", listKind: "JokeList", shortNames: ["jk"] },
        versions: [
          {
            name: "v1",
            served: true,
            storage: true,
            subresources: { status: {} },
            additionalPrinterColumns: [
              { name: "Topic", type: "string", jsonPath: ".spec.topic" },
              { name: "Text", type: "string", jsonPath: ".status.text", priority: 1 },
              { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
            ],
            schema: {
              openAPIV3Schema: {
                type: "object",
                properties: {
                  spec: {
                    type: "object",
                    required: ["topic"],
                    properties: {
                      topic: { type: "string", maxLength: 40 },
                      stars: { type: "integer", minimum: 0, maximum: 5, default: 3 },
                    },
                  },
                },
              },
            },
          },
        ],
      },
    });
  });
});

describe("a definition that cannot be", () => {
  const good = { group: "fun.example.com", version: "v1", kind: "Joke", spec: {} } as const;
  it.each([
    [{ ...good, group: "fun" }, 'group: "fun": must have at least one dot'],
    [{ ...good, kind: "joke" }, 'kind: "joke": must begin with a capital'],
    [{ ...good, version: "V1" }, /^version: "V1": a DNS-1035 label/],
    [{ ...good, columns: { Bad: "spec" } }, 'column path "spec": expected .name, [index] or [\'name\'] at "spec"'],
  ])("is refused by name: %o", (options, message) => {
    expect(() => defineResource(options as never)).toThrow(message);
  });

  it("is not served twice", () => {
    const served = defineResource(good).serve({});
    expect(() => createServer({ resources: [served, served] })).toThrow("jokes.fun.example.com/v1 is there twice");
  });
});
