/** Two more servers beside the main one, all on TLS: a kubelet and a metrics-server, and what unmodified clients see through the main one. Their clock is simulated, so that readings are exact. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemRandom } from "../src/api/machine.ts";
import { SimulatedClock } from "../src/api/simulated.ts";
import { createClient, httpsTransport } from "../src/client/index.ts";
import {
  ensureNodeRBAC,
  type Kubelet,
  type Machine,
  NODE_GROUP,
  nodeUser,
  startKubelet,
} from "../src/kubelet/index.ts";
import { ensureRBAC, type MetricsServer, startMetricsServer, USER } from "../src/metrics-server/index.ts";
import { startControlPlane, type TestControlPlane } from "../src/testing/control-plane.ts";
import { eventually } from "./story.ts";
import { openTarget, type Target } from "./target.ts";

const RESOLUTION = 15_000;
const BETA = "/apis/metrics.k8s.io/v1beta1";
const APISERVICE = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io";
const MIB = 2 ** 20;

const began = Math.floor(Date.now() / 1000) * 1000;
const clock = new SimulatedClock(began);
/** Readings are taken at whole seconds, so that rates come out even. */
const sampled = () => Math.floor(clock.now() / 1000) * 1000;
const random = systemRandom;
const folder = mkdtempSync(join(tmpdir(), "tenon-metrics-"));
const dead = new Set<number>();

/** Half of four processors are busy, and each process uses a quarter of one. */
const machine: Machine = {
  facts: () => ({
    cpus: 4,
    memoryBytes: 8192 * MIB,
    operatingSystem: "linux",
    architecture: "amd64",
    osImage: "Test",
    kernelVersion: "1",
    machineID: "",
    bootID: "",
  }),
  node: () => ({
    timestamp: sampled(),
    cpuSeconds: 1000 + 2 * ((sampled() - began) / 1000),
    workingSetBytes: 2048 * MIB,
  }),
  process: (pid) =>
    dead.has(pid)
      ? undefined
      : {
          timestamp: sampled(),
          cpuSeconds: 1 + (sampled() - began) / 4000,
          workingSetBytes: 64 * MIB,
          startSeconds: began / 1000 - 3600,
        },
};

let plane: TestControlPlane;
let target: Target;
let kubelet: Kubelet;
let metrics: MetricsServer;
const closing: (() => Promise<unknown>)[] = [];

async function clientAs(file: string, commonName: string, organizations: string[] = []) {
  const { cert, keyPEM } = await plane.pki.client(file, { commonName, organizations });
  const credentials = { ca: plane.pki.ca.cert, certificate: cert, key: keyPEM };
  const client = createClient(httpsTransport({ server: plane.url, ...credentials }), { clock, random });
  closing.push(() => client.close());
  return { client, credentials };
}

async function startMetrics(): Promise<MetricsServer> {
  const { client, credentials } = await clientAs("metrics-server-client", USER);
  const serving = await plane.pki.server("metrics-server", { dnsNames: ["metrics-server.kube-system.svc"] });
  return startMetricsServer({
    client,
    kubelet: credentials,
    target: { scheme: "https", port: 10250, useNodeStatusPort: true, preferredAddressTypes: ["InternalIP"] },
    resolutionMilliseconds: RESOLUTION,
    requestTimeoutMilliseconds: 10_000,
    clock,
    random,
    port: 0,
    tls: { cert: serving.cert, key: serving.keyPEM },
    quickStart: true,
    register: {},
  });
}

/** Lets seconds pass until `good`, leaving some real time for what travels over sockets between any two. */
async function secondsUntil<T>(ask: () => Promise<T>, good: (answer: T) => boolean): Promise<T> {
  return eventually(async () => {
    await clock.advance(1000);
    return ask();
  }, good);
}

const condition = async () => (await target.call("GET", APISERVICE)).json.status?.conditions?.[0];
const available = () => eventually(condition, (one) => one?.status === "True", 20);
const becomeReady = () =>
  secondsUntil(
    async () => metrics.ready,
    (ready) => ready,
  );

async function killAbruptly(server: MetricsServer): Promise<void> {
  // The address stays registered, as after SIGKILL: only the port no longer answers.
  await server.close({ withdraw: false });
}

