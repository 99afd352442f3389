/**
 * Gives pods a node: of those where a pod fits, the one with the fewest.
 *
 * A small scheduler: node selectors, taints, requests of CPU and memory, the number of pods. It knows no affinity, topology spread, priority,
 * preemption or volumes; a pod that names another scheduler is left to that one.
 */
import { hasReason } from "../../api/status.ts";
import { formatTime } from "../../api/time.ts";
import { type Controller, type SyncResult, startSync } from "../controller.ts";
import { conditionOf, isActive, keyOf, NODES, PODS, type Pod, splitKey } from "../objects.ts";
import { misfit, type Node, type Room, requestsOf, unschedulable } from "./fit.ts";

const NAME = "default-scheduler";
const NOTHING: Room = { pods: 0, cpu: 0, memory: 0 };
/** A decision is made at once and counted before it is written; the writes may overlap. */
const WORKERS = 16;

export const scheduler: Controller = async (context) => {
  const { client, informers } = context;
  const { clock } = client;
  const pods = informers.of<Pod>(PODS);
  const nodes = informers.of<Node>(NODES);
  await informers.ready(pods, nodes);
  const events = context.recorder(NAME);
  const taken = new Taken();
  /** Pods that fit nowhere: they wait for something to change. */
  const waiting = new Set<string>();

  async function schedule(key: string): Promise<SyncResult> {
    const { namespace, name } = splitKey(key);
    const pod = pods.get(name, namespace);
    if (pod === undefined || !isOurs(pod)) return undefined;
    const { uid = "" } = pod.metadata;
    if (taken.has(uid)) return undefined;
    const asked = requestsOf(pod);
    const reasons: string[] = [];
    let best: { readonly name: string; readonly used: Room } | undefined;
    for (const node of nodes.list()) {
      const nodeName = node.metadata.name ?? "";
      const used = taken.on(nodeName);
      const why = misfit(pod, asked, node, used);
      if (why !== undefined) reasons.push(why);
      else if (best === undefined || used.pods < best.used.pods) best = { name: nodeName, used };
    }
    if (best === undefined) {
      waiting.add(key);
      await refuse(pod, unschedulable(reasons));
      return undefined;
    }
    taken.put(uid, best.name, asked);
    try {
      await client.resource(PODS, namespace).createSubresource(name, "binding", {
        apiVersion: "v1",
        kind: "Binding",
        metadata: { name, namespace, uid },
        target: { apiVersion: "v1", kind: "Node", name: best.name },
      });
    } catch (error) {
      taken.remove(uid);
      if (hasReason(error, "NotFound")) return undefined;
      throw error;
    }
    events.record(pod, "Normal", "Scheduled", `Successfully assigned ${key} to ${best.name}`);
    return undefined;
  }

  async function refuse(pod: Pod, message: string): Promise<void> {
    const before = conditionOf(pod.status?.conditions, "PodScheduled");
    if (before?.status === "False" && before.message === message) return;
    events.record(pod, "Warning", "FailedScheduling", message);
    const condition = {
      type: "PodScheduled",
      status: "False",
      reason: "Unschedulable",
      message,
      lastTransitionTime: before?.status === "False" ? before.lastTransitionTime : formatTime(clock.now()),
    };
    const { name = "", namespace, uid } = pod.metadata;
    await client
      .resource(PODS, namespace)
      .patch(name, "strategic", { metadata: { uid }, status: { conditions: [condition] } }, { subresource: "status" })
      .catch((error: unknown) => {
        if (!hasReason(error, "NotFound") && !hasReason(error, "Conflict")) throw error;
      });
  }

  const { queue, finished } = startSync("scheduler", context, WORKERS, schedule);
  const again = () => {
    for (const key of waiting) queue.add(key);
    waiting.clear();
  };
  const follow = (pod: Pod) => {
    const { uid = "" } = pod.metadata;
    const nodeName = pod.spec?.nodeName;
    if (nodeName && isActive(pod)) taken.put(uid, nodeName, requestsOf(pod));
    else if (nodeName) free(pod);
    else if (isOurs(pod)) queue.add(keyOf(pod));
  };
  const free = (pod: Pod) => {
    waiting.delete(keyOf(pod));
    // Its place may be just what another one waited for.
    if (taken.remove(pod.metadata.uid ?? "")) again();
  };
  pods.subscribe({
    added: follow,
    updated(pod, old) {
      // Our own condition about it changes nothing.
      const waits = !pod.spec?.nodeName && waiting.has(keyOf(pod));
      const same = pod.metadata.generation === old.metadata.generation && sameLabels(pod, old);
      if (!(waits && same)) follow(pod);
    },
    deleted: free,
  });
  nodes.subscribe({
    added: again,
    updated(node, old) {
      if (decides(node) !== decides(old)) again();
    },
    deleted: again,
  });
  await finished;
};

function isOurs(pod: Pod): boolean {
  const { nodeName, schedulerName = NAME, schedulingGates = [] } = pod.spec ?? {};
  return !nodeName && schedulerName === NAME && schedulingGates.length === 0 && isActive(pod);
}

const sameLabels = (a: Pod, b: Pod) => JSON.stringify(a.metadata.labels) === JSON.stringify(b.metadata.labels);

/** What of a node decides: heartbeats do not. */
function decides({ metadata, spec, status }: Node): string {
  const ready = conditionOf(status?.conditions, "Ready")?.status;
  return JSON.stringify([metadata.labels, spec?.unschedulable, spec?.taints, status?.allocatable, ready]);
}

/** What the pods of each node ask for, in sums that are kept and never counted anew. */
class Taken {
  readonly #pods = new Map<string, { readonly node: string; readonly asked: Room }>();
  readonly #nodes = new Map<string, Room>();

  has(uid: string): boolean {
    return this.#pods.has(uid);
  }

  on(node: string): Room {
    return this.#nodes.get(node) ?? NOTHING;
  }

  put(uid: string, node: string, asked: Room): void {
    const before = this.#pods.get(uid);
    if (before?.node === node) return;
    if (before !== undefined) this.remove(uid);
    this.#pods.set(uid, { node, asked });
    this.#add(node, asked, 1);
  }

  /** False when it was not there. */
  remove(uid: string): boolean {
    const before = this.#pods.get(uid);
    if (before === undefined) return false;
    this.#pods.delete(uid);
    this.#add(before.node, before.asked, -1);
    return true;
  }

  #add(node: string, { pods, cpu, memory }: Room, sign: 1 | -1): void {
    const sum = this.on(node);
    const next = { pods: sum.pods + sign * pods, cpu: sum.cpu + sign * cpu, memory: sum.memory + sign * memory };
    if (next.pods === 0) this.#nodes.delete(node);
    else this.#nodes.set(node, next);
  }
}
