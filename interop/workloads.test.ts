/**
 * What a cluster's controllers make of workloads: a control plane started for the run, or any in `TENON_WORKLOADS_KUBECONFIG` whose
 * controllers run (`node tools/peers/start.ts --workloads`). There is no kubelet: the test says which pods are ready.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KubeObject } from "../src/api/meta.ts";
import { startControlPlane } from "../src/testing/control-plane.ts";
import { eventually } from "./story.ts";
import { openTarget, type Target, uniqueName } from "./target.ts";

let target: Target;
let close: () => Promise<void> = async () => {};
const namespace = uniqueName("workloads");
const other = uniqueName("workloads");
/** What runs instead of a kubelet: pods whose labels have `ready: "true"` are made ready. */
let kubelet: NodeJS.Timeout;

beforeAll(async () => {
  let kubeconfig = process.env["TENON_WORKLOADS_KUBECONFIG"];
  if (kubeconfig === undefined) {
    const plane = await startControlPlane({ workloads: true });
    kubeconfig = plane.kubeconfig;
    close = plane.close;
  }
  target = openTarget(kubeconfig);
  for (const name of [namespace, other])
    await target.call("POST", "/api/v1/namespaces", { body: { metadata: { name } } });
  kubelet = setInterval(() => void makeReady().catch(() => {}), 100);
});
afterAll(async () => {
  clearInterval(kubelet);
  for (const name of [namespace, other]) await target.call("DELETE", `/api/v1/namespaces/${name}`);
  await close();
});

const core = (resource: string, space = namespace) => `/api/v1/namespaces/${space}/${resource}`;
const apps = (resource: string) => `/apis/apps/v1/namespaces/${namespace}/${resource}`;
const items = async (path: string): Promise<KubeObject[]> => (await target.call("GET", path)).json.items ?? [];
const get = async (path: string): Promise<KubeObject> => (await target.call("GET", path)).json;
const until = (path: string, good: (object: KubeObject) => boolean, seconds = 8) =>
  eventually(() => get(path), good, seconds);
const goneBy = async (path: string, seconds = 8) =>
  (
    await eventually(
      () => target.call("GET", path),
      ({ status }) => status === 404,
      seconds,
    )
  ).status;
const kubectl = async (...args: string[]) => {
  const { code, stdout, stderr } = await target.kubectl(["-n", namespace, ...args]);
  return { code, text: stdout + stderr };
};

let addresses = 1;
async function makeReady(): Promise<void> {
  for (const pod of await items(`${core("pods")}?labelSelector=ready%3Dtrue`)) {
    if (pod["status"]?.conditions?.some((one: { type: string }) => one.type === "Ready")) continue;
    const lastTransitionTime = new Date().toISOString().replace(/\.\d+/, "");
    const podIP = `10.1.0.${addresses++}`;
    const body = {
      status: {
        phase: "Running",
        podIP,
        podIPs: [{ ip: podIP }],
        conditions: [{ type: "Ready", status: "True", lastTransitionTime }],
      },
    };
    await target.call("PATCH", `${core("pods")}/${pod.metadata.name}/status`, {
      body,
      contentType: "application/merge-patch+json",
    });
  }
}

const patch = (path: string, body: unknown) =>
  target.call("PATCH", path, { body, contentType: "application/merge-patch+json" });

const template = (name: string, image = "example.com/a:1", labels: Record<string, string> = { ready: "true" }) => ({
  metadata: { labels: { app: name, ...labels } },
  spec: { containers: [{ name: "main", image }], terminationGracePeriodSeconds: 0 },
});

async function deploy(name: string, spec: object = {}, labels?: Record<string, string>): Promise<void> {
  const body = {
    metadata: { name },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: name } },
      template: template(name, undefined, labels),
      ...spec,
    },
  };
  const made = await target.call("POST", apps("deployments"), { body });
  expect(made.status).toBe(201);
}

const complete = (name: string) =>
  until(`${apps("deployments")}/${name}`, ({ metadata, spec, status }) => {
    const all = [status?.replicas, status?.updatedReplicas, status?.availableReplicas];
    return (
      status?.observedGeneration === metadata.generation && all.every((count) => (count ?? 0) === spec["replicas"])
    );
  });

