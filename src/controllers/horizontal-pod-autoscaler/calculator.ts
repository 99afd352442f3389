/**
 * How many replicas a metric asks for (spec: metrics 4.9): upstream's formulas in Go's arithmetic, without any I/O. Functions that count pods
 * take the metrics over: they add and remove entries. All throw with upstream's text when there is no answer.
 */
import { type Groups, groupPods, type PodMetric, type PodMetrics, type ReadinessRules } from "./grouping.ts";
import { INT32_MAX, INT64_MAX, toInt32, toInt64, wrap32, wrap64 } from "./integers.ts";
import { isRunningAndReady, nameOf, type Pod, requestOf } from "./pod.ts";

/** How far the ratio of use to target may be from 1 without consequences. */
export interface Tolerances {
  readonly down: number;
  readonly up: number;
}

export interface Proposal {
  readonly replicas: number;
  /** What was measured, for the status: thousandths. */
  readonly usage: bigint;
}

export interface UtilizationProposal extends Proposal {
  /** Percent of what was requested. */
  readonly utilization: number;
}

/** What every calculation over pods needs. */
export interface PodQuestion {
  readonly pods: readonly Pod[];
  readonly metrics: PodMetrics;
  /** `scale.spec.replicas`. */
  readonly currentReplicas: number;
  readonly tolerances: Tolerances;
  /** "" for what is no resource. */
  readonly resource: string;
  readonly rules: ReadinessRules;
  /** Milliseconds. */
  readonly now: number;
}

function isWithin({ down, up }: Tolerances, ratio: number): boolean {
  return 1 - down <= ratio && ratio <= 1 + up;
}

const missingMetric = (value: bigint): PodMetric => ({ timestamp: 0, window: 0, value });

/** The pods in their groups; what the ignored and the unready use is forgotten. */
function groupsOf({ pods, metrics, resource, rules, now }: PodQuestion): Groups {
  if (pods.length === 0) throw new Error("no pods returned by selector while calculating replica count");
  const groups = groupPods(pods, metrics, resource, rules, now);
  for (const name of groups.ignored) metrics.delete(name);
  for (const name of groups.unready) metrics.delete(name);
  if (metrics.size === 0) {
    throw new Error("did not receive metrics for targeted pods (pods might be unready)");
  }
  return groups;
}

/**
 * From the ratio of use to target to a number. Where pods have no metrics, or are not ready while there is too much to do, the ratio is taken
 * again with what they would use in the worse case; if that turns the direction round, nothing changes.
 */
function replicasFor(
  question: PodQuestion,
  groups: Groups,
  ratio: number,
  /** What a pod without metrics uses when the others use too little. */
  fallback: (name: string) => bigint,
  ratioOf: (metrics: PodMetrics) => number,
): number {
  const { metrics, currentReplicas, tolerances } = question;
  const { ready, unready, missing } = groups;
  const growsWithUnready = unready.size > 0 && ratio > 1;
  if (!growsWithUnready && missing.size === 0) {
    return isWithin(tolerances, ratio) ? currentReplicas : toInt32(Math.ceil(ratio * ready));
  }
  for (const name of missing) {
    if (ratio < 1) metrics.set(name, missingMetric(fallback(name)));
    else if (ratio > 1) metrics.set(name, missingMetric(0n));
  }
  if (growsWithUnready) for (const name of unready) metrics.set(name, missingMetric(0n));
  const again = ratioOf(metrics);
  if (isWithin(tolerances, again) || (ratio < 1 && again > 1) || (ratio > 1 && again < 1)) return currentReplicas;
  const replicas = toInt32(Math.ceil(again * metrics.size));
  if ((again < 1 && replicas > currentReplicas) || (again > 1 && replicas < currentReplicas)) return currentReplicas;
  return replicas;
}

interface Utilization {
  readonly ratio: number;
  /** Percent. */
  readonly utilization: number;
  readonly usage: bigint;
}

/** Metrics of pods that are not known are left aside. */
function utilizationOf(metrics: PodMetrics, requests: ReadonlyMap<string, bigint>, target: number): Utilization {
  let used = 0n;
  let requested = 0n;
  let count = 0n;
  for (const [name, { value }] of metrics) {
    const request = requests.get(name);
    if (request === undefined) continue;
    used = wrap64(used + value);
    requested = wrap64(requested + request);
    count++;
  }
  if (requested === 0n) throw new Error("no metrics returned matched known pods");
  const utilization = wrap32(wrap64(used * 100n) / requested);
  return { ratio: utilization / target, utilization, usage: used / count };
}

