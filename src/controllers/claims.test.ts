import { describe, expect, it } from "vitest";
import type { KubeObject } from "../api/meta.ts";
import { labelSelectorFromLabels } from "../api/selectors.ts";
import { SimulatedClock, seededRandom } from "../api/simulated.ts";
import { createClient } from "../client/client.ts";
import { scriptedTransport } from "../client/scripted.test-support.ts";
import { claim } from "./claims.ts";

const PODS = { group: "", version: "v1", resource: "pods" };
const SETS = { group: "apps", version: "v1", resource: "replicasets" };
const KIND = { apiVersion: "apps/v1", kind: "ReplicaSet" };
const owner: KubeObject = { metadata: { name: "s", namespace: "n", uid: "u" } };

function pod(name: string, labels: Record<string, string>, ownerUID?: string): KubeObject {
  const references = ownerUID === undefined ? [] : [{ ...KIND, name: "s", uid: ownerUID, controller: true }];
  return { metadata: { name, namespace: "n", uid: `uid of ${name}`, labels, ownerReferences: references } };
}

async function run(candidates: readonly KubeObject[], fresh: KubeObject = owner, code = 200, deleting = false) {
  const patches: unknown[] = [];
  const transport = scriptedTransport(({ method, path, body }) => {
    if (method === "GET") return { body: fresh };
    patches.push([path.split("/").at(-1), JSON.parse(String(body))]);
    return {
      status: code,
      body: code === 200 ? {} : { kind: "Status", code, reason: code === 404 ? "NotFound" : "Invalid" },
    };
  });
  const client = createClient(transport, { clock: new SimulatedClock(), random: seededRandom(1) });
  const metadata = deleting ? { ...owner.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } : owner.metadata;
  const own = await claim({
    owner: { metadata },
    ownerKind: KIND,
    selector: labelSelectorFromLabels({ app: "x" }),
    candidates,
    objects: client.resource(PODS, "n"),
    owners: client.resource(SETS, "n"),
  });
  return { names: own.map((object) => object.metadata.name), patches };
}

const X = { app: "x" };

describe("claiming", () => {
  it("keeps its own, leaves those of others, adopts orphans that match and lets go of what does not", async () => {
    const { names, patches } = await run([
      pod("own", X, "u"),
      pod("other", X, "v"),
      pod("orphan", X),
      pod("stranger", {}),
      pod("changed", {}, "u"),
    ]);
    expect(names).toEqual(["own", "orphan"]);
    const reference = { ...KIND, name: "s", uid: "u", controller: true, blockOwnerDeletion: true };
    expect(patches).toEqual([
      ["orphan", { metadata: { uid: "uid of orphan", ownerReferences: [reference] } }],
      ["changed", { metadata: { uid: "uid of changed", ownerReferences: [{ $patch: "delete", uid: "u" }] } }],
    ]);
  });

  it("adopts nothing for an owner that another has replaced", async () => {
    await expect(run([pod("orphan", X)], { metadata: { name: "s", uid: "later" } })).rejects.toThrow("is gone");
  });

  it("adopts nothing for an owner that is going, and releases nothing either", async () => {
    const { names, patches } = await run(
      [pod("orphan", X), pod("changed", {}, "u"), pod("own", X, "u")],
      owner,
      200,
      true,
    );
    expect([names, patches]).toEqual([["own"], []]);
  });

  it.each([404, 422])("does without a pod that answers a release with %i", async (code) => {
    expect((await run([pod("changed", {}, "u"), pod("own", X, "u")], owner, code)).names).toEqual(["own"]);
  });

  it("reports an adoption that was refused", async () => {
    await expect(run([pod("orphan", X)], owner, 422)).rejects.toMatchObject({ code: 422 });
  });
});
