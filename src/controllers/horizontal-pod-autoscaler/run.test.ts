import { expect, it } from "vitest";
import { eventRecorder } from "../../client/recorder.ts";
import type { ControllerContext } from "../controller.ts";
import type { Autoscaler } from "./autoscaler.ts";
import { type FakeCluster, fakeCluster } from "./fake-cluster.test-support.ts";
import { horizontalPodAutoscaler } from "./index.ts";

function begin(cluster: FakeCluster) {
  const stopping = new AbortController();
  const warnings: object[] = [];
  const context: ControllerContext = {
    client: cluster.client,
    informers: cluster.informers,
    recorder: (component) => eventRecorder(cluster.client, component),
    log: { info: () => {}, warn: (fields) => void warnings.push(fields) },
    signal: stopping.signal,
  };
  const running = horizontalPodAutoscaler()(context);
  return {
    warnings,
    async stop() {
      stopping.abort(new Error("over"));
      await cluster.clock.advance(0);
      await running;
    },
  };
}

const looks = (cluster: FakeCluster, name: string) =>
  cluster.requests.filter(({ path, method }) => method === "GET" && path.endsWith(`/${name}/scale`)).length;
const settle = async (cluster: FakeCluster, milliseconds = 0) => {
  await cluster.clock.advance(milliseconds);
  // The module of the controller proper is loaded now.
  await import("./run.ts");
  await cluster.clock.advance(0);
};

it("asks for nothing while there is no autoscaler, and ends when told", async () => {
  const cluster = fakeCluster();
  const controller = begin(cluster);
  await cluster.clock.advance(600_000);
  expect(cluster.requests).toEqual([]);
  await controller.stop();
  expect(cluster.clock.waiting).toBe(0);
});

it("those there at the start are spread over a period, then each has its turn", async () => {
  const cluster = fakeCluster();
  for (const name of ["a", "b", "c"]) {
    cluster.target(name, 1, 1);
    cluster.autoscaler(name);
  }
  const controller = begin(cluster);
  await settle(cluster);
  const counts = () => ["a", "b", "c"].map((name) => looks(cluster, name));
  expect(counts()).toEqual([1, 0, 0]);
  await cluster.clock.advance(5000);
  expect(counts()).toEqual([1, 1, 0]);
  await cluster.clock.advance(5000);
  expect(counts()).toEqual([1, 1, 1]);
  await cluster.clock.advance(15_000);
  expect(counts()).toEqual([2, 2, 2]);
  await controller.stop();
});

it("a new one and a changed one are looked at at once, a new status is not", async () => {
  const cluster = fakeCluster();
  cluster.target("a", 1, 1);
  const controller = begin(cluster);
  await settle(cluster);
  const made = cluster.autoscaler("a");
  await settle(cluster);
  expect(looks(cluster, "a")).toBe(1);
  const version = (resourceVersion: string, change: Partial<Autoscaler>): Autoscaler => ({
    ...made,
    ...change,
    metadata: { ...made.metadata, resourceVersion },
  });
  cluster.autoscalers.apply("MODIFIED", version("5001", { status: { desiredReplicas: 1, currentMetrics: null } }));
  await settle(cluster);
  expect(looks(cluster, "a")).toBe(1);
  cluster.autoscalers.apply("MODIFIED", version("5002", { spec: { ...made.spec, maxReplicas: 5 } }));
  await settle(cluster);
  expect(looks(cluster, "a")).toBe(2);
  expect(controller.warnings).toHaveLength(2);
  await controller.stop();
});

it("one that is gone is forgotten", async () => {
  const cluster = fakeCluster();
  cluster.target("a", 1, 1);
  const controller = begin(cluster);
  const made = cluster.autoscaler("a");
  await settle(cluster);
  cluster.autoscalers.apply("DELETED", made);
  await cluster.clock.advance(60_000);
  expect(looks(cluster, "a")).toBe(1);
  await controller.stop();
});
