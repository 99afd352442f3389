import { describe, expect, it } from "vitest";
import { formatTime } from "../../api/time.ts";
import type { Pod, ReplicaSet } from "../objects.ts";
import { replicaSetStatus, sameReplicaSetStatus } from "./status.ts";

const NOW = Date.UTC(2026, 0, 1);
const set: ReplicaSet = {
  metadata: { name: "s", generation: 3 },
  spec: {
    replicas: 3,
    minReadySeconds: 10,
    selector: { matchLabels: { a: "b" } },
    template: { metadata: { labels: { a: "b", c: "d" } } },
  },
};
const pod = (labels: Record<string, string>, readyFor?: number): Pod => ({
  metadata: { labels },
  status: {
    conditions:
      readyFor === undefined
        ? []
        : [{ type: "Ready", status: "True", lastTransitionTime: formatTime(NOW - readyFor * 1000) }],
  },
});

describe("the status of a ReplicaSet", () => {
  it("counts ready pods, those ready for long enough, those with all labels, and those on their way out", () => {
    const active = [pod({ a: "b", c: "d" }, 11), pod({ a: "b", c: "d" }, 9), pod({ a: "b" })];
    expect(replicaSetStatus(set, { active, terminating: [pod({})], failure: undefined }, NOW)).toEqual({
      replicas: 3,
      fullyLabeledReplicas: 2,
      readyReplicas: 2,
      availableReplicas: 1,
      terminatingReplicas: 1,
      observedGeneration: 3,
    });
  });

  it.each([
    ["FailedCreate", 1],
    ["FailedDelete", 5],
  ])("says %s with %i pods, keeps the first failure, and drops it once all is well", (reason, count) => {
    const active = Array.from({ length: count }, () => pod({}));
    const first = replicaSetStatus(set, { active, terminating: [], failure: new Error("no") }, NOW);
    expect(first.conditions).toEqual([
      { type: "ReplicaFailure", status: "True", reason, message: "no", lastTransitionTime: formatTime(NOW) },
    ]);
    const failed = { ...set, status: first };
    const second = replicaSetStatus(failed, { active, terminating: [], failure: new Error("other") }, NOW + 5000);
    expect(sameReplicaSetStatus(first, second)).toBe(true);
    const third = replicaSetStatus(failed, { active, terminating: [], failure: undefined }, NOW);
    expect(third.conditions).toBeUndefined();
    expect(sameReplicaSetStatus(first, third)).toBe(false);
  });
});
