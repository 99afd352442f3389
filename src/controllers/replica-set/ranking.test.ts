import { describe, expect, it } from "vitest";
import { formatTime } from "../../api/time.ts";
import type { Pod } from "../objects.ts";
import { mostDispensable } from "./ranking.ts";

const NOW = Date.UTC(2026, 0, 2);
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

interface Sketch {
  readonly node?: string;
  readonly phase?: string;
  /** How long it has been ready, milliseconds. */
  readonly ready?: number;
  readonly cost?: string;
  readonly restarts?: number;
  readonly age?: number;
}

function pod(uid: string, sketch: Sketch): Pod {
  const { node = "n", phase = "Running", ready, cost, restarts = 0, age = DAY } = sketch;
  const annotations: Record<string, string> =
    cost === undefined ? {} : { "controller.kubernetes.io/pod-deletion-cost": cost };
  const since = ready === undefined ? undefined : formatTime(NOW - ready);
  return {
    metadata: { name: uid, uid, annotations, creationTimestamp: formatTime(NOW - age) },
    spec: { nodeName: node },
    status: {
      phase,
      conditions: since === undefined ? [] : [{ type: "Ready", status: "True", lastTransitionTime: since }],
      containerStatuses: [{ name: "c", restartCount: restarts }],
    },
  };
}

const order = (pods: readonly Pod[], related: readonly Pod[] = pods) =>
  mostDispensable(pods, related, NOW).map(({ metadata }) => metadata.uid);

describe("of two pods the first to go is", () => {
  it.each<[string, Sketch, Sketch]>([
    ["the one without a node", { node: "" }, {}],
    ["the pending one", { phase: "Pending" }, { phase: "Unknown" }],
    ["the unknown one", { phase: "Unknown" }, { phase: "Running" }],
    ["the one that is not ready", {}, { ready: HOUR }],
    ["the cheaper one", { ready: DAY, cost: "-1" }, { ready: HOUR }],
    ["the one ready for the shorter time", { ready: HOUR }, { ready: DAY }],
    ["the one restarted more often", { ready: HOUR, restarts: 2 }, { ready: HOUR, restarts: 1 }],
    ["the younger one", { ready: HOUR, age: HOUR }, { ready: HOUR, age: DAY }],
  ])("%s", (_, first, second) => {
    expect(order([pod("b", second), pod("a", first)])).toEqual(["a", "b"]);
    expect(order([pod("b", first), pod("a", second)])).toEqual(["b", "a"]);
  });

  it("the one whose node has more of its like", () => {
    const pods = [pod("a", { node: "x", ready: HOUR }), pod("b", { node: "y", ready: HOUR })];
    expect(order(pods, [...pods, pod("c", { node: "y" })])).toEqual(["b", "a"]);
  });

  it("told by the uid when their ages are of one magnitude", () => {
    expect(order([pod("b", { ready: DAY }), pod("a", { ready: DAY + HOUR })])).toEqual(["a", "b"]);
  });

  it.each(["+1", "01", "x", "99999999999", "2147483648"])("not told by a cost of %j, which is none", (cost) => {
    expect(order([pod("b", { ready: HOUR }), pod("a", { ready: DAY, cost })])).toEqual(["b", "a"]);
  });
});
