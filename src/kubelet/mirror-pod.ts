/** One of Tenon's own processes as a pod: what a kubelet shows of a static pod, which no API call started and none can stop. */
import type { KubeObject } from "../api/meta.ts";
import { formatTime } from "../api/time.ts";
import type { Part } from "./parts.ts";

export const NAMESPACE = "kube-system";
export const MIRROR_ANNOTATION = "kubernetes.io/config.mirror";

export interface Node {
  readonly name: string;
  readonly uid: string;
  readonly address: string;
  /** The version of the parts; their images are named after it. */
  readonly version: string;
}

interface Terminated {
  exitCode: number;
  reason: string;
  message: string;
  startedAt?: string | null;
  finishedAt: string;
  containerID: string;
}

interface ContainerState {
  running?: { startedAt: string | null };
  terminated?: Terminated;
}

export interface ContainerStatus {
  name: string;
  containerID?: string;
  restartCount: number;
  state?: ContainerState;
  lastState?: ContainerState;
}

export function mirrorPodName(part: string, node: string): string {
  return `tenon-${part}-${node}`;
}

export function mirrorPod(part: string, node: Node, now: number): KubeObject {
  return {
    metadata: {
      name: mirrorPodName(part, node.name),
      namespace: NAMESPACE,
      labels: { component: part, tier: "control-plane" },
      annotations: {
        "kubernetes.io/config.hash": `${part}-${node.version}`,
        [MIRROR_ANNOTATION]: `${part}-${node.version}`,
        "kubernetes.io/config.seen": formatTime(now),
        "kubernetes.io/config.source": "file",
      },
      ownerReferences: [{ apiVersion: "v1", kind: "Node", name: node.name, uid: node.uid, controller: true }],
    },
    spec: {
      containers: [
        { name: part, image: imageOf(node), imagePullPolicy: "IfNotPresent", command: ["tenon", part], resources: {} },
      ],
      nodeName: node.name,
      hostNetwork: true,
      enableServiceLinks: false,
      restartPolicy: "Always",
      tolerations: [{ effect: "NoExecute", operator: "Exists" }],
    },
  };
}

function imageOf({ version }: Node): string {
  return `tenon:${version}`;
}

/** The pod's status, or undefined when what is there says it already. `now`: milliseconds. */
export function mirrorStatus(part: Part, node: Node, pod: KubeObject, now: number): object | undefined {
  const containerID = `process://${part.pid}`;
  const old: ContainerStatus | undefined = pod["status"]?.containerStatuses?.[0];
  const running = part.reading !== undefined;
  const same = old?.containerID === containerID;
  if (same && (old.state?.running !== undefined) === running) return undefined;
  const time = formatTime(now);
  const startedAt = part.reading === undefined ? undefined : formatTime(part.reading.startSeconds * 1000);
  const oldStart = old?.state?.running?.startedAt ?? null;

  const restarted = old !== undefined && (!same || (old.state?.terminated !== undefined && running));
  const state: ContainerState =
    startedAt !== undefined
      ? { running: { startedAt } }
      : { terminated: gone(containerID, same ? oldStart : null, time) };
  const ended = old?.state?.terminated ?? (old?.containerID && gone(old.containerID, oldStart, time));
  const lastState: ContainerState = restarted && ended ? { terminated: ended } : (old?.lastState ?? {});
  const condition = (type: string, good: boolean) => ({
    type,
    status: good ? "True" : "False",
    lastTransitionTime: time,
    ...(!good && { reason: "PodFailed" }),
  });
  return {
    phase: running ? "Running" : "Failed",
    conditions: [
      condition("Initialized", true),
      condition("PodScheduled", true),
      condition("ContainersReady", running),
      condition("Ready", running),
    ],
    hostIP: node.address,
    hostIPs: [{ ip: node.address }],
    podIP: node.address,
    podIPs: [{ ip: node.address }],
    startTime: pod["status"]?.startTime ?? startedAt ?? time,
    qosClass: "BestEffort",
    containerStatuses: [
      {
        name: part.name,
        image: imageOf(node),
        imageID: "",
        containerID,
        ready: running,
        started: running,
        restartCount: (old?.restartCount ?? 0) + (restarted ? 1 : 0),
        state,
        lastState,
      },
    ],
  };
}

/** What can be said of a process that is no longer there: not how it ended. */
function gone(containerID: string, startedAt: string | null, finishedAt: string): Terminated {
  return {
    exitCode: 137,
    reason: "ContainerStatusUnknown",
    message: "the process is gone and its pid file is still there",
    startedAt,
    finishedAt,
    containerID,
  };
}
