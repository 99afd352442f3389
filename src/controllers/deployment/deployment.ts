/** Replaces the pods of a Deployment step by step when its template changes, by sizing one ReplicaSet for each template. */
import type { OwnerReference } from "../../api/meta.ts";
import { labelSelectorFromObject } from "../../api/selectors.ts";
import { hasReason } from "../../api/status.ts";
import { indexBy } from "../../client/index-by.ts";
import { claim } from "../claims.ts";
import { type Controller, type SyncResult, startSync } from "../controller.ts";
import {
  controllerOf,
  DEPLOYMENTS,
  type Deployment,
  keyOf,
  PODS,
  type Pod,
  REPLICA_SETS,
  type ReplicaSet,
  splitKey,
} from "../objects.ts";
import { type RolloutWorld, rollout, selectsAll } from "./rollout.ts";
import { isRolling } from "./sizes.ts";

const KIND = { apiVersion: "apps/v1", kind: "Deployment" };
const WORKERS = 5;
const ENDED: ReadonlySet<string> = new Set(["Succeeded", "Failed"]);

export const deployments: Controller = async (context) => {
  const { client, informers } = context;
  const { clock } = client;
  const all = informers.of<Deployment>(DEPLOYMENTS);
  const sets = informers.of<ReplicaSet>(REPLICA_SETS);
  const pods = informers.of<Pod>(PODS);
  await informers.ready(all, sets, pods);
  const setsOf = indexBy(sets, (set) => [ownerKey(set)]);
  const podsOf = indexBy(pods, (pod) => {
    const controller = controllerOf(pod);
    return controller?.kind === "ReplicaSet" ? [controller.uid] : [];
  });
  const events = context.recorder("deployment-controller");

  async function sync(key: string): Promise<SyncResult> {
    const { namespace, name } = splitKey(key);
    const deployment = all.get(name, namespace);
    if (deployment === undefined) return undefined;
    const resource = client.resource<Deployment>(DEPLOYMENTS, namespace);
    if (selectsAll(deployment)) {
      const message = "This deployment is selecting all pods. A non-empty selector is required.";
      events.record(deployment, "Warning", "SelectingAll", message);
      const { generation = 0 } = deployment.metadata;
      if ((deployment.status?.observedGeneration ?? 0) < generation) {
        await resource.updateStatus({
          ...deployment,
          status: { ...deployment.status, observedGeneration: generation },
        });
      }
      return undefined;
    }
    const replicaSets = client.resource<ReplicaSet>(REPLICA_SETS, namespace);
    const { uid = "" } = deployment.metadata;
    const own = await claim<ReplicaSet>({
      owner: deployment,
      ownerKind: KIND,
      selector: labelSelectorFromObject(deployment.spec.selector),
      candidates: [...setsOf.get(uid), ...setsOf.get(orphanKey(namespace))],
      objects: replicaSets,
      owners: client.resource(DEPLOYMENTS, namespace),
    });
    const world: RolloutWorld = {
      now: clock.now(),
      findSet: (wanted) => sets.get(wanted, namespace),
      othersRun: (current) =>
        own.some(
          (set) =>
            set.metadata.uid !== current?.metadata.uid &&
            podsOf.get(set.metadata.uid ?? "").some((pod) => !ENDED.has(pod.status?.phase ?? "")),
        ),
      createSet: (set) => replicaSets.create(set),
      updateSet: (set) => replicaSets.update(set),
      async deleteSet(set) {
        await replicaSets.delete(set.metadata.name ?? "").catch((error: unknown) => {
          if (!hasReason(error, "NotFound")) throw error;
        });
      },
      updateStatus: (changed) => resource.updateStatus(changed),
      event: (type, reason, message) => events.record(deployment, type, reason, message),
    };
    const again = await rollout(deployment, own, world);
    return again === undefined ? undefined : { again };
  }

  const { queue, finished } = startSync("deployment", context, WORKERS, sync);
  const enqueue = (deployment: Deployment) => queue.add(keyOf(deployment));
  const resolve = (namespace: string, owner: OwnerReference | undefined): Deployment | undefined => {
    if (owner?.kind !== KIND.kind) return undefined;
    const deployment = all.get(owner.name, namespace);
    return deployment?.metadata.uid === owner.uid ? deployment : undefined;
  };
  /** The Deployments that might adopt an orphan. */
  const enqueueMatching = (set: ReplicaSet) => {
    const { labels, namespace } = set.metadata;
    if (labels === undefined) return;
    for (const deployment of all.list(namespace ?? "")) {
      if (!selectsAll(deployment) && labelSelectorFromObject(deployment.spec.selector).matches(labels)) {
        enqueue(deployment);
      }
    }
  };
  const enqueueOwner = (set: ReplicaSet) => {
    const deployment = resolve(set.metadata.namespace ?? "", controllerOf(set));
    if (deployment !== undefined) enqueue(deployment);
  };

  all.subscribe({ added: enqueue, updated: enqueue, deleted: enqueue });
  sets.subscribe({
    added(set) {
      if (controllerOf(set) !== undefined || set.metadata.deletionTimestamp) enqueueOwner(set);
      else enqueueMatching(set);
    },
    updated(set, old) {
      if (controllerOf(old)?.uid !== controllerOf(set)?.uid) enqueueOwner(old);
      if (controllerOf(set) !== undefined) enqueueOwner(set);
      else enqueueMatching(set);
    },
    deleted: enqueueOwner,
  });
  /** Recreate waits for the last pod of the old template. */
  const ended = (pod: Pod) => {
    const controller = controllerOf(pod);
    const set = controller && sets.get(controller.name, pod.metadata.namespace);
    if (set === undefined || set.metadata.uid !== controller?.uid) return;
    const deployment = resolve(pod.metadata.namespace ?? "", controllerOf(set));
    if (deployment !== undefined && !isRolling(deployment)) enqueue(deployment);
  };
  pods.subscribe({ deleted: ended });
  await finished;
};

const orphanKey = (namespace: string) => `orphans of ${namespace}`;
const ownerKey = (set: ReplicaSet) => controllerOf(set)?.uid ?? orphanKey(set.metadata.namespace ?? "");
