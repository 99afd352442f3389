/** What a kubelet reports of a pod at each stage of its life. */
import type { JSONObject, KubeObject } from "../../api/meta.ts";
import { formatTime } from "../../api/time.ts";

export type Stage = "creating" | "starting" | "ready" | "crashed";

export interface Life {
  readonly stage: Stage;
  /** When the kubelet first saw the pod, and when the stage began, milliseconds. */
  readonly seenAt: number;
  readonly since: number;
  /** When its containers last started; undefined: not yet. */
  readonly startedAt: number | undefined;
  readonly restarts: number;
  readonly podIP: string;
  readonly hostIP: string;
}

interface Container {
  readonly name: string;
  readonly image?: string;
}

/** The seconds a container that fails again and again is kept from starting. */
export function backOff(restarts: number): number {
  return Math.min(10_000 * 2 ** Math.min(restarts, 10), 300_000);
}

export function podStatus(pod: KubeObject, life: Life): JSONObject {
  const ready = life.stage === "ready";
  const unready = ready ? {} : { reason: "ContainersNotReady", message: unreadyMessage(pod) };
  const condition = (type: string, good: boolean, since: number, why: object = {}) => ({
    type,
    status: good ? "True" : "False",
    lastTransitionTime: formatTime(since),
    ...why,
  });
  const running = life.stage !== "creating";
  return {
    phase: running ? "Running" : "Pending",
    conditions: [
      condition("PodReadyToStartContainers", running, running ? (life.startedAt ?? life.since) : life.seenAt),
      condition("Initialized", true, life.seenAt),
      condition("Ready", ready, life.since, unready),
      condition("ContainersReady", ready, life.since, unready),
      condition("PodScheduled", true, life.seenAt),
    ],
    hostIP: life.hostIP,
    hostIPs: [{ ip: life.hostIP }],
    ...(running && { podIP: life.podIP, podIPs: [{ ip: life.podIP }] }),
    startTime: formatTime(life.seenAt),
    containerStatuses: containersOf(pod).map((container) => containerStatus(pod, container, life)),
    ...(initContainersOf(pod).length > 0 && {
      initContainerStatuses: initContainersOf(pod).map((container) => finished(pod, container, life)),
    }),
  } as unknown as JSONObject;
}

const containersOf = (pod: KubeObject): readonly Container[] => pod["spec"]?.containers ?? [];
const initContainersOf = (pod: KubeObject): readonly Container[] => pod["spec"]?.initContainers ?? [];

function unreadyMessage(pod: KubeObject): string {
  return `containers with unready status: [${containersOf(pod)
    .map(({ name }) => name)
    .join(" ")}]`;
}

const idOf = (pod: KubeObject, { name }: Container, run: number) =>
  `simulated://${pod.metadata.uid ?? ""}/${name}/${run}`;

function containerStatus(pod: KubeObject, container: Container, life: Life): object {
  const { image = "", name } = container;
  const { stage, restarts } = life;
  const base = { name, image, imageID: "", restartCount: restarts };
  if (stage === "creating") {
    return {
      ...base,
      ready: false,
      started: false,
      state: { waiting: { reason: "ContainerCreating" } },
      lastState: {},
    };
  }
  const startedAt = formatTime(life.startedAt ?? life.since);
  if (stage === "crashed") {
    const failed = { exitCode: 1, reason: "Error", startedAt, finishedAt: formatTime(life.since) };
    const seconds = backOff(restarts) / 1000;
    const message = `back-off ${seconds}s restarting failed container=${name} pod=${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})`;
    return {
      ...base,
      containerID: idOf(pod, container, restarts),
      ready: false,
      started: false,
      state: { waiting: { reason: "CrashLoopBackOff", message } },
      lastState: { terminated: { ...failed, containerID: idOf(pod, container, restarts) } },
    };
  }
  const last = restarts === 0 ? {} : { terminated: { exitCode: 1, reason: "Error", finishedAt: startedAt, startedAt } };
  return {
    ...base,
    containerID: idOf(pod, container, restarts),
    ready: stage === "ready",
    started: true,
    state: { running: { startedAt } },
    lastState: last,
  };
}

function finished(pod: KubeObject, container: Container, { seenAt }: Life): object {
  const time = formatTime(seenAt);
  const containerID = idOf(pod, container, 0);
  return {
    name: container.name,
    image: container.image ?? "",
    imageID: "",
    containerID,
    ready: true,
    started: false,
    restartCount: 0,
    state: { terminated: { exitCode: 0, reason: "Completed", startedAt: time, finishedAt: time, containerID } },
    lastState: {},
  };
}
