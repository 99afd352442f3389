/** Whether a pod may run on a node, and if not, why: in the words `kubectl describe pod` shows. */
import type { KubeObject } from "../../api/meta.ts";
import { parseQuantity } from "../../api/quantity.ts";
import { type Condition, conditionOf, type Pod, type Taint, type Toleration } from "../objects.ts";

export interface Node extends KubeObject {
  spec?: { unschedulable?: boolean; taints?: Taint[] };
  status?: { conditions?: Condition[]; allocatable?: Record<string, string>; capacity?: Record<string, string> };
}

/** What pods ask for, or a node has: whole pods, millicores, bytes. */
export interface Room {
  readonly pods: number;
  readonly cpu: number;
  readonly memory: number;
}

const UNSCHEDULABLE: Taint = { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" };

function amount(text: string | undefined, milli: boolean): number {
  if (text === undefined) return 0;
  try {
    const quantity = parseQuantity(text);
    return Number(milli ? quantity.milliValue() : quantity.value());
  } catch {
    return 0;
  }
}

/** The requests of its containers. */
export function requestsOf(pod: Pod): Room {
  let [cpu, memory] = [0, 0];
  for (const { resources } of pod.spec?.containers ?? []) {
    cpu += amount(resources?.requests?.["cpu"], true);
    memory += amount(resources?.requests?.["memory"], false);
  }
  return { pods: 1, cpu, memory };
}

/** What the node says may be used; a resource it does not name has no limit, but for pods, of which upstream's kubelet takes 110. */
export function roomOf(node: Node): Room {
  const allocatable = node.status?.allocatable ?? node.status?.capacity ?? {};
  const given = (name: string, milli: boolean) =>
    allocatable[name] === undefined ? Number.POSITIVE_INFINITY : amount(allocatable[name], milli);
  return {
    pods: allocatable["pods"] === undefined ? 110 : amount(allocatable["pods"], false),
    cpu: given("cpu", true),
    memory: given("memory", false),
  };
}

function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  if (toleration.operator === "Exists") return true;
  return toleration.key !== undefined && toleration.key !== "" && (toleration.value ?? "") === (taint.value ?? "");
}

/** Why the pod cannot run there; undefined when it can. `used`: what the node's pods ask for already. */
export function misfit(pod: Pod, asked: Room, node: Node, used: Room): string | undefined {
  if (conditionOf(node.status?.conditions, "Ready")?.status !== "True") return "node(s) were not ready";
  const tolerations = pod.spec?.tolerations ?? [];
  const untolerated = (taint: Taint) => !tolerations.some((toleration) => tolerates(toleration, taint));
  if (node.spec?.unschedulable && untolerated(UNSCHEDULABLE)) return "node(s) were unschedulable";
  const taint = (node.spec?.taints ?? []).find(
    (one) => (one.effect === "NoSchedule" || one.effect === "NoExecute") && untolerated(one),
  );
  if (taint !== undefined) return `node(s) had untolerated taint(s)`;
  const labels = node.metadata.labels ?? {};
  const selected = Object.entries(pod.spec?.nodeSelector ?? {}).every(
    ([name, value]) => Object.hasOwn(labels, name) && labels[name] === value,
  );
  if (!selected) return "node(s) didn't match Pod's node affinity/selector";
  const room = roomOf(node);
  if (used.pods + 1 > room.pods) return "Too many pods";
  if (asked.cpu > 0 && used.cpu + asked.cpu > room.cpu) return "Insufficient cpu";
  if (asked.memory > 0 && used.memory + asked.memory > room.memory) return "Insufficient memory";
  return undefined;
}

/** The message of a pod that fits nowhere. `reasons`: one for each node. */
export function unschedulable(reasons: readonly string[]): string {
  if (reasons.length === 0) return "no nodes available to schedule pods";
  const counts = new Map<string, number>();
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const listed = [...counts].map(([reason, count]) => `${count} ${reason}`).sort();
  return `0/${reasons.length} nodes are available: ${listed.join(", ")}.`;
}
