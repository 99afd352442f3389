/** One step of a Deployment towards what it wants: what is written follows from the Deployment, its ReplicaSets and their pods alone. */
import { hasReason, StatusError } from "../../api/status.ts";
import { conditionOf, type Deployment, type DeploymentStatus, type ReplicaSet, withCondition } from "../objects.ts";
import { HASH_LABEL, sameTemplate, templateHash } from "./hash.ts";
import { byRevision, currentAndOld, currentAnnotations, nextRevision, REVISION, sizeAnnotations } from "./revisions.ts";
import {
  desiredWhenSized,
  isRolling,
  isSaturated,
  maxUnavailable,
  newSetSize,
  proportionalSizes,
  sizeOf,
  totalActual,
  totalSize,
  wanted,
} from "./sizes.ts";
import {
  condition,
  deploymentStatus,
  hasDeadline,
  hasHistoryLimit,
  isComplete,
  lateIn,
  PROGRESSING,
  pauseConditions,
  rolloutStatus,
  sameStatus,
} from "./status.ts";

const KIND = { apiVersion: "apps/v1", kind: "Deployment" };
const LONGEST_NAME = 253;

/** Where a step reads and writes. Every write is refused when what was read is not the latest. */
export interface RolloutWorld {
  readonly now: number;
  /** By name; for the one whose name was taken. */
  findSet(name: string): ReplicaSet | undefined;
  /** Whether a pod of another set than this one has not ended yet. */
  othersRun(current: ReplicaSet | undefined): boolean;
  createSet(set: ReplicaSet): Promise<ReplicaSet>;
  updateSet(set: ReplicaSet): Promise<ReplicaSet>;
  deleteSet(set: ReplicaSet): Promise<void>;
  updateStatus(deployment: Deployment): Promise<Deployment>;
  event(type: "Normal" | "Warning", reason: string, message: string): void;
}

/** Answers with how long until a step is due even if nothing changes, milliseconds. `sets`: those the Deployment owns. */
export async function rollout(
  deployment: Deployment,
  sets: readonly ReplicaSet[],
  world: RolloutWorld,
): Promise<number | undefined> {
  return new Step(deployment, sets, world).run();
}

class Step {
  /** With what this step has written so far. */
  #deployment: Deployment;
  #sets: readonly ReplicaSet[];
  readonly #world: RolloutWorld;

  constructor(deployment: Deployment, sets: readonly ReplicaSet[], world: RolloutWorld) {
    this.#deployment = deployment;
    this.#sets = sets;
    this.#world = world;
  }

