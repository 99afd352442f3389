import { beforeEach, describe, expect, it } from "vitest";
import { eventRecorder } from "../../client/recorder.ts";
import type { ControllerContext } from "../controller.ts";
import { type Autoscaler, DEFAULT_OPTIONS } from "./autoscaler.ts";
import { type Autoscaling, openAutoscaling } from "./autoscaling.ts";
import { type FakeCluster, fakeCluster, told } from "./fake-cluster.test-support.ts";

let cluster: FakeCluster;
let autoscaling: Autoscaling;

async function open(): Promise<Autoscaling> {
  const context: ControllerContext = {
    client: cluster.client,
    informers: cluster.informers,
    recorder: (component) => eventRecorder(cluster.client, component),
    log: { info: () => {}, warn: () => {} },
    signal: new AbortController().signal,
  };
  const opened = await openAutoscaling(context, cluster.autoscalers, DEFAULT_OPTIONS);
  cluster.autoscalers.subscribe(opened);
  return opened;
}

beforeEach(async () => {
  cluster = fakeCluster();
  autoscaling = await open();
});

/** One look; the clock moves as far as it needs. Answers the error, if any. */
async function look(name: string): Promise<string | undefined> {
  let error: string | undefined;
  let over = false;
  const looking = autoscaling.look(`ns/${name}`).catch((thrown: Error) => {
    error = thrown.message;
  });
  void looking.then(() => {
    over = true;
  });
  for (let turn = 0; turn < 50 && !over; turn++) await cluster.clock.advance(10);
  await looking;
  // Events go out after it.
  await cluster.clock.advance(0);
  return error;
}

const replicasOf = (name: string) => cluster.scales.get(name)?.spec?.replicas;
const use = (name: string, ...cpu: string[]) => {
  for (const [index, one] of cpu.entries()) cluster.usage?.set(`${name}-${index}`, one);
};
const asked = (method: string, end: string) =>
  cluster.requests.filter((request) => request.method === method && request.path.split("?")[0]!.endsWith(end)).length;
/** What was written comes back by the watch. */
const deliver = (name: string) => cluster.autoscalers.apply("MODIFIED", cluster.statuses.get(name)!);

describe("a look", () => {
  it("scales up, says so, and writes nothing when nothing is new", async () => {
    cluster.target("web", 2, 2);
    use("web", "1", "1");
    cluster.autoscaler("web");
    expect(await look("web")).toBeUndefined();
    expect(replicasOf("web")).toBe(4);
    expect(cluster.events).toEqual([
      "Normal SuccessfulRescale: New size: 4; reason: cpu resource utilization (percentage of request) above target",
    ]);
    expect(cluster.statuses.get("web")!.status).toMatchObject({ currentReplicas: 2, desiredReplicas: 4 });
    cluster.target("web", 4, 4);
    use("web", "500m", "500m", "500m", "500m");
    deliver("web");
    await cluster.clock.advance(15_000);
    await look("web");
    deliver("web");
    const writes = asked("PUT", "/status");
    expect(writes).toBe(2);
    await cluster.clock.advance(15_000);
    await look("web");
    expect(asked("PUT", "/status")).toBe(writes);
    expect(asked("PUT", "/scale")).toBe(1);
  });

  it("goes on from what it wrote itself, even when the watch is slow", async () => {
    cluster.target("web", 1, 1);
    use("web", "500m");
    cluster.autoscaler("web");
    await look("web");
    await look("web");
    expect(asked("PUT", "/status")).toBe(1);
  });

  it("stabilised recommendations can raise, and a restart does not shrink at once", async () => {
    cluster.target("web", 8, 8);
    use("web", ...Array.from({ length: 8 }, () => "10m"));
    cluster.autoscaler("web");
    await look("web");
    expect(replicasOf("web")).toBe(8);
    expect(told(cluster, "web")).toContain("AbleToScale True ScaleDownStabilized");
    await cluster.clock.advance(299_000);
    await look("web");
    expect(replicasOf("web")).toBe(8);
    await cluster.clock.advance(2_000);
    await look("web");
    expect(replicasOf("web")).toBe(1);
    // Somebody set it back to less than what was asked a moment ago.
    cluster.target("web", 3, 3);
    cluster.usage!.clear();
    use("web", "500m", "500m", "500m");
    autoscaling = await open();
    await look("web");
    expect(replicasOf("web")).toBe(3);
  });

  it("an autoscaler that is gone is nothing to look at", async () => {
    expect(await look("nobody")).toBeUndefined();
    expect(cluster.requests).toEqual([]);
  });
});

