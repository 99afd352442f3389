/** Walks the pods of simulated nodes through their lives: creating, running, ready, failing and starting again, deleted. */
import type { Clock } from "../../api/clock.ts";
import type { KubeObject } from "../../api/meta.ts";
import { hasReason } from "../../api/status.ts";
import { parseTime } from "../../api/time.ts";
import type { Client } from "../../client/client.ts";
import type { Lister } from "../../client/lister.ts";
import { createWorkQueue, runWorkers } from "../../client/queue.ts";
import type { EventRecorder } from "../../client/recorder.ts";
import type { ContainerReading, NodeReading } from "../exposition.ts";
import { backOff, type Life, podStatus, type Stage } from "./pod-status.ts";
import { type Settings, settingsOf } from "./settings.ts";
import { Loads, Usage } from "./usage.ts";

export interface SimulatedPodsOptions {
  readonly client: Client;
  readonly pods: Lister;
  /** Each node's address; the place in the list decides its pods' addresses. */
  readonly nodes: readonly { readonly name: string; readonly address: string }[];
  readonly events: EventRecorder;
  readonly signal: AbortSignal;
  onError(error: unknown): void;
}

export interface SimulatedPods {
  /** What a node's `/metrics/resource` says now; undefined for a node that is not ours. */
  readings(node: string): { readonly node: NodeReading; readonly containers: readonly ContainerReading[] } | undefined;
  /** Resolves when the signal has aborted and nothing is under way. */
  readonly finished: Promise<void>;
}

const PODS = { group: "", version: "v1", resource: "pods" };
const WORKERS = 16;
/** What a node uses for itself. */
const NODE_CORES = 0.05;
const NODE_BYTES = 256 * 1024 * 1024;
const OTHER_CONTAINER_BYTES = 4 * 1024 * 1024;

interface Simulated {
  readonly uid: string;
  readonly key: string;
  readonly name: string;
  readonly namespace: string;
  readonly node: NodeState;
  readonly settings: Settings;
  readonly containers: readonly string[];
  /** The load it shares; undefined without one. */
  readonly workload: string | undefined;
  life: Life;
  /** The stage the API knows of. */
  reported: Stage | undefined;
  endsAt: number | undefined;
  usage: Usage | undefined;
}

interface NodeState {
  readonly index: number;
  readonly address: string;
  readonly beganAt: number;
  readonly pods: Map<string, Simulated>;
  readonly addresses: Set<number>;
  /** Core-seconds of pods that are gone. */
  spent: number;
}