  async run(): Promise<number | undefined> {
    if (this.#deployment.metadata.deletionTimestamp) {
      const { current, old } = await this.#numbered();
      return this.#writeCounts(current, old);
    }
    const conditions = pauseConditions(this.#deployment, this.#world.now);
    if (conditions !== undefined) await this.#writeStatus({ ...this.#deployment.status, conditions });
    if (this.#deployment.spec.paused) return this.#resize(true);
    const { current, old } = await this.#numbered();
    const all = current === undefined ? old : [...old, current];
    const resized = all.some((set) => {
      const desired = sizeOf(set) > 0 ? desiredWhenSized(set) : undefined;
      return desired !== undefined && desired !== wanted(this.#deployment);
    });
    if (resized) return this.#resize(false);
    return isRolling(this.#deployment) ? this.#rolling() : this.#recreate();
  }

  /** The size changed, or nothing but the size may change. */
  async #resize(paused: boolean): Promise<undefined> {
    const { current, old } = await this.#numbered();
    const sizes = new Map<ReplicaSet, number>();
    const active = [...old, ...(current ? [current] : [])].filter((set) => sizeOf(set) > 0);
    // Without any pods the latest one counts.
    const only = active.length > 1 ? undefined : (active[0] ?? current ?? old.at(-1));
    if (only !== undefined) {
      if (sizeOf(only) !== wanted(this.#deployment)) sizes.set(only, wanted(this.#deployment));
    } else if (isSaturated(this.#deployment, current)) {
      for (const set of active) if (set !== current) sizes.set(set, 0);
    } else if (isRolling(this.#deployment)) {
      for (const { set, size } of proportionalSizes(this.#deployment, active)) sizes.set(set, size);
    }
    const written = new Map<ReplicaSet, ReplicaSet>();
    for (const [set, size] of sizes) written.set(set, await this.#scale(set, size));
    const latest = (set: ReplicaSet) => written.get(set) ?? set;
    const olds = old.map(latest);
    if (paused) await this.#cleanUp(olds);
    await this.#writeCounts(current && latest(current), olds);
    return undefined;
  }

  async #rolling(): Promise<number | undefined> {
    const { old, current: found } = await this.#numbered();
    const current = found ?? (await this.#create(old));
    if (current === undefined) return undefined;
    const olds = [...old];
    const grown = await this.#growNew(current, olds);
    if (grown !== current) return this.#writeRollout(grown, olds);
    if (await this.#shrinkOld(current, olds)) return this.#writeRollout(current, olds);
    if (isComplete(this.#deployment, this.#deployment.status)) await this.#cleanUp(olds);
    return this.#writeRollout(current, olds);
  }

  async #growNew(current: ReplicaSet, old: readonly ReplicaSet[]): Promise<ReplicaSet> {
    const size = sizeOf(current);
    if (size === wanted(this.#deployment)) return current;
    if (size > wanted(this.#deployment)) return this.#scale(current, wanted(this.#deployment));
    return this.#scale(current, newSetSize(this.#deployment, [...old, current], size));
  }

  /** Takes pods from the old sets, those that are of no use first; true when any was taken. `old` is brought up to date. */
  async #shrinkOld(current: ReplicaSet, old: ReplicaSet[]): Promise<boolean> {
    if (totalSize(old) === 0) return false;
    const needed = wanted(this.#deployment) - maxUnavailable(this.#deployment);
    // Pods beyond the size are on their way out, though the status may still count them.
    const available = (set: ReplicaSet) => Math.min(sizeOf(set), set.status?.availableReplicas ?? 0);
    const notYet = sizeOf(current) - available(current);
    let room = totalSize(old) + sizeOf(current) - needed - notYet;
    if (room <= 0) return false;
    let taken = 0;
    const take = async (index: number, count: number) => {
      if (count <= 0) return;
      old[index] = await this.#scale(old[index]!, sizeOf(old[index]!) - count);
      taken += count;
    };
    for (const [index, set] of old.entries()) {
      const count = Math.min(room, sizeOf(set) - available(set));
      await take(index, count);
      room -= Math.max(0, count);
    }
    let spare = [...old, current].reduce((sum, set) => sum + available(set), 0) - needed;
    for (const [index, set] of old.entries()) {
      const count = Math.min(sizeOf(set), spare);
      await take(index, count);
      spare -= Math.max(0, count);
    }
    return taken > 0;
  }

  async #recreate(): Promise<number | undefined> {
    const { current, old } = await this.#numbered();
    const olds = [...old];
    let shrunk = false;
    for (const [index, set] of olds.entries()) {
      if (sizeOf(set) === 0) continue;
      olds[index] = await this.#scale(set, 0);
      shrunk = true;
    }
    if (shrunk || totalActual(olds) > 0 || this.#world.othersRun(current)) return this.#writeRollout(current, olds);
    const created = current ?? (await this.#create(olds));
    if (created === undefined) return undefined;
    const grown = await this.#scale(created, wanted(this.#deployment));
    if (isComplete(this.#deployment, this.#deployment.status)) await this.#cleanUp(olds);
    return this.#writeRollout(grown, olds);
  }

  /** The sets, the current one annotated with its revision and the Deployment with the same. */
  async #numbered(): Promise<{ readonly current: ReplicaSet | undefined; readonly old: readonly ReplicaSet[] }> {
    const { current: found, old } = currentAndOld(this.#deployment, this.#sets);
    if (found === undefined) return { current: found, old };
    let current = found;
    const before = current.metadata.annotations ?? {};
    const annotations = currentAnnotations(this.#deployment, before, nextRevision(old));
    const { minReadySeconds = 0 } = this.#deployment.spec;
    if (annotations !== before || (current.spec.minReadySeconds ?? 0) !== minReadySeconds) {
      current = await this.#world.updateSet({
        ...found,
        metadata: { ...found.metadata, annotations: { ...annotations } },
        spec: { ...found.spec, minReadySeconds },
      });
      this.#sets = [...old, current];
    }
    const name = current.metadata.name ?? "";
    const conditions = this.#deployment.status?.conditions;
    const fresh = hasDeadline(this.#deployment) && conditionOf(conditions, PROGRESSING) === undefined;
    const told = fresh
      ? withCondition(conditions, this.#progress("True", "FoundNewReplicaSet", `Found new replica set "${name}"`))
      : conditions;
    await this.#writeRevision(annotations[REVISION] ?? "", told, fresh);
    return { current, old };
  }

  #progress(status: string, reason: string, message: string) {
    return condition(PROGRESSING, status, reason, message, this.#world.now);
  }

  async #writeRevision(revision: string, conditions: DeploymentStatus["conditions"], always: boolean): Promise<void> {
    const deployment = this.#deployment;
    if (!always && deployment.metadata.annotations?.[REVISION] === revision) return;
    const annotations = { ...deployment.metadata.annotations, [REVISION]: revision };
    this.#deployment = await this.#world.updateStatus({
      ...deployment,
      metadata: { ...deployment.metadata, annotations },
      status: { ...deployment.status, ...(conditions && { conditions }) },
    });
  }

  /** The set of a new template; undefined when another attempt is due because its name was taken. */
  async #create(old: readonly ReplicaSet[]): Promise<ReplicaSet | undefined> {
    const deployment = this.#deployment;
    const { name = "", namespace = "", uid = "" } = deployment.metadata;
    const { template, selector, minReadySeconds = 0 } = deployment.spec;
    const hash = templateHash(template, deployment.status?.collisionCount);
    const labels = { ...template.metadata?.labels, [HASH_LABEL]: hash };
    const revision = nextRevision(old);
    const set: ReplicaSet = {
      metadata: {
        name: `${name.slice(0, LONGEST_NAME - 1 - hash.length)}-${hash}`,
        namespace,
        labels,
        annotations: {
          ...currentAnnotations(deployment, {}, revision),
          ...sizeAnnotations(deployment),
        },
        ownerReferences: [{ ...KIND, name, uid, controller: true, blockOwnerDeletion: true }],
      },
      spec: {
        replicas: newSetSize(deployment, old, 0),
        minReadySeconds,
        selector: { ...selector, matchLabels: { ...selector.matchLabels, [HASH_LABEL]: hash } },
        template: { ...template, metadata: { ...template.metadata, labels } },
      },
    };
    let created: ReplicaSet;
    let isNew = true;
    try {
      created = await this.#world.createSet(set);
    } catch (error) {
      if (hasReason(error, "AlreadyExists")) {
        created = await this.#taken(set, error);
        isNew = false;
      } else {
        await this.#noteFailure(set, error);
        throw error;
      }
    }
    const size = sizeOf(set);
    if (isNew && size > 0) {
      const message = `Scaled up replica set ${created.metadata.name} from 0 to ${size}`;
      this.#world.event("Normal", "ScalingReplicaSet", message);
    }
    const say = isNew && hasDeadline(deployment);
    const message = `Created new replica set "${created.metadata.name}"`;
    const conditions = say
      ? withCondition(deployment.status?.conditions, this.#progress("True", "NewReplicaSetCreated", message))
      : deployment.status?.conditions;
    await this.#writeRevision(String(revision), conditions, say);
    return created;
  }

  /** The set that has the name: ours, which our copy does not know yet, or another template's, and then a collision to count. */
  async #taken(set: ReplicaSet, error: StatusError): Promise<ReplicaSet> {
    const found = this.#world.findSet(set.metadata.name ?? "");
    // Our copy is behind: it will have come when this is tried again.
    if (found === undefined) throw error;
    const ours = found.metadata.ownerReferences?.some(
      (owner) => owner.controller === true && owner.uid === this.#deployment.metadata.uid,
    );
    if (ours && sameTemplate(found.spec.template ?? {}, this.#deployment.spec.template)) return found;
    await this.#writeStatus({
      ...this.#deployment.status,
      collisionCount: (this.#deployment.status?.collisionCount ?? 0) + 1,
    });
    throw error;
  }

  async #noteFailure(set: ReplicaSet, error: unknown): Promise<void> {
    const causes = error instanceof StatusError ? (error.status.details?.causes ?? []) : [];
    if (causes.some((cause) => cause.reason === "NamespaceTerminating")) return;
    const why = error instanceof Error ? error.message : String(error);
    const message = `Failed to create new replica set "${set.metadata.name}": ${why}`;
    const reason = "ReplicaSetCreateError";
    if (hasDeadline(this.#deployment)) {
      const conditions = withCondition(this.#deployment.status?.conditions, this.#progress("False", reason, message));
      // The first failure is the one to report.
      await this.#writeStatus({ ...this.#deployment.status, conditions }).catch(() => undefined);
    }
    this.#world.event("Warning", reason, message);
  }

  async #scale(set: ReplicaSet, size: number): Promise<ReplicaSet> {
    const before = set.metadata.annotations ?? {};
    const wantedAnnotations = sizeAnnotations(this.#deployment);
    const annotated = Object.entries(wantedAnnotations).every(([name, value]) => before[name] === value);
    if (size === sizeOf(set) && annotated) return set;
    const updated = await this.#world.updateSet({
      ...set,
      metadata: { ...set.metadata, annotations: { ...before, ...wantedAnnotations } },
      spec: { ...set.spec, replicas: size },
    });
    if (size !== sizeOf(set)) {
      const direction = size > sizeOf(set) ? "up" : "down";
      const message = `Scaled ${direction} replica set ${set.metadata.name} from ${sizeOf(set)} to ${size}`;
      this.#world.event("Normal", "ScalingReplicaSet", message);
    }
    return updated;
  }

  /** Forgets the oldest revisions that nothing runs any more. */
  async #cleanUp(old: readonly ReplicaSet[]): Promise<void> {
    if (!hasHistoryLimit(this.#deployment)) return;
    const alive = old.filter((set) => !set.metadata.deletionTimestamp).sort(byRevision);
    const tooMany = alive.length - this.#deployment.spec.revisionHistoryLimit!;
    for (const set of alive.slice(0, Math.max(0, tooMany))) {
      const settled = (set.metadata.generation ?? 0) <= (set.status?.observedGeneration ?? 0);
      if (settled && sizeOf(set) === 0 && (set.status?.replicas ?? 0) === 0) await this.#world.deleteSet(set);
    }
  }

  async #writeCounts(current: ReplicaSet | undefined, old: readonly ReplicaSet[]): Promise<undefined> {
    const all = current === undefined ? old : [...old, current];
    await this.#writeStatus(deploymentStatus(this.#deployment, all, current, this.#world.now));
    return undefined;
  }

  async #writeRollout(current: ReplicaSet | undefined, old: readonly ReplicaSet[]): Promise<number | undefined> {
    const all = current === undefined ? old : [...old, current];
    const status = rolloutStatus(this.#deployment, all, current, this.#world.now);
    await this.#writeStatus(status);
    const late = lateIn(this.#deployment, status, this.#world.now);
    // Times have whole seconds: one more, and the deadline has passed for certain.
    return late === undefined ? undefined : late + 1000;
  }

  async #writeStatus(status: DeploymentStatus): Promise<void> {
    if (sameStatus(this.#deployment.status, status)) return;
    this.#deployment = await this.#world.updateStatus({ ...this.#deployment, status });
  }
}

/** Whether the selector would take every pod there is: such a Deployment is left alone. */
export function selectsAll(deployment: Deployment): boolean {
  const { matchLabels, matchExpressions } = deployment.spec.selector ?? {};
  return Object.keys(matchLabels ?? {}).length === 0 && (matchExpressions ?? []).length === 0;
}
