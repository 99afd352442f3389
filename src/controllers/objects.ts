/** What the controllers read of the kinds they work on; everything else in them is passed on as it is. */
import type { KubeObject } from "../api/meta.ts";
import type { LabelSelectorObject } from "../api/selectors.ts";
import { parseTime } from "../api/time.ts";

export { controllerOf } from "../client/owner.ts";

export const PODS = { group: "", version: "v1", resource: "pods" };
export const NODES = { group: "", version: "v1", resource: "nodes" };
export const SERVICES = { group: "", version: "v1", resource: "services" };
export const REPLICA_SETS = { group: "apps", version: "v1", resource: "replicasets" };
export const DEPLOYMENTS = { group: "apps", version: "v1", resource: "deployments" };

export interface Condition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
  lastUpdateTime?: string;
}

export interface ContainerPort {
  name?: string;
  containerPort: number;
  protocol?: string;
}

export interface ContainerStatus {
  name: string;
  restartCount?: number;
}

export interface Taint {
  key: string;
  value?: string;
  effect: string;
}

export interface Toleration {
  key?: string;
  operator?: string;
  value?: string;
  effect?: string;
}

export interface PodSpec {
  nodeName?: string;
  schedulerName?: string;
  nodeSelector?: Record<string, string>;
  tolerations?: Toleration[];
  schedulingGates?: { name: string }[];
  hostname?: string;
  subdomain?: string;
  containers?: { name: string; ports?: ContainerPort[]; resources?: { requests?: Record<string, string> } }[];
  initContainers?: { name: string; restartPolicy?: string; ports?: ContainerPort[] }[];
}

export interface Pod extends KubeObject {
  spec?: PodSpec;
  status?: {
    phase?: string;
    podIP?: string;
    podIPs?: { ip: string }[];
    hostIP?: string;
    conditions?: Condition[];
    containerStatuses?: ContainerStatus[];
  };
}

export interface PodTemplate {
  metadata?: {
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    finalizers?: string[];
  };
  spec?: PodSpec;
}

export interface ReplicaSet extends KubeObject {
  spec: {
    replicas?: number;
    minReadySeconds?: number;
    selector: LabelSelectorObject;
    template?: PodTemplate;
  };
  status?: {
    replicas?: number;
    fullyLabeledReplicas?: number;
    readyReplicas?: number;
    availableReplicas?: number;
    terminatingReplicas?: number;
    observedGeneration?: number;
    conditions?: Condition[];
  };
}

export interface DeploymentStatus {
  observedGeneration?: number;
  replicas?: number;
  updatedReplicas?: number;
  readyReplicas?: number;
  availableReplicas?: number;
  unavailableReplicas?: number;
  terminatingReplicas?: number;
  collisionCount?: number;
  conditions?: Condition[];
}

export interface Deployment extends KubeObject {
  spec: {
    replicas?: number;
    minReadySeconds?: number;
    selector: LabelSelectorObject;
    template: PodTemplate;
    strategy?: {
      type?: string;
      rollingUpdate?: { maxSurge?: number | string; maxUnavailable?: number | string };
    };
    revisionHistoryLimit?: number;
    progressDeadlineSeconds?: number;
    paused?: boolean;
  };
  status?: DeploymentStatus;
}

/** `namespace/name`, the key of a work queue. */
export function keyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ""}/${metadata.name ?? ""}`;
}

export function splitKey(key: string): { readonly namespace: string; readonly name: string } {
  const slash = key.indexOf("/");
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

export function conditionOf(conditions: readonly Condition[] | undefined, type: string): Condition | undefined {
  return conditions?.find((condition) => condition.type === type);
}

/** Neither ended nor on its way out. */
export function isActive(pod: Pod): boolean {
  const phase = pod.status?.phase;
  return phase !== "Succeeded" && phase !== "Failed" && !pod.metadata.deletionTimestamp;
}

/** Still running, though its deletion has begun. */
export function isTerminating(pod: Pod): boolean {
  const phase = pod.status?.phase;
  return phase !== "Succeeded" && phase !== "Failed" && Boolean(pod.metadata.deletionTimestamp);
}

export function isReady(pod: Pod): boolean {
  return conditionOf(pod.status?.conditions, "Ready")?.status === "True";
}

/** Since when it has been ready, milliseconds; undefined when it is not or does not say. */
export function readySince(pod: Pod): number | undefined {
  const ready = conditionOf(pod.status?.conditions, "Ready");
  if (ready?.status !== "True" || !ready.lastTransitionTime) return undefined;
  return parseTime(ready.lastTransitionTime);
}

/** Milliseconds until it has been ready for `minReadySeconds`; 0: it has, Infinity: it is not ready. */
export function availableIn(pod: Pod, minReadySeconds: number, now: number): number {
  if (!isReady(pod)) return Number.POSITIVE_INFINITY;
  if (minReadySeconds === 0) return 0;
  const since = readySince(pod);
  if (since === undefined) return Number.POSITIVE_INFINITY;
  return Math.max(0, since + minReadySeconds * 1000 - now);
}

/** Order of creation, names between equals. */
export function byCreation(a: KubeObject, b: KubeObject): number {
  const [first, second] = [a.metadata.creationTimestamp ?? "", b.metadata.creationTimestamp ?? ""];
  if (first !== second) return first < second ? -1 : 1;
  const [one, other] = [a.metadata.name ?? "", b.metadata.name ?? ""];
  return one < other ? -1 : one > other ? 1 : 0;
}

/** Conditions with `fresh` in them. One that says the same already stays; a change of reason alone keeps the time of the transition. */
export function withCondition(conditions: readonly Condition[] | undefined, fresh: Condition): Condition[] {
  const current = conditionOf(conditions, fresh.type);
  if (current?.status === fresh.status && current.reason === fresh.reason) return [...(conditions ?? [])];
  const condition =
    current?.status === fresh.status && current.lastTransitionTime !== undefined
      ? { ...fresh, lastTransitionTime: current.lastTransitionTime }
      : fresh;
  return [...withoutCondition(conditions, fresh.type), condition];
}

export function withoutCondition(conditions: readonly Condition[] | undefined, type: string): Condition[] {
  return (conditions ?? []).filter((condition) => condition.type !== type);
}