const setsOf = (name: string) => items(`${apps("replicasets")}?labelSelector=app%3D${name}`);
const podsOf = (name: string) => items(`${core("pods")}?labelSelector=app%3D${name}`);
const byRevision = (sets: KubeObject[]) =>
  sets
    .map((set) => [set.metadata.annotations?.["deployment.kubernetes.io/revision"], set["spec"].replicas])
    .sort((a, b) => (a[0] < b[0] ? -1 : 1));

async function eventsOf(name: string, reason: string): Promise<string[]> {
  const all = await items(`${core("events")}?fieldSelector=involvedObject.name%3D${name},reason%3D${reason}`);
  return all.map((event) => event["message"]);
}

describe("a Deployment", () => {
  const name = "web";

  it("makes a ReplicaSet, which makes pods, and says when they are available", async () => {
    await deploy(name);
    const { status, metadata } = await complete(name);
    expect(metadata.annotations).toMatchObject({ "deployment.kubernetes.io/revision": "1" });
    expect(status).toMatchObject({ replicas: 3, updatedReplicas: 3, readyReplicas: 3, availableReplicas: 3 });
    const done = await until(`${apps("deployments")}/${name}`, (one) =>
      one["status"].conditions.some((condition: { reason: string }) => condition.reason === "NewReplicaSetAvailable"),
    );
    const [set] = await setsOf(name);
    const hash = set!.metadata.labels?.["pod-template-hash"];
    expect(set!.metadata.name).toBe(`${name}-${hash}`);
    expect(set!.metadata.annotations).toEqual({
      "deployment.kubernetes.io/desired-replicas": "3",
      "deployment.kubernetes.io/max-replicas": "4",
      "deployment.kubernetes.io/revision": "1",
    });
    expect(set!.metadata.ownerReferences).toEqual([
      {
        apiVersion: "apps/v1",
        kind: "Deployment",
        name,
        uid: metadata.uid,
        controller: true,
        blockOwnerDeletion: true,
      },
    ]);
    expect(set!["spec"].selector).toEqual({ matchLabels: { app: name, "pod-template-hash": hash } });
    const said = (done["status"].conditions as { type: string; status: string; reason: string; message: string }[]).map(
      ({ type, status, reason, message }) => [type, status, reason, message],
    );
    expect(said.sort()).toEqual([
      ["Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability."],
      [
        "Progressing",
        "True",
        "NewReplicaSetAvailable",
        `ReplicaSet "${set!.metadata.name}" has successfully progressed.`,
      ],
    ]);
    for (const pod of await podsOf(name)) {
      expect(pod.metadata.generateName).toBe(`${set!.metadata.name}-`);
      expect(pod.metadata.labels?.["pod-template-hash"]).toBe(hash);
      expect(pod.metadata.ownerReferences?.[0]).toMatchObject({
        kind: "ReplicaSet",
        name: set!.metadata.name,
        controller: true,
      });
    }
    expect(
      await eventually(
        () => eventsOf(name, "ScalingReplicaSet"),
        (all) => all.length > 0,
      ),
    ).toEqual([`Scaled up replica set ${set!.metadata.name} from 0 to 3`]);
    const created = await eventually(
      () => eventsOf(set!.metadata.name!, "SuccessfulCreate"),
      (all) => all.length === 3,
    );
    expect(created.sort()).toEqual((await podsOf(name)).map((pod) => `Created pod: ${pod.metadata.name}`).sort());
  });

  it("replaces its pods when its template changes, and goes back", async () => {
    expect((await kubectl("set", "image", `deploy/${name}`, "main=example.com/a:2")).code).toBe(0);
    expect(await kubectl("rollout", "status", `deploy/${name}`, "--timeout=25s")).toMatchObject({ code: 0 });
    await complete(name);
    expect(byRevision(await setsOf(name))).toEqual([
      ["1", 0],
      ["2", 3],
    ]);
    const history = (await kubectl("rollout", "history", `deploy/${name}`)).text;
    expect(history).toMatch(/^1 .*\n2 /m);
    expect((await kubectl("rollout", "undo", `deploy/${name}`)).code).toBe(0);
    expect(await kubectl("rollout", "status", `deploy/${name}`, "--timeout=25s")).toMatchObject({ code: 0 });
    await complete(name);
    const sets = await eventually(
      () => setsOf(name),
      (all) => byRevision(all)[1]?.[0] === "3",
    );
    expect(byRevision(sets)).toEqual([
      ["2", 0],
      ["3", 3],
    ]);
    const again = sets.find((set) => set["spec"].replicas === 3);
    expect(again?.metadata.annotations?.["deployment.kubernetes.io/revision-history"]).toBe("1");
  });

  it("restarts, pauses and resumes", async () => {
    expect((await kubectl("rollout", "restart", `deploy/${name}`)).code).toBe(0);
    await complete(name);
    expect((await kubectl("rollout", "pause", `deploy/${name}`)).code).toBe(0);
    const paused = await until(`${apps("deployments")}/${name}`, (one) =>
      one["status"].conditions.some((condition: { reason: string }) => condition.reason === "DeploymentPaused"),
    );
    expect(paused["status"].conditions.find((one: { type: string }) => one.type === "Progressing")).toMatchObject({
      status: "Unknown",
      message: "Deployment is paused",
    });
    const before = (await setsOf(name)).length;
    await kubectl("set", "image", `deploy/${name}`, "main=example.com/a:3");
    const { metadata } = await get(`${apps("deployments")}/${name}`);
    await until(`${apps("deployments")}/${name}`, ({ status }) => status?.observedGeneration === metadata.generation);
    expect((await setsOf(name)).length).toBe(before);
    expect((await kubectl("rollout", "resume", `deploy/${name}`)).code).toBe(0);
    await complete(name);
    expect((await setsOf(name)).length).toBe(before + 1);
  });

  it("is scaled, down to nothing and up again", async () => {
    for (const replicas of [5, 0, 2]) {
      expect((await kubectl("scale", `deploy/${name}`, `--replicas=${replicas}`)).code).toBe(0);
      await complete(name);
      const live = await eventually(
        () => podsOf(name),
        (pods) => pods.length === replicas,
      );
      expect(live).toHaveLength(replicas);
    }
  });

  it("that recreates has no old pods beside new ones", async () => {
    await deploy("recreated", { replicas: 2, strategy: { type: "Recreate" } });
    await complete("recreated");
    const old = (await podsOf("recreated")).map((pod) => pod.metadata.uid);
    await kubectl("set", "image", "deploy/recreated", "main=example.com/a:2");
    await complete("recreated");
    const now = await podsOf("recreated");
    expect(now).toHaveLength(2);
    expect(now.filter((pod) => old.includes(pod.metadata.uid))).toEqual([]);
  });

  it("whose pods do not become ready is late, and says so", async () => {
    await deploy("late", { replicas: 1, progressDeadlineSeconds: 2 }, {});
    const late = await until(`${apps("deployments")}/late`, (one) =>
      one["status"]?.conditions?.some(
        (condition: { reason: string }) => condition.reason === "ProgressDeadlineExceeded",
      ),
    );
    const [set] = await setsOf("late");
    expect(late["status"].conditions.find((one: { type: string }) => one.type === "Progressing")).toMatchObject({
      status: "False",
      message: `ReplicaSet "${set!.metadata.name}" has timed out progressing.`,
    });
    const { code, text } = await kubectl("rollout", "status", "deploy/late", "--timeout=10s");
    expect([code, text.trim()]).toEqual([1, 'error: deployment "late" exceeded its progress deadline']);
  });

  it("keeps only as many old ReplicaSets as it may", async () => {
    await deploy("short", { replicas: 1, revisionHistoryLimit: 1 });
    await complete("short");
    for (const version of [2, 3, 4]) {
      await kubectl("set", "image", "deploy/short", `main=example.com/a:${version}`);
      await complete("short");
    }
    expect(
      byRevision(
        await eventually(
          () => setsOf("short"),
          (all) => all.length === 2,
        ),
      ),
    ).toEqual([
      ["3", 0],
      ["4", 1],
    ]);
  });
});