describe("what goes wrong", () => {
  it("a conflict is tried again on what the other wrote, and told once", async () => {
    cluster.target("web", 2, 2);
    use("web", "1", "1");
    cluster.autoscaler("web");
    let conflicts = 3;
    cluster.intercept = ({ method, path }) =>
      method === "PUT" && path.endsWith("/scale") && conflicts-- > 0
        ? { status: 409, body: { kind: "Status", apiVersion: "v1", code: 409, reason: "Conflict", message: "again" } }
        : undefined;
    expect(await look("web")).toBeUndefined();
    expect([replicasOf("web"), asked("PUT", "/scale"), asked("GET", "/scale")]).toEqual([4, 4, 4]);
    expect(cluster.events.filter((event) => event.includes("Rescale"))).toHaveLength(1);
  });

  it("five conflicts are enough", async () => {
    cluster.target("web", 2, 2);
    use("web", "1", "1");
    cluster.autoscaler("web");
    cluster.intercept = ({ method, path }) =>
      method === "PUT" && path.endsWith("/scale")
        ? { status: 409, body: { kind: "Status", apiVersion: "v1", code: 409, reason: "Conflict", message: "again" } }
        : undefined;
    expect(await look("web")).toBe("failed to rescale Deployment/ns/web: again");
    expect(asked("PUT", "/scale")).toBe(5);
    expect(told(cluster, "web")).toContain("AbleToScale False FailedUpdateScale");
    expect(cluster.events.at(-1)).toMatch(
      /^Warning FailedRescale: New size: 4; reason: .* above target; error: again$/,
    );
  });

  it("without the Metrics API everything stays as it is, and counting goes on", async () => {
    cluster.target("web", 2, 2);
    use("web", "500m", "500m");
    cluster.autoscaler("web");
    await look("web");
    deliver("web");
    const before = cluster.statuses.get("web")!.status!;
    cluster.usage = undefined;
    await cluster.clock.advance(15_000);
    expect(await look("web")).toMatch(
      /^failed to compute desired number of replicas based on listed metrics for Deployment\/ns\/web: invalid metrics \(1 invalid out of 1\)/,
    );
    const after = cluster.statuses.get("web")!.status!;
    expect(replicasOf("web")).toBe(2);
    expect([after.desiredReplicas, after.currentMetrics]).toEqual([before.desiredReplicas, [{ type: "" }]]);
    expect(told(cluster, "web")).toContain("ScalingActive False FailedGetResourceMetric");
    cluster.usage = new Map();
    use("web", "1", "1");
    deliver("web");
    await cluster.clock.advance(2000);
    await look("web");
    expect(replicasOf("web")).toBe(4);
  });

  it.each<[string, string, string]>([
    ["no selector", "", "ScalingActive False InvalidSelector"],
    ["a selector nobody can read", "a in (", "ScalingActive False InvalidSelector"],
    ["a selector of nothing", "app=none", "ScalingActive False FailedGetResourceMetric"],
  ])("%s holds the target still", async (_, selector, condition) => {
    cluster.target("web", 2, 2);
    use("web", "1", "1");
    cluster.scales.set("web", { ...cluster.scales.get("web")!, status: { replicas: 2, selector } });
    cluster.autoscaler("web");
    expect(await look("web")).toBeDefined();
    expect(replicasOf("web")).toBe(2);
    expect(told(cluster, "web")).toContain(condition);
  });

  it.each<[string, Partial<Autoscaler["spec"]>, string[], number]>([
    ["a use beyond all numbers", {}, ["9223372036854775807", "1"], 2],
    ["a negative use", {}, ["-5", "-5"], 2],
    ["no use at all", {}, ["0", "0"], 2],
    ["a target beyond all numbers", averageOf("1e30"), ["1", "1"], 2],
    ["a target of almost nothing", averageOf("1n"), ["1", "1"], 4],
    ["a metric of no type", { metrics: [{ type: "Foo" }] }, ["1", "1"], 2],
    ["no metrics", { metrics: [] }, ["1", "1"], 2],
    ["a maximum below what is there", { maxReplicas: 1 }, ["1", "1"], 1],
    ["the largest maximum there is", { maxReplicas: 2147483647 }, ["2000", "2000"], 4],
    ["the largest minimum there is", { minReplicas: 2147483647, maxReplicas: 2147483647 }, ["1", "1"], 2147483647],
    [
      "policies that overflow",
      {
        maxReplicas: 20,
        behavior: {
          scaleUp: { policies: [{ type: "Percent", value: 2147483647, periodSeconds: 1800 }] },
          scaleDown: { policies: [{ type: "Pods", value: 2147483647, periodSeconds: 1800 }] },
        },
      },
      ["5", "5"],
      20,
    ],
    ["a behavior that says nothing", { behavior: {} }, ["1", "1"], 2],
    ["a negative tolerance", { behavior: { scaleUp: { tolerance: "-1" } } }, ["500m", "500m"], 2],
  ])("%s runs away with nothing", async (_, spec, cpu, expected) => {
    cluster.target("web", 2, 2);
    use("web", ...cpu);
    cluster.autoscaler("web", spec);
    await look("web");
    expect(replicasOf("web")).toBe(expected);
  });

  it("one metric that fails holds back, but does not hold down", async () => {
    cluster.target("web", 2, 2);
    const external = { type: "External", external: { metric: { name: "q" }, target: { type: "Value", value: "1" } } };
    const metrics = [external, ...cluster.autoscaler("other").spec.metrics!];
    cluster.autoscaler("web", { metrics });
    use("web", "1m", "1m");
    expect(await look("web")).toMatch(/^failed to compute/);
    expect(replicasOf("web")).toBe(2);
    use("web", "1", "1");
    await cluster.clock.advance(2000);
    expect(await look("web")).toMatch(
      /^invalid metrics \(1 invalid out of 2\), first error is: failed to get q external/,
    );
    expect(replicasOf("web")).toBe(4);
  });

  it("a status that cannot be written is told, and the scaling stands", async () => {
    cluster.target("web", 2, 2);
    use("web", "1", "1");
    cluster.autoscaler("web");
    cluster.intercept = ({ method, path }) =>
      method === "PUT" && path.endsWith("/status") ? { status: 500, body: "no" } : undefined;
    expect(await look("web")).toMatch(/^failed to update status for web: /);
    expect(replicasOf("web")).toBe(4);
    expect(cluster.events.some((event) => event.startsWith("Warning FailedUpdateStatus"))).toBe(true);
  });

  it("two at the same pods hold still until one is gone", async () => {
    cluster.target("web", 2, 2);
    use("web", "1", "1");
    const rival = cluster.autoscaler("rival", {
      scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "web" },
    });
    cluster.autoscaler("web");
    await look("rival");
    expect(await look("web")).toContain("pods by selector app=web are controlled by multiple HPAs: [ns/rival ns/web]");
    cluster.autoscalers.apply("DELETED", rival);
    expect(await look("web")).toBeUndefined();
    expect(told(cluster, "web")).toContain("ScalingActive True ValidMetricFound");
  });

  it("a broken autoscaler causes a burst of events, and then few", async () => {
    cluster.autoscaler("web");
    for (let round = 0; round < 60; round++) {
      await look("web");
      await cluster.clock.advance(1000);
    }
    const counted = asked("POST", "/events") + cluster.requests.filter(({ method }) => method === "PATCH").length;
    expect(counted).toBe(25);
  });
});

