import { describe, expect, it } from "vitest";
import type { JSONObject, KubeObject } from "../api/meta.ts";
import { type NodeFacts, nodeLabels, nodeStatus, sameStatus, stoppedStatus } from "./node-object.ts";

const NOW = Date.UTC(2026, 10, 22, 12, 0, 0);
const GIB = 2 ** 30;
const facts: NodeFacts = {
  name: "box",
  address: "127.0.0.1",
  port: 34567,
  version: "v1.36.0",
  machine: {
    cpus: 4,
    memoryBytes: 16 * GIB,
    operatingSystem: "linux",
    architecture: "amd64",
    osImage: "Some Linux",
    kernelVersion: "6.1",
    machineID: "m",
    bootID: "b",
  },
  disk: { totalBytes: 100 * GIB, freeBytes: 50 * GIB },
  freeMemoryBytes: 8 * GIB,
};
const conditionOf = (status: JSONObject, type: string) =>
  (status["conditions"] as JSONObject[]).find((condition) => condition["type"] === type);
const asNode = (status: JSONObject): KubeObject => ({ metadata: {}, status });

describe("a machine as a node", () => {
  it("says what it has and where it is", () => {
    expect(nodeStatus(facts, undefined, NOW)).toMatchObject({
      capacity: { cpu: "4", memory: "16Gi", pods: "110", "ephemeral-storage": "100Gi" },
      allocatable: { cpu: "4", memory: "16Gi", pods: "110", "ephemeral-storage": "100Gi" },
      addresses: [
        { type: "InternalIP", address: "127.0.0.1" },
        { type: "Hostname", address: "box" },
      ],
      daemonEndpoints: { kubeletEndpoint: { Port: 34567 } },
      nodeInfo: { kubeletVersion: "v1.36.0", architecture: "amd64", osImage: "Some Linux" },
    });
    expect(nodeLabels(facts)).toMatchObject({ "kubernetes.io/hostname": "box", "kubernetes.io/arch": "amd64" });
  });

  it.each([
    ["MemoryPressure", { freeMemoryBytes: 10 }, "True"],
    ["MemoryPressure", {}, "False"],
    ["DiskPressure", { disk: { totalBytes: 100, freeBytes: 9 } }, "True"],
    ["DiskPressure", {}, "False"],
    ["Ready", {}, "True"],
  ])("has %s with %o: %s", (type, changed, status) => {
    expect(conditionOf(nodeStatus({ ...facts, ...changed }, undefined, NOW), type)).toMatchObject({ status });
  });

  it("says nothing of a disk it cannot see", () => {
    const status = nodeStatus({ ...facts, disk: undefined }, undefined, NOW);
    expect(conditionOf(status, "DiskPressure")).toBeUndefined();
    expect(status["capacity"]).not.toHaveProperty("ephemeral-storage");
  });

  it("keeps the time of a condition that did not change, and beats", () => {
    const first = nodeStatus(facts, undefined, NOW);
    const later = nodeStatus({ ...facts, freeMemoryBytes: 1 }, asNode(first), NOW + 60_000);
    expect(conditionOf(later, "Ready")).toMatchObject({
      lastTransitionTime: "2026-11-22T12:00:00Z",
      lastHeartbeatTime: "2026-11-22T12:01:00Z",
    });
    expect(conditionOf(later, "MemoryPressure")?.["lastTransitionTime"]).toBe("2026-11-22T12:01:00Z");
    expect(sameStatus(first, nodeStatus(facts, asNode(first), NOW + 60_000))).toBe(true);
    expect(sameStatus(first, later)).toBe(false);
  });

  it("is not ready once stopped", () => {
    const status = stoppedStatus(asNode(nodeStatus(facts, undefined, NOW)), NOW + 1000);
    expect(conditionOf(status, "Ready")).toEqual({
      type: "Ready",
      status: "False",
      reason: "KubeletStopped",
      message: "kubelet was stopped",
      lastHeartbeatTime: "2026-11-22T12:00:01Z",
      lastTransitionTime: "2026-11-22T12:00:01Z",
    });
  });
});
