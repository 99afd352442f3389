/** Keeps as many pods of one template as a ReplicaSet asks for. */
import type { OwnerReference } from "../../api/meta.ts";
import { dns1123Subdomain } from "../../api/names.ts";
import { type LabelSelector, labelSelectorFromObject } from "../../api/selectors.ts";
import { hasReason, StatusError } from "../../api/status.ts";
import { type Index, indexBy } from "../../client/index-by.ts";
import { claim } from "../claims.ts";
import { type Controller, type ControllerContext, type SyncResult, startSync } from "../controller.ts";
import { Expectations } from "../expectations.ts";
import {
  availableIn,
  controllerOf,
  isActive,
  isReady,
  isTerminating,
  keyOf,
  PODS,
  type Pod,
  type PodTemplate,
  REPLICA_SETS,
  type ReplicaSet,
  splitKey,
} from "../objects.ts";
import { slowStart } from "../slow-start.ts";
import { mostDispensable } from "./ranking.ts";
import { type ReplicaSetStatus, replicaSetStatus, sameReplicaSetStatus } from "./status.ts";

const KIND = { apiVersion: "apps/v1", kind: "ReplicaSet" };
/** Pods made or deleted in one go. */
const BURST = 500;
const WORKERS = 5;
/** Pods of a large set change in crowds: a look at it, which takes all of them, waits a moment for the others, milliseconds for each pod and at most. */
const PATIENCE_EACH = 0.25;
const PATIENCE_MOST = 250;

