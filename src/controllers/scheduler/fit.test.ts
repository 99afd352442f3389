import { describe, expect, it } from "vitest";
import type { Pod } from "../objects.ts";
import { misfit, type Node, requestsOf, unschedulable } from "./fit.ts";

const ready = { conditions: [{ type: "Ready", status: "True" }] };
const node = (spec: Node["spec"] = {}, allocatable: Record<string, string> = {}, labels = {}): Node => ({
  metadata: { name: "n", labels },
  spec: spec ?? {},
  status: { ...ready, allocatable },
});
const pod = (spec: Pod["spec"] = {}): Pod => ({ metadata: { name: "p" }, spec: spec ?? {} });
const requesting = (cpu: string, memory: string) =>
  pod({ containers: [{ name: "a", resources: { requests: { cpu, memory } } }, { name: "b" }] });
const NONE = { pods: 0, cpu: 0, memory: 0 };
const taint = { key: "k", value: "v", effect: "NoSchedule" };

describe("a pod on a node", () => {
  it.each<[string, Pod, Node, string | undefined]>([
    ["nothing special", pod(), node(), undefined],
    [
      "not ready",
      pod(),
      { metadata: {}, status: { conditions: [{ type: "Ready", status: "Unknown" }] } },
      "node(s) were not ready",
    ],
    ["cordoned", pod(), node({ unschedulable: true }), "node(s) were unschedulable"],
    ["tainted", pod(), node({ taints: [taint] }), "node(s) had untolerated taint(s)"],
    ["preferably elsewhere", pod(), node({ taints: [{ ...taint, effect: "PreferNoSchedule" }] }), undefined],
    ["tolerated", pod({ tolerations: [{ key: "k", value: "v" }] }), node({ taints: [taint] }), undefined],
    [
      "another value",
      pod({ tolerations: [{ key: "k", value: "w" }] }),
      node({ taints: [taint] }),
      "node(s) had untolerated taint(s)",
    ],
    ["everything tolerated", pod({ tolerations: [{ operator: "Exists" }] }), node({ taints: [taint] }), undefined],
    [
      "another effect",
      pod({ tolerations: [{ operator: "Exists", effect: "NoExecute" }] }),
      node({ taints: [taint] }),
      "node(s) had untolerated taint(s)",
    ],
    ["selected", pod({ nodeSelector: { a: "b" } }), node({}, {}, { a: "b" }), undefined],
    [
      "not selected",
      pod({ nodeSelector: { a: "b" } }),
      node({}, {}, { a: "c" }),
      "node(s) didn't match Pod's node affinity/selector",
    ],
    ["room", requesting("500m", "1Gi"), node({}, { cpu: "1", memory: "1Gi" }), undefined],
    ["too little CPU", requesting("1500m", "1"), node({}, { cpu: "1", memory: "1Gi" }), "Insufficient cpu"],
    ["too little memory", requesting("1", "2Gi"), node({}, { cpu: "1", memory: "1Gi" }), "Insufficient memory"],
    ["no more pods", pod(), node({}, { pods: "0" }), "Too many pods"],
  ])("%s", (_, one, on, why) => {
    expect(misfit(one, requestsOf(one), on, NONE)).toBe(why);
  });

  it("counts what is there already", () => {
    const one = requesting("500m", "1");
    expect(misfit(one, requestsOf(one), node({}, { cpu: "1" }), { pods: 1, cpu: 501, memory: 0 })).toBe(
      "Insufficient cpu",
    );
  });

  it("that fits nowhere says how many nodes were wrong for what", () => {
    expect(unschedulable([])).toBe("no nodes available to schedule pods");
    expect(unschedulable(["Too many pods", "Insufficient cpu", "Too many pods"])).toBe(
      "0/3 nodes are available: 1 Insufficient cpu, 2 Too many pods.",
    );
  });
});
