/** How many pods a rollout may have and must have, and how a change of size is spread over its ReplicaSets. */
import { byCreation, type Deployment, type ReplicaSet } from "../objects.ts";

export const DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas";
export const MAX_REPLICAS = "deployment.kubernetes.io/max-replicas";

const MAX_INT32 = 2 ** 31 - 1;

export const wanted = ({ spec }: Deployment): number => spec.replicas ?? 1;
export const sizeOf = ({ spec }: ReplicaSet): number => spec.replicas ?? 1;
export const isRolling = ({ spec }: Deployment): boolean =>
  (spec.strategy?.type ?? "RollingUpdate") === "RollingUpdate";

const sum = (sets: readonly ReplicaSet[], of: (set: ReplicaSet) => number): number =>
  sets.reduce((total, set) => total + of(set), 0);
/** What they ask for. */
export const totalSize = (sets: readonly ReplicaSet[]): number => sum(sets, sizeOf);
/** What they have. */
export const totalActual = (sets: readonly ReplicaSet[]): number => sum(sets, ({ status }) => status?.replicas ?? 0);
export const totalReady = (sets: readonly ReplicaSet[]): number =>
  sum(sets, ({ status }) => status?.readyReplicas ?? 0);
export const totalAvailable = (sets: readonly ReplicaSet[]): number =>
  sum(sets, ({ status }) => status?.availableReplicas ?? 0);

/** A number, or a percentage of `total` rounded up or down. */
function scaled(value: number | string | undefined, total: number, round: (value: number) => number): number {
  if (typeof value !== "string") return value ?? 0;
  return round((Number.parseInt(value, 10) * total) / 100);
}

interface Fenceposts {
  readonly surge: number;
  readonly unavailable: number;
}

/** Surge is rounded up, unavailability down; when both come to nothing one pod may be missing, or nothing could move. */
export function fenceposts(deployment: Deployment): Fenceposts {
  const { maxSurge, maxUnavailable } = deployment.spec.strategy?.rollingUpdate ?? {};
  const surge = scaled(maxSurge, wanted(deployment), Math.ceil);
  const unavailable = scaled(maxUnavailable, wanted(deployment), Math.floor);
  return surge === 0 && unavailable === 0 ? { surge, unavailable: 1 } : { surge, unavailable };
}

export function maxSurge(deployment: Deployment): number {
  return isRolling(deployment) ? fenceposts(deployment).surge : 0;
}

export function maxUnavailable(deployment: Deployment): number {
  if (!isRolling(deployment) || wanted(deployment) === 0) return 0;
  return Math.min(fenceposts(deployment).unavailable, wanted(deployment));
}

/** How large the new set may be now, the others being what they are. */
export function newSetSize(deployment: Deployment, all: readonly ReplicaSet[], size: number): number {
  if (!isRolling(deployment)) return wanted(deployment);
  const { maxSurge: surge } = deployment.spec.strategy?.rollingUpdate ?? {};
  const most = wanted(deployment) + scaled(surge, wanted(deployment), Math.ceil);
  const total = totalSize(all);
  if (total >= most) return size;
  return size + Math.min(most - total, wanted(deployment) - size);
}

function annotated(set: ReplicaSet, annotation: string): number | undefined {
  const text = set.metadata.annotations?.[annotation];
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined;
  const value = Number(text);
  return value <= MAX_INT32 ? value : undefined;
}

/** The size of the Deployment when the set was last given its own. */
export function desiredWhenSized(set: ReplicaSet): number | undefined {
  return annotated(set, DESIRED_REPLICAS);
}

/** All pods are of the new template and available. */
export function isSaturated(deployment: Deployment, set: ReplicaSet | undefined): boolean {
  return (
    set !== undefined &&
    sizeOf(set) === wanted(deployment) &&
    desiredWhenSized(set) === wanted(deployment) &&
    (set.status?.availableReplicas ?? 0) === wanted(deployment)
  );
}

/** The size of each active set after the Deployment's own size changed in the middle of a rollout: each keeps its share. */
export function proportionalSizes(
  deployment: Deployment,
  active: readonly ReplicaSet[],
): readonly { readonly set: ReplicaSet; readonly size: number }[] {
  const most = wanted(deployment) > 0 ? wanted(deployment) + maxSurge(deployment) : 0;
  const toAdd = most - totalSize(active);
  // Among equals growth favours the newer ones and shrinking the older ones.
  const sets = [...active].sort(
    (a, b) => sizeOf(b) - sizeOf(a) || (toAdd > 0 ? byCreation(b, a) : toAdd < 0 ? byCreation(a, b) : 0),
  );
  let added = 0;
  const sizes = sets.map((set) => {
    if (toAdd === 0 || toAdd === added) return { set, size: sizeOf(set) };
    const share = shareOf(set, deployment);
    const part = toAdd > 0 ? Math.min(share, toAdd - added) : Math.max(share, toAdd - added);
    added += part;
    return { set, size: sizeOf(set) + part };
  });
  // What rounding left over goes to the largest.
  return sizes.map(({ set, size }, index) => ({ set, size: index === 0 ? Math.max(0, size + toAdd - added) : size }));
}

/** What the set gains or loses when the whole goes from the size it was to the size it is to have. */
function shareOf(set: ReplicaSet, deployment: Deployment): number {
  if (wanted(deployment) === 0) return -sizeOf(set);
  const before = annotated(set, MAX_REPLICAS) || (deployment.status?.replicas ?? 0);
  if (before === 0) return 0;
  return Math.round((sizeOf(set) * (wanted(deployment) + maxSurge(deployment))) / before) - sizeOf(set);
}