export function simulatePods(options: SimulatedPodsOptions): SimulatedPods {
  const { client, pods, events, signal, onError } = options;
  const clock: Clock = client.clock;
  const loads = new Loads();
  const nodes = new Map<string, NodeState>(
    options.nodes.map(({ name, address }, index) => [
      name,
      { index, address, beganAt: clock.now(), pods: new Map(), addresses: new Set(), spent: 0 },
    ]),
  );
  const lives = new Map<string, Simulated>();
  const queue = createWorkQueue({ clock, maxDelay: 30_000 });

  function begin(pod: KubeObject, key: string, node: NodeState): Simulated {
    const { uid = "", name = "", namespace = "" } = pod.metadata;
    const settings = settingsOf(pod);
    for (const problem of settings.problems) events.record(pod, "Warning", "InvalidSimulation", problem);
    const now = clock.now();
    const workload = settings.load && workloadOf(pod);
    const simulated: Simulated = {
      uid,
      key,
      name,
      namespace,
      node,
      settings,
      containers: (pod["spec"]?.containers ?? []).map((container: { name: string }) => container.name),
      workload,
      ...restored(pod, node, now),
      endsAt: undefined,
      usage: undefined,
    };
    lives.set(key, simulated);
    node.pods.set(key, simulated);
    const { stage, startedAt } = simulated.life;
    if (startedAt !== undefined && stage !== "crashed") run(simulated, startedAt, stage === "ready", now);
    return simulated;
  }

  /** Its containers run from `startedAt` on. */
  function run(simulated: Simulated, startedAt: number, serves: boolean, now: number): void {
    const { cpu, memory, load } = simulated.settings;
    stopRunning(simulated, now);
    const shared =
      load === undefined || simulated.workload === undefined
        ? undefined
        : loads.use(simulated.workload, load.text, load.curve, now);
    simulated.usage = new Usage(startedAt, cpu, memory, shared);
    simulated.usage.serve(serves, now);
  }

  function stopRunning(simulated: Simulated, now: number): void {
    if (simulated.usage === undefined) return;
    simulated.usage.serve(false, now);
    simulated.node.spent += simulated.usage.cpuSeconds(now);
    simulated.usage = undefined;
    if (simulated.workload !== undefined) loads.drop(simulated.workload);
  }

  function end(simulated: Simulated): void {
    stopRunning(simulated, clock.now());
    lives.delete(simulated.key);
    simulated.node.pods.delete(simulated.key);
    simulated.node.addresses.delete(Number(simulated.life.podIP.split(".").at(-1)));
  }

  /** The stage that is due, if one is. Answers with when the next one is, milliseconds of the clock. */
  function proceed(pod: KubeObject, simulated: Simulated, now: number): number | undefined {
    const { settings } = simulated;
    for (;;) {
      const { life } = simulated;
      const { stage, since } = life;
      const wait =
        stage === "creating"
          ? settings.startup
          : stage === "starting"
            ? settings.ready
            : stage === "ready"
              ? settings.crash
              : backOff(life.restarts);
      if (wait === undefined) return undefined;
      const due = since + wait;
      if (due > now) return due;
      if (stage === "creating" || stage === "crashed") {
        const restarts = life.restarts + (stage === "crashed" ? 1 : 0);
        simulated.life = { ...life, stage: "starting", since: due, startedAt: due, restarts };
        run(simulated, due, false, now);
        for (const name of simulated.containers) events.record(pod, "Normal", "Started", `Container started: ${name}`);
      } else if (stage === "starting") {
        simulated.life = { ...life, stage: "ready", since: due };
        simulated.usage?.serve(true, now);
      } else {
        simulated.life = { ...life, stage: "crashed", since: due };
        stopRunning(simulated, now);
        const message = "Back-off restarting failed container";
        events.record(pod, "Warning", "BackOff", message);
      }
    }
  }

  async function sync(key: string): Promise<void> {
    const slash = key.indexOf("/");
    const [namespace, name] = [key.slice(0, slash), key.slice(slash + 1)];
    const pod = pods.get(name, namespace);
    let simulated = lives.get(key);
    if (simulated !== undefined && simulated.uid !== pod?.metadata.uid) {
      end(simulated);
      simulated = undefined;
    }
    const node = nodes.get(pod?.["spec"]?.nodeName ?? "");
    const phase = pod?.["status"]?.phase;
    if (pod === undefined || node === undefined || phase === "Succeeded" || phase === "Failed") return;
    simulated ??= begin(pod, key, node);
    const now = clock.now();
    if (pod.metadata.deletionTimestamp) {
      const latest = parseTime(pod.metadata.deletionTimestamp) ?? now;
      const { shutdown } = simulated.settings;
      if (simulated.endsAt === undefined) {
        simulated.endsAt = now + shutdown;
        for (const container of simulated.containers) {
          events.record(pod, "Normal", "Killing", `Stopping container ${container}`);
        }
      }
      // Whatever time it would like, it has no more than its grace.
      const endsAt = Math.min(simulated.endsAt, latest);
      if (endsAt > now) return queue.addAfter(key, endsAt - now);
      await remove(pod);
      return;
    }
    const next = proceed(pod, simulated, now);
    if (next !== undefined) queue.addAfter(key, next - now);
    await report(pod, simulated);
  }

  async function report(pod: KubeObject, simulated: Simulated): Promise<void> {
    const { life } = simulated;
    if (simulated.reported === life.stage) return;
    const { uid } = pod.metadata;
    try {
      const patch = { metadata: { uid }, status: podStatus(pod, life) };
      await client
        .resource(PODS, simulated.namespace)
        .patch(simulated.name, "strategic", patch, { subresource: "status", signal });
      simulated.reported = life.stage;
    } catch (error) {
      if (!hasReason(error, "NotFound") && !hasReason(error, "Conflict")) throw error;
    }
  }

  async function remove(pod: KubeObject): Promise<void> {
    const { name = "", namespace = "", uid = "" } = pod.metadata;
    try {
      await client.resource(PODS, namespace).delete(name, { gracePeriodSeconds: 0, preconditions: { uid }, signal });
    } catch (error) {
      if (!hasReason(error, "NotFound") && !hasReason(error, "Conflict")) throw error;
    }
  }

  const enqueue = (pod: KubeObject) => {
    if (!nodes.has(pod["spec"]?.nodeName ?? "")) return;
    queue.add(`${pod.metadata.namespace ?? ""}/${pod.metadata.name ?? ""}`);
  };
  pods.subscribe({ added: enqueue, updated: enqueue, deleted: enqueue });
  if (signal.aborted) queue.shutDown();
  else signal.addEventListener("abort", () => queue.shutDown(), { once: true });
  const finished = runWorkers(queue, WORKERS, sync, (error) => {
    if (!signal.aborted) onError(error);
  });

  return {
    finished,
    readings(name) {
      const node = nodes.get(name);
      if (node === undefined) return undefined;
      const timestamp = clock.now();
      let cpuSeconds = node.spent + ((timestamp - node.beganAt) / 1000) * NODE_CORES;
      let workingSetBytes = NODE_BYTES;
      const containers: ContainerReading[] = [];
      for (const { usage, containers: names, name: pod, namespace } of node.pods.values()) {
        if (usage === undefined) continue;
        for (const [index, container] of names.entries()) {
          // The curves are those of the first; the others idle beside it.
          const cpu = index === 0 ? usage.cpuSeconds(timestamp) : 0;
          const memory = index === 0 ? usage.workingSetBytes(timestamp) : OTHER_CONTAINER_BYTES;
          cpuSeconds += cpu;
          workingSetBytes += memory;
          const startSeconds = usage.startedAt / 1000;
          containers.push({
            namespace,
            pod,
            container,
            timestamp,
            startSeconds,
            cpuSeconds: cpu,
            workingSetBytes: memory,
          });
        }
      }
      return { node: { timestamp, cpuSeconds, workingSetBytes }, containers };
    },
  };
}

