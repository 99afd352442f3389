import { afterAll, describe, expect, it } from "vitest";
import { conditionOf, DEFINITIONS, definition, install, OPEN_SCHEMA, uninstall, uniqueGroup } from "../crd.ts";
import { eventually, story } from "../story.ts";
import { uniqueName } from "../target.ts";

const { target, namespace } = story();
const installed: string[] = [];
afterAll(async () => {
  await Promise.all(installed.map((name) => uninstall(target, name)));
});

type Definition = ReturnType<typeof definition>;
const create = async (crd: Definition) => {
  installed.push(crd.metadata.name);
  const made = await target.call("POST", DEFINITIONS, { body: crd });
  expect(made.status, made.text).toBe(201);
};
// biome-ignore lint/suspicious/noExplicitAny: a story reads into whatever the server answered
const settled = async (crd: Definition, type: string, good: (condition: any) => boolean) => {
  const { json } = await eventually(
    () => target.call("GET", `${DEFINITIONS}/${crd.metadata.name}`),
    (answer) => good(conditionOf(answer.json, type) ?? {}),
  );
  return json;
};

describe("names within a group", () => {
  const group = uniqueGroup();
  const first = definition(group, { kind: "Fig", names: { shortNames: ["fi", "fg"], categories: ["fruit"] } });

  it("belong to whom they were given first", async () => {
    installed.push(first.metadata.name);
    await install(target, first);
    const second = definition(group, { kind: "Fig", plural: "feigen", names: { singular: "feige" } });
    await create(second);
    const json = await settled(second, "NamesAccepted", ({ status }) => status === "False");
    expect(conditionOf(json, "NamesAccepted")).toMatchObject({
      reason: "ListKindConflict",
      message: '"FigList" is already in use',
    });
    expect(conditionOf(json, "Established")).toMatchObject({
      status: "False",
      reason: "NotAccepted",
      message: "not all names are accepted",
    });
    expect(json.status.acceptedNames).toEqual({ plural: "feigen", singular: "feige", kind: "" });
    const resource = await target.call("GET", `/apis/${group}/v1/namespaces/${namespace}/feigen`);
    expect(resource.status).toBe(404);
  });

  it.each([
    ["singular", { kind: "Plum", names: { singular: "figs" } }, "SingularConflict", '"figs" is already in use'],
    [
      "short",
      { kind: "Pear", names: { shortNames: ["fi", "pe", "fg"] } },
      "ShortNamesConflict",
      '["fi" is already in use, "fg" is already in use]',
    ],
    [
      "kind",
      { kind: "Fig", plural: "others", names: { singular: "other", listKind: "OtherList" } },
      "KindConflict",
      '"Fig" is already in use',
    ],
  ] as const)("cannot be had twice: %s", async (_, sketch, reason, message) => {
    const crd = definition(group, sketch);
    await create(crd);
    const json = await settled(crd, "NamesAccepted", ({ status }) => status === "False");
    expect(conditionOf(json, "NamesAccepted")).toMatchObject({ reason, message });
  });

  it("may be the same in another group", async () => {
    const elsewhere = definition(uniqueGroup(), { kind: "Fig", names: { shortNames: ["fi"] } });
    installed.push(elsewhere.metadata.name);
    await install(target, elsewhere);
    expect(
      conditionOf(await settled(elsewhere, "Established", ({ status }) => status === "True"), "NamesAccepted"),
    ).toMatchObject({
      status: "True",
    });
  });

  it("are free when their owner is gone", async () => {
    const other = uniqueGroup();
    const owner = definition(other, { kind: "Sloe" });
    installed.push(owner.metadata.name);
    await install(target, owner);
    const heir = definition(other, { kind: "Sloe", plural: "schlehen", names: { singular: "schlehe" } });
    await create(heir);
    await settled(heir, "NamesAccepted", ({ status }) => status === "False");
    await uninstall(target, owner.metadata.name);
    const json = await settled(heir, "Established", ({ status }) => status === "True");
    expect(json.status.acceptedNames).toEqual({
      plural: "schlehen",
      singular: "schlehe",
      kind: "Sloe",
      listKind: "SloeList",
    });
    const served = await eventually(
      () => target.call("GET", `/apis/${other}/v1/namespaces/${namespace}/schlehen`),
      (answer) => answer.status === 200,
    );
    expect(served.status).toBe(200);
  });

  it("can be added to one that is served", async () => {
    const crd = definition(group, { kind: "Quince" });
    installed.push(crd.metadata.name);
    await install(target, crd);
    await target.call("PATCH", `${DEFINITIONS}/${crd.metadata.name}`, {
      contentType: "application/merge-patch+json",
      body: { spec: { names: { shortNames: ["qu"], categories: ["tart"] } } },
    });
    const { json } = await eventually(
      () => target.call("GET", `${DEFINITIONS}/${crd.metadata.name}`),
      (answer) => answer.json.status.acceptedNames.shortNames !== undefined,
    );
    expect(json.status.acceptedNames).toMatchObject({ shortNames: ["qu"], categories: ["tart"] });
    const listed = await eventually(
      () => target.call("GET", `/apis/${group}/v1`),
      (answer) => answer.text.includes('"qu"'),
    );
    // biome-ignore lint/suspicious/noExplicitAny: as above
    const quinces = listed.json.resources.find((one: any) => one.name === "quinces");
    expect(quinces).toMatchObject({ shortNames: ["qu"], categories: ["tart"] });
  });
});