describe("a ReplicaSet", () => {
  const name = "set";
  const path = () => `${apps("replicasets")}/${name}`;

  it("makes up for pods that are deleted, and counts them", async () => {
    const spec = { replicas: 2, selector: { matchLabels: { app: name } }, template: template(name) };
    await target.call("POST", apps("replicasets"), { body: { metadata: { name }, spec } });
    await until(path(), ({ status }) => status?.["availableReplicas"] === 2);
    const [first] = await podsOf(name);
    await target.call("DELETE", `${core("pods")}/${first!.metadata.name}`);
    const pods = await eventually(
      () => podsOf(name),
      (all) => all.length === 2 && !all.some((pod) => pod.metadata.uid === first!.metadata.uid),
    );
    expect(pods).toHaveLength(2);
    const { status } = await until(path(), (one) => one["status"]?.availableReplicas === 2);
    expect(status).toEqual({
      replicas: 2,
      fullyLabeledReplicas: 2,
      readyReplicas: 2,
      availableReplicas: 2,
      terminatingReplicas: 0,
      observedGeneration: 1,
    });
  });

  it("lets go of a pod whose labels no longer match, and takes it back when they do", async () => {
    const [first] = await podsOf(name);
    const pod = `${core("pods")}/${first!.metadata.name}`;
    await patch(pod, { metadata: { labels: { app: "free" } } });
    const freed = await until(pod, ({ metadata }) => (metadata.ownerReferences ?? []).length === 0);
    expect(freed.metadata.ownerReferences).toBeUndefined();
    expect(
      await eventually(
        () => podsOf(name),
        (all) => all.length === 2,
      ),
    ).toHaveLength(2);
    // One of three must go then.
    await patch(pod, { metadata: { labels: { app: name } } });
    const all = await eventually(
      () => podsOf(name),
      (pods) => pods.length === 2 && pods.every((one) => one.metadata.ownerReferences !== undefined),
    );
    expect(all).toHaveLength(2);
  });

  it("says why pods cannot be made", async () => {
    const spec = {
      replicas: 1,
      selector: { matchLabels: { app: "bad" } },
      template: { ...template("bad"), metadata: { labels: { app: "bad" }, annotations: {} } },
    };
    await target.call("POST", apps("replicasets"), {
      body: { metadata: { name: "bad.set" }, spec: { ...spec, replicas: 0 } },
    });
    const { metadata } = await until(
      `${apps("replicasets")}/bad.set`,
      (one) => one["status"]?.observedGeneration === 1,
    );
    expect(metadata.generation).toBe(1);
  });
});

