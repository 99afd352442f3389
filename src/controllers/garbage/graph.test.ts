import { beforeEach, describe, expect, it } from "vitest";
import type { KubeObject, OwnerReference } from "../../api/meta.ts";
import { OwnerGraph } from "./graph.ts";

const THINGS = { group: "", version: "v1", resource: "things", kind: "Thing", namespaced: true, verbs: [] };
const GOING = "2026-01-01T00:00:00Z";

let said: string[];
let graph: OwnerGraph;
beforeEach(() => {
  said = [];
  graph = new OwnerGraph({
    examine: (node) => said.push(`examine ${node.name}`),
    orphan: (node) => said.push(`orphan ${node.name}`),
    gone: (node) => said.push(`gone ${node.name}`),
    foreignOwner: (node, owner) => said.push(`foreign ${node.name} of ${owner.name}`),
  });
});

const reference = (name: string, more: Partial<OwnerReference> = {}): OwnerReference => ({
  apiVersion: "v1",
  kind: "Thing",
  name,
  uid: name,
  ...more,
});
const thing = (name: string, owners: OwnerReference[] = [], more: object = {}): KubeObject => ({
  metadata: { name, namespace: "n", uid: name, ownerReferences: owners, ...more },
});
/** What is asked for by the object as it is now. */
function see(object: KubeObject, old?: KubeObject): string[] {
  said.length = 0;
  graph.observe(THINGS, "v1", object, old);
  return said;
}
const blocks = { blockOwnerDeletion: true };

describe("the graph of owners", () => {
  it("has nothing to ask about an owner it knows", () => {
    expect(see(thing("owner"))).toEqual([]);
    expect(see(thing("child", [reference("owner")]))).toEqual([]);
  });

  it("asks about an owner it does not know", () => {
    expect(see(thing("child", [reference("owner")]))).toEqual(["examine child"]);
    expect(see(thing("owner"))).toEqual([]);
  });

  it("asks for dependents whose owner is gone, once", () => {
    see(thing("owner"));
    const child = thing("child", [reference("owner")]);
    see(child);
    said.length = 0;
    graph.remove("owner");
    expect(said).toEqual(["gone owner", "examine child"]);
    said.length = 0;
    graph.remove("owner");
    expect(said).toEqual([]);
    expect(see(child, child)).toEqual([]);
  });

  it("finds a reference that does not fit its owner, whichever came first", () => {
    see(thing("owner"));
    expect(see(thing("wrong", [reference("owner", { kind: "Other" })]))).toEqual(["examine wrong"]);
    const foreign = thing("foreign", [reference("owner")], { namespace: "m" });
    expect(see(foreign)).toEqual(["foreign foreign of owner", "examine foreign"]);
    see(thing("early", [reference("late")], { namespace: "m" }));
    expect(see(thing("late"))).toEqual(["foreign early of late", "examine early"]);
  });

  it("asks for the dependents of an owner that waits for them, and for itself", () => {
    const owner = thing("owner");
    see(owner);
    see(thing("child", [reference("owner", blocks)]));
    see(thing("free", [reference("owner")]));
    const going = thing("owner", [], { deletionTimestamp: GOING, finalizers: ["foregroundDeletion"] });
    expect(see(going, owner)).toEqual(["examine child", "examine free", "examine owner"]);
    expect(see(going, going)).toEqual([]);
    expect(graph.blocking("owner").map((node) => node.name)).toEqual(["child"]);
    // One that comes late is asked for as well.
    expect(see(thing("late", [reference("owner", blocks)]))).toEqual(["examine late"]);
    said.length = 0;
    graph.remove("child");
    expect(said).toEqual(["examine owner"]);
  });

  it("asks for an owner that waits when a dependent no longer blocks it", () => {
    see(thing("owner", [], { deletionTimestamp: GOING, finalizers: ["foregroundDeletion"] }));
    const first = thing("first", [reference("owner", blocks)]);
    const second = thing("second", [reference("owner", blocks)]);
    see(first);
    see(second);
    expect(see(thing("first"), first)).toEqual(["examine owner"]);
    expect(see(thing("second", [reference("owner")]), second)).toContain("examine owner");
    expect(graph.blocking("owner")).toEqual([]);
    expect(graph.dependentsOf("owner").map((node) => node.name)).toEqual(["second"]);
  });

  it("leaves the dependents of an owner that says so", () => {
    const owner = thing("owner");
    see(owner);
    const going = thing("owner", [], { deletionTimestamp: GOING, finalizers: ["orphan"] });
    expect(see(going, owner)).toEqual(["orphan owner"]);
    expect(see(going, going)).toEqual([]);
  });

  it("takes up what was going on before it began", () => {
    expect(see(thing("a", [], { deletionTimestamp: GOING, finalizers: ["orphan"] }))).toEqual(["orphan a"]);
    expect(see(thing("b", [], { deletionTimestamp: GOING, finalizers: ["foregroundDeletion"] }))).toEqual([
      "examine b",
    ]);
  });

  it("forgets what nothing names any more", () => {
    see(thing("owner"));
    const child = thing("child", [reference("owner")]);
    see(child);
    see(thing("child"), child);
    expect(graph.hasDependents("owner")).toBe(false);
    graph.remove("child");
    graph.remove("owner");
    expect(graph.size).toBe(0);
  });
});
