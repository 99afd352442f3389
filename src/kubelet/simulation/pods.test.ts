import { beforeEach, describe, expect, it } from "vitest";
import type { KubeObject } from "../../api/meta.ts";
import { SimulatedClock, seededRandom } from "../../api/simulated.ts";
import { createClient } from "../../client/client.ts";
import { type ListerRegistry, listerRegistry } from "../../client/lister-registry.ts";
import { scriptedTransport } from "../../client/scripted.test-support.ts";
import { type SimulatedPods, simulatePods } from "./pods.ts";

const MEBIBYTE = 1024 ** 2;

/** A cluster of one pod at a time: what the kubelet writes is what it sees. */
let clock: SimulatedClock;
let registry: ListerRegistry;
let simulation: SimulatedPods;
let log: string[];
let stop: AbortController;
let version: number;

beforeEach(() => {
  clock = new SimulatedClock();
  log = [];
  version = 1;
  stop = new AbortController();
  registry = listerRegistry((error) => {
    throw error;
  });
  registry.replace([]);
  const transport = scriptedTransport(({ method, path, body }) => {
    const name = path.split("/")[6]!;
    const pod = registry.get(name, "n");
    if (pod === undefined) return { status: 404, body: { kind: "Status", code: 404, reason: "NotFound" } };
    if (method === "DELETE") {
      log.push(`delete ${name} at ${clock.monotonic()}`);
      registry.apply("DELETED", pod);
      return { body: {} };
    }
    const { status } = JSON.parse(String(body)) as { status: KubeObject["status"] };
    const [container] = status.containerStatuses;
    const state = container.state.waiting?.reason ?? (container.ready ? "ready" : "running");
    log.push(`${name} ${status.phase} ${state} ${container.restartCount} at ${clock.monotonic()}`);
    registry.apply("MODIFIED", changed(pod, { status }));
    return { body: {} };
  });
  const client = createClient(transport, { clock, random: seededRandom(1) });
  simulation = simulatePods({
    client,
    pods: registry,
    nodes: [
      { name: "one", address: "127.0.0.1" },
      { name: "two", address: "127.0.0.1" },
    ],
    events: {
      record: (about, type, reason, message) => log.push(`${type} ${reason} of ${about.metadata.name}: ${message}`),
      written: async () => {},
    },
    signal: stop.signal,
    onError: (error) => {
      throw error;
    },
  });
});

const changed = (pod: KubeObject, more: object): KubeObject => ({
  ...pod,
  ...more,
  metadata: { ...pod.metadata, resourceVersion: String(++version) },
});

function pod(name: string, annotations: Record<string, string> = {}, node = "one"): KubeObject {
  const short = Object.entries(annotations).map(([key, value]) => [`simulate.tenon.dev/${key}`, value]);
  return {
    metadata: {
      name,
      namespace: "n",
      uid: `uid of ${name}`,
      resourceVersion: String(++version),
      annotations: Object.fromEntries(short),
      labels: { "pod-template-hash": "abc" },
      ownerReferences: [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: "web-abc", uid: "r", controller: true }],
    },
    spec: { nodeName: node, containers: [{ name: "main", image: "a:1" }] },
    status: { phase: "Pending" },
  };
}
const add = (one: KubeObject) => registry.apply("ADDED", one);
const statuses = () => log.filter((line) => / at \d+$/.test(line));
const used = (node: string) => simulation.readings(node)!;