describe("garbage", () => {
  const reference = (owner: KubeObject, more: object = {}) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    name: owner.metadata.name,
    uid: owner.metadata.uid,
    ...more,
  });
  const maps = (name = "", space = namespace) => `${core("configmaps", space)}${name && `/${name}`}`;
  async function configMap(
    name: string,
    ownerReferences: object[] = [],
    more: object = {},
    space = namespace,
  ): Promise<KubeObject> {
    const made = await target.call("POST", maps("", space), { body: { metadata: { name, ownerReferences, ...more } } });
    expect(made.status).toBe(201);
    return made.json;
  }
  const remove = (name: string, propagationPolicy: string) =>
    target.call("DELETE", maps(name), { body: { kind: "DeleteOptions", apiVersion: "v1", propagationPolicy } });

  it("follows its owner in the background", async () => {
    const owner = await configMap("b-owner");
    await configMap("b-child", [reference(owner)]);
    expect((await remove("b-owner", "Background")).status).toBe(200);
    expect((await target.call("GET", maps("b-owner"))).status).toBe(404);
    expect(await goneBy(maps("b-child"))).toBe(404);
  });

  it("goes before its owner in the foreground, when it blocks it", async () => {
    const owner = await configMap("f-owner");
    const child = await configMap("f-child", [reference(owner, { blockOwnerDeletion: true })], {
      finalizers: ["example.com/hold"],
    });
    await configMap("f-grandchild", [reference(child, { blockOwnerDeletion: true })]);
    await remove("f-owner", "Foreground");
    expect(await goneBy(maps("f-grandchild"))).toBe(404);
    const held = await until(maps("f-child"), ({ metadata }) => metadata.deletionTimestamp !== undefined);
    expect(held.metadata.finalizers).toContain("example.com/hold");
    expect((await get(maps("f-owner"))).metadata.finalizers).toEqual(["foregroundDeletion"]);
    await patch(maps("f-child"), { metadata: { finalizers: [] } });
    expect(await goneBy(maps("f-child"))).toBe(404);
    expect(await goneBy(maps("f-owner"))).toBe(404);
  });

  it("does not hold up an owner that it does not block", async () => {
    const owner = await configMap("n-owner");
    await configMap("n-child", [reference(owner)], { finalizers: ["example.com/hold"] });
    await remove("n-owner", "Foreground");
    expect(await goneBy(maps("n-owner"))).toBe(404);
    await until(maps("n-child"), ({ metadata }) => metadata.deletionTimestamp !== undefined);
    await patch(maps("n-child"), { metadata: { finalizers: [] } });
    expect(await goneBy(maps("n-child"))).toBe(404);
  });

  it("is left behind as an orphan", async () => {
    const owner = await configMap("o-owner");
    await configMap("o-child", [reference(owner)]);
    await remove("o-owner", "Orphan");
    expect(await goneBy(maps("o-owner"))).toBe(404);
    expect((await get(maps("o-child"))).metadata.ownerReferences).toBeUndefined();
  });

  it("stays while one of its owners does, and forgets the other", async () => {
    const [gone, stays] = [await configMap("t-gone"), await configMap("t-stays")];
    await configMap("t-child", [reference(gone), reference(stays)]);
    await remove("t-gone", "Background");
    const child = await until(maps("t-child"), ({ metadata }) => metadata.ownerReferences?.length === 1);
    expect(child.metadata.ownerReferences).toEqual([reference(stays)]);
  });

  it("goes when its owner never was, or was another of the same name", async () => {
    const absent = { metadata: { name: "a-owner", uid: "11111111-1111-4111-8111-111111111111" } };
    await configMap("a-child", [reference(absent)]);
    expect(await goneBy(maps("a-child"))).toBe(404);
    await configMap("a-owner");
    await configMap("a-second", [reference(absent)]);
    expect(await goneBy(maps("a-second"))).toBe(404);
    expect((await target.call("GET", maps("a-owner"))).status).toBe(200);
  });

  it("goes when its owner is in another namespace, with an Event that says so", async () => {
    const owner = await configMap("x-owner", [], {}, other);
    // Known as what it is before something wrong is said of it.
    await eventually(
      () => target.call("GET", maps("x-owner", other)),
      ({ status }) => status === 200,
    );
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await configMap("x-child", [reference(owner)]);
    expect(await goneBy(maps("x-child"))).toBe(404);
    const said = await eventually(
      () => eventsOf("x-child", "OwnerRefInvalidNamespace"),
      (all) => all.length > 0,
    );
    expect(said).toEqual([
      `ownerRef [v1/ConfigMap, namespace: ${namespace}, name: x-owner, uid: ${owner.metadata.uid}] does not exist in namespace "${namespace}"`,
    ]);
    expect((await target.call("GET", maps("x-owner", other))).status).toBe(200);
  });

  it("in a circle goes once one of them is deleted in the foreground", async () => {
    const first = await configMap("c-first");
    const second = await configMap("c-second", [reference(first, { blockOwnerDeletion: true })]);
    await patch(maps("c-first"), { metadata: { ownerReferences: [reference(second, { blockOwnerDeletion: true })] } });
    await remove("c-first", "Foreground");
    expect([await goneBy(maps("c-first")), await goneBy(maps("c-second"))]).toEqual([404, 404]);
  });

  it("of custom resources goes as well, both ways, soon after they are defined", async () => {
    const group = `${uniqueName("garbage")}.example.com`;
    const schema = { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } };
    const definition = {
      metadata: { name: `heaps.${group}` },
      spec: {
        group,
        scope: "Namespaced",
        names: { plural: "heaps", kind: "Heap" },
        versions: [{ name: "v1", served: true, storage: true, schema }],
      },
    };
    const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    expect((await target.call("POST", definitions, { body: definition })).status).toBe(201);
    const heaps = `/apis/${group}/v1/namespaces/${namespace}/heaps`;
    await eventually(
      () => target.call("GET", heaps),
      ({ status }) => status === 200,
    );
    const heap = async (name: string, ownerReferences: object[]) => {
      const body = { apiVersion: `${group}/v1`, kind: "Heap", metadata: { name, ownerReferences } };
      const made = await target.call("POST", heaps, { body });
      expect(made.status).toBe(201);
      return made.json as KubeObject;
    };
    const owner = await heap("owner", []);
    await configMap("h-child", [{ apiVersion: `${group}/v1`, kind: "Heap", name: "owner", uid: owner.metadata.uid }]);
    const [gone, stays] = [await configMap("h-gone"), await configMap("h-stays")];
    await heap("child", [reference(gone)]);
    await heap("both", [reference(gone), reference(stays)]);
    await remove("h-gone", "Background");
    await target.call("DELETE", `${heaps}/owner`);
    // A real one looks for new definitions every half a minute.
    expect([await goneBy(maps("h-child"), 40), await goneBy(`${heaps}/child`, 40)]).toEqual([404, 404]);
    const both = await until(`${heaps}/both`, ({ metadata }) => metadata.ownerReferences?.length === 1);
    expect(both.metadata.ownerReferences).toEqual([reference(stays)]);
    await target.call("DELETE", `${definitions}/heaps.${group}`);
  }, 90_000);

  it("is not kept by a server that does not answer", async () => {
    const group = `${uniqueName("dead")}.example.com`;
    const name = `v1.${group}`;
    const spec = {
      group,
      version: "v1",
      groupPriorityMinimum: 100,
      versionPriority: 100,
      insecureSkipTLSVerify: true,
      service: { namespace, name: "nobody" },
    };
    const services = "/apis/apiregistration.k8s.io/v1/apiservices";
    await target.call("POST", services, { body: { metadata: { name }, spec } });
    const owner = await configMap("d-owner");
    await configMap("d-child", [reference(owner)]);
    await remove("d-owner", "Background");
    const status = await goneBy(maps("d-child"));
    await target.call("DELETE", `${services}/${name}`);
    expect(status).toBe(404);
  });

  it.each(["background", "foreground"])("of a Deployment deleted in the %s is all there was", async (cascade) => {
    const name = `del-${cascade}`;
    await deploy(name, { replicas: 2 });
    await complete(name);
    expect((await kubectl("delete", "deploy", name, `--cascade=${cascade}`, "--timeout=25s")).code).toBe(0);
    expect(
      await eventually(
        () => setsOf(name),
        (all) => all.length === 0,
      ),
    ).toEqual([]);
    expect(
      await eventually(
        () => podsOf(name),
        (all) => all.length === 0,
      ),
    ).toEqual([]);
  });

  it("of a Deployment deleted alone stays, and is adopted by the next one", async () => {
    await deploy("heir", { replicas: 2 });
    await complete("heir");
    const [set] = await setsOf("heir");
    expect((await kubectl("delete", "deploy", "heir", "--cascade=orphan")).code).toBe(0);
    const left = await until(
      `${apps("replicasets")}/${set!.metadata.name}`,
      ({ metadata }) => metadata.ownerReferences === undefined,
    );
    expect(left.metadata.uid).toBe(set!.metadata.uid);
    await deploy("heir", { replicas: 2 });
    await complete("heir");
    const [adopted, ...more] = await setsOf("heir");
    expect([adopted!.metadata.uid, more]).toEqual([set!.metadata.uid, []]);
    expect(adopted!.metadata.ownerReferences).toHaveLength(1);
  });
});

