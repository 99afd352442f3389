import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DEFINITIONS, definition, install, uninstall, uniqueGroup } from "../crd.ts";
import { eventually, story } from "../story.ts";

const { target, namespace } = story();
const group = uniqueGroup();

const text = { type: "string" };
const crd = definition(group, {
  kind: "Foo",
  versions: [
    {
      name: "v1",
      served: true,
      storage: true,
      schema: {
        openAPIV3Schema: {
          type: "object",
          description: "Foo is a thing.",
          properties: {
            spec: {
              type: "object",
              description: "What is wanted.",
              properties: {
                color: { ...text, description: "The color of the thing." },
                size: { type: "integer" },
                big: { type: "boolean" },
                flavor: { ...text, default: "plain" },
                replicas: { type: "integer" },
                weight: { type: "number" },
                since: { ...text, format: "date-time" },
                parts: {
                  type: "array",
                  items: { type: "object", properties: { name: text, size: { type: "integer" } } },
                },
                free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
              },
            },
            status: {
              type: "object",
              properties: {
                replicas: { type: "integer" },
                selector: text,
                phase: { ...text, enum: ["A", "B"] },
                conditions: { type: "array", items: { type: "object", properties: { type: text, status: text } } },
              },
            },
          },
        },
      },
      subresources: {
        status: {},
        scale: {
          specReplicasPath: ".spec.replicas",
          statusReplicasPath: ".status.replicas",
          labelSelectorPath: ".status.selector",
        },
      },
      additionalPrinterColumns: [
        { name: "Color", type: "string", jsonPath: ".spec.color" },
        { name: "Size", type: "integer", jsonPath: ".spec.size", description: "How big." },
        { name: "Big", type: "boolean", jsonPath: ".spec.big" },
        { name: "Weight", type: "number", jsonPath: ".spec.weight", format: "float" },
        { name: "Rounded", type: "integer", jsonPath: ".spec.weight" },
        { name: "Ready", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
        { name: "Part", type: "string", jsonPath: ".spec.parts[0].name" },
        { name: "Parts", type: "string", jsonPath: ".spec.parts" },
        { name: "Label", type: "string", jsonPath: ".metadata.labels.example\\.com/a", priority: 1 },
        { name: "Since", type: "date", jsonPath: ".spec.since" },
      ],
      selectableFields: [{ jsonPath: ".spec.color" }, { jsonPath: ".spec.size" }, { jsonPath: ".spec.big" }],
    },
    {
      name: "v2",
      served: true,
      storage: false,
      schema: {
        openAPIV3Schema: {
          type: "object",
          properties: {
            spec: {
              type: "object",
              properties: { color: text, flavor: { ...text, default: "sweet" }, extra: { ...text, default: "more" } },
            },
            status: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
          },
        },
      },
      subresources: { status: {} },
    },
    {
      name: "v1beta1",
      served: true,
      storage: false,
      deprecated: true,
      schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
    },
    {
      name: "v1alpha1",
      served: true,
      storage: false,
      deprecated: true,
      deprecationWarning: "v1alpha1 goes away",
      schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
    },
    { name: "v0", served: false, storage: false, schema: { openAPIV3Schema: { type: "object" } } },
  ],
});

const PROTOBUF = "application/vnd.kubernetes.protobuf";
const base = (version = "v1") => `/apis/${group}/${version}`;
const foos = (version = "v1") => `${base(version)}/namespaces/${namespace}/foos`;
const foo = (name: string, spec: object, more: object = {}, version = "v1") => ({
  apiVersion: `${group}/${version}`,
  kind: "Foo",
  metadata: { name },
  spec,
  ...more,
});
const merge = (path: string, body: object) =>
  target.call("PATCH", path, { contentType: "application/merge-patch+json", body });
const TABLE = { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" };

beforeAll(() => install(target, crd));
afterAll(() => uninstall(target, crd.metadata.name));

describe("versions", () => {
  it("are listed by preference, unserved ones not", async () => {
    const found = await eventually(
      () => target.call("GET", `/apis/${group}`),
      (answer) => answer.json.versions?.length === 4,
    );
    expect(found.json.versions.map((one: { version: string }) => one.version)).toEqual([
      "v2",
      "v1",
      "v1beta1",
      "v1alpha1",
    ]);
    expect(found.json.preferredVersion.version).toBe("v2");
    const unserved = await target.call("GET", foos("v0"));
    expect([unserved.status, unserved.text]).toEqual([404, "404 page not found\n"]);
  });

  it("show one object, without fields they do not know and without defaults it was not given", async () => {
    await target.call("POST", foos(), { body: foo("versions", { color: "red", size: 1 }) });
    const second = await target.call("GET", `${foos("v2")}/versions`);
    expect(second.json).toMatchObject({ apiVersion: `${group}/v2`, spec: { color: "red", flavor: "plain" } });
    expect(second.json.spec).toEqual({ color: "red", flavor: "plain" });
    const list = await target.call("GET", foos("v2"));
    expect(list.json.apiVersion).toBe(`${group}/v2`);
    expect(list.json.items.map((item: { apiVersion: string }) => item.apiVersion)).toEqual([`${group}/v2`]);
  });

  it("store what the storage version keeps", async () => {
    const made = await target.call("POST", foos("v2"), {
      body: foo("second", { color: "blue", extra: "own" }, {}, "v2"),
    });
    expect(made.status).toBe(201);
    expect(made.json.spec).toEqual({ color: "blue", flavor: "sweet" });
    expect((await target.call("GET", `${foos()}/second`)).json.spec).toEqual({ color: "blue", flavor: "sweet" });
  });

  it("are written one through the other, and a change moves the generation once", async () => {
    const changed = await merge(`${foos("v2")}/versions`, { spec: { color: "green" } });
    expect(changed.json).toMatchObject({ apiVersion: `${group}/v2`, metadata: { generation: 2 } });
    const first = await target.call("GET", `${foos()}/versions`);
    expect(first.json).toMatchObject({ spec: { color: "green", flavor: "plain" }, metadata: { generation: 2 } });
    // What the version does not know is lost on the way.
    expect(first.json.spec.size).toBeUndefined();
  });

  it("are watched each in its own form", async () => {
    const seen: string[] = [];
    const stop = new AbortController();
    for await (const event of target.stream(`${foos("v2")}?watch=1&fieldSelector=metadata.name%3Dversions`, {
      signal: stop.signal,
    })) {
      seen.push(`${event.type} ${event.object.apiVersion} ${event.object.spec.color}`);
      if (seen.length === 1) await merge(`${foos()}/versions`, { spec: { color: "grey", size: 5 } });
      if (seen.length === 2) break;
    }
    stop.abort();
    expect(seen).toEqual([`ADDED ${group}/v2 green`, `MODIFIED ${group}/v2 grey`]);
  });

  it("warn when they are deprecated", async () => {
    const usual = await target.call("GET", `${foos("v1beta1")}/versions`);
    expect(usual.headers["warning"]).toBe(`299 - "${group}/v1beta1 Foo is deprecated; use ${group}/v2 Foo"`);
    const own = await target.call("GET", foos("v1alpha1"));
    expect(own.headers["warning"]).toBe('299 - "v1alpha1 goes away"');
    expect((await target.call("GET", foos())).headers["warning"]).toBeUndefined();
  });
});

describe("the status", () => {
  it("is not taken from a create or an update", async () => {
    const made = await target.call("POST", foos(), { body: foo("status", {}, { status: { phase: "A" } }) });
    expect(made.json.status).toBeUndefined();
    const put = await target.call("PUT", `${foos()}/status`, { body: { ...made.json, status: { phase: "A" } } });
    expect(put.json.status).toBeUndefined();
    expect(put.json.metadata.resourceVersion).toBe(made.json.metadata.resourceVersion);
  });

  it("is all that is taken through its own path, and moves no generation", async () => {
    const written = await merge(`${foos()}/status/status`, {
      metadata: { labels: { no: "no" } },
      spec: { color: "ignored" },
      status: { phase: "A", replicas: 2, selector: "a=b" },
    });
    expect(written.status).toBe(200);
    expect(written.json.metadata.labels).toBeUndefined();
    expect(written.json.metadata.generation).toBe(1);
    expect(written.json.spec).toEqual({ flavor: "plain" });
    expect(written.json.status).toEqual({ phase: "A", replicas: 2, selector: "a=b" });
    const kept = await merge(`${foos()}/status`, { spec: { color: "new" }, status: { phase: "B" } });
    expect(kept.json.status.phase).toBe("A");
    expect(kept.json.metadata.generation).toBe(2);
  });

  it("follows its schema", async () => {
    const wrong = await merge(`${foos()}/status/status`, { status: { phase: "C" } });
    expect(wrong.status).toBe(422);
    expect(wrong.json.message).toBe(
      `Foo.${group} "status" is invalid: status.phase: Unsupported value: "C": supported values: "A", "B"`,
    );
    const replicas = await merge(`${foos()}/status/status`, { status: { replicas: -2 } });
    expect(replicas.json.message).toBe(
      `Foo.${group} "status" is invalid: .status.replicas: Invalid value: -2: should be a non-negative integer`,
    );
  });

  it("takes no other verbs", async () => {
    const created = await target.call("POST", `${foos()}/status/status`, { body: {} });
    expect(created.status).toBe(405);
    expect(created.json.message).toBe(`create is not supported on resources of kind "foos.${group}"`);
    const unknown = await target.call("GET", `${foos()}/status/logs`);
    expect([unknown.status, unknown.json.message]).toEqual([404, `foos.${group} "status" not found`]);
    const elsewhere = await target.call("GET", `${foos("v2")}/status/scale`);
    expect([elsewhere.status, elsewhere.json.message]).toEqual([404, `foos.${group} "status" not found`]);
  });
});

describe("a status with a default", () => {
  const waiting = definition(group, {
    kind: "Waiting",
    schema: {
      type: "object",
      properties: {
        spec: { type: "object" },
        status: { type: "object", default: { phase: "Pending" }, properties: { phase: text } },
      },
    },
    version: { subresources: { status: {} } },
  });
  beforeAll(() => install(target, waiting));
  afterAll(() => uninstall(target, waiting.metadata.name));

  it("is there from the beginning, though no create may set it", async () => {
    const path = `${base()}/namespaces/${namespace}/waitings`;
    const body = { apiVersion: `${group}/v1`, kind: "Waiting", metadata: { name: "w" }, status: { phase: "Mine" } };
    const made = await target.call("POST", path, { body });
    expect(made.json.status).toEqual({ phase: "Pending" });
    expect((await target.call("GET", `${path}/w`)).json).toEqual(made.json);
    const labeled = await merge(`${path}/w`, { metadata: { labels: { a: "b" } } });
    expect(labeled.json).toMatchObject({ metadata: { generation: 1 }, status: { phase: "Pending" } });
  });
});

describe("the scale", () => {
  const path = `${foos()}/scaled/scale`;

  it("needs a number of replicas", async () => {
    await target.call("POST", foos(), { body: foo("scaled", {}) });
    const missing = await target.call("GET", path);
    expect(missing.status).toBe(500);
    expect(missing.json.message).toBe(
      'Internal error occurred: the spec replicas field ".spec.replicas" does not exist',
    );
    const empty = await merge(path, {});
    expect([empty.status, empty.json.message]).toEqual([
      400,
      'the spec replicas field ".spec.replicas" cannot be empty',
    ]);
  });

  it("reads and writes the paths of the definition", async () => {
    expect((await merge(path, { spec: { replicas: 3 } })).json).toMatchObject({ kind: "Scale", spec: { replicas: 3 } });
    await merge(`${foos()}/scaled/status`, { status: { replicas: 1, selector: "app=x" } });
    const scale = await target.call("GET", path);
    const parent = (await target.call("GET", `${foos()}/scaled`)).json;
    const { name, uid, resourceVersion, creationTimestamp } = parent.metadata;
    expect(scale.json).toEqual({
      kind: "Scale",
      apiVersion: "autoscaling/v1",
      metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
      spec: { replicas: 3 },
      status: { replicas: 1, selector: "app=x" },
    });
    expect(parent).toMatchObject({ spec: { replicas: 3 }, metadata: { generation: 2 } });
  });

  it("refuses what is no number of replicas, and old versions", async () => {
    const negative = await merge(path, { spec: { replicas: -1 } });
    expect(negative.status).toBe(422);
    expect(negative.json.message).toBe(
      `Foo.${group} "scaled" is invalid: .spec.replicas: Invalid value: -1: should be a non-negative integer`,
    );
    const stale = await target.call("PUT", path, {
      body: {
        apiVersion: "autoscaling/v1",
        kind: "Scale",
        metadata: { name: "scaled", namespace, resourceVersion: "1" },
        spec: { replicas: 8 },
      },
    });
    expect(stale.status).toBe(409);
  });

  it("is what kubectl scale uses", async () => {
    const { stdout, stderr } = await target.kubectl([
      "-n",
      namespace,
      "scale",
      `foos.v1.${group}/scaled`,
      "--replicas=7",
    ]);
    expect(stderr).toBe("");
    expect(stdout).toBe(`foo.${group}/scaled scaled\n`);
    expect((await target.call("GET", path)).json.spec.replicas).toBe(7);
  });

  it("is listed in discovery as another kind", async () => {
    const { json } = await target.call("GET", base());
    expect(json.resources.map((one: { name: string }) => one.name)).toEqual(["foos", "foos/status", "foos/scale"]);
    expect(json.resources[2]).toEqual({
      name: "foos/scale",
      singularName: "",
      namespaced: true,
      group: "autoscaling",
      version: "v1",
      kind: "Scale",
      verbs: ["get", "patch", "update"],
    });
  });
});

describe("columns", () => {
  it("are the definition's, read by JSON paths", async () => {
    const spec = {
      color: "red",
      size: 3,
      big: true,
      weight: 1.9,
      since: "2020-01-01T00:00:00Z",
      parts: [{ name: "first", size: 1 }, { name: "second" }],
    };
    await target.call("POST", foos(), {
      body: { ...foo("full", spec), metadata: { name: "full", labels: { "example.com/a": "yes", shown: "yes" } } },
    });
    await merge(`${foos()}/full/status`, {
      status: {
        conditions: [
          { type: "X", status: "1" },
          { type: "Ready", status: "True" },
        ],
      },
    });
    await target.call("POST", foos(), {
      body: { ...foo("empty", {}), metadata: { name: "empty", labels: { shown: "yes" } } },
    });
    const table = await target.call("GET", `${foos()}?labelSelector=shown`, { headers: TABLE });
    expect(table.json.columnDefinitions.map((one: { name: string }) => one.name)).toEqual([
      "Name",
      "Color",
      "Size",
      "Big",
      "Weight",
      "Rounded",
      "Ready",
      "Part",
      "Parts",
      "Label",
      "Since",
    ]);
    expect(table.json.columnDefinitions[2]).toEqual({
      name: "Size",
      type: "integer",
      format: "",
      description: "How big.",
      priority: 0,
    });
    expect(table.json.columnDefinitions[4].description).toBe(
      "Custom resource definition column (in JSONPath format): .spec.weight",
    );
    const cells = table.json.rows.map((row: { cells: unknown[] }) => row.cells);
    expect(cells[0]).toEqual(["empty", ...Array.from({ length: 10 }, () => null)]);
    expect(cells[1]).toEqual([
      "full",
      "red",
      3,
      true,
      1.9,
      1,
      "True",
      "first",
      '[{"name":"first","size":1},{"name":"second"}]',
      "yes",
      expect.stringMatching(/^\d+y/),
    ]);
  });

  it("are name and age where the version has none", async () => {
    const { stdout } = await target.kubectl(["-n", namespace, "get", `foos.v2.${group}`, "full"]);
    expect(stdout).toMatch(/^NAME +AGE\nfull +\S+\n$/);
    const wide = await target.kubectl(["-n", namespace, "get", `foos.v1.${group}`, "full", "-o", "wide"]);
    expect(wide.stdout).toMatch(/^NAME +COLOR +SIZE +BIG +WEIGHT +ROUNDED +READY +PART +PARTS +LABEL +SINCE\n/);
  });
});

describe("field selectors", () => {
  const names = async (selector: string) => {
    const { json } = await target.call(
      "GET",
      `${foos()}?fieldSelector=${encodeURIComponent(selector)}&labelSelector=pick`,
    );
    return json.items?.map((item: { metadata: { name: string } }) => item.metadata.name) ?? json.message;
  };

  beforeAll(async () => {
    for (const [name, spec] of Object.entries({
      red: { color: "red", size: 3, big: true },
      green: { color: "green", size: 0, big: false },
      none: {},
    })) {
      await target.call("POST", foos(), {
        body: { ...foo(`pick-${name}`, spec), metadata: { name: `pick-${name}`, labels: { pick: "me" } } },
      });
    }
  });

  it.each([
    ["spec.color=red", ["pick-red"]],
    ["spec.color!=red", ["pick-green", "pick-none"]],
    ["spec.color=", ["pick-none"]],
    ["spec.size=3", ["pick-red"]],
    ["spec.size=0", ["pick-green"]],
    ["spec.big=true", ["pick-red"]],
    ["spec.big=false,spec.color=green", ["pick-green"]],
    ["metadata.name=pick-red", ["pick-red"]],
  ])("%s", async (selector, expected) => {
    expect(await names(selector)).toEqual(expected);
  });

  it("know no other fields, and are of one version", async () => {
    expect(await names("spec.flavor=plain")).toBe("field label not supported: spec.flavor");
    const other = await target.call("GET", `${foos("v2")}?fieldSelector=spec.color%3Dred`);
    expect([other.status, other.json.message]).toEqual([400, "field label not supported: spec.color"]);
  });

  it("are watched: what stops matching is deleted for the watcher", async () => {
    const seen: string[] = [];
    const stop = new AbortController();
    for await (const event of target.stream(`${foos()}?watch=1&fieldSelector=spec.color%3Dred&labelSelector=pick`, {
      signal: stop.signal,
    })) {
      seen.push(`${event.type} ${event.object.metadata.name}`);
      if (seen.length === 1) await merge(`${foos()}/pick-red`, { spec: { color: "violet" } });
      if (seen.length === 2) break;
    }
    stop.abort();
    expect(seen).toEqual(["ADDED pick-red", "DELETED pick-red"]);
  });
});

describe("requests for custom resources", () => {
  it("must name their kind, and the right one", async () => {
    const missing = await target.call("POST", foos(), { body: { metadata: { name: "k" } } });
    expect([missing.status, missing.json.message]).toEqual([
      400,
      `the object provided is unrecognized (must be of type Foo): Object 'Kind' is missing in '{"metadata":{"name":"k"}}' ({"metadata":{"name":"k"}})`,
    ]);
    const wrong = await target.call("POST", foos(), { body: { ...foo("k", {}), kind: "Bar" } });
    expect([wrong.status, wrong.json.message]).toEqual([
      422,
      `Bar.${group} "k" is invalid: kind: Invalid value: "Bar": must be Foo`,
    ]);
    const version = await target.call("POST", foos(), { body: foo("k", {}, {}, "v2") });
    expect([version.status, version.json.message]).toEqual([
      400,
      `the API version in the data (${group}/v2) does not match the expected API version (${group}/v1)`,
    ]);
  });

  it("are answered with nothing where there is no such path", async () => {
    for (const [method, path] of [
      ["POST", `${base()}/foos`],
      ["GET", `${base()}/foos/full`],
      ["DELETE", `${base()}/foos`],
      ["GET", `${base()}/bars`],
    ] as const) {
      const answer = await target.call(method, path, method === "POST" ? { body: foo("k", {}) } : {});
      expect([method, path, answer.status, answer.text]).toEqual([method, path, 404, "404 page not found\n"]);
    }
  });

  it("update only what they have seen", async () => {
    const put = await target.call("PUT", `${foos()}/full`, { body: foo("full", {}) });
    expect([put.status, put.json.message]).toEqual([
      422,
      `foos.${group} "full" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update`,
    ]);
    expect((await target.call("PUT", `${foos()}/nobody`, { body: foo("nobody", {}) })).status).toBe(404);
  });

  it("are warned about names of finalizers that may clash", async () => {
    const made = await target.call("POST", `${foos()}?dryRun=All`, {
      body: { ...foo("finalizers", {}), metadata: { name: "finalizers", finalizers: ["abc", "x.y", "example.com/z"] } },
    });
    expect(made.status).toBe(201);
    const prefer = "prefer a domain-qualified finalizer name";
    const clash = "to avoid accidental conflicts with other finalizer writers";
    expect(made.headers["warning"]).toContain(`metadata.finalizers: \\"abc\\": ${prefer} ${clash}`);
    expect(made.headers["warning"]).toContain(
      `metadata.finalizers: \\"x.y\\": ${prefer} including a path (/) ${clash}`,
    );
    expect(made.headers["warning"]).not.toContain("example.com/z");
  });

  it("may ask for metadata only, and for YAML", async () => {
    const partial = await target.call("GET", foos(), {
      headers: { accept: "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io" },
    });
    expect(partial.json.kind).toBe("PartialObjectMetadataList");
    expect(Object.keys(partial.json.items[0]).sort()).toEqual(["apiVersion", "kind", "metadata"]);
    const yaml = await target.call("GET", `${foos()}/full`, { headers: { accept: "application/yaml" } });
    expect(yaml.headers["content-type"]).toBe("application/yaml");
    expect(yaml.text).toMatch(/^apiVersion: /);
    const sent = await target.call("POST", foos(), {
      contentType: "application/yaml",
      body: `apiVersion: ${group}/v1\nkind: Foo\nmetadata: {name: from-yaml}\nspec: {color: red}\n`,
    });
    expect(sent.status).toBe(201);
  });

  it("have their metadata as protobuf, and nothing else", async () => {
    const types = ["application/json", "application/yaml", PROTOBUF];
    const as = (kind: string) => ({ headers: { accept: `${PROTOBUF};as=${kind};v=v1;g=meta.k8s.io` } });
    const one = await target.call("GET", `${foos()}/full`, as("PartialObjectMetadata"));
    expect([one.status, one.headers["content-type"]]).toEqual([200, PROTOBUF]);
    const head = "k8s\0\n'\n\x0emeta.k8s.io/v1\x12\x15PartialObjectMetadata\x12";
    expect(one.bytes.subarray(0, head.length).toString("latin1")).toBe(head);
    expect(one.bytes.includes("\n\x04full")).toBe(true);
    const list = await target.call("GET", foos(), as("PartialObjectMetadataList"));
    expect([list.status, list.headers["content-type"]]).toEqual([200, PROTOBUF]);
    expect(list.bytes.includes("meta.k8s.io/v1\x12\x19PartialObjectMetadataList\x12")).toBe(true);
    expect(list.bytes.includes("\n\x04full")).toBe(true);
    const watch = await target.call("GET", `${foos()}?watch=1&timeoutSeconds=1`, as("PartialObjectMetadata"));
    expect([watch.status, watch.headers["content-type"]]).toEqual([200, `${PROTOBUF};stream=watch`]);
    expect(
      watch.bytes
        .subarray(4 + watch.bytes.readUInt32BE(0) + 4)
        .subarray(0, 7)
        .toString("latin1"),
    ).toBe("\n\x05ADDED");
    expect(watch.bytes.includes("\n\x04full")).toBe(true);

    const refusals: [path: string, accept: string, status: number, message: string][] = [];
    const only = (accepted: readonly string[]) => `only the following media types are accepted: ${accepted.join(", ")}`;
    for (const path of [`${foos()}/full`, foos(), `${foos()}?watch=1`, `${foos()}/full/scale`]) {
      refusals.push([path, "text/html", 406, only(types)], [path, PROTOBUF, 406, only(types)]);
      refusals.push([path, "application/json;as=Table;v=v9;g=meta.k8s.io", 406, only(types)]);
    }
    const framed = [`application/json;stream=watch`, `${PROTOBUF};stream=watch`];
    refusals.push([`${foos()}?watch=1`, "application/yaml, application/json", 406, only(framed)]);
    const mistaken = "you requested PartialObjectMetadata, but the requested object is a list";
    refusals.push([
      foos(),
      as("PartialObjectMetadata").headers.accept,
      406,
      `${mistaken} (*unstructured.UnstructuredList)`,
    ]);
    refusals.push([`${foos()}/full`, as("PartialObjectMetadataList").headers.accept, 500, "content is not a list"]);
    for (const [path, accept, status, message] of refusals) {
      const refused = await target.call("GET", path, { headers: { accept } });
      // YAML may be folded.
      const text = refused.text.replace(/\n */g, " ");
      expect([path, accept, refused.status, text.includes(message), text.includes(`${message},`)]).toEqual([
        path,
        accept,
        status,
        true,
        false,
      ]);
    }
  });

  it("can be explained", async () => {
    const explained = await eventually(
      () => target.kubectl(["explain", "foos.spec.color", `--api-version=${group}/v1`]),
      (result) => result.code === 0,
    );
    expect(explained.stdout).toMatch(
      /GROUP: +\S+\nKIND: +Foo\nVERSION: +v1\n\nFIELD: color <string>\n\n+DESCRIPTION:\n +The color of the thing\./,
    );
    const whole = await target.kubectl(["explain", "foos", `--api-version=${group}/v1`]);
    expect(whole.stdout).toContain("Foo is a thing.");
  });
});

describe("a changed definition", () => {
  it("reads what is stored with its new defaults and without what it forgot; its old watches end", async () => {
    await target.call("POST", foos(), { body: foo("older", { color: "red", size: 9 }) });
    const before = (await target.call("GET", `${foos()}/older`)).json;
    let ended = false;
    const watching = (async () => {
      for await (const _ of target.stream(`${foos()}?watch=1&resourceVersion=${before.metadata.resourceVersion}`));
      ended = true;
    })();
    const spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
    const changed = await target.call("PATCH", `${DEFINITIONS}/${crd.metadata.name}`, {
      contentType: "application/json-patch+json",
      body: [
        { op: "remove", path: `${spec}/size` },
        { op: "remove", path: "/spec/versions/0/selectableFields/1" },
        { op: "add", path: `${spec}/late`, value: { type: "string", default: "now" } },
      ],
    });
    expect(changed.status).toBe(200);
    expect(changed.json.metadata.generation).toBe(2);
    const after = await eventually(
      () => target.call("GET", `${foos()}/older`),
      (answer) => answer.json.spec.late === "now",
    );
    expect(after.json.spec).toEqual({ color: "red", flavor: "plain", late: "now" });
    expect(after.json.metadata.resourceVersion).toBe(before.metadata.resourceVersion);
    const list = await target.call("GET", `${foos()}?fieldSelector=metadata.name%3Dolder`);
    expect(list.json.items[0].spec).toEqual(after.json.spec);
    const refused = await target.call("GET", `${foos()}?fieldSelector=spec.size%3D9`);
    expect(refused.status).toBe(400);
    await watching;
    expect(ended).toBe(true);
  });

  it("may store in another version from now on", async () => {
    const moved = await target.call("PATCH", `${DEFINITIONS}/${crd.metadata.name}`, {
      contentType: "application/json-patch+json",
      body: [
        { op: "replace", path: "/spec/versions/0/storage", value: false },
        { op: "replace", path: "/spec/versions/1/storage", value: true },
      ],
    });
    expect(moved.json.status.storedVersions).toEqual(["v1", "v2"]);
    // As it was stored, until it is written again.
    const read = await eventually(
      () => target.call("GET", `${foos("v2")}/older`),
      (answer) => answer.status === 200,
    );
    expect(read.json.spec).toEqual({ color: "red", flavor: "plain" });
    await eventually(
      () => merge(`${foos()}/older`, { metadata: { annotations: { touched: String(Date.now()) } } }),
      (answer) => answer.json.spec.late === undefined,
    );
    expect((await target.call("GET", `${foos("v2")}/older`)).json.spec).toEqual({
      color: "red",
      flavor: "plain",
      extra: "more",
    });
  });
});
