/** Applying to `scale`: the parent's replicas have owners of their own. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { applying, owners } from "../applying.ts";
import { definition, install, uninstall, uniqueGroup } from "../crd.ts";
import { story } from "../story.ts";

const { target, namespace } = story();
const { apply, merge } = applying(target);
const deployment = (name: string) => `/apis/apps/v1/namespaces/${namespace}/deployments/${name}`;
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
const scale = (name: string, replicas?: unknown, metadata: object = {}) => ({
  apiVersion: "autoscaling/v1",
  kind: "Scale",
  metadata: { name, ...metadata },
  ...(replicas !== undefined && { spec: { replicas } }),
});

describe("of a workload", () => {
  const at = (name: string) => `${deployment(name)}/scale`;
  const replicasOnly = { "f:spec": { "f:replicas": {} } };
  const withoutReplicas = {
    "f:spec": { "f:selector": {}, "f:template": expect.anything() },
  };
  const make = (name: string) =>
    apply(deployment(name), "owner", workload(name, { replicas: 2, ...podsOf([{ name: "c", image: "i" }]) }));
  /** Controllers write of their own accord. */
  const ownersOf = async (name: string) =>
    Object.fromEntries(
      Object.entries(owners(await target.call("GET", deployment(name)))).filter(([who]) => !/controller/.test(who)),
    );

  it("conflicts with who owns the parent's replicas, and takes them when forced", async () => {
    await make("scaled");
    const refused = await apply(at("scaled"), "scaler", scale("scaled", 5));
    expect(refused).toMatchObject({
      status: 409,
      json: {
        message: 'Apply failed with 1 conflict: conflict with "owner": .spec.replicas',
        details: { causes: [{ reason: "FieldManagerConflict", field: ".spec.replicas" }] },
      },
    });
    const forced = await apply(at("scaled"), "scaler", scale("scaled", 5), "&force=true");
    expect(forced).toMatchObject({ status: 200, json: { kind: "Scale", spec: { replicas: 5 } } });
    expect(forced.json.metadata.managedFields).toBeUndefined();
    expect(await ownersOf("scaled")).toEqual({ "scaler Apply scale": replicasOnly, "owner Apply": withoutReplicas });
    const back = await apply(
      deployment("scaled"),
      "owner",
      workload("scaled", { replicas: 2, ...podsOf([{ name: "c", image: "i" }]) }),
    );
    expect(back.json.message).toBe(
      'Apply failed with 1 conflict: conflict with "scaler" with subresource "scale": .spec.replicas',
    );
  });

  it("is shared by those who say the same, and given up by who says nothing", async () => {
    await make("shared");
    await apply(at("shared"), "one", scale("shared", 2));
    await apply(at("shared"), "two", scale("shared", 2));
    expect(Object.keys(await ownersOf("shared")).sort()).toEqual(["one Apply scale", "owner Apply", "two Apply scale"]);
    await apply(at("shared"), "one", scale("shared"));
    const left = await ownersOf("shared");
    expect(Object.keys(left).sort()).toEqual(["owner Apply", "two Apply scale"]);
    expect(left["owner Apply"]).toMatchObject({ "f:spec": { "f:replicas": {} } });
  });

  it("is taken by a write of another kind", async () => {
    await make("written");
    const body = scale("written", 7);
    const put = await target.call("PUT", `${at("written")}?fieldManager=writer`, { body });
    expect(put.status).toBe(200);
    expect(await ownersOf("written")).toEqual({ "owner Apply": withoutReplicas, "writer Update scale": replicasOnly });
    await merge(at("written"), { spec: { replicas: 8 } }, "patcher");
    expect(await ownersOf("written")).toEqual({ "owner Apply": withoutReplicas, "patcher Update scale": replicasOnly });
  });

  beforeAll(async () => void (await make("refused")));
  it.each([
    ["another kind", workload("refused", {}), "", 400, "invalid object type: apps/v1, Kind=Deployment"],
    [
      "a value of another type",
      scale("refused", "x"),
      "",
      500,
      "failed to create typed patch object (/refused; autoscaling/v1, Kind=Scale): .spec.replicas: expected numeric (int or float), got string",
    ],
    [
      "a negative number",
      scale("refused", -1),
      "&force=true",
      422,
      'Scale.autoscaling "refused" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0',
    ],
    [
      "another name",
      scale("other", 3),
      "&force=true",
      400,
      "the name of the object (other) does not match the name on the URL (refused)",
    ],
    [
      "another object's uid",
      scale("refused", 3, { uid: "x" }),
      "&force=true",
      409,
      expect.stringMatching(
        /^Operation cannot be fulfilled on deployments\/scale.apps "refused": Precondition failed: UID in precondition: x, UID in object meta: [-0-9a-f]+$/,
      ),
    ],
    [
      "an old version",
      scale("refused", 3, { resourceVersion: "1" }),
      "&force=true",
      409,
      'Operation cannot be fulfilled on deployments.apps "refused": the object has been modified; please apply your changes to the latest version and try again',
    ],
  ])("refuses %s", async (_, body, more, code, message) => {
    const refused = await apply(at("refused"), "m", body, more);
    expect(refused).toMatchObject({ status: code, json: { message } });
  });

  it("needs the parent", async () => {
    const missing = await apply(at("missing"), "m", scale("missing", 1));
    expect(missing).toMatchObject({ status: 404, json: { message: 'deployments.apps "missing" not found' } });
  });
});

describe("of a custom resource", () => {
  const group = uniqueGroup();
  const number = { type: "integer" };
  const version = (name: string, storage: boolean, specReplicasPath: string) => ({
    name,
    served: true,
    storage,
    schema: {
      openAPIV3Schema: {
        type: "object",
        properties: {
          spec: { type: "object", properties: { size: number, other: number } },
          status: { type: "object", properties: { size: number } },
        },
      },
    },
    subresources: { status: {}, scale: { specReplicasPath, statusReplicasPath: ".status.size" } },
  });
  const crd = definition(group, {
    kind: "Sized",
    plural: "sizeds",
    versions: [version("v1", true, ".spec.size"), version("v2", false, ".spec.other")],
  });
  const sized = (name: string, apiVersion = "v1") =>
    `/apis/${group}/${apiVersion}/namespaces/${namespace}/sizeds/${name}`;
  beforeAll(() => install(target, crd));
  afterAll(() => uninstall(target, crd.metadata.name));

  it("belongs to who owns the field at the path of its version", async () => {
    const metadata = { name: "one" };
    const body = { apiVersion: `${group}/v1`, kind: "Sized", metadata, spec: { size: 2, other: 1 } };
    expect((await apply(sized("one"), "owner", body)).status).toBe(201);
    const refused = await apply(`${sized("one")}/scale`, "scaler", scale("one", 5));
    expect(refused.json.message).toBe('Apply failed with 1 conflict: conflict with "owner": .spec.replicas');
  });
});