describe("several definitions", () => {
  const group = uniqueGroup();
  const namespaced = definition(group, { kind: "Inner" });
  const cluster = definition(group, { kind: "Outer", scope: "Cluster" });

  it("share a group-version, and go one by one", async () => {
    for (const crd of [namespaced, cluster]) {
      installed.push(crd.metadata.name);
      await install(target, crd);
    }
    const both = await eventually(
      () => target.call("GET", `/apis/${group}/v1`),
      (answer) => answer.json.resources?.length === 2,
    );
    // biome-ignore lint/suspicious/noExplicitAny: as above
    expect(both.json.resources.map((one: any) => `${one.name} ${one.namespaced}`).sort()).toEqual([
      "inners true",
      "outers false",
    ]);
    const made = await target.call("POST", `/apis/${group}/v1/outers`, {
      body: { apiVersion: `${group}/v1`, kind: "Outer", metadata: { name: "one" }, spec: {} },
    });
    expect(made.status).toBe(201);
    expect(made.json.metadata.namespace).toBeUndefined();
    const scoped = await target.call("GET", `/apis/${group}/v1/namespaces/${namespace}/outers`);
    expect([scoped.status, scoped.text]).toEqual([404, "404 page not found\n"]);
    await uninstall(target, namespaced.metadata.name);
    const left = await eventually(
      () => target.call("GET", `/apis/${group}/v1`),
      (answer) => answer.json.resources?.length === 1,
    );
    expect(left.json.resources[0].name).toBe("outers");
    expect((await target.call("GET", `/apis/${group}/v1/outers/one`)).status).toBe(200);
  });

  it("stop serving a version that is no longer served", async () => {
    const two = definition(group, {
      kind: "Twice",
      versions: ["v1", "v2"].map((name) => ({
        name,
        served: true,
        storage: name === "v1",
        schema: { openAPIV3Schema: OPEN_SCHEMA },
      })),
    });
    installed.push(two.metadata.name);
    await install(target, two);
    await eventually(
      () => target.call("GET", `/apis/apiregistration.k8s.io/v1/apiservices/v2.${group}`),
      (answer) => answer.status === 200,
    );
    await target.call("PATCH", `${DEFINITIONS}/${two.metadata.name}`, {
      contentType: "application/json-patch+json",
      body: [{ op: "replace", path: "/spec/versions/1/served", value: false }],
    });
    const gone = await eventually(
      () => target.call("GET", `/apis/apiregistration.k8s.io/v1/apiservices/v2.${group}`),
      (answer) => answer.status === 404,
    );
    expect(gone.status).toBe(404);
    const versions = await eventually(
      () => target.call("GET", `/apis/${group}`),
      (answer) => answer.json.versions?.length === 1,
    );
    expect(versions.json.preferredVersion.version).toBe("v1");
    expect((await target.call("GET", `/apis/${group}/v2/namespaces/${namespace}/twices`)).text).toBe(
      "404 page not found\n",
    );
  });
});

describe("groups of the Kubernetes community", () => {
  const group = `${uniqueName("sig")}.k8s.io`;

  it("take what is approved, and say so", async () => {
    const crd = definition(group, {
      kind: "Approved",
      plural: "approved",
      annotations: { "api-approved.kubernetes.io": "https://example.com/pull/1" },
    });
    await create(crd);
    const json = await settled(crd, "KubernetesAPIApprovalPolicyConformant", ({ status }) => status !== undefined);
    expect(conditionOf(json, "KubernetesAPIApprovalPolicyConformant")).toMatchObject({
      status: "True",
      reason: "ApprovedAnnotation",
      message: "approved in https://example.com/pull/1",
    });
  });

  it("take what says why it is not", async () => {
    const crd = definition(group, {
      kind: "Unapproved",
      plural: "unapproved",
      annotations: { "api-approved.kubernetes.io": "unapproved, an experiment" },
    });
    await create(crd);
    const json = await settled(crd, "KubernetesAPIApprovalPolicyConformant", ({ status }) => status !== undefined);
    expect(conditionOf(json, "KubernetesAPIApprovalPolicyConformant")).toMatchObject({
      status: "False",
      reason: "UnapprovedAnnotation",
      message: 'not approved: "unapproved, an experiment"',
    });
    await settled(crd, "Established", ({ status }) => status === "True");
  });
});