/** For a target in percent of what pods request. `container`: "" for the whole pod. */
export function utilizationReplicas(question: PodQuestion, target: number, container: string): UtilizationProposal {
  const groups = groupsOf(question);
  const requests = new Map(
    question.pods.map((pod) => [nameOf(pod), requestOf(pod, container, question.resource)] as const),
  );
  const { ratio, utilization, usage } = utilizationOf(question.metrics, requests, target);
  const percent = BigInt(Math.max(100, target));
  const replicas = replicasFor(
    question,
    groups,
    ratio,
    (name) => wrap64(requests.get(name)! * percent) / 100n,
    (metrics) => utilizationOf(metrics, requests, target).ratio,
  );
  return { replicas, utilization, usage };
}

/** For a target in thousandths for each pod. */
export function averageReplicas(question: PodQuestion, target: bigint): Proposal {
  const groups = groupsOf(question);
  const averageOf = (metrics: PodMetrics) => {
    let sum = 0n;
    for (const { value } of metrics.values()) sum = wrap64(sum + value);
    return sum / BigInt(metrics.size);
  };
  const ratioOf = (average: bigint) => Number(average) / Number(target);
  const usage = averageOf(question.metrics);
  const replicas = replicasFor(
    question,
    groups,
    ratioOf(usage),
    () => target,
    (metrics) => ratioOf(averageOf(metrics)),
  );
  return { replicas, usage };
}

/** For one value against one target, both in thousandths: Object and External metrics of type Value. `pods` is asked only when it matters. */
export function valueReplicas(
  currentReplicas: number,
  usage: bigint,
  target: bigint,
  tolerances: Tolerances,
  pods: () => readonly Pod[],
): Proposal {
  const ratio = Number(usage) / Number(target);
  if (currentReplicas === 0) return { replicas: toInt32(Math.ceil(ratio)), usage };
  if (isWithin(tolerances, ratio)) return { replicas: currentReplicas, usage };
  const all = pods();
  if (all.length === 0) {
    throw new Error("unable to calculate ready pods: no pods returned by selector while calculating replica count");
  }
  return { replicas: toInt32(Math.min(Math.ceil(ratio * all.filter(isRunningAndReady).length), INT32_MAX)), usage };
}

/** For one value and a target for each pod, in thousandths: Object and External metrics of type AverageValue. `statusReplicas`: `scale.status.replicas`. */
export function perPodReplicas(
  statusReplicas: number,
  usage: bigint,
  target: bigint,
  tolerances: Tolerances,
): Proposal {
  return {
    replicas: toInt32(perPodCount(statusReplicas, usage, target, tolerances)),
    usage: toInt64(Math.ceil(Number(usage) / statusReplicas)),
  };
}

function perPodCount(statusReplicas: number, usage: bigint, target: bigint, tolerances: Tolerances): number {
  const ratio = Number(usage) / (Number(target) * statusReplicas);
  return isWithin(tolerances, ratio) ? statusReplicas : Math.ceil(Number(usage) / Number(target));
}

/** As `perPodReplicas`, of the sum of several series. A sum below zero counts as one that has overflown, as upstream's does. */
export function seriesPerPodReplicas(
  statusReplicas: number,
  series: readonly bigint[],
  target: bigint,
  tolerances: Tolerances,
): Proposal {
  let sum = 0n;
  for (const value of series) {
    sum = wrap64(sum + value);
    if (sum < 0n) {
      sum = INT64_MAX;
      break;
    }
  }
  const replicas = Math.min(perPodCount(statusReplicas, sum, target, tolerances), INT32_MAX);
  const usage = Number(sum) >= 2 ** 63 ? INT64_MAX : toInt64(Math.ceil(Number(sum) / statusReplicas));
  return { replicas: toInt32(replicas), usage };
}

/** The sum of the series of an External metric; what does not fit is the largest there is. */
export function sumOfSeries(values: readonly bigint[]): bigint {
  let sum = 0n;
  for (const value of values) {
    if (value > 0n && sum > INT64_MAX - value) return INT64_MAX;
    sum = wrap64(sum + value);
  }
  return sum;
}