export const replicaSets: Controller = async (context) => {
  const { client, informers } = context;
  const { clock } = client;
  const sets = informers.of<ReplicaSet>(REPLICA_SETS);
  const pods = informers.of<Pod>(PODS);
  await informers.ready(sets, pods);
  const podsOf = indexBy(pods, (pod) => [ownerKey(pod)]);
  const setsOf = indexBy(sets, (set) => {
    const controller = controllerOf(set);
    return controller === undefined ? [] : [controller.uid];
  });
  const setsIn = indexBy(sets, (set) => [set.metadata.namespace ?? ""]);
  const selectors = selectorCache();
  const expectations = new Expectations(clock);
  const events = context.recorder("replicaset-controller");

  async function sync(key: string): Promise<SyncResult> {
    const { namespace, name } = splitKey(key);
    const set = sets.get(name, namespace);
    if (set === undefined) {
      expectations.forget(key);
      return undefined;
    }
    const mayManage = expectations.satisfied(key);
    const selector = selectors(set);
    const { uid = "" } = set.metadata;
    const own = podsOf.get(uid);
    const active = await claim<Pod>({
      owner: set,
      ownerKind: KIND,
      selector,
      candidates: [...own, ...podsOf.get(orphanKey(namespace))].filter(isActive),
      objects: client.resource<Pod>(PODS, namespace),
      owners: client.resource(REPLICA_SETS, namespace),
    });
    const terminating = own.filter((pod) => isTerminating(pod) && selector.matches(pod.metadata.labels));
    let failure: unknown;
    if (mayManage && !set.metadata.deletionTimestamp) {
      try {
        await manage(key, set, active);
      } catch (error) {
        failure = error;
      }
    }
    const now = clock.now();
    const status = replicaSetStatus(set, { active, terminating, failure }, now);
    await writeStatus(context, set, status);
    if (failure !== undefined) throw failure;
    const waits = active.map((pod) => availableIn(pod, set.spec.minReadySeconds ?? 0, now));
    const next = Math.min(...waits.filter((wait) => wait > 0 && Number.isFinite(wait)));
    return Number.isFinite(next) ? { again: next } : undefined;
  }

  async function manage(key: string, set: ReplicaSet, active: readonly Pod[]): Promise<void> {
    const missing = (set.spec.replicas ?? 1) - active.length;
    if (missing > 0) await create(key, set, Math.min(missing, BURST));
    else if (missing < 0) await remove(key, set, active, Math.min(-missing, BURST));
  }

  async function create(key: string, set: ReplicaSet, count: number): Promise<void> {
    const { namespace = "" } = set.metadata;
    const resource = client.resource<Pod>(PODS, namespace);
    const pod = podOf(set.spec.template ?? {}, set);
    expectations.expectCreations(key, count);
    const { succeeded, error } = await slowStart(count, async () => {
      try {
        const made = await resource.create(pod);
        events.record(set, "Normal", "SuccessfulCreate", `Created pod: ${made.metadata.name}`);
      } catch (error) {
        if (isEndingNamespace(error)) {
          // Not worth an Event nor another try; the expectation would never be met.
          expectations.created(key);
          return;
        }
        events.record(set, "Warning", "FailedCreate", `Error creating: ${messageOf(error)}`);
        throw error;
      }
    });
    for (let skipped = count - succeeded; skipped > 0; skipped--) expectations.created(key);
    if (error !== undefined) throw error;
  }

  async function remove(key: string, set: ReplicaSet, active: readonly Pod[], count: number): Promise<void> {
    const { namespace = "" } = set.metadata;
    const chosen =
      count < active.length ? mostDispensable(active, relatedPods(set), clock.now()).slice(0, count) : active;
    expectations.expectDeletions(
      key,
      chosen.map((pod) => pod.metadata.uid ?? ""),
    );
    const resource = client.resource<Pod>(PODS, namespace);
    const results = await Promise.allSettled(
      chosen.map(async ({ metadata: { name = "", uid = "" } }) => {
        try {
          await resource.delete(name);
          events.record(set, "Normal", "SuccessfulDelete", `Deleted pod: ${name}`);
        } catch (error) {
          expectations.deleted(key, uid);
          if (hasReason(error, "NotFound")) return;
          events.record(set, "Warning", "FailedDelete", `Error deleting: ${messageOf(error)}`);
          throw new Error(`unable to delete pods: ${messageOf(error)}`);
        }
      }),
    );
    const failed = results.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  /** Active pods of all sets with the same owner: a rollout's old and new ones crowd a node together. */
  function relatedPods(set: ReplicaSet): Pod[] {
    const owner = controllerOf(set);
    if (owner === undefined) return [];
    return setsOf.get(owner.uid).flatMap((other) => podsOf.get(other.metadata.uid ?? "").filter(isActive));
  }

  const { queue, finished } = startSync("replicaset", context, WORKERS, sync);
  const enqueue = (set: ReplicaSet) => queue.add(keyOf(set));
  /** For what one of its pods did. */
  const enqueueSoon = (set: ReplicaSet) =>
    queue.addAfter(keyOf(set), Math.min(PATIENCE_MOST, Math.floor((set.spec.replicas ?? 1) * PATIENCE_EACH)));

  /** The set a reference means, if it is still the same one. */
  const resolve = (namespace: string, owner: OwnerReference | undefined): ReplicaSet | undefined => {
    if (owner?.kind !== KIND.kind) return undefined;
    const set = sets.get(owner.name, namespace);
    return set?.metadata.uid === owner.uid ? set : undefined;
  };
  const ownerOf = (pod: Pod) => resolve(pod.metadata.namespace ?? "", controllerOf(pod));
  const enqueueMatching = (pod: Pod) => matching(setsIn, selectors, pod).forEach(enqueue);
  const gone = (pod: Pod) => {
    const set = ownerOf(pod);
    if (set === undefined) return;
    expectations.deleted(keyOf(set), pod.metadata.uid ?? "");
    enqueueSoon(set);
  };

  sets.subscribe({
    added: enqueue,
    updated: enqueue,
    deleted(set) {
      expectations.forget(keyOf(set));
      enqueue(set);
    },
  });
  pods.subscribe({
    added(pod) {
      if (pod.metadata.deletionTimestamp) return gone(pod);
      if (controllerOf(pod) === undefined) return enqueueMatching(pod);
      const set = ownerOf(pod);
      if (set === undefined) return;
      expectations.created(keyOf(set));
      enqueueSoon(set);
    },
    updated(pod, old) {
      if (pod.metadata.deletionTimestamp) return gone(pod);
      const [now, before] = [controllerOf(pod), controllerOf(old)];
      if (before !== undefined && before.uid !== now?.uid) {
        const left = ownerOf(old);
        if (left !== undefined) enqueue(left);
      }
      if (now === undefined) {
        const changed = before !== undefined || !sameLabels(pod.metadata.labels, old.metadata.labels);
        if (changed) enqueueMatching(pod);
        return;
      }
      const set = ownerOf(pod);
      if (set === undefined) return;
      enqueueSoon(set);
      const { minReadySeconds = 0 } = set.spec;
      if (minReadySeconds > 0 && isReady(pod) && !isReady(old)) queue.addAfter(keyOf(set), minReadySeconds * 1000);
    },
    deleted: gone,
  });
  await finished;
};

/** Pods without a controller are looked for by namespace. */
const orphanKey = (namespace: string) => `orphans of ${namespace}`;
const ownerKey = (pod: Pod) => controllerOf(pod)?.uid ?? orphanKey(pod.metadata.namespace ?? "");

/** Selectors, parsed once: they cannot change. One that is none matches nothing. */
function selectorCache(): (set: ReplicaSet) => LabelSelector {
  const known = new WeakMap<object, LabelSelector>();
  return (set) => {
    let selector = known.get(set.spec.selector);
    if (selector === undefined) {
      selector = labelSelectorFromObject(set.spec.selector);
      known.set(set.spec.selector, selector);
    }
    return selector;
  };
}

function matching(
  setsIn: Index<ReplicaSet>,
  selectors: (set: ReplicaSet) => LabelSelector,
  pod: Pod,
): readonly ReplicaSet[] {
  if (Object.keys(pod.metadata.labels ?? {}).length === 0) return [];
  return setsIn.get(pod.metadata.namespace ?? "").filter((set) => selectors(set).matches(pod.metadata.labels));
}

function sameLabels(a: Record<string, string> | undefined, b: Record<string, string> | undefined): boolean {
  const [first, second] = [Object.entries(a ?? {}), b ?? {}];
  return (
    first.length === Object.keys(second).length &&
    first.every(([name, value]) => Object.hasOwn(second, name) && second[name] === value)
  );
}

/** A pod as the template says, named after the set. */
function podOf(template: PodTemplate, set: ReplicaSet): Pod {
  const { name = "", uid = "" } = set.metadata;
  const { labels, annotations, finalizers } = template.metadata ?? {};
  const prefix = `${name}-`;
  return {
    metadata: {
      generateName: dns1123Subdomain(prefix, true).length === 0 ? prefix : name,
      ...(labels && { labels }),
      ...(annotations && { annotations }),
      ...(finalizers && { finalizers }),
      ownerReferences: [{ ...KIND, name, uid, controller: true, blockOwnerDeletion: true }],
    },
    ...(template.spec && { spec: template.spec }),
  };
}

async function writeStatus({ client }: ControllerContext, set: ReplicaSet, status: ReplicaSetStatus): Promise<void> {
  if (sameReplicaSetStatus(set.status, status)) return;
  const resource = client.resource<ReplicaSet>(REPLICA_SETS, set.metadata.namespace);
  try {
    await resource.updateStatus({ ...set, status });
  } catch (error) {
    if (hasReason(error, "NotFound")) return;
    if (!hasReason(error, "Conflict")) throw error;
    const fresh = await resource.get(set.metadata.name ?? "");
    if (fresh.metadata.uid === set.metadata.uid) await resource.updateStatus({ ...fresh, status });
  }
}

function isEndingNamespace(error: unknown): boolean {
  return (
    error instanceof StatusError &&
    (error.status.details?.causes?.some((cause) => cause.reason === "NamespaceTerminating") ?? false)
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
