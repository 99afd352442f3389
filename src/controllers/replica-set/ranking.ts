/** Which pods go first when there are too many: those that are missed least. */
import { parseTime } from "../../api/time.ts";
import { isReady, type Pod, readySince } from "../objects.ts";

const PHASES: ReadonlyMap<string, number> = new Map([
  ["Pending", 0],
  ["Unknown", 1],
  ["Running", 2],
]);
const DELETION_COST = "controller.kubernetes.io/pod-deletion-cost";
const MOST_NEGATIVE_COST = -(2 ** 31);
const HIGHEST_COST = 2 ** 31 - 1;

/** The annotation as a 32-bit integer, 0 for anything else. */
function deletionCost(pod: Pod): number {
  const text = pod.metadata.annotations?.[DELETION_COST] ?? "";
  if (!/^(0|-?[1-9]\d{0,10})$/.test(text)) return 0;
  const cost = Number(text);
  return cost >= MOST_NEGATIVE_COST && cost <= HIGHEST_COST ? cost : 0;
}

/** The power of two of an age in nanoseconds: pods of about the same age count as equally old. */
function magnitude(since: number, now: number): number {
  const nanoseconds = (now - since) * 1e6;
  return nanoseconds > 0 ? Math.floor(Math.log2(nanoseconds)) : -1;
}

/** Younger first, by magnitude; the uid decides between equals. Undefined times come first. */
function byAge(a: Pod, b: Pod, first: number | undefined, second: number | undefined, now: number): number {
  if (first === undefined || second === undefined) return first === undefined ? -1 : 1;
  const difference = magnitude(first, now) - magnitude(second, now);
  if (difference !== 0) return difference;
  return (a.metadata.uid ?? "") < (b.metadata.uid ?? "") ? -1 : 1;
}

function restarts(pod: Pod): number {
  return Math.max(0, ...(pod.status?.containerStatuses ?? []).map((status) => status.restartCount ?? 0));
}

function born(pod: Pod): number | undefined {
  return pod.metadata.creationTimestamp ? parseTime(pod.metadata.creationTimestamp) : undefined;
}

/**
 * `pods` with the most dispensable first, in upstream's order: without a node, pending before running, not ready, cheap by annotation,
 * many of its like on the same node, ready for a short time, restarted often, young. `related`: pods of the same workload, these included.
 * `now`: milliseconds.
 */
export function mostDispensable(pods: readonly Pod[], related: readonly Pod[], now: number): Pod[] {
  const onNode = new Map<string, number>();
  for (const pod of related) {
    const node = pod.spec?.nodeName ?? "";
    onNode.set(node, (onNode.get(node) ?? 0) + 1);
  }
  const ranked = pods.map((pod) => ({
    pod,
    node: pod.spec?.nodeName ?? "",
    phase: PHASES.get(pod.status?.phase ?? "") ?? 0,
    ready: isReady(pod),
    cost: deletionCost(pod),
    crowd: onNode.get(pod.spec?.nodeName ?? "") ?? 0,
    readySince: readySince(pod),
    restarts: restarts(pod),
    born: born(pod),
  }));
  ranked.sort((a, b) => {
    if (a.node !== b.node && (a.node === "" || b.node === "")) return a.node === "" ? -1 : 1;
    if (a.phase !== b.phase) return a.phase - b.phase;
    if (a.ready !== b.ready) return a.ready ? 1 : -1;
    if (a.cost !== b.cost) return a.cost - b.cost;
    if (a.crowd !== b.crowd) return b.crowd - a.crowd;
    if (a.ready && a.readySince !== b.readySince) return byAge(a.pod, b.pod, a.readySince, b.readySince, now);
    if (a.restarts !== b.restarts) return b.restarts - a.restarts;
    if (a.born !== b.born) return byAge(a.pod, b.pod, a.born, b.born, now);
    return 0;
  });
  return ranked.map(({ pod }) => pod);
}
