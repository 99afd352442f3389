import { describe, expect, it } from "vitest";
import { conditionOf, DEFINITIONS, definition, install, uninstall, uniqueGroup } from "../crd.ts";
import { eventually, story } from "../story.ts";

const { target, namespace } = story();

describe("the life of a definition", () => {
  const group = uniqueGroup();
  const crd = definition(group, {
    kind: "CronTab",
    names: { shortNames: ["ct"], categories: ["all"] },
    schema: {
      type: "object",
      properties: {
        spec: {
          type: "object",
          properties: { cronSpec: { type: "string" }, replicas: { type: "integer", default: 1 } },
        },
      },
    },
  });
  const path = `${DEFINITIONS}/crontabs.${group}`;
  const base = `/apis/${group}/v1`;
  const crontabs = `${base}/namespaces/${namespace}/crontabs`;
  const crontab = (name: string, spec: object = { cronSpec: "* * * * *" }) => ({
    apiVersion: `${group}/v1`,
    kind: "CronTab",
    metadata: { name },
    spec,
  });

  it("is answered before anything became of it", async () => {
    expect((await target.call("GET", crontabs)).status).toBe(404);
    const made = await target.call("POST", DEFINITIONS, { body: crd });
    expect(made.status).toBe(201);
    expect(made.json.status).toEqual({
      acceptedNames: { kind: "", plural: "" },
      conditions: null,
      storedVersions: ["v1"],
    });
    expect(made.json.spec.names).toEqual({
      plural: "crontabs",
      singular: "crontab",
      kind: "CronTab",
      listKind: "CronTabList",
      shortNames: ["ct"],
      categories: ["all"],
    });
    expect(made.json.spec.conversion).toEqual({ strategy: "None" });
    expect(made.json.metadata.generation).toBe(1);
  });

  it("is given its names, then established", async () => {
    const { json } = await eventually(
      () => target.call("GET", path),
      (answer) => conditionOf(answer.json, "Established")?.status === "True",
    );
    expect(json.status.acceptedNames).toEqual(json.spec.names);
    expect(json.status.conditions).toEqual([
      {
        type: "NamesAccepted",
        status: "True",
        reason: "NoConflicts",
        message: "no conflicts found",
        lastTransitionTime: expect.any(String),
      },
      {
        type: "Established",
        status: "True",
        reason: "InitialNamesAccepted",
        message: "the initial names have been accepted",
        lastTransitionTime: expect.any(String),
      },
    ]);
    expect(json.metadata.generation).toBe(1);
  });

  it("is discovered, and registered with the aggregator", async () => {
    const list = await eventually(
      () => target.call("GET", base),
      (answer) => answer.status === 200,
    );
    expect(list.json).toEqual({
      kind: "APIResourceList",
      apiVersion: "v1",
      groupVersion: `${group}/v1`,
      resources: [
        {
          name: "crontabs",
          singularName: "crontab",
          namespaced: true,
          kind: "CronTab",
          verbs: ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"],
          shortNames: ["ct"],
          categories: ["all"],
          storageVersionHash: expect.stringMatching(/^[A-Za-z0-9+/]{11}=$/),
        },
      ],
    });
    const service = await eventually(
      () => target.call("GET", `/apis/apiregistration.k8s.io/v1/apiservices/v1.${group}`),
      (answer) => conditionOf(answer.json, "Available")?.status === "True",
    );
    expect(service.json).toMatchObject({
      metadata: { labels: { "kube-aggregator.kubernetes.io/automanaged": "true" } },
      spec: { group, version: "v1", groupPriorityMinimum: 1000, versionPriority: 100 },
    });
    const aggregated = await eventually(
      () =>
        target.call("GET", "/apis", {
          headers: { accept: "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList" },
        }),
      (answer) => answer.text.includes(`"${group}"`),
    );
    const item = aggregated.json.items.find((one: { metadata: { name: string } }) => one.metadata.name === group);
    expect(item.versions).toEqual([
      {
        version: "v1",
        freshness: "Current",
        resources: [
          {
            resource: "crontabs",
            responseKind: { group, version: "v1", kind: "CronTab" },
            scope: "Namespaced",
            singularResource: "crontab",
            verbs: ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"],
            shortNames: ["ct"],
            categories: ["all"],
          },
        ],
      },
    ]);
  });

  it("serves its objects: defaults come, unknown fields go with a warning", async () => {
    const body = crontab("first", { cronSpec: "1", color: "red" });
    const made = await target.call("POST", crontabs, { body });
    expect(made.status).toBe(201);
    expect(made.headers["warning"]).toBe('299 - "unknown field \\"spec.color\\""');
    expect(made.json).toMatchObject({
      apiVersion: `${group}/v1`,
      kind: "CronTab",
      metadata: { name: "first", namespace, generation: 1 },
      spec: { cronSpec: "1", replicas: 1 },
    });
    expect(made.json.spec).toEqual({ cronSpec: "1", replicas: 1 });
    const strict = await target.call("POST", `${crontabs}?fieldValidation=Strict`, {
      body: crontab("strict", { a: 1 }),
    });
    expect(strict.status).toBe(400);
    expect(strict.json.message).toBe(
      'CronTab in version "v1" cannot be handled as a CronTab: strict decoding error: unknown field "spec.a"',
    );
    const wrong = await target.call("POST", crontabs, { body: crontab("wrong", { cronSpec: 5 }) });
    expect(wrong.status).toBe(422);
    expect(wrong.json.message).toBe(
      `CronTab.${group} "wrong" is invalid: spec.cronSpec: Invalid value: "integer": spec.cronSpec in body must be of type string: "integer"`,
    );
  });

  it("moves the generation with everything but metadata", async () => {
    const patch = (body: object) =>
      target.call("PATCH", `${crontabs}/first`, { contentType: "application/merge-patch+json", body });
    expect((await patch({ metadata: { labels: { a: "b" } } })).json.metadata.generation).toBe(1);
    expect((await patch({ spec: { replicas: 2 } })).json.metadata.generation).toBe(2);
    const strategic = await target.call("PATCH", `${crontabs}/first`, {
      contentType: "application/strategic-merge-patch+json",
      body: { spec: { replicas: 3 } },
    });
    expect(strategic.status).toBe(415);
    expect(strategic.json.reason).toBe("UnsupportedMediaType");
  });

  it("is listed, watched and shown", async () => {
    const list = await target.call("GET", `${base}/crontabs?labelSelector=a%3Db`);
    expect(list.json).toMatchObject({
      kind: "CronTabList",
      apiVersion: `${group}/v1`,
      items: [{ metadata: { name: "first" } }],
    });
    const stop = new AbortController();
    const types: string[] = [];
    for await (const event of target.stream(`${crontabs}?watch=1`, { signal: stop.signal })) {
      types.push(`${event.type} ${event.object.metadata.name}`);
      if (types.length === 1) await target.call("POST", crontabs, { body: crontab("second") });
      if (types.length === 2) break;
    }
    stop.abort();
    expect(types).toEqual(["ADDED first", "ADDED second"]);
    const shown = await target.kubectl(["-n", namespace, "get", "ct"]);
    expect(shown.stdout).toMatch(/^NAME +AGE\nfirst +\S+\nsecond +\S+\n$/);
  });

  it("goes with its objects", async () => {
    const deleted = await target.call("DELETE", path);
    expect(deleted.status).toBe(200);
    expect(deleted.json.kind).toBe("CustomResourceDefinition");
    expect(deleted.json.metadata.finalizers).toEqual(["customresourcecleanup.apiextensions.k8s.io"]);
    expect(conditionOf(deleted.json, "Terminating")).toMatchObject({
      status: "True",
      reason: "InstanceDeletionPending",
    });
    const gone = await eventually(
      () => target.call("GET", path),
      (answer) => answer.status === 404,
    );
    expect(gone.status).toBe(404);
    const after = await eventually(
      () => target.call("GET", crontabs),
      (answer) => answer.status === 404,
    );
    expect(after.text).toBe("404 page not found\n");
    const service = await eventually(
      () => target.call("GET", `/apis/apiregistration.k8s.io/v1/apiservices/v1.${group}`),
      (answer) => answer.status === 404,
    );
    expect(service.status).toBe(404);
  });

  it("comes back empty", async () => {
    await install(target, crd);
    expect((await target.call("GET", crontabs)).json.items).toEqual([]);
    await uninstall(target, crd.metadata.name);
  });
});
