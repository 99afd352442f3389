/** Which pods of a selector count, and how (spec: metrics 4.8). */
import { parseTime } from "../../api/time.ts";
import { nameOf, type Pod, readyCondition } from "./pod.ts";

/** What one pod uses. */
export interface PodMetric {
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  /** How long it was measured, nanoseconds. */
  readonly window: number;
  /** Thousandths. */
  readonly value: bigint;
}

/** By name of the pod. */
export type PodMetrics = Map<string, PodMetric>;

export interface ReadinessRules {
  /** How long after its start the CPU use of a pod is doubted, milliseconds. */
  readonly cpuInitializationPeriod: number;
  /** How soon after its start a pod must have been ready once to be believed later, milliseconds. */
  readonly initialReadinessDelay: number;
}

export interface Groups {
  readonly ready: number;
  readonly unready: ReadonlySet<string>;
  readonly missing: ReadonlySet<string>;
  readonly ignored: ReadonlySet<string>;
}

/** Go's zero time, milliseconds: where a time that is not given is. */
const NEVER = -62_135_596_800_000;
const timeOf = (text: string | null | undefined) => (text ? (parseTime(text) ?? NEVER) : NEVER);

/** Only the use of "cpu" is doubted; `now` in milliseconds. */
export function groupPods(
  pods: readonly Pod[],
  metrics: ReadonlyMap<string, PodMetric>,
  resource: string,
  rules: ReadinessRules,
  now: number,
): Groups {
  let ready = 0;
  const unready = new Set<string>();
  const missing = new Set<string>();
  const ignored = new Set<string>();
  for (const pod of pods) {
    const name = nameOf(pod);
    const phase = pod.status?.phase;
    const metric = metrics.get(name);
    if (pod.metadata.deletionTimestamp || phase === "Failed") ignored.add(name);
    else if (phase === "Pending") unready.add(name);
    else if (metric === undefined) missing.add(name);
    else if (resource === "cpu" && isDoubtful(pod, metric, rules, now)) unready.add(name);
    else ready++;
  }
  return { ready, unready, missing, ignored };
}

/** A pod that starts burns what it will never need again: believed are whole windows since it became ready. */
function isDoubtful(pod: Pod, metric: PodMetric, rules: ReadinessRules, now: number): boolean {
  const condition = readyCondition(pod);
  const startTime = pod.status?.startTime;
  if (condition === undefined || !startTime) return true;
  const start = timeOf(startTime);
  const transition = timeOf(condition.lastTransitionTime);
  const isUnready = condition.status === "False";
  if (start + rules.cpuInitializationPeriod > now) {
    return isUnready || (metric.timestamp - transition) * 1e6 < metric.window;
  }
  return isUnready && start + rules.initialReadinessDelay > transition;
}
