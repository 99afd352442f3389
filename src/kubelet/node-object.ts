/** This machine as a Node: labels, capacity, addresses and conditions as a kubelet reports them. */
import type { JSONObject, KubeObject } from "../api/meta.ts";
import { quantityOf } from "../api/quantity.ts";
import { formatTime } from "../api/time.ts";
import type { MachineFacts } from "./machine.ts";

export interface NodeFacts {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly version: string;
  readonly machine: MachineFacts;
  /** Of the disk that holds the data folder; undefined when it cannot be told. */
  readonly disk: { readonly totalBytes: number; readonly freeBytes: number } | undefined;
  /** What is not in use, bytes. */
  readonly freeMemoryBytes: number;
}

/** Pods a node holds at most, upstream's default. */
const MOST_PODS = 110;
/** Below this much free memory a kubelet begins to evict. */
const LEAST_MEMORY = 100 * 1024 * 1024;
/** Below this share of free disk a kubelet begins to evict. */
const LEAST_DISK = 0.1;

export function nodeLabels({ name, machine }: NodeFacts): Record<string, string> {
  const { operatingSystem, architecture } = machine;
  return {
    "beta.kubernetes.io/arch": architecture,
    "beta.kubernetes.io/os": operatingSystem,
    "kubernetes.io/arch": architecture,
    "kubernetes.io/hostname": name,
    "kubernetes.io/os": operatingSystem,
  };
}

interface Condition {
  type: string;
  status: string;
  reason: string;
  message: string;
  lastHeartbeatTime: string;
  lastTransitionTime: string;
}

/** `old`: the node as the API has it; conditions that did not change keep their time. `now`: milliseconds. */
export function nodeStatus(facts: NodeFacts, old: KubeObject | undefined, now: number): JSONObject {
  const { machine, disk } = facts;
  const resources: JSONObject = {
    cpu: String(machine.cpus),
    memory: quantityOf(Math.floor(machine.memoryBytes / 1024) * 1024, "BinarySI").toString(),
    pods: String(MOST_PODS),
  };
  if (disk !== undefined) resources["ephemeral-storage"] = quantityOf(disk.totalBytes, "BinarySI").toString();
  const lowMemory = facts.freeMemoryBytes < LEAST_MEMORY;
  const conditions = [
    lowMemory
      ? {
          type: "MemoryPressure",
          status: "True",
          reason: "KubeletHasInsufficientMemory",
          message: "kubelet has insufficient memory available",
        }
      : {
          type: "MemoryPressure",
          status: "False",
          reason: "KubeletHasSufficientMemory",
          message: "kubelet has sufficient memory available",
        },
    ...(disk === undefined
      ? []
      : [
          disk.freeBytes < disk.totalBytes * LEAST_DISK
            ? {
                type: "DiskPressure",
                status: "True",
                reason: "KubeletHasDiskPressure",
                message: "kubelet has disk pressure",
              }
            : {
                type: "DiskPressure",
                status: "False",
                reason: "KubeletHasNoDiskPressure",
                message: "kubelet has no disk pressure",
              },
        ]),
    { type: "Ready", status: "True", reason: "KubeletReady", message: "kubelet is posting ready status" },
  ].map((condition) => dated(condition, old, now));
  return {
    capacity: resources,
    allocatable: { ...resources },
    addresses: [
      { type: "InternalIP", address: facts.address },
      { type: "Hostname", address: facts.name },
    ],
    daemonEndpoints: { kubeletEndpoint: { Port: facts.port } },
    nodeInfo: {
      machineID: machine.machineID,
      systemUUID: machine.machineID,
      bootID: machine.bootID,
      kernelVersion: machine.kernelVersion,
      osImage: machine.osImage,
      containerRuntimeVersion: `process://${facts.version}`,
      kubeletVersion: facts.version,
      kubeProxyVersion: "",
      operatingSystem: machine.operatingSystem,
      architecture: machine.architecture,
    },
    conditions,
  } as unknown as JSONObject;
}

/** The last words of a node whose kubelet was told to stop. */
export function stoppedStatus(old: KubeObject | undefined, now: number): JSONObject {
  const condition = { type: "Ready", status: "False", reason: "KubeletStopped", message: "kubelet was stopped" };
  return { conditions: [dated(condition, old, now)] } as unknown as JSONObject;
}

/** Whether two statuses say the same, heartbeats aside. */
export function sameStatus(a: JSONObject, b: JSONObject): boolean {
  const withoutTimes = (status: JSONObject) =>
    JSON.stringify(status, (key, value: unknown) => (/^last(Heartbeat|Transition)Time$/.test(key) ? undefined : value));
  return withoutTimes(a) === withoutTimes(b);
}

function dated(
  condition: Omit<Condition, "lastHeartbeatTime" | "lastTransitionTime">,
  old: KubeObject | undefined,
  now: number,
): Condition {
  const conditions: readonly Condition[] = old?.["status"]?.conditions ?? [];
  const before = conditions.find(({ type }) => type === condition.type);
  const time = formatTime(now);
  const unchanged = before?.status === condition.status;
  return {
    ...condition,
    lastHeartbeatTime: time,
    lastTransitionTime: unchanged ? before.lastTransitionTime : time,
  };
}
