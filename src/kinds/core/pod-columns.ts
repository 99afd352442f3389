/** A Pod as `kubectl get` prints it: ready counts, one word for its state, restarts and when the last one was. */
import { NONE } from "../../api/table.ts";
import { parseTime } from "../../api/time.ts";
import type { TableColumns } from "../../server/resource.ts";
import { AGE_COLUMN, age, column, NAME_COLUMN, since } from "../columns.ts";
import type { ContainerStateTerminated, ContainerStatus, Pod } from "../generated/types.ts";

interface Restarts {
  count: number;
  /** RFC 3339, "" when never. */
  last: string;
}

interface Summary {
  reason: string;
  ready: number;
  restarts: Restarts;
}

function countRestarts(restarts: Restarts, status: ContainerStatus): void {
  restarts.count += status.restartCount ?? 0;
  const finished = status.lastState?.terminated?.finishedAt ?? "";
  const known = restarts.last === "" ? Number.NEGATIVE_INFINITY : (parseTime(restarts.last) ?? 0);
  const at = finished === "" ? undefined : parseTime(finished);
  if (at !== undefined && at > known) restarts.last = finished;
}

function endReason(terminated: ContainerStateTerminated): string {
  if (terminated.reason) return terminated.reason;
  return terminated.signal ? `Signal:${terminated.signal}` : `ExitCode:${terminated.exitCode ?? 0}`;
}

function hasCondition(pod: Pod, type: string): boolean {
  return (pod.status?.conditions ?? []).some((condition) => condition.type === type && condition.status === "True");
}

/** What the init containers make of it; `initializing` when one of them still holds the pod up. */
function initSummary(pod: Pod, sidecars: ReadonlySet<string>, start: string) {
  const all: Restarts = { count: 0, last: "" };
  const ofSidecars: Restarts = { count: 0, last: "" };
  let ready = 0;
  const statuses = pod.status?.initContainerStatuses ?? [];
  for (const [index, status] of statuses.entries()) {
    countRestarts(all, status);
    const sidecar = sidecars.has(status.name);
    if (sidecar) countRestarts(ofSidecars, status);
    const { terminated, waiting } = status.state ?? {};
    if (terminated && (terminated.exitCode ?? 0) === 0) continue;
    if (sidecar && status.started) {
      if (status.ready) ready += 1;
      continue;
    }
    let reason = `Init:${index}/${pod.spec.initContainers?.length ?? 0}`;
    if (terminated) reason = `Init:${endReason(terminated)}`;
    else if (waiting?.reason && waiting.reason !== "PodInitializing") reason = `Init:${waiting.reason}`;
    return { initializing: true, reason, ready, all, ofSidecars };
  }
  return { initializing: false, reason: start, ready, all, ofSidecars };
}

function summarize(pod: Pod): Summary {
  const phase = pod.status?.phase ?? "";
  let start = pod.status?.reason || phase;
  for (const condition of pod.status?.conditions ?? []) {
    if (condition.type === "PodScheduled" && condition.reason === "SchedulingGated") start = "SchedulingGated";
  }
  const sidecars = new Set(
    (pod.spec.initContainers ?? [])
      .filter((container) => container.restartPolicy === "Always")
      .map((container) => container.name),
  );
  const init = initSummary(pod, sidecars, start);
  let { reason, ready } = init;
  let restarts = init.all;
  if (!init.initializing || hasCondition(pod, "Initialized")) {
    restarts = init.ofSidecars;
    let running = false;
    let failure = "";
    for (const status of (pod.status?.containerStatuses ?? []).toReversed()) {
      countRestarts(restarts, status);
      const { waiting, terminated } = status.state ?? {};
      if (waiting?.reason) reason = waiting.reason;
      else if (terminated) {
        reason = endReason(terminated);
        if ((terminated.exitCode ?? 0) !== 0) failure = reason;
      } else if (status.ready && status.state?.running) {
        running = true;
        ready += 1;
      }
    }
    if (reason === "Completed") {
      if (running && hasCondition(pod, "Ready")) reason = "Running";
      else if (failure !== "") reason = failure;
      else if (running) reason = "NotReady";
    }
  }
  if (pod.metadata.deletionTimestamp) {
    if (pod.status?.reason === "NodeLost") reason = "Unknown";
    else if (phase !== "Failed" && phase !== "Succeeded") reason = "Terminating";
  }
  return { reason, ready, restarts };
}

function gatesCell(pod: Pod): string {
  const gates = pod.spec.readinessGates ?? [];
  if (gates.length === 0) return NONE;
  const conditions = pod.status?.conditions ?? [];
  const open = gates.filter(
    (gate) => conditions.find((condition) => condition.type === gate.conditionType)?.status === "True",
  );
  return `${open.length}/${gates.length}`;
}

export const podTable: TableColumns<Pod> = {
  columns: [
    NAME_COLUMN,
    column("Ready", "Containers that are ready, of all."),
    column("Status", "The state of the pod and its containers in one word."),
    column("Restarts", "How often containers were restarted, and when the last one was."),
    AGE_COLUMN,
    column("IP", "The address of the pod.", true),
    column("Node", "Where it runs.", true),
    column("Nominated Node", "Where it will run once others have left.", true),
    column("Readiness Gates", "Conditions that are true, of those it waits for.", true),
  ],
  cells(pod, now) {
    const { reason, ready, restarts } = summarize(pod);
    const sidecars = (pod.spec.initContainers ?? []).filter((container) => container.restartPolicy === "Always");
    const total = (pod.spec.containers ?? []).length + sidecars.length;
    const ago = restarts.count !== 0 && restarts.last !== "" ? ` (${since(restarts.last, now)} ago)` : "";
    return [
      pod.metadata.name ?? "",
      `${ready}/${total}`,
      reason,
      `${restarts.count}${ago}`,
      age(pod, now),
      pod.status?.podIPs?.[0]?.ip || pod.status?.podIP || NONE,
      pod.spec.nodeName || NONE,
      pod.status?.nominatedNodeName || NONE,
      gatesCell(pod),
    ];
  },
  conditions(pod) {
    const phase = pod.status?.phase;
    if (phase !== "Succeeded" && phase !== "Failed") return [];
    const how = phase === "Succeeded" ? "The pod has completed successfully." : "The pod failed.";
    return [{ type: "Completed", status: "True", reason: phase, message: how }];
  },
};