function averageOf(averageValue: string): Partial<Autoscaler["spec"]> {
  return { metrics: [{ type: "Resource", resource: { name: "cpu", target: { type: "AverageValue", averageValue } } }] };
}

describe("readings of a namespace", () => {
  const lists = () => cluster.requests.filter(({ path }) => path.startsWith("/apis/metrics.k8s.io/"));

  it("are read once for many, and again a second later", async () => {
    for (const name of ["a", "b", "c"]) {
      cluster.target(name, 1, 1);
      use(name, "500m");
      cluster.autoscaler(name);
    }
    for (const name of ["a", "b", "c"]) await look(name);
    expect(lists().map(({ path }) => path)).toEqual(["/apis/metrics.k8s.io/v1beta1/namespaces/ns/pods"]);
    await cluster.clock.advance(1000);
    await look("a");
    expect(lists()).toHaveLength(2);
    expect(told(cluster, "c")).toContain("ScalingActive True ValidMetricFound");
  });

  it("are asked for by selector where that is less", async () => {
    cluster.target("large", 50, 50);
    cluster.target("small", 1, 1);
    use("small", "500m");
    cluster.autoscaler("small");
    await look("small");
    expect(lists().map(({ path }) => path)).toEqual([
      "/apis/metrics.k8s.io/v1beta1/namespaces/ns/pods?labelSelector=app%3Dsmall",
    ]);
  });

  it("are asked for by selector when they do not say whose they are", async () => {
    cluster.target("web", 1, 1);
    use("web", "1");
    cluster.autoscaler("web");
    cluster.intercept = ({ path }) => {
      if (!path.startsWith("/apis/metrics.k8s.io/")) return undefined;
      const containers = [{ name: "c", usage: { cpu: "1" } }];
      return { body: { items: [{ metadata: { name: "web-0" }, timestamp: null, window: "15s", containers }] } };
    };
    await look("web");
    expect(lists()).toHaveLength(2);
    expect(replicasOf("web")).toBe(2);
  });
});
