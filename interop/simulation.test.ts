import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock, systemRandom } from "../src/api/machine.ts";
import type { KubeObject } from "../src/api/meta.ts";
import type { Client } from "../src/client/client.ts";
import { type Fleet, startFleet } from "../src/kubelet/index.ts";
import { startControlPlane, type TestControlPlane } from "../src/testing/control-plane.ts";
import { eventually } from "./story.ts";
import { openTarget, type Target } from "./target.ts";

const PODS = { group: "", version: "v1", resource: "pods" };
const NODES = { group: "", version: "v1", resource: "nodes" };
const EVENTS = { group: "", version: "v1", resource: "events" };
const DEPLOYMENTS = { group: "apps", version: "v1", resource: "deployments" };

let plane: TestControlPlane;
let fleet: Fleet;
let client: Client;
let target: Target;
beforeAll(async () => {
  plane = await startControlPlane({ workloads: true });
  client = plane.client();
  target = openTarget(plane.kubeconfig);
  const serving = await plane.pki.server("simulation", { dnsNames: [], ipAddresses: ["127.0.0.1"] });
  fleet = await startFleet({
    client: plane.client(),
    clock: systemClock,
    random: systemRandom,
    nodes: 2,
    tls: { cert: serving.cert, key: serving.keyPEM },
    version: "test",
  });
});
afterAll(async () => {
  await fleet.close();
  await plane.close();
});

async function deploy(name: string, replicas: number, annotations: Record<string, string> = {}): Promise<void> {
  const labels = { app: name };
  await client.resource(DEPLOYMENTS, "default").create({
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels, annotations: { "simulate.tenon.dev/startup": "100ms", ...annotations } },
        spec: { containers: [{ name: "main", image: "a:1" }] },
      },
    },
  });
}
const podsOf = async (name: string): Promise<KubeObject[]> =>
  (await client.resource(PODS, "default").list({ labelSelector: `app=${name}` })).items;
const running = (pods: KubeObject[]) => pods.filter((pod) => pod["status"]?.phase === "Running");

describe("simulated nodes", () => {
  it("are Ready, and take pods in turn until a Deployment is available", async () => {
    const nodes = (await client.resource(NODES).list()).items;
    expect(nodes.map(({ metadata }) => metadata.name)).toEqual(["simulated-0", "simulated-1"]);
    await deploy("web", 4);
    const pods = await eventually(
      () => podsOf("web"),
      (all) => running(all).length === 4,
    );
    expect(pods.map((pod) => pod["spec"].nodeName).sort()).toEqual([
      "simulated-0",
      "simulated-0",
      "simulated-1",
      "simulated-1",
    ]);
    expect(new Set(pods.map((pod) => pod["status"].podIP)).size).toBe(4);
    expect((await target.kubectl(["rollout", "status", "deploy/web", "--timeout=20s"])).code).toBe(0);
  });

  it("answer for their readings one by one, to those who may read them", async () => {
    const { host, port } = fleet.address;
    const kubelet = await import("node:https");
    const read = (path: string, credentials: object) =>
      new Promise<{ status: number; text: string }>((resolve, reject) => {
        kubelet
          .get({ host, port, path, ca: plane.pki.ca.cert, ...credentials }, (response) => {
            let text = "";
            response.on("data", (chunk) => {
              text += String(chunk);
            });
            response.once("end", () => resolve({ status: response.statusCode ?? 0, text }));
          })
          .once("error", reject);
      });
    const admin = { cert: plane.pki.admin.cert, key: plane.pki.admin.keyPEM };
    const { status, text } = await read("/nodes/simulated-0/metrics/resource", admin);
    expect(status).toBe(200);
    expect(
      text.match(/^container_cpu_usage_seconds_total\{container="main",namespace="default",pod="web-/gm),
    ).toHaveLength(2);
    expect((await read("/nodes/simulated-0/metrics/resource", {})).status).toBeGreaterThanOrEqual(401);
    expect((await read("/nodes/elsewhere/metrics/resource", admin)).status).toBe(404);
  });

  it("let go of pods that are deleted", async () => {
    await client.resource(DEPLOYMENTS, "default").delete("web");
    expect(
      await eventually(
        () => podsOf("web"),
        (all) => all.length === 0,
      ),
    ).toEqual([]);
  });

  it("that are cordoned take none, which the pod says; and do when they are free again", async () => {
    const cordon = (unschedulable: boolean) =>
      Promise.all(fleet.names.map((name) => client.resource(NODES).patch(name, "merge", { spec: { unschedulable } })));
    await cordon(true);
    await deploy("waits", 1);
    const message = "0/2 nodes are available: 2 node(s) were unschedulable.";
    const [pod] = await eventually(
      () => podsOf("waits"),
      ([one]) => one?.["status"]?.conditions?.length > 0,
    );
    expect(pod!["status"].conditions[0]).toMatchObject({
      type: "PodScheduled",
      status: "False",
      reason: "Unschedulable",
      message,
    });
    const events = await eventually(
      async () => (await client.resource(EVENTS, "default").list({ fieldSelector: "reason=FailedScheduling" })).items,
      (all) => all.length > 0,
    );
    expect(events.map((event) => event["message"])).toEqual([message]);
    await cordon(false);
    expect(
      running(
        await eventually(
          () => podsOf("waits"),
          (all) => running(all).length === 1,
        ),
      ),
    ).toHaveLength(1);
  });

  it("say on the pod what they cannot simulate", async () => {
    await deploy("wrong", 1, { "simulate.tenon.dev/cpu": "lots" });
    const events = await eventually(
      async () => (await client.resource(EVENTS, "default").list({ fieldSelector: "reason=InvalidSimulation" })).items,
      (all) => all.length > 0,
    );
    expect(events[0]!["message"]).toMatch(
      /^annotation simulate\.tenon\.dev\/cpu: "lots" cannot be used: a quantity such as /,
    );
    expect(
      running(
        await eventually(
          () => podsOf("wrong"),
          (all) => running(all).length === 1,
        ),
      ),
    ).toHaveLength(1);
  });
});