describe("a simulated pod", () => {
  it("is created, runs, gets ready, and ends when it is deleted", async () => {
    add(pod("a", { startup: "2s", ready: "3s", shutdown: "1s" }));
    await clock.advance(10_000);
    expect(statuses()).toEqual([
      "a Pending ContainerCreating 0 at 0",
      "a Running running 0 at 2000",
      "a Running ready 0 at 5000",
    ]);
    const status = registry.get("a", "n")!["status"];
    expect(status).toMatchObject({ podIP: "10.244.0.2", hostIP: "127.0.0.1", startTime: "2026-01-01T00:00:00Z" });
    expect(status.conditions.find((one: { type: string }) => one.type === "Ready")).toEqual({
      type: "Ready",
      status: "True",
      lastTransitionTime: "2026-01-01T00:00:05Z",
    });
    const going = changed(registry.get("a", "n")!, {});
    going.metadata.deletionTimestamp = "2026-01-01T00:00:40Z";
    registry.apply("MODIFIED", going);
    await clock.advance(5000);
    expect(statuses().at(-1)).toBe("delete a at 11000");
    await clock.advance(1000);
    expect(used("one").containers).toEqual([]);
  });

  it("has no more time to end than its grace", async () => {
    add(pod("a", { shutdown: "1h" }));
    await clock.advance(5000);
    const going = changed(registry.get("a", "n")!, {});
    going.metadata.deletionTimestamp = "2026-01-01T00:00:35Z";
    registry.apply("MODIFIED", going);
    await clock.advance(60_000);
    expect(statuses().at(-1)).toBe("delete a at 35000");
  });

  it("that fails is started again, after ever longer waits", async () => {
    add(pod("a", { startup: "1s", crash: "5s" }));
    await clock.advance(40_000);
    expect(statuses()).toEqual([
      "a Pending ContainerCreating 0 at 0",
      "a Running ready 0 at 1000",
      "a Running CrashLoopBackOff 0 at 6000",
      "a Running ready 1 at 16000",
      "a Running CrashLoopBackOff 1 at 21000",
    ]);
    expect(log.filter((line) => line.includes("BackOff of"))).toHaveLength(2);
  });

  it("says which annotations it cannot use", async () => {
    add(pod("a", { cpu: "much" }));
    await clock.advance(0);
    expect(log[0]).toMatch(
      /^Warning InvalidSimulation of a: annotation simulate\.tenon\.dev\/cpu: "much" cannot be used: /,
    );
  });

  it("of another node, or that has ended, is left alone", async () => {
    add(pod("other", {}, "elsewhere"));
    add({ ...pod("done"), status: { phase: "Succeeded" } });
    await clock.advance(10_000);
    expect(log).toEqual([]);
  });

  it("has an address of its own, and its node's", async () => {
    for (const name of ["a", "b"]) add(pod(name));
    add(pod("c", {}, "two"));
    await clock.advance(2000);
    const addresses = ["a", "b", "c"].map((name) => registry.get(name, "n")!["status"].podIP);
    expect(addresses).toEqual(["10.244.0.2", "10.244.0.3", "10.244.1.2"]);
  });

  it("is taken up where an earlier process left it", async () => {
    add(pod("a", { cpu: "2" }));
    await clock.advance(10_000);
    const before = registry.get("a", "n")!;
    log.length = 0;
    registry.replace([]);
    await clock.advance(0);
    add(before);
    await clock.advance(10_000);
    expect(statuses()).toEqual([]);
    // It has been running since one second after its start.
    expect(used("one").containers[0]).toMatchObject({ cpuSeconds: 38, startSeconds: clock.now() / 1000 - 19 });
  });
});

describe("readings", () => {
  it("follow the curves, and the node's never fall", async () => {
    add(pod("a", { cpu: "500m", memory: "steps(10Mi for 10s, 20Mi for 10s)" }));
    await clock.advance(11_000);
    const [reading] = used("one").containers;
    expect(reading).toMatchObject({
      namespace: "n",
      pod: "a",
      container: "main",
      cpuSeconds: 5,
      workingSetBytes: 20 * MEBIBYTE,
    });
    const before = used("one").node.cpuSeconds;
    registry.apply("DELETED", registry.get("a", "n")!);
    await clock.advance(0);
    expect(used("one").containers).toEqual([]);
    expect(used("one").node.cpuSeconds).toBeCloseTo(before, 9);
    expect(simulation.readings("elsewhere")).toBeUndefined();
  });

  it("share a load among all ready pods of a workload, on whatever node", async () => {
    const load = { startup: "1s", load: "1" };
    add(pod("a", load));
    await clock.advance(11_000);
    expect(used("one").containers[0]!.cpuSeconds).toBeCloseTo(10.01, 9);
    add(pod("b", load, "two"));
    await clock.advance(11_000);
    // One second alone, ten seconds with half of it.
    expect(used("one").containers[0]!.cpuSeconds).toBeCloseTo(16.021, 9);
    expect(used("two").containers[0]!.cpuSeconds).toBeCloseTo(5.01, 9);
  });
});

it("a simulation that stops has nothing under way", async () => {
  add(pod("a"));
  stop.abort();
  await simulation.finished;
  await clock.advance(60_000);
  expect(statuses().length).toBeLessThanOrEqual(1);
});