describe("the end of a definition", () => {
  const group = uniqueGroup();
  const crd = definition(group, { kind: "Held" });
  const path = `${DEFINITIONS}/${crd.metadata.name}`;
  const helds = `/apis/${group}/v1/namespaces/${namespace}/helds`;
  const held = (name: string, finalizers?: string[]) => ({
    apiVersion: `${group}/v1`,
    kind: "Held",
    metadata: { name, ...(finalizers && { finalizers }) },
    spec: {},
  });

  it("waits for objects that are held, and takes no new ones", async () => {
    installed.push(crd.metadata.name);
    await install(target, crd);
    await target.call("POST", helds, { body: held("free") });
    await target.call("POST", helds, { body: held("kept", ["example.com/keep"]) });
    const deleted: string[] = [];
    const watching = (async () => {
      for await (const event of target.stream(`${helds}?watch=1`)) {
        if (event.type === "DELETED") deleted.push(event.object.metadata.name);
        if (deleted.length === 2) return;
      }
    })();
    await target.call("DELETE", path);
    const { json } = await eventually(
      () => target.call("GET", path),
      (answer) => conditionOf(answer.json, "Terminating")?.reason === "InstanceDeletionInProgress",
    );
    expect(conditionOf(json, "Terminating")).toMatchObject({
      status: "True",
      message: "CustomResource deletion is in progress",
    });
    const left = await eventually(
      () => target.call("GET", helds),
      (answer) => answer.json.items?.length === 1,
    );
    expect(left.json.items[0].metadata).toMatchObject({ name: "kept", deletionTimestamp: expect.any(String) });
    const refused = await target.call("POST", helds, { body: held("late") });
    expect([refused.status, refused.json.message]).toEqual([
      403,
      `helds.${group} "late" is forbidden: create not allowed while custom resource definition is terminating`,
    ]);
    const listed = await eventually(
      () => target.call("GET", `/apis/${group}/v1`),
      (answer) => !answer.text.includes('"create"'),
    );
    expect(listed.json.resources[0].verbs).toEqual(["delete", "deletecollection", "get", "list", "watch"]);
    const changed = await target.call("PATCH", `${helds}/kept`, {
      contentType: "application/merge-patch+json",
      body: { metadata: { labels: { still: "writable" } } },
    });
    expect(changed.status).toBe(200);
    await target.call("PATCH", `${helds}/kept`, {
      contentType: "application/merge-patch+json",
      body: { metadata: { finalizers: null } },
    });
    await watching;
    expect(deleted).toEqual(["free", "kept"]);
    const gone = await eventually(
      () => target.call("GET", path),
      (answer) => answer.status === 404,
    );
    expect(gone.status).toBe(404);
  });

  it("waits for whoever else holds the definition", async () => {
    const kept = definition(group, { kind: "Locked" });
    installed.push(kept.metadata.name);
    await install(target, {
      ...kept,
      metadata: { ...kept.metadata, finalizers: ["example.com/lock"] } as Definition["metadata"],
    });
    await target.call("DELETE", `${DEFINITIONS}/${kept.metadata.name}`);
    const { json } = await eventually(
      () => target.call("GET", `${DEFINITIONS}/${kept.metadata.name}`),
      (answer) => conditionOf(answer.json, "Terminating")?.status === "False",
    );
    expect(conditionOf(json, "Terminating")).toMatchObject({
      reason: "InstanceDeletionCompleted",
      message: "removed all instances",
    });
    expect(json.metadata.finalizers).toEqual(["example.com/lock"]);
    await target.call("PATCH", `${DEFINITIONS}/${kept.metadata.name}`, {
      contentType: "application/merge-patch+json",
      body: { metadata: { finalizers: null } },
    });
    const gone = await eventually(
      () => target.call("GET", `${DEFINITIONS}/${kept.metadata.name}`),
      (answer) => answer.status === 404,
    );
    expect(gone.status).toBe(404);
  });
});