/** Who shares a load: the pods of one controller; for those of a Deployment, whatever ReplicaSet they are of. */
function workloadOf({ metadata }: KubeObject): string {
  const { namespace = "", name = "", labels = {}, ownerReferences = [] } = metadata;
  const owner = ownerReferences.find(({ controller }) => controller === true);
  const suffix = `-${labels["pod-template-hash"] ?? ""}`;
  const base = owner?.name ?? name;
  const shared = suffix.length > 1 && base.endsWith(suffix) ? base.slice(0, -suffix.length) : base;
  return `${namespace}/${shared}`;
}

/** Where a pod was when an earlier process left it; a new one is at its beginning. */
function restored(pod: KubeObject, node: NodeState, now: number): Pick<Simulated, "life" | "reported"> {
  const status = pod["status"] ?? {};
  const container = status.containerStatuses?.[0];
  const podIP = takeAddress(node, status.podIP);
  const time = (text: string | undefined) => (text ? parseTime(text) : undefined);
  const seenAt = time(status.startTime);
  const base = { podIP, hostIP: node.address, restarts: container?.restartCount ?? 0, seenAt: seenAt ?? now };
  const startedAt = time(container?.state?.running?.startedAt);
  if (seenAt === undefined) {
    return { life: { ...base, stage: "creating", since: now, startedAt: undefined }, reported: undefined };
  }
  if (startedAt === undefined) {
    return { life: { ...base, stage: "creating", since: seenAt, startedAt: undefined }, reported: undefined };
  }
  const ready = (status.conditions ?? []).find((one: { type: string }) => one.type === "Ready");
  const stage = ready?.status === "True" ? "ready" : "starting";
  const since = stage === "ready" ? (time(ready.lastTransitionTime) ?? startedAt) : startedAt;
  return { life: { ...base, stage, since, startedAt }, reported: stage };
}

/** An address of the node's /24 that no other pod of it has; the old one if it had one there. */
function takeAddress(node: NodeState, before: string | undefined): string {
  const prefix = `10.${244 + ((node.index >> 8) % 12)}.${node.index & 255}`;
  let host = before?.startsWith(`${prefix}.`) ? Number(before.slice(prefix.length + 1)) : 2;
  while (node.addresses.has(host) && host < 254) host++;
  node.addresses.add(host);
  return `${prefix}.${host}`;
}