describe("a Service", () => {
  const node = uniqueName("node");
  const name = "front";
  const slices = () =>
    items(
      `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3D${name}`,
    );
  beforeAll(async () => {
    await target.call("POST", "/api/v1/nodes", {
      body: { metadata: { name: node, labels: { "topology.kubernetes.io/zone": "z" } } },
    });
  });
  afterAll(async () => {
    await target.call("DELETE", `/api/v1/nodes/${node}`);
  });

  async function pod(podName: string, podIP: string, ready: boolean, port = 8080): Promise<KubeObject> {
    const containers = [{ name: "main", image: "a:1", ports: [{ name: "web", containerPort: port }] }];
    const body = { metadata: { name: podName, labels: { app: name } }, spec: { nodeName: node, containers } };
    const made = await target.call("POST", core("pods"), { body });
    expect(made.status).toBe(201);
    await setReady(podName, ready, podIP);
    return made.json;
  }
  const setReady = (podName: string, ready: boolean, podIP?: string) =>
    patch(`${core("pods")}/${podName}/status`, {
      status: {
        phase: "Running",
        ...(podIP !== undefined && { podIP, podIPs: [{ ip: podIP }] }),
        conditions: [{ type: "Ready", status: ready ? "True" : "False", lastTransitionTime: "2026-01-01T00:00:00Z" }],
      },
    });
  const service = (spec: object) =>
    target.call("POST", core("services"), {
      body: {
        metadata: { name, labels: { team: "a" } },
        spec: {
          selector: { app: name },
          ports: [
            { name: "http", port: 80, targetPort: "web" },
            { name: "raw", port: 90, targetPort: 91 },
          ],
          ...spec,
        },
      },
    });
  /** Address to conditions, over all slices. */
  const conditions = (all: KubeObject[]) =>
    Object.fromEntries(
      all
        .flatMap((slice) => slice["endpoints"] ?? [])
        .map((one: { addresses: string[]; conditions: object }) => [one.addresses[0], one.conditions])
        .sort(),
    );

  it("without pods has an empty slice and empty Endpoints", async () => {
    expect((await service({})).status).toBe(201);
    const [slice, ...more] = await eventually(slices, (all) => all.length > 0);
    expect(more).toEqual([]);
    expect(slice).toMatchObject({ addressType: "IPv4", ports: null });
    expect(slice!["endpoints"] ?? []).toEqual([]);
    const { uid } = await get(`${core("services")}/${name}`).then((one) => one.metadata);
    expect(slice!.metadata.generateName).toBe(`${name}-`);
    expect(slice!.metadata.labels).toEqual({
      team: "a",
      "kubernetes.io/service-name": name,
      "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    });
    expect(slice!.metadata.ownerReferences).toEqual([
      { apiVersion: "v1", kind: "Service", name, uid, controller: true, blockOwnerDeletion: true },
    ]);
    const older = await until(
      `${core("endpoints")}/${name}`,
      ({ metadata }) => metadata !== undefined && metadata.uid !== undefined,
    );
    expect(older["subsets"]).toBeUndefined();
    expect(older.metadata.labels).toEqual({ team: "a", "endpoints.kubernetes.io/managed-by": "endpoint-controller" });
  });

  it("has the addresses of its pods, ready or not, with the ports by name", async () => {
    const [first, second] = [await pod("front-1", "10.9.0.1", true), await pod("front-2", "10.9.0.2", false)];
    await pod("front-3", "10.9.0.3", true, 9090);
    const all = await eventually(slices, (found) => Object.keys(conditions(found)).length === 3);
    expect(conditions(all)).toEqual({
      "10.9.0.1": { ready: true, serving: true, terminating: false },
      "10.9.0.2": { ready: false, serving: false, terminating: false },
      "10.9.0.3": { ready: true, serving: true, terminating: false },
    });
    const settled = await eventually(
      slices,
      (found) => found.length === 2 && found.every((slice) => slice["ports"] !== null),
    );
    const ports = settled.map((slice) => [...slice["ports"]].sort((a, b) => (a.name < b.name ? -1 : 1)));
    const raw = { name: "raw", port: 91, protocol: "TCP" };
    expect(ports.sort((a, b) => a[0].port - b[0].port)).toEqual([
      [{ name: "http", port: 8080, protocol: "TCP" }, raw],
      [{ name: "http", port: 9090, protocol: "TCP" }, raw],
    ]);
    const one = settled.flatMap((slice) => slice["endpoints"]).find((endpoint) => endpoint.addresses[0] === "10.9.0.1");
    const reference = (object: KubeObject) => ({
      kind: "Pod",
      namespace,
      name: object.metadata.name,
      uid: object.metadata.uid,
    });
    expect(one).toEqual({
      addresses: ["10.9.0.1"],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: node,
      targetRef: reference(first),
      zone: "z",
    });
    const older = await until(`${core("endpoints")}/${name}`, ({ subsets }) =>
      JSON.stringify(subsets ?? "").includes("10.9.0.3"),
    );
    const addresses = older["subsets"].flatMap((subset: { addresses?: object[]; notReadyAddresses?: object[] }) => [
      subset.addresses ?? [],
      subset.notReadyAddresses ?? [],
    ]);
    expect(JSON.stringify(addresses)).toContain("10.9.0.2");
    const unready = older["subsets"].flatMap(
      (subset: { notReadyAddresses?: object[] }) => subset.notReadyAddresses ?? [],
    );
    expect(unready.find((address: { ip: string }) => address.ip === "10.9.0.2")).toEqual({
      ip: "10.9.0.2",
      nodeName: node,
      targetRef: reference(second),
    });
  });

  it("is still when nothing changes", async () => {
    const versions = async () => [
      (await get(`${core("endpoints")}/${name}`)).metadata.resourceVersion,
      ...(await slices()).map((slice) => slice.metadata.resourceVersion),
    ];
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const before = await versions();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(await versions()).toEqual(before);
  });

  it("follows readiness and deletion", async () => {
    await setReady("front-2", true);
    await eventually(slices, (all) => conditions(all)["10.9.0.2"]?.ready === true);
    await patch(`${core("pods")}/front-1`, { metadata: { finalizers: ["example.com/hold"] } });
    await target.call("DELETE", `${core("pods")}/front-1`);
    const going = await eventually(slices, (all) => conditions(all)["10.9.0.1"]?.terminating === true);
    expect(conditions(going)["10.9.0.1"]).toEqual({ ready: false, serving: true, terminating: true });
    const older = await until(`${core("endpoints")}/${name}`, (one) => !JSON.stringify(one).includes("10.9.0.1"));
    expect(JSON.stringify(older["subsets"])).toContain("10.9.0.2");
    await patch(`${core("pods")}/front-1`, { metadata: { finalizers: [] } });
    await target.call("DELETE", `${core("pods")}/front-1?gracePeriodSeconds=0`);
    const left = await eventually(slices, (all) => conditions(all)["10.9.0.1"] === undefined);
    expect(Object.keys(conditions(left))).toEqual(["10.9.0.2", "10.9.0.3"]);
  });

  it("that publishes whatever it has calls all of them ready", async () => {
    await patch(`${core("services")}/${name}`, { spec: { publishNotReadyAddresses: true } });
    await setReady("front-3", false);
    const all = await eventually(slices, (found) => conditions(found)["10.9.0.3"]?.serving === false);
    expect(conditions(all)["10.9.0.3"]).toEqual({ ready: true, serving: false, terminating: false });
  });

  it("that is deleted takes its addresses with it", async () => {
    await target.call("DELETE", `${core("services")}/${name}`);
    expect(await goneBy(`${core("endpoints")}/${name}`)).toBe(404);
    expect(await eventually(slices, (all) => all.length === 0)).toEqual([]);
  });

  it("that is headless says so, and needs no ports", async () => {
    expect((await service({ clusterIP: "None", ports: [] })).status).toBe(201);
    const all = await eventually(slices, (found) => Object.keys(conditions(found)).length === 2);
    expect(all.map((slice) => [slice["ports"], slice.metadata.labels?.["service.kubernetes.io/headless"]])).toEqual([
      [null, ""],
    ]);
    const older = await until(`${core("endpoints")}/${name}`, ({ subsets }) => subsets !== undefined);
    expect(older.metadata.labels?.["service.kubernetes.io/headless"]).toBe("");
    expect(older["subsets"][0].ports).toBeUndefined();
    await target.call("DELETE", `${core("services")}/${name}`);
  });

  it("without a selector is left alone", async () => {
    const body = { metadata: { name: "manual" }, spec: { ports: [{ port: 80 }] } };
    await target.call("POST", core("services"), { body });
    await target.call("POST", core("endpoints"), {
      body: { metadata: { name: "manual" }, subsets: [{ addresses: [{ ip: "10.9.9.9" }], ports: [{ port: 80 }] }] },
    });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect((await get(`${core("endpoints")}/manual`))["subsets"][0].addresses).toEqual([{ ip: "10.9.9.9" }]);
  });
});
