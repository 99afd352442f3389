import { describe, expect, it } from "vitest";
import type { KubeObject } from "../api/meta.ts";
import { mirrorPod, mirrorStatus } from "./mirror-pod.ts";
import type { Part } from "./parts.ts";

const NOW = Date.UTC(2026, 10, 22, 12, 0, 0);
const node = { name: "box", uid: "node-uid", address: "127.0.0.1", version: "v1" };
const running = (pid: number, startSeconds = NOW / 1000 - 60): Part => ({
  name: "apiserver",
  pid,
  reading: { timestamp: NOW, cpuSeconds: 1, workingSetBytes: 1, startSeconds },
});
const killed = (pid: number): Part => ({ name: "apiserver", pid, reading: undefined });

/** The pod after each of these states of its process, one minute apart; undefined where nothing had to be written. */
function statusesThrough(...parts: Part[]) {
  let pod: KubeObject = mirrorPod("apiserver", node, NOW);
  const written: (KubeObject | undefined)[] = [];
  parts.forEach((part, minutes) => {
    const status = mirrorStatus(part, node, pod, NOW + minutes * 60_000) as KubeObject | undefined;
    if (status !== undefined) pod = { ...pod, status };
    written.push(status);
  });
  return written;
}

describe("a process as a pod", () => {
  it("belongs to its node and cannot be mistaken for one that the API started", () => {
    const { metadata, ["spec"]: spec } = mirrorPod("apiserver", node, NOW);
    expect(metadata).toMatchObject({
      name: "tenon-apiserver-box",
      namespace: "kube-system",
      labels: { component: "apiserver", tier: "control-plane" },
      ownerReferences: [{ kind: "Node", name: "box", uid: "node-uid", controller: true }],
    });
    expect(Object.keys(metadata.annotations ?? {})).toContain("kubernetes.io/config.mirror");
    expect(spec).toMatchObject({
      nodeName: "box",
      hostNetwork: true,
      containers: [{ name: "apiserver", image: "tenon:v1" }],
    });
  });

  it("runs since its process does", () => {
    expect(statusesThrough(running(7))[0]).toMatchObject({
      phase: "Running",
      startTime: "2026-11-22T11:59:00Z",
      podIP: "127.0.0.1",
      containerStatuses: [
        {
          ready: true,
          restartCount: 0,
          containerID: "process://7",
          state: { running: { startedAt: "2026-11-22T11:59:00Z" } },
          lastState: {},
        },
      ],
    });
  });

  it("is written once as long as nothing changes", () => {
    expect(statusesThrough(running(7), running(7), running(7)).map((status) => status !== undefined)).toEqual([
      true,
      false,
      false,
    ]);
    expect(statusesThrough(killed(7), killed(7)).map((status) => status !== undefined)).toEqual([true, false]);
  });

  it("has failed when it was killed, and says when that was seen", () => {
    const [, status, again] = statusesThrough(running(7), killed(7), killed(7));
    expect(again).toBeUndefined();
    expect(status).toMatchObject({
      phase: "Failed",
      containerStatuses: [
        {
          ready: false,
          restartCount: 0,
          state: {
            terminated: {
              reason: "ContainerStatusUnknown",
              startedAt: "2026-11-22T11:59:00Z",
              finishedAt: "2026-11-22T12:01:00Z",
              containerID: "process://7",
            },
          },
        },
      ],
    });
    const conditions: { type: string; status: string }[] = status?.["conditions"];
    expect(conditions.find(({ type }) => type === "Ready")?.status).toBe("False");
  });

  it.each([
    ["another process in its place", [running(7), running(8)]],
    ["a new process after it was killed", [running(7), killed(7), running(8)]],
    ["the same id again after it was killed", [running(7), killed(7), running(7)]],
  ])("counts %s as a restart", (_, parts) => {
    const last = statusesThrough(...parts).at(-1);
    expect(last).toMatchObject({
      phase: "Running",
      containerStatuses: [{ restartCount: 1, lastState: { terminated: { containerID: "process://7" } } }],
    });
  });

  it("counts on", () => {
    const written = statusesThrough(running(1), running(2), killed(2), running(3), running(4));
    expect(written.map((status) => status?.["containerStatuses"][0].restartCount)).toEqual([0, 1, 1, 2, 3]);
  });
});
