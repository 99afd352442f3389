/** What a ReplicaSet says of its pods. */
import { labelSelectorFromLabels } from "../../api/selectors.ts";
import { formatTime } from "../../api/time.ts";
import {
  availableIn,
  conditionOf,
  isReady,
  type Pod,
  type ReplicaSet,
  withCondition,
  withoutCondition,
} from "../objects.ts";

export interface Counted {
  readonly active: readonly Pod[];
  readonly terminating: readonly Pod[];
  /** Why the number of pods could not be put right. */
  readonly failure: unknown;
}

export type ReplicaSetStatus = NonNullable<ReplicaSet["status"]>;

const FAILURE = "ReplicaFailure";

/** `now`: milliseconds. */
export function replicaSetStatus(
  set: ReplicaSet,
  { active, terminating, failure }: Counted,
  now: number,
): ReplicaSetStatus {
  const template = labelSelectorFromLabels(set.spec.template?.metadata?.labels ?? {});
  const ready = active.filter(isReady);
  const available = ready.filter((pod) => availableIn(pod, set.spec.minReadySeconds ?? 0, now) === 0);
  let conditions = set.status?.conditions ?? [];
  if (failure !== undefined && conditionOf(conditions, FAILURE) === undefined) {
    const wanted = set.spec.replicas ?? 1;
    conditions = withCondition(conditions, {
      type: FAILURE,
      status: "True",
      reason: active.length < wanted ? "FailedCreate" : active.length > wanted ? "FailedDelete" : "",
      message: failure instanceof Error ? failure.message : String(failure),
      lastTransitionTime: formatTime(now),
    });
  } else if (failure === undefined) conditions = withoutCondition(conditions, FAILURE);
  return {
    replicas: active.length,
    fullyLabeledReplicas: active.filter((pod) => template.matches(pod.metadata.labels)).length,
    readyReplicas: ready.length,
    availableReplicas: available.length,
    terminatingReplicas: terminating.length,
    observedGeneration: set.metadata.generation ?? 0,
    ...(conditions.length > 0 && { conditions: [...conditions] }),
  };
}

export function sameReplicaSetStatus(a: ReplicaSetStatus | undefined, b: ReplicaSetStatus): boolean {
  return (
    (a?.replicas ?? 0) === (b.replicas ?? 0) &&
    (a?.fullyLabeledReplicas ?? 0) === (b.fullyLabeledReplicas ?? 0) &&
    (a?.readyReplicas ?? 0) === (b.readyReplicas ?? 0) &&
    (a?.availableReplicas ?? 0) === (b.availableReplicas ?? 0) &&
    a?.terminatingReplicas === b.terminatingReplicas &&
    (a?.observedGeneration ?? 0) === (b.observedGeneration ?? 0) &&
    JSON.stringify(a?.conditions ?? []) === JSON.stringify(b.conditions ?? [])
  );
}