beforeAll(async () => {
  plane = await startControlPlane();
  target = openTarget(plane.kubeconfig);
  await ensureNodeRBAC(plane.client());
  await ensureRBAC(plane.client(), { registration: true });
  writeFileSync(join(folder, "apiserver.pid"), "101\n");
  writeFileSync(join(folder, "controllers.pid"), "102\n");
  const { client } = await clientAs("kubelet-client", nodeUser("box"), [NODE_GROUP]);
  const serving = await plane.pki.server("kubelet", { dnsNames: ["box"], ipAddresses: ["127.0.0.1"] });
  kubelet = await startKubelet({
    client,
    clock,
    random,
    nodeName: "box",
    machine,
    partsFolder: folder,
    tls: { cert: serving.cert, key: serving.keyPEM },
    version: "v1.36.0-test",
  });
  metrics = await startMetrics();
});
afterAll(async () => {
  await metrics?.close();
  await kubelet?.close();
  for (const close of closing) await close();
  await plane?.close();
  rmSync(folder, { recursive: true });
});

describe("before there are two readings", () => {
  it("the main server knows the API and sends nobody there", async () => {
    expect(metrics.ready).toBe(false);
    expect(await eventually(condition, (one) => one !== undefined)).toMatchObject({
      status: "False",
      reason: "MissingEndpoints",
    });
  });

  it("the node is there, with its lease and its processes", async () => {
    const node = (await target.call("GET", "/api/v1/nodes/box")).json;
    expect(node.status).toMatchObject({ capacity: { cpu: "4", memory: "8Gi" }, nodeInfo: { osImage: "Test" } });
    expect(node.status.daemonEndpoints.kubeletEndpoint.Port).toBe(kubelet.address.port);
    const lease = (await target.call("GET", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/box")).json;
    expect(lease.spec).toMatchObject({ holderIdentity: "box", leaseDurationSeconds: 40 });
    const pods = await eventually(
      async () => (await target.call("GET", "/api/v1/namespaces/kube-system/pods")).json.items,
      (items) =>
        items.length === 2 && items.every((pod: { status: { phase: string } }) => pod.status.phase === "Running"),
    );
    expect(pods.map((pod: { metadata: { name: string } }) => pod.metadata.name)).toEqual([
      "tenon-apiserver-box",
      "tenon-controllers-box",
    ]);
  });
});

describe("with two readings", () => {
  beforeAll(async () => {
    await becomeReady();
    await available();
    // One more round, in which every pod is known.
    await secondsUntil(
      () => target.call("GET", `${BETA}/pods`),
      (answer) => answer.status === 200 && answer.json.items.length === 2,
    );
  });

  it("nodes and pods are read through the main server", async () => {
    const { items } = (await target.call("GET", `${BETA}/nodes`)).json;
    expect(items).toMatchObject([{ metadata: { name: "box" }, usage: { cpu: "2", memory: "2Gi" } }]);
    const pod = (await target.call("GET", `${BETA}/namespaces/kube-system/pods/tenon-apiserver-box`)).json;
    expect(pod.containers).toEqual([{ name: "apiserver", usage: { cpu: "250m", memory: "64Mi" } }]);
    expect(pod.metadata.labels).toEqual({ component: "apiserver", tier: "control-plane" });
  });

  it("in v1 as in v1beta1, in protobuf and in tables", async () => {
    const stable = (await target.call("GET", "/apis/metrics.k8s.io/v1/nodes")).json;
    expect([stable.apiVersion, stable.items[0].usage.cpu]).toEqual(["metrics.k8s.io/v1", "2"]);
    const accept = "application/vnd.kubernetes.protobuf,*/*";
    const packed = await target.call("GET", `${BETA}/pods`, { headers: { accept } });
    expect([packed.headers["content-type"], packed.bytes.subarray(0, 4).toString("latin1")]).toEqual([
      "application/vnd.kubernetes.protobuf",
      "k8s\0",
    ]);
    const asTable = { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" };
    const table = (await target.call("GET", `${BETA}/nodes`, { headers: asTable })).json;
    expect(table.rows[0].cells.slice(0, 3)).toEqual(["box", "2", "2Gi"]);
  });

  it.each([
    [["top", "nodes"], /^box\s+2000m\s+50%\s+2048Mi\s+25%\s*$/m],
    [["top", "pods", "-A"], /^kube-system\s+tenon-controllers-box\s+250m\s+64Mi\s*$/m],
    [["top", "pods", "-A", "--containers"], /^kube-system\s+tenon-apiserver-box\s+apiserver\s+250m\s+64Mi\s*$/m],
    [["top", "pods", "-n", "kube-system", "--sum"], /^\s+500m\s+128Mi\s*$/m],
    [["get", "nodes.metrics.k8s.io"], /^box\s+2\s+2Gi\s+/m],
    [["get", "apiservices", "v1beta1.metrics.k8s.io"], /kube-system\/metrics-server\s+True/],
    [["api-resources", "--api-group=metrics.k8s.io"], /^pods\s+metrics.k8s.io\/v1\s+true\s+PodMetrics/m],
    [["explain", "nodes", "--api-version=metrics.k8s.io/v1beta1"], /KIND:\s+NodeMetrics/],
  ])("kubectl %j", async (args, expected) => {
    const { stdout, stderr, code } = await target.kubectl(args);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(expected);
  });

  it("an unsupported field selector is refused in the words of the original", async () => {
    const answer = await target.call("GET", `${BETA}/pods?fieldSelector=spec.nodeName%3Dbox`);
    expect([answer.status, answer.json.message]).toEqual([
      400,
      '"spec.nodeName" is not a known field selector: only "metadata.name", "metadata.namespace"',
    ]);
  });

  it("health is open to all, metrics are not, and the checks have the original's names", async () => {
    const direct = (path: string) =>
      new Promise<string>((resolve, reject) => {
        const url = `https://127.0.0.1:${metrics.address.port}${path}`;
        execFile("curl", ["-sk", "-w", "\n%{http_code}", url], (error, stdout) =>
          error ? reject(error) : resolve(stdout),
        );
      });
    expect(await direct("/readyz?verbose")).toBe(
      "[+]ping ok\n[+]log ok\n[+]poststarthook/max-in-flight-filter ok\n[+]poststarthook/storage-object-count-tracker-hook ok\n" +
        "[+]metric-storage-ready ok\n[+]metric-informer-sync ok\n[+]metadata-informer-sync ok\n[+]shutdown ok\nreadyz check passed\n\n200",
    );
    expect(await direct("/livez?verbose")).toBe(
      "[+]ping ok\n[+]log ok\n[+]poststarthook/max-in-flight-filter ok\n[+]poststarthook/storage-object-count-tracker-hook ok\n" +
        "[+]metric-collection-timely ok\n[+]metadata-informer-sync ok\nlivez check passed\n\n200",
    );
    expect(await direct("/metrics")).toMatch(/\n403$/);
    expect(await direct(`${BETA}/nodes`)).toMatch(/\n403$/);
  });

  it("rights to metrics come from the main server's RBAC", async () => {
    const alice = { name: "alice", uid: "", groups: ["system:authenticated"], extra: {} };
    const nodes = plane.client(alice).resource({ group: "metrics.k8s.io", version: "v1beta1", resource: "nodes" });
    await expect(nodes.list()).rejects.toThrow('cannot list resource "nodes" in API group "metrics.k8s.io"');
  });

  it("a kubelet shows its readings to those who may get nodes/metrics, and to nobody else", async () => {
    const ask = async (file: string, name: string) => {
      const { cert, keyPEM } = await plane.pki.client(file, { commonName: name });
      const transport = httpsTransport({
        server: `https://127.0.0.1:${kubelet.address.port}`,
        ca: plane.pki.ca.cert,
        certificate: cert,
        key: keyPEM,
      });
      closing.push(() => transport.close());
      const response = await transport.request({ method: "GET", path: "/metrics/resource" });
      let text = "";
      for await (const chunk of response.body) text += Buffer.from(chunk).toString();
      return { status: response.status, text };
    };
    const allowed = await ask("metrics-server-client", USER);
    expect(allowed.status).toBe(200);
    expect(allowed.text).toContain('container="apiserver",namespace="kube-system",pod="tenon-apiserver-box"');
    expect((await ask("stranger", "stranger")).status).toBe(403);
  });
});

describe("when a part of Tenon comes and goes", () => {
  const podOf = async (part: string) =>
    (await target.call("GET", `/api/v1/namespaces/kube-system/pods/tenon-${part}-box`)).json;
  const become = (part: string, good: (pod: Awaited<ReturnType<typeof podOf>>) => boolean) =>
    secondsUntil(() => podOf(part), good);

  it("a killed one has failed, and its readings go", async () => {
    dead.add(102);
    expect((await become("controllers", (pod) => pod.status?.phase === "Failed")).status.phase).toBe("Failed");
    const path = `${BETA}/namespaces/kube-system/pods/tenon-controllers-box`;
    const answer = await secondsUntil(
      () => target.call("GET", path),
      ({ status }) => status === 404,
    );
    expect(answer.json.message).toBe('pods "tenon-controllers-box" not found');
  });

  it("one that is started again has restarted once", async () => {
    writeFileSync(join(folder, "controllers.pid"), "103\n");
    const pod = await become("controllers", (found) => found.status?.phase === "Running");
    expect(pod.status.containerStatuses[0]).toMatchObject({
      ready: true,
      restartCount: 1,
      containerID: "process://103",
    });
  });

  it("one that stopped is gone", async () => {
    rmSync(join(folder, "controllers.pid"));
    expect((await become("controllers", (found) => found.code === 404)).code).toBe(404);
  });

  it("nobody can delete one that runs", async () => {
    const before = (await podOf("apiserver")).metadata.uid;
    await target.call("DELETE", "/api/v1/namespaces/kube-system/pods/tenon-apiserver-box");
    const after = await become(
      "apiserver",
      (pod) => pod.metadata.uid !== undefined && pod.metadata.uid !== before && pod.status.phase === "Running",
    );
    expect(after.metadata.uid).not.toBe(before);
  });
});

describe("when the metrics-server goes", () => {
  const namespaceGoes = async (name: string) => {
    await target.call("POST", "/api/v1/namespaces", { body: { metadata: { name } } });
    await target.call("DELETE", `/api/v1/namespaces/${name}`);
    return eventually(
      async () => (await target.call("GET", `/api/v1/namespaces/${name}`)).status,
      (status) => status === 404,
    );
  };

  it("by SIGTERM: it has no endpoints, and holds up nothing", async () => {
    await metrics.close();
    const gone = await eventually(condition, (one) => one?.reason === "MissingEndpoints");
    expect(gone).toMatchObject({ status: "False", reason: "MissingEndpoints" });
    expect((await target.call("GET", `${BETA}/nodes`)).status).toBe(503);
    expect((await target.call("GET", "/apis/apps/v1/deployments")).status).toBe(200);
    expect(await namespaceGoes("while-stopped")).toBe(404);
  });

  it("a new one heals it", async () => {
    metrics = await startMetrics();
    await becomeReady();
    expect(await available()).toMatchObject({ status: "True", reason: "Passed" });
    expect((await target.call("GET", `${BETA}/nodes`)).json.items).toHaveLength(1);
  });

  it("by SIGKILL: discovery fails, and holds up nothing", async () => {
    await killAbruptly(metrics);
    // A change of the object is checked at once; otherwise it takes up to 30 s.
    await target.call("PATCH", APISERVICE, {
      body: { metadata: { annotations: { touched: "yes" } } },
      contentType: "application/merge-patch+json",
    });
    const failed = await eventually(condition, (one) => one?.reason === "FailedDiscoveryCheck");
    expect(failed).toMatchObject({ status: "False", reason: "FailedDiscoveryCheck" });
    expect(await namespaceGoes("while-killed")).toBe(404);
  });

  it("a new one heals that too", async () => {
    metrics = await startMetrics();
    await becomeReady();
    expect(await available()).toMatchObject({ status: "True" });
  });
});

describe("when the kubelet stops", () => {
  it("the node is not ready and its pods are gone", async () => {
    await kubelet.close();
    const node = (await target.call("GET", "/api/v1/nodes/box")).json;
    const ready = node.status.conditions.find((one: { type: string }) => one.type === "Ready");
    expect(ready).toMatchObject({ status: "False", reason: "KubeletStopped" });
    expect((await target.call("GET", "/api/v1/namespaces/kube-system/pods")).json.items).toEqual([]);
  });

  it("its readings are gone after one round, and the address after three", async () => {
    const answer = await secondsUntil(condition, (one) => one?.status === "False");
    expect(answer).toMatchObject({ reason: "MissingEndpoints" });
  });
});
