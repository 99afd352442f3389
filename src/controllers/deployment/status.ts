/** What a Deployment says of its rollout: counts, and the conditions Available, Progressing and ReplicaFailure. */
import { formatTime, parseTime } from "../../api/time.ts";
import {
  type Condition,
  conditionOf,
  type Deployment,
  type DeploymentStatus,
  type ReplicaSet,
  withCondition,
  withoutCondition,
} from "../objects.ts";
import { maxUnavailable, totalActual, totalAvailable, totalReady, totalSize, wanted } from "./sizes.ts";

export const PROGRESSING = "Progressing";
const AVAILABLE = "Available";
const REPLICA_FAILURE = "ReplicaFailure";
const TIMED_OUT = "ProgressDeadlineExceeded";
const COMPLETE = "NewReplicaSetAvailable";
const PAUSED = "DeploymentPaused";
/** A limit of this means there is none. */
const NONE = 2 ** 31 - 1;

export function hasDeadline({ spec }: Deployment): boolean {
  return spec.progressDeadlineSeconds !== undefined && spec.progressDeadlineSeconds !== NONE;
}

export function hasHistoryLimit({ spec }: Deployment): boolean {
  return spec.revisionHistoryLimit !== undefined && spec.revisionHistoryLimit !== NONE;
}

export function condition(type: string, status: string, reason: string, message: string, now: number): Condition {
  const time = formatTime(now);
  return { type, status, lastUpdateTime: time, lastTransitionTime: time, reason, message };
}

/** The conditions with Progressing saying that the rollout was paused or resumed; undefined when they say so already. */
export function pauseConditions(deployment: Deployment, now: number): Condition[] | undefined {
  if (!hasDeadline(deployment)) return undefined;
  const conditions = deployment.status?.conditions;
  const { reason } = conditionOf(conditions, PROGRESSING) ?? {};
  // A rollout that failed stays failed.
  if (reason === TIMED_OUT) return undefined;
  const paused = deployment.spec.paused === true;
  if (paused === (reason === PAUSED)) return undefined;
  return withCondition(
    conditions,
    paused
      ? condition(PROGRESSING, "Unknown", PAUSED, "Deployment is paused", now)
      : condition(PROGRESSING, "Unknown", "DeploymentResumed", "Deployment is resumed", now),
  );
}

/** Counts and availability; the other conditions as they were. */
export function deploymentStatus(
  deployment: Deployment,
  all: readonly ReplicaSet[],
  current: ReplicaSet | undefined,
  now: number,
): DeploymentStatus {
  const available = totalAvailable(all);
  const { collisionCount, conditions } = deployment.status ?? {};
  const terminating = terminatingOf(all);
  const enough = available >= wanted(deployment) - maxUnavailable(deployment);
  return {
    observedGeneration: deployment.metadata.generation ?? 0,
    replicas: totalActual(all),
    updatedReplicas: current === undefined ? 0 : totalActual([current]),
    readyReplicas: totalReady(all),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, totalSize(all) - available),
    ...(terminating !== undefined && { terminatingReplicas: terminating }),
    ...(collisionCount !== undefined && { collisionCount }),
    conditions: withCondition(
      conditions,
      enough
        ? condition(AVAILABLE, "True", "MinimumReplicasAvailable", "Deployment has minimum availability.", now)
        : condition(
            AVAILABLE,
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
            now,
          ),
    ),
  };
}

/** Undefined while a set does not say; one that was never looked at has none. */
function terminatingOf(sets: readonly ReplicaSet[]): number | undefined {
  let total = 0;
  for (const { status } of sets) {
    if (status?.terminatingReplicas !== undefined) total += status.terminatingReplicas;
    else if ((status?.observedGeneration ?? 0) !== 0) return undefined;
  }
  return total;
}

