import { describe, expect, it, test } from "vitest";
import { formatTime } from "../../api/time.ts";
import { groupPods } from "./grouping.ts";
import { isRunningAndReady, milli, type Pod, requestOf } from "./pod.ts";

const container = (name: string, cpu?: string, restartPolicy?: string) => ({
  name,
  ...(restartPolicy && { restartPolicy }),
  resources: { requests: (cpu === undefined ? {} : { cpu }) as Record<string, string> },
});
const podOf = (spec: Pod["spec"]): Pod => ({ metadata: { name: "p" }, ...(spec && { spec }) });

describe("what a pod requests", () => {
  const plain = podOf({
    containers: [container("a", "100m"), container("b", "1")],
    initContainers: [container("init", "9"), container("sidecar", "250m", "Always")],
  });
  const whole = (cpu: string | undefined, more: Pod["spec"] = {}) =>
    podOf({
      ...plain.spec,
      resources: { requests: { memory: "1Gi", ...(cpu !== undefined && { cpu }) } },
      ...more,
    });

  it.each<[string, Pod, string, bigint]>([
    ["the sum of what runs, sidecars included", plain, "", 1350n],
    ["one container", plain, "b", 1000n],
    ["one sidecar", plain, "sidecar", 250n],
    ["its own, where it has some", whole("2"), "", 2000n],
    ["of a container even then", whole("2"), "a", 100n],
    ["what its containers need at most, when it has some for other resources only", whole(undefined), "", 9000n],
    ["with overhead", whole("2", { overhead: { cpu: "50m" } }), "", 2050n],
    ["nothing without containers", podOf({}), "", 0n],
  ])("%s", (_, pod, name, expected) => {
    expect(requestOf(pod, name, "cpu")).toBe(expected);
    expect(requestOf(pod, name, "cpu")).toBe(expected);
  });

  it.each<[Pod, string, string]>([
    [
      podOf({ containers: [container("a", "1"), container("b")] }),
      "",
      "missing request for cpu in container b of Pod p",
    ],
    [plain, "init", "container init not found in Pod p"],
    [
      podOf({ containers: [container("a")], resources: { requests: { memory: "1" } } }),
      "",
      "missing pod-level request for cpu in Pod p",
    ],
  ])("%j of %j: an error", (pod, name, message) => {
    expect(() => requestOf(pod, name, "cpu")).toThrow(message);
  });

  test("names of prototypes are no requests", () => {
    expect(() => requestOf(plain, "", "constructor")).toThrow("missing request for constructor");
  });
});

it.each<[string, bigint]>([
  ["1n", 1n],
  ["1500u", 2n],
  ["-1500u", -2n],
  ["1Ki", 1_024_000n],
  ["1e30", 9_223_372_036_854_775_807n],
  ["-1e30", -9_223_372_036_854_775_808n],
])("%s is %i thousandths", (text, expected) => {
  expect(milli(text)).toBe(expected);
});

describe("grouping (spec: metrics 7.7)", () => {
  const NOW = Date.UTC(2026, 0, 1);
  const seconds = (ago: number) => formatTime(NOW - ago * 1000);
  const rules = { cpuInitializationPeriod: 120_000, initialReadinessDelay: 10_000 };
  const pod = (phase: string, start?: number, ready?: string, transition = 0, deleting = false): Pod => ({
    metadata: { name: "p", ...(deleting && { deletionTimestamp: seconds(0) }) },
    status: {
      phase,
      ...(start !== undefined && { startTime: seconds(start) }),
      ...(ready && { conditions: [{ type: "Ready", status: ready, lastTransitionTime: seconds(transition) }] }),
    },
  });
  it.each<[string, Pod, number | undefined, string, "ready" | "unready" | "missing" | "ignored"]>([
    ["a whole window since it is ready", pod("Running", 30, "True", 30), 30, "cpu", "ready"],
    ["less than a window", pod("Running", 30, "True", 30), 60, "cpu", "unready"],
    ["never ready", pod("Running", 600, "False", 594), 15, "cpu", "unready"],
    ["ready once", pod("Running", 600, "False", 590), 15, "cpu", "ready"],
    ["no condition", pod("Running", 600), 15, "cpu", "unready"],
    ["no start", pod("Running", undefined, "True"), 15, "cpu", "unready"],
    ["memory is not doubted", pod("Running"), 15, "memory", "ready"],
    ["pending", pod("Pending"), 15, "memory", "unready"],
    ["failed", pod("Failed"), 15, "memory", "ignored"],
    ["going", pod("Running", 600, "True", 600, true), 15, "cpu", "ignored"],
    ["without a reading", pod("Running", 600, "True", 600), undefined, "cpu", "missing"],
  ])("%s", (_, one, window, resource, expected) => {
    const metrics = new Map(
      window === undefined ? [] : [["p", { timestamp: NOW, window: window * 1e9, value: 1n }] as const],
    );
    const groups = groupPods([one], metrics, resource, rules, NOW);
    const { ready, unready, missing, ignored } = groups;
    expect({ ready, unready: unready.size, missing: missing.size, ignored: ignored.size }).toEqual({
      ready: 0,
      unready: 0,
      missing: 0,
      ignored: 0,
      [expected]: 1,
    });
  });

  it("only running and ready pods count for values from elsewhere", () => {
    expect(isRunningAndReady(pod("Running", 1, "True"))).toBe(true);
    expect(isRunningAndReady(pod("Pending", 1, "True"))).toBe(false);
    expect(isRunningAndReady(pod("Running", 1))).toBe(false);
  });
});
