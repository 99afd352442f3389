/** Server-side apply: who says a field owns it, and who no longer says it gives it up. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { applying, owners } from "../applying.ts";
import { definition, install, uninstall, uniqueGroup } from "../crd.ts";
import { story } from "../story.ts";

const { target, namespace } = story();
const configMap = (name: string) => `/api/v1/namespaces/${namespace}/configmaps/${name}`;
const deployment = (name: string) => `/apis/apps/v1/namespaces/${namespace}/deployments/${name}`;
const service = (name: string) => `/api/v1/namespaces/${namespace}/services/${name}`;

const { apply, merge } = applying(target);
const data = (name: string, values: Record<string, string>, metadata: object = {}) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, ...metadata },
  data: values,
});
const workload = (name: string, spec: object) => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name },
  spec,
});
const podsOf = (containers: readonly object[]) => ({
  selector: { matchLabels: { app: "x" } },
  template: { metadata: { labels: { app: "x" } }, spec: { containers } },
});

describe("owning fields", () => {
  it("creates what is not there, and notes who applied what", async () => {
    const made = await apply(configMap("first"), "one", data("first", { k: "v" }, { labels: { a: "b" } }));
    expect(made.status).toBe(201);
    expect(made.json.metadata.managedFields).toEqual([
      {
        manager: "one",
        operation: "Apply",
        apiVersion: "v1",
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
        fieldsType: "FieldsV1",
        fieldsV1: { "f:data": { "f:k": {} }, "f:metadata": { "f:labels": { "f:a": {} } } },
      },
    ]);
  });

  it("writes nothing when nothing changes", async () => {
    const before = (await target.call("GET", configMap("first"))).json;
    const again = await apply(configMap("first"), "one", data("first", { k: "v" }, { labels: { a: "b" } }));
    expect(again.status).toBe(200);
    expect(again.json).toEqual(before);
  });

  it("removes what its applier says no longer, and only that", async () => {
    await apply(configMap("prune"), "one", data("prune", { mine: "1", ours: "2" }));
    await apply(configMap("prune"), "two", data("prune", { ours: "2", theirs: "3" }));
    const left = await apply(configMap("prune"), "one", data("prune", {}));
    expect(left.json.data).toEqual({ ours: "2", theirs: "3" });
    expect(owners(left)).toEqual({
      "one Apply": { "f:data": {} },
      "two Apply": { "f:data": { "f:ours": {}, "f:theirs": {} } },
    });
  });

  it("refuses to change another's field, unless forced", async () => {
    await apply(configMap("conflict"), "one", data("conflict", { k: "v", l: "w" }));
    const refused = await apply(configMap("conflict"), "two", data("conflict", { k: "x", l: "w" }));
    expect([refused.status, refused.json]).toEqual([
      409,
      {
        kind: "Status",
        apiVersion: "v1",
        metadata: {},
        status: "Failure",
        message: 'Apply failed with 1 conflict: conflict with "one": .data.k',
        reason: "Conflict",
        details: {
          causes: [{ reason: "FieldManagerConflict", message: 'conflict with "one"', field: ".data.k" }],
        },
        code: 409,
      },
    ]);
    const forced = await apply(configMap("conflict"), "two", data("conflict", { k: "x", l: "w" }), "&force=true");
    expect(forced.json.data).toEqual({ k: "x", l: "w" });
    expect(owners(forced)).toEqual({
      "one Apply": { "f:data": { "f:l": {} } },
      "two Apply": { "f:data": { "f:k": {}, "f:l": {} } },
    });
  });

  it("counts conflicts by manager, and names what an updater owns by version", async () => {
    await apply(configMap("many"), "one", data("many", { a: "1", b: "1", c: "1" }));
    await merge(configMap("many"), { data: { c: "2" } });
    const refused = await apply(configMap("many"), "two", data("many", { a: "9", b: "9", c: "9" }));
    expect(refused.json.message).toBe(
      'Apply failed with 3 conflicts: conflicts with "one":\n- .data.a\n- .data.b\nconflicts with "updater" using v1:\n- .data.c',
    );
  });

  it("lets any other write take fields over", async () => {
    await apply(configMap("taken"), "one", data("taken", { k: "v", l: "w" }));
    const patched = await merge(configMap("taken"), { data: { k: "changed", n: "new" } });
    expect(owners(patched)).toEqual({
      "one Apply": { "f:data": { "f:l": {} } },
      "updater Update": { "f:data": { "f:k": {}, "f:n": {} } },
    });
    const replaced = await target.call("PUT", `${configMap("taken")}?fieldManager=putter`, {
      body: data("taken", { only: "this" }),
    });
    expect(owners(replaced)).toEqual({ "putter Update": { "f:data": { "f:only": {} } } });
  });

  it("forgets every manager when somebody empties the list", async () => {
    await apply(configMap("reset"), "one", data("reset", { k: "v" }));
    const reset = await merge(configMap("reset"), { metadata: { managedFields: [] } });
    expect(reset.json.metadata.managedFields).toBeUndefined();
    const again = await apply(configMap("reset"), "one", data("reset", { k: "v", z: "1" }));
    expect(owners(again)).toEqual({
      "one Apply": { "f:data": { "f:k": {}, "f:z": {} } },
      "before-first-apply Update": { "f:data": { ".": {}, "f:k": {} } },
    });
  });

  it("keeps the managers when a client sends none", async () => {
    const made = await apply(configMap("kept"), "one", data("kept", { k: "v" }));
    const { managedFields: _, ...metadata } = made.json.metadata;
    const put = await target.call("PUT", `${configMap("kept")}?fieldManager=putter`, {
      body: { ...made.json, metadata, data: { k: "v", l: "w" } },
    });
    expect(owners(put)).toEqual({
      "one Apply": { "f:data": { "f:k": {} } },
      "putter Update": { "f:data": { "f:l": {} } },
    });
  });
});

describe("lists", () => {
  it("merges containers by name, ports by number and protocol", async () => {
    const first = await apply(
      deployment("lists"),
      "one",
      workload("lists", {
        replicas: 2,
        ...podsOf([
          { name: "c", image: "i:1", ports: [{ containerPort: 80 }, { containerPort: 443, protocol: "TCP" }] },
        ]),
      }),
    );
    expect(owners(first)).toEqual({
      "one Apply": {
        "f:spec": {
          "f:replicas": {},
          "f:selector": {},
          "f:template": {
            "f:metadata": { "f:labels": { "f:app": {} } },
            "f:spec": {
              "f:containers": {
                'k:{"name":"c"}': {
                  ".": {},
                  "f:image": {},
                  "f:name": {},
                  "f:ports": {
                    'k:{"containerPort":80,"protocol":"TCP"}': { ".": {}, "f:containerPort": {} },
                    'k:{"containerPort":443,"protocol":"TCP"}': {
                      ".": {},
                      "f:containerPort": {},
                      "f:protocol": {},
                    },
                  },
                },
              },
            },
          },
        },
      },
    });
    const second = await apply(
      deployment("lists"),
      "two",
      workload("lists", {
        template: {
          spec: {
            containers: [
              { name: "c", env: [{ name: "B", value: "2" }] },
              { name: "side", image: "s:1" },
            ],
          },
        },
      }),
    );
    expect(second.status).toBe(200);
    expect(second.json.spec.template.spec.containers).toMatchObject([
      { name: "c", image: "i:1", env: [{ name: "B", value: "2" }], ports: [{ containerPort: 80 }, {}] },
      { name: "side", image: "s:1" },
    ]);
    const third = await apply(deployment("lists"), "two", workload("lists", {}));
    expect(third.json.spec.template.spec.containers).toHaveLength(1);
    expect(third.json.spec.template.spec.containers[0]).not.toHaveProperty("env");
  });

  it("merges sets, and leaves what is owned elsewhere", async () => {
    const held = (...names: string[]) => ({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "sets", finalizers: names.map((name) => `x.example.com/${name}`) },
    });
    await apply(configMap("sets"), "one", held("a", "b"));
    await apply(configMap("sets"), "two", held("c"));
    const left = await apply(configMap("sets"), "one", held("b"));
    expect(left.json.metadata.finalizers).toEqual(["x.example.com/b", "x.example.com/c"]);
    await merge(configMap("sets"), { metadata: { finalizers: null } });
  });

  it.each([
    ["ab", "ba", "ba"],
    ["abc", "b", "abc"],
    ["abc", "x", "abcx"],
    ["abc", "ca", "bca"],
    ["axbyc", "cba", "xycba"],
  ])("keeps the order of %s under %s: %s", async (live, configured, result) => {
    const name = `order-${live}-${configured}`;
    const held = (letters: string) => ({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name, finalizers: [...letters].map((letter) => `x.example.com/${letter}`) },
    });
    await apply(configMap(name), "one", held(live));
    const merged = await apply(configMap(name), "two", held(configured));
    const finalizers = merged.json.metadata.finalizers.map((finalizer: string) => finalizer.at(-1)).join("");
    await merge(configMap(name), { metadata: { finalizers: null } });
    expect(finalizers).toBe(result);
  });

  it("replaces what is one value as a whole", async () => {
    await apply(service("atomic"), "one", {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "atomic" },
      spec: { selector: { a: "b" }, ports: [{ port: 80, name: "http" }] },
    });
    const changed = await apply(service("atomic"), "one", {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "atomic" },
      spec: { selector: { c: "d" }, ports: [{ port: 81, name: "http" }] },
    });
    expect(changed.json.spec).toMatchObject({ selector: { c: "d" }, ports: [{ port: 81 }] });
    expect(changed.json.spec.ports).toHaveLength(1);
  });
});

describe("sub-resources", () => {
  it("knows who scaled and who wrote the status", async () => {
    const spec = podsOf([{ name: "c", image: "i" }]);
    await apply(deployment("subs"), "one", workload("subs", { ...spec, replicas: 1 }));
    await merge(`${deployment("subs")}/scale`, { spec: { replicas: 3 } }, "scaler");
    await merge(`${deployment("subs")}/status`, { status: { replicas: 3 } }, "worker");
    const now = await target.call("GET", deployment("subs"));
    expect(owners(now)).toMatchObject({
      "scaler Update scale": { "f:spec": { "f:replicas": {} } },
      "worker Update status": { "f:status": { "f:replicas": {} } },
    });
    const refused = await apply(deployment("subs"), "one", workload("subs", { ...spec, replicas: 1 }));
    expect(refused.json.message).toBe(
      'Apply failed with 1 conflict: conflict with "scaler" with subresource "scale" using apps/v1: .spec.replicas',
    );
    const conditions = [{ type: "Available", status: "True" }];
    const status = await apply(`${deployment("subs")}/status`, "judge", {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "subs" },
      status: { conditions },
    });
    expect(status.json.status.conditions).toMatchObject(conditions);
    expect(owners(status)["judge Apply status"]).toEqual({
      "f:status": {
        "f:conditions": { 'k:{"type":"Available"}': { ".": {}, "f:status": {}, "f:type": {} } },
      },
    });
  });
});

describe("custom resources", () => {
  const group = uniqueGroup();
  const text = { type: "string" };
  const crd = definition(group, {
    kind: "Plan",
    schema: {
      type: "object",
      properties: {
        spec: {
          type: "object",
          properties: {
            size: { type: "integer", default: 3 },
            steps: {
              type: "array",
              "x-kubernetes-list-type": "map",
              "x-kubernetes-list-map-keys": ["name"],
              items: { type: "object", required: ["name"], properties: { name: text, run: text } },
            },
            tags: { type: "array", "x-kubernetes-list-type": "set", items: text },
            args: { type: "array", items: text },
            whole: { type: "object", "x-kubernetes-map-type": "atomic", additionalProperties: text },
            free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
            port: { "x-kubernetes-int-or-string": true },
          },
        },
        status: { type: "object", properties: { phase: text } },
      },
    },
    version: { subresources: { status: {} } },
  });
  const plan = (name: string) => `/apis/${group}/v1/namespaces/${namespace}/plans/${name}`;
  const planned = (name: string, spec?: object, more: object = {}) => ({
    apiVersion: `${group}/v1`,
    kind: "Plan",
    metadata: { name },
    ...(spec !== undefined && { spec }),
    ...more,
  });
  beforeAll(() => install(target, crd));
  afterAll(() => uninstall(target, crd.metadata.name));

  it("merge by the list and map types of their schema, and default afterwards", async () => {
    const first = {
      steps: [{ name: "a", run: "1" }],
      tags: ["x"],
      args: ["1", "2"],
      whole: { k: "v" },
      free: { deep: { a: 1 }, list: [1] },
      port: 80,
    };
    const made = await apply(plan("merged"), "one", planned("merged", first));
    expect([made.status, made.json.spec]).toEqual([201, { size: 3, ...first }]);
    expect(owners(made)).toEqual({
      "one Apply": {
        "f:spec": {
          "f:steps": { 'k:{"name":"a"}': { ".": {}, "f:name": {}, "f:run": {} } },
          "f:tags": { 'v:"x"': {} },
          "f:args": {},
          "f:whole": {},
          "f:free": { "f:deep": { ".": {}, "f:a": {} }, "f:list": {} },
          "f:port": {},
        },
      },
    });
    const second = await apply(
      plan("merged"),
      "two",
      planned("merged", { steps: [{ name: "b", run: "2" }], tags: ["y"], free: { deep: { b: 2 } } }),
    );
    expect(second.json.spec).toEqual({
      size: 3,
      ...first,
      steps: [
        { name: "a", run: "1" },
        { name: "b", run: "2" },
      ],
      tags: ["x", "y"],
      free: { deep: { a: 1, b: 2 }, list: [1] },
    });
    const refused = await apply(plan("merged"), "two", planned("merged", { whole: { other: "v" }, args: ["3"] }));
    expect(refused.json.message).toBe(
      'Apply failed with 2 conflicts: conflicts with "one":\n- .spec.args\n- .spec.whole',
    );
    const left = await apply(plan("merged"), "one", planned("merged", { args: ["1", "2"] }));
    expect(left.json.spec).toEqual({
      size: 3,
      steps: [{ name: "b", run: "2" }],
      tags: ["y"],
      args: ["1", "2"],
      free: { deep: { b: 2 } },
    });
  });

  it("own nothing of the status through the object, nor of the rest through the status", async () => {
    const made = await apply(plan("status"), "one", planned("status", { size: 1 }, { status: { phase: "Early" } }));
    expect(made.json.status).toBeUndefined();
    expect(owners(made)).toEqual({ "one Apply": { "f:spec": { "f:size": {} } } });
    const status = await apply(
      `${plan("status")}/status`,
      "judge",
      planned("status", { size: 9 }, { status: { phase: "Done" } }),
    );
    expect(status.json).toMatchObject({ spec: { size: 1 }, status: { phase: "Done" } });
    expect(owners(status)["judge Apply status"]).toEqual({ "f:status": { "f:phase": {} } });
  });

  it("refuse what the schema does not know, and values it does not take", async () => {
    const unknown = await apply(plan("bad"), "one", planned("bad", { colour: "red" }));
    expect([unknown.status, unknown.json.message]).toEqual([
      500,
      `failed to create typed patch object (/bad; ${group}/v1, Kind=Plan): .spec.colour: field not declared in schema`,
    ]);
    const wrong = await apply(plan("bad"), "one", planned("bad", { steps: [{ run: "x" }] }));
    expect(wrong.status).toBe(500);
    expect(wrong.json.message).toContain(
      "element 0: associative list with keys has an element that omits all key fields",
    );
  });
});

describe("what cannot be applied", () => {
  const path = configMap("bad");
  const whole = (metadata: object, more: object = {}) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "bad", ...metadata },
    ...more,
  });
  it.each<[string, string, unknown, number, string]>([
    [
      "nobody's configuration",
      "",
      whole({}),
      422,
      'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
    ],
    ["another kind", "m", { ...whole({}), kind: "Secret" }, 400, "invalid object type: /v1, Kind=Secret"],
    ["another version", "m", { ...whole({}), apiVersion: "v2" }, 400, "invalid object type: /v2, Kind=ConfigMap"],
    ["nothing", "m", "", 400, "invalid object type: /, Kind="],
    ["managers", "m", whole({ managedFields: [] }), 400, "metadata.managedFields must be nil"],
    [
      "no name",
      "m",
      { apiVersion: "v1", kind: "ConfigMap" },
      400,
      "the name of the object (bad based on URL) was undeterminable: name must be provided",
    ],
    [
      "a field nobody knows",
      "m",
      whole({}, { foo: 1 }),
      500,
      "failed to create typed patch object (/bad; /v1, Kind=ConfigMap): .foo: field not declared in schema",
    ],
    [
      "a number for a text",
      "m",
      whole({}, { data: { k: 1 } }),
      500,
      "failed to create typed patch object (/bad; /v1, Kind=ConfigMap): .data.k: expected string, got &value.valueUnstructured{Value:1}",
    ],
    [
      "a list for a map",
      "m",
      whole({}, { data: [] }),
      500,
      "failed to create typed patch object (/bad; /v1, Kind=ConfigMap): .data: expected map, got &{[]}",
    ],
    [
      "somebody else's uid",
      "m",
      whole({ uid: "abc" }),
      409,
      'Operation cannot be fulfilled on configmaps "bad": uid mismatch: the provided object specified uid abc, and no existing object was found',
    ],
  ])("%s", async (_, manager, body, status, message) => {
    const answer = await target.call("PATCH", manager === "" ? path : `${path}?fieldManager=${manager}`, {
      contentType: "application/apply-patch+yaml",
      body,
    });
    expect([answer.status, answer.json.message]).toEqual([status, message]);
  });

  it("two elements with the same key", async () => {
    const answer = await apply(service("twice"), "m", {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "twice" },
      spec: { ports: [{ port: 81 }, { port: 81, protocol: "TCP" }] },
    });
    expect([answer.status, answer.json.message]).toEqual([
      500,
      'failed to create typed patch object (/twice; /v1, Kind=Service): .spec.ports: duplicate entries for key [port=81,protocol="TCP"]',
    ]);
  });

  it("force, where nothing is applied", async () => {
    const answer = await target.call("PATCH", `${path}?force=true`, {
      contentType: "application/merge-patch+json",
      body: {},
    });
    expect(answer.json.message).toContain("force: Forbidden: may not be specified for non-apply patch");
  });
});

describe("kubectl apply --server-side", () => {
  const manifest = (value: string) => JSON.stringify(data("kubectl", { k: value }));
  const run = (value: string, ...more: string[]) =>
    target.kubectl(["apply", "--server-side", "-n", namespace, "-f", "-", ...more], manifest(value));

  it("creates, changes, and takes back what it no longer says", async () => {
    expect((await run("1")).stdout).toBe("configmap/kubectl serverside-applied\n");
    expect((await run("2")).stdout).toBe("configmap/kubectl serverside-applied\n");
    expect((await target.call("GET", configMap("kubectl"))).json.data).toEqual({ k: "2" });
  });

  it("shows a conflict, and forces it", async () => {
    await merge(configMap("kubectl"), { data: { k: "3" } });
    const refused = await run("4");
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('Apply failed with 1 conflict: conflict with "updater" using v1: .data.k');
    expect((await run("4", "--force-conflicts")).code).toBe(0);
    expect((await target.call("GET", configMap("kubectl"))).json.data).toEqual({ k: "4" });
  });

  it("takes over what was applied from the client", async () => {
    const body = (value: string) => JSON.stringify(data("migrated", { k: value }));
    const client = await target.kubectl(["apply", "-n", namespace, "-f", "-"], body("1"));
    expect(client.stderr + client.stdout).toContain("configmap/migrated created");
    const server = await target.kubectl(["apply", "--server-side", "-n", namespace, "-f", "-"], body("2"));
    expect(server.stderr + server.stdout).toContain("configmap/migrated serverside-applied");
    expect((await target.call("GET", configMap("migrated"))).json.data).toEqual({ k: "2" });
  });
});