export function isComplete(deployment: Deployment, status: DeploymentStatus | undefined): boolean {
  const size = wanted(deployment);
  return (
    (status?.updatedReplicas ?? 0) === size &&
    (status?.replicas ?? 0) === size &&
    (status?.availableReplicas ?? 0) === size &&
    (status?.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
  );
}

function moved(old: DeploymentStatus | undefined, status: DeploymentStatus): boolean {
  const outdated = (one: DeploymentStatus | undefined) => (one?.replicas ?? 0) - (one?.updatedReplicas ?? 0);
  return (
    (status.updatedReplicas ?? 0) > (old?.updatedReplicas ?? 0) ||
    outdated(status) < outdated(old) ||
    (status.readyReplicas ?? 0) > (old?.readyReplicas ?? 0) ||
    (status.availableReplicas ?? 0) > (old?.availableReplicas ?? 0)
  );
}

/** Milliseconds until the rollout is late; undefined when it cannot be: no deadline, done, or late already. */
export function lateIn(deployment: Deployment, status: DeploymentStatus, now: number): number | undefined {
  const current = conditionOf(status.conditions, PROGRESSING);
  if (!hasDeadline(deployment) || current === undefined) return undefined;
  if (isComplete(deployment, status) || current.reason === TIMED_OUT || current.reason === COMPLETE) return undefined;
  const since = parseTime(current.lastUpdateTime ?? "") ?? now;
  return Math.max(0, since + deployment.spec.progressDeadlineSeconds! * 1000 - now);
}

/** The whole status of a rollout that is on its way. */
export function rolloutStatus(
  deployment: Deployment,
  all: readonly ReplicaSet[],
  current: ReplicaSet | undefined,
  now: number,
): DeploymentStatus {
  const status = deploymentStatus(deployment, all, current, now);
  const before = conditionOf(deployment.status?.conditions, PROGRESSING);
  let { conditions } = status;
  const done = status.replicas === status.updatedReplicas && before?.reason === COMPLETE;
  if (!hasDeadline(deployment)) conditions = withoutCondition(conditions, PROGRESSING);
  else if (!done) conditions = progress(deployment, status, current, now);
  const failure = [...(current ? [current] : []), ...all]
    .map((set) => conditionOf(set.status?.conditions, REPLICA_FAILURE))
    .find((found) => found !== undefined);
  if (failure === undefined) conditions = withoutCondition(conditions, REPLICA_FAILURE);
  else {
    const { lastTransitionTime } = failure;
    conditions = withCondition(conditions, {
      ...failure,
      ...(lastTransitionTime !== undefined && { lastUpdateTime: lastTransitionTime }),
    });
  }
  return { ...status, conditions };
}

function progress(
  deployment: Deployment,
  status: DeploymentStatus,
  current: ReplicaSet | undefined,
  now: number,
): Condition[] {
  const conditions = status.conditions ?? [];
  const before = conditionOf(conditions, PROGRESSING);
  const about =
    current === undefined ? `Deployment "${deployment.metadata.name}"` : `ReplicaSet "${current.metadata.name}"`;
  const say = (state: string, reason: string, message: string) =>
    condition(PROGRESSING, state, reason, `${about} ${message}`, now);
  if (isComplete(deployment, status)) {
    return withCondition(conditions, say("True", COMPLETE, "has successfully progressed."));
  }
  if (moved(deployment.status, status)) {
    const fresh = say("True", "ReplicaSetUpdated", "is progressing.");
    // Written even when it says what it said: its time is when progress was last seen.
    const { lastTransitionTime } = before?.status === "True" ? before : fresh;
    return [
      ...withoutCondition(conditions, PROGRESSING),
      { ...fresh, ...(lastTransitionTime && { lastTransitionTime }) },
    ];
  }
  if (before?.reason === TIMED_OUT || isLate(deployment, before, now)) {
    return withCondition(conditions, say("False", TIMED_OUT, "has timed out progressing."));
  }
  return conditions;
}

function isLate(deployment: Deployment, before: Condition | undefined, now: number): boolean {
  if (before === undefined || before.reason === COMPLETE) return false;
  const since = parseTime(before.lastUpdateTime ?? "") ?? now;
  return since + deployment.spec.progressDeadlineSeconds! * 1000 < now;
}

/** Whether they say the same; fields that are 0 may be left out. */
export function sameStatus(a: DeploymentStatus | undefined, b: DeploymentStatus): boolean {
  const counts = [
    "observedGeneration",
    "replicas",
    "updatedReplicas",
    "readyReplicas",
    "availableReplicas",
    "unavailableReplicas",
    "collisionCount",
  ] as const;
  return (
    counts.every((field) => (a?.[field] ?? 0) === (b[field] ?? 0)) &&
    a?.terminatingReplicas === b.terminatingReplicas &&
    sameConditions(a?.conditions ?? [], b.conditions ?? [])
  );
}

function sameConditions(a: readonly Condition[], b: readonly Condition[]): boolean {
  return (
    a.length === b.length &&
    a.every((one, index) => {
      const other = b[index]!;
      return (
        one.type === other.type &&
        one.status === other.status &&
        (one.reason ?? "") === (other.reason ?? "") &&
        (one.message ?? "") === (other.message ?? "") &&
        one.lastUpdateTime === other.lastUpdateTime &&
        one.lastTransitionTime === other.lastTransitionTime
      );
    })
  );
}
