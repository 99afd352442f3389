/** What an autoscaler does and says, by our controller and by the real kube-controller-manager, with metrics that the story makes up. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock, systemRandom } from "../src/api/machine.ts";
import { createClient, httpsTransport } from "../src/client/index.ts";
import { informerFactory } from "../src/client/informer-factory.ts";
import { eventRecorder } from "../src/client/recorder.ts";
import { horizontalPodAutoscaler } from "../src/controllers/horizontal-pod-autoscaler/index.ts";
import { startControlPlane } from "../src/testing/control-plane.ts";
import { PEERS } from "../tools/peers/build.ts";
import { startPeer } from "../tools/peers/start.ts";
import { type ScriptedMetrics, startScriptedMetrics } from "./scripted-metrics.ts";
import { eventually } from "./story.ts";
import { openTarget, type Target } from "./target.ts";

interface Server {
  readonly target: Target;
  stop(): Promise<void>;
}

const folder = mkdtempSync(join(tmpdir(), "tenon-autoscaler-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function startOurs(): Promise<Server> {
  const plane = await startControlPlane();
  const stopping = new AbortController();
  const { cert, keyPEM } = await plane.pki.client("autoscaler", {
    commonName: "autoscaler",
    organizations: ["system:masters"],
  });
  const transport = httpsTransport({ server: plane.url, ca: plane.pki.ca.cert, certificate: cert, key: keyPEM });
  const client = createClient(transport, { clock: systemClock, random: systemRandom });
  const informers = informerFactory(client);
  const running = horizontalPodAutoscaler({ syncPeriod: 1000 })({
    client,
    informers,
    recorder: (component) => eventRecorder(client, component),
    log: { info: () => {}, warn: () => {} },
    signal: stopping.signal,
  });
  return {
    target: openTarget(plane.kubeconfig),
    async stop() {
      stopping.abort(new Error("the story is over"));
      await running;
      await informers.stop();
      await client.close();
      await plane.close();
    },
  };
}

async function startReal(): Promise<Server> {
  const controllers = {
    names: ["horizontal-pod-autoscaler-controller"],
    flags: ["--horizontal-pod-autoscaler-sync-period=1s"],
  };
  const peer = await startPeer({ folder: join(folder, "peer"), controllers });
  return { target: openTarget(peer.kubeconfig), stop: peer.stop };
}

const programs = ["etcd", "kube-apiserver", "kube-controller-manager"];
const missing = programs.filter((program) => !existsSync(join(PEERS, "bin", program)));
if (missing.length > 0) {
  console.log(`not built: ${missing.join(", ")}: the real controller does not play (node tools/peers/build.ts)`);
}

const NS = "autoscaled";
const old = "2026-01-01T00:00:00Z";
const ready = (status = "True") => ({
  phase: "Running",
  startTime: old,
  conditions: [{ type: "Ready", status, lastTransitionTime: old }],
});

interface PodCase {
  readonly use?: Readonly<Record<string, string>>;
  readonly status?: object;
  readonly request?: object;
}

interface Case {
  readonly replicas: number;
  readonly pods?: readonly PodCase[];
  readonly spec: object;
  /** Of the Deployment, in the end. */
  readonly becomes?: number;
  readonly desired?: number;
  readonly metrics?: unknown;
  /** `type status reason: message`. */
  readonly conditions: readonly string[];
  /** `type reason: message`, without those that every other case shows too. */
  readonly events?: readonly string[];
}

const cpu = (averageUtilization: number) => ({
  type: "Resource",
  resource: { name: "cpu", target: { type: "Utilization", averageUtilization } },
});
const GOT = "AbleToScale True SucceededGetScale: the HPA controller was able to get the target's current scale";
const READY = "AbleToScale True ReadyForNewScale: recommended size matches current size";
const FROM = (name: string) =>
  `ScalingActive True ValidMetricFound: the HPA was able to successfully calculate a replica count from ${name}`;
const CPU = "cpu resource utilization (percentage of request)";
const WITHIN = "ScalingLimited False DesiredWithinRange: the desired count is within the acceptable range";
const CANNOT = "the HPA was unable to compute the replica count";
const object = (target: object) => ({
  type: "Object",
  object: {
    describedObject: { apiVersion: "v1", kind: "Service", name: "main" },
    metric: { name: "hits" },
    target,
  },
});
const external = (target: object, name = "queue") => ({ type: "External", external: { metric: { name }, target } });

const CASES: Record<string, Case> = {
  "too-busy": {
    replicas: 2,
    pods: [{ use: { cpu: "150m" } }, { use: { cpu: "90m" } }],
    spec: { maxReplicas: 10, metrics: [cpu(80)] },
    becomes: 3,
    desired: 3,
    metrics: [
      { type: "Resource", resource: { name: "cpu", current: { averageUtilization: 120, averageValue: "120m" } } },
    ],
    conditions: [READY, FROM(CPU), WITHIN],
    events: [
      "Normal SuccessfulRescale: New size: 3; reason: cpu resource utilization (percentage of request) above target",
    ],
  },
  "at-the-limit": {
    replicas: 2,
    pods: [{ use: { cpu: "1" } }, { use: { cpu: "1" } }],
    spec: { maxReplicas: 3, metrics: [cpu(80)] },
    becomes: 3,
    desired: 3,
    conditions: [
      READY,
      FROM(CPU),
      "ScalingLimited True TooManyReplicas: the desired replica count is more than the maximum replica count",
    ],
  },
  "idle-but-stabilised": {
    replicas: 3,
    pods: [{ use: { cpu: "1m" } }, { use: { cpu: "1m" } }, { use: { cpu: "1m" } }],
    spec: { maxReplicas: 10, metrics: [cpu(80)] },
    becomes: 3,
    desired: 3,
    conditions: [
      "AbleToScale True ScaleDownStabilized: recent recommendations were higher than current one, applying the highest recent recommendation",
      FROM(CPU),
      WITHIN,
    ],
  },
  "idle-and-free": {
    replicas: 3,
    pods: [{ use: { cpu: "1m" } }, { use: { cpu: "1m" } }, { use: { cpu: "1m" } }],
    spec: {
      maxReplicas: 10,
      minReplicas: 2,
      metrics: [cpu(80)],
      behavior: { scaleDown: { stabilizationWindowSeconds: 0 } },
    },
    becomes: 2,
    desired: 2,
    conditions: [
      READY,
      FROM(CPU),
      "ScalingLimited True TooFewReplicas: the desired replica count is less than the minimum replica count",
    ],
    events: ["Normal SuccessfulRescale: New size: 2; reason: All metrics below target"],
  },
  "not-that-fast": {
    replicas: 2,
    pods: [{ use: { cpu: "4" } }, { use: { cpu: "4" } }],
    spec: {
      maxReplicas: 100,
      metrics: [cpu(80)],
      behavior: { scaleUp: { policies: [{ type: "Pods", value: 1, periodSeconds: 1800 }] } },
    },
    becomes: 3,
    desired: 3,
    conditions: [
      READY,
      FROM(CPU),
      "ScalingLimited True ScaleUpLimit: the desired replica count is increasing faster than the maximum scale rate",
    ],
  },
  "within-its-own-tolerance": {
    replicas: 2,
    pods: [{ use: { cpu: "100m" } }, { use: { cpu: "100m" } }],
    spec: { maxReplicas: 10, metrics: [cpu(80)], behavior: { scaleUp: { tolerance: "0.3" } } },
    becomes: 2,
    desired: 2,
    conditions: [READY, FROM(CPU), WITHIN],
  },
  "some-unready": {
    replicas: 3,
    pods: [
      { use: { cpu: "300m" } },
      { use: { cpu: "300m" }, status: { phase: "Pending" } },
      { use: { cpu: "300m" }, status: ready("False") },
    ],
    spec: { maxReplicas: 10, metrics: [cpu(100)] },
    becomes: 3,
    desired: 3,
    metrics: [
      { type: "Resource", resource: { name: "cpu", current: { averageUtilization: 300, averageValue: "300m" } } },
    ],
    conditions: [READY, FROM(CPU), WITHIN],
  },
  memory: {
    replicas: 2,
    pods: [{ use: { memory: "64Mi" } }, { use: { memory: "65Mi" } }],
    spec: {
      maxReplicas: 10,
      metrics: [
        { type: "Resource", resource: { name: "memory", target: { type: "AverageValue", averageValue: "60Mi" } } },
        {
          type: "ContainerResource",
          containerResource: { name: "memory", container: "c", target: { type: "AverageValue", averageValue: "64Mi" } },
        },
      ],
    },
    becomes: 2,
    desired: 2,
    metrics: [
      { type: "Resource", resource: { name: "memory", current: { averageValue: "66048Ki" } } },
      {
        type: "ContainerResource",
        containerResource: { name: "memory", container: "c", current: { averageValue: "66048Ki" } },
      },
    ],
    conditions: [READY, FROM("memory resource"), WITHIN],
  },
  "above-the-maximum": {
    replicas: 20,
    spec: { maxReplicas: 10, metrics: [cpu(80)] },
    becomes: 10,
    conditions: [
      GOT,
      `ScalingActive False FailedGetResourceMetric: ${CANNOT}: failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from resource metrics API`,
    ],
    desired: 10,
    metrics: [{ type: "" }],
    events: ["Normal SuccessfulRescale: New size: 10; reason: Current number of replicas above Spec.MaxReplicas"],
  },
  "below-the-minimum": {
    replicas: 1,
    pods: [{ use: { cpu: "80m" } }],
    spec: { maxReplicas: 10, minReplicas: 4, metrics: [cpu(80)] },
    becomes: 4,
    conditions: [READY, FROM(CPU), WITHIN],
    desired: 4,
    events: ["Normal SuccessfulRescale: New size: 4; reason: Current number of replicas below Spec.MinReplicas"],
  },
  "at-zero": {
    replicas: 0,
    spec: { maxReplicas: 10 },
    becomes: 0,
    desired: 0,
    metrics: null,
    conditions: [
      GOT,
      "ScalingActive False ScalingDisabled: scaling is disabled since the replica count of the target is zero",
    ],
  },
  "no-requests": {
    replicas: 1,
    pods: [{ use: { cpu: "80m" }, request: {} }],
    spec: { maxReplicas: 10 },
    conditions: [
      GOT,
      `ScalingActive False FailedGetResourceMetric: ${CANNOT}: failed to get cpu utilization: missing request for cpu in container c of Pod no-requests-0`,
    ],
    events: [
      "Warning FailedComputeMetricsReplicas: invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: failed to get cpu utilization: missing request for cpu in container c of Pod no-requests-0",
      "Warning FailedGetResourceMetric: failed to get cpu utilization: missing request for cpu in container c of Pod no-requests-0",
    ],
  },
  "one-of-two-metrics": {
    replicas: 2,
    pods: [{ use: { cpu: "150m" } }, { use: { cpu: "150m" } }],
    spec: { maxReplicas: 10, metrics: [external({ type: "Value", value: "5" }, "silent"), cpu(100)] },
    becomes: 3,
    desired: 3,
    metrics: [
      { type: "" },
      { type: "Resource", resource: { name: "cpu", current: { averageUtilization: 150, averageValue: "150m" } } },
    ],
    conditions: [READY, FROM(CPU), WITHIN],
  },
  "one-of-two-metrics-idle": {
    replicas: 2,
    pods: [{ use: { cpu: "1m" } }, { use: { cpu: "1m" } }],
    spec: { maxReplicas: 10, metrics: [cpu(100), external({ type: "AverageValue", averageValue: "5" }, "silent")] },
    becomes: 2,
    conditions: [
      GOT,
      `ScalingActive False FailedGetExternalMetric: ${CANNOT}: unable to get external metric ${NS}/silent/nil: no metrics returned from external metrics API`,
    ],
  },
  "pods-metric": {
    replicas: 2,
    pods: [{}, {}],
    spec: {
      maxReplicas: 10,
      metrics: [
        { type: "Pods", pods: { metric: { name: "rps" }, target: { type: "AverageValue", averageValue: "10" } } },
      ],
    },
    becomes: 4,
    desired: 4,
    metrics: [{ type: "Pods", pods: { metric: { name: "rps" }, current: { averageValue: "19500m" } } }],
    conditions: [READY, FROM("pods metric rps"), WITHIN],
  },
  "object-value": {
    replicas: 2,
    pods: [{}, {}],
    spec: { maxReplicas: 10, metrics: [object({ type: "Value", value: "1k" })] },
    becomes: 4,
    desired: 4,
    metrics: [
      {
        type: "Object",
        object: {
          describedObject: { kind: "Service", name: "main", apiVersion: "v1" },
          metric: { name: "hits" },
          current: { value: "2k" },
        },
      },
    ],
    conditions: [READY, FROM("Service metric hits"), WITHIN],
  },
  "object-average": {
    replicas: 2,
    pods: [{}, {}],
    spec: { maxReplicas: 10, metrics: [object({ type: "AverageValue", averageValue: "400" })] },
    becomes: 5,
    desired: 5,
    conditions: [
      "AbleToScale True ReadyForNewScale: recommended size matches current size",
      FROM("external metric hits(nil)"),
      WITHIN,
    ],
  },
  "external-value": {
    replicas: 2,
    pods: [{}, {}],
    spec: { maxReplicas: 10, metrics: [external({ type: "Value", value: "20" })] },
    becomes: 3,
    desired: 3,
    metrics: [{ type: "External", external: { metric: { name: "queue" }, current: { value: "30" } } }],
    conditions: [READY, FROM("external metric queue(nil)"), WITHIN],
  },
  "wrong-target-type": {
    replicas: 1,
    pods: [{}],
    spec: { maxReplicas: 10, metrics: [object({ type: "Value", averageValue: "400" })] },
    conditions: [
      GOT,
      `ScalingActive False FailedGetObjectMetric: ${CANNOT}: invalid object metric source: neither a value target nor an average value target was set`,
    ],
  },
  "metric-of-an-unknown-kind": {
    replicas: 1,
    pods: [{}],
    spec: {
      maxReplicas: 10,
      metrics: [
        {
          type: "Object",
          object: {
            describedObject: { apiVersion: "a.example.com/v1", kind: "Thing", name: "x" },
            metric: { name: "m" },
            target: { type: "Value", value: "1" },
          },
        },
      ],
    },
    conditions: [
      GOT,
      `ScalingActive False FailedGetObjectMetric: ${CANNOT}: unable to get metric m: Thing on ${NS} x/unable to fetch metrics from custom metrics API: unable to map kind Thing.a.example.com to resource: no matches for kind "Thing" in group "a.example.com"`,
    ],
  },
  "a-vanished-target": {
    replicas: -1,
    spec: { maxReplicas: 10 },
    conditions: [
      'AbleToScale False FailedGetScale: the HPA controller was unable to get the target\'s current scale: deployments.apps "a-vanished-target" not found',
    ],
    events: ['Warning FailedGetScale: deployments.apps "a-vanished-target" not found'],
  },
  "a-target-without-scale": {
    replicas: -1,
    spec: { maxReplicas: 10, scaleTargetRef: { apiVersion: "rbac.authorization.k8s.io/v1", kind: "Role", name: "x" } },
    conditions: [
      "AbleToScale False FailedGetScale: the HPA controller was unable to get the target's current scale: the server could not find the requested resource",
    ],
  },
  "a-target-of-no-kind": {
    replicas: -1,
    spec: { maxReplicas: 10, scaleTargetRef: { apiVersion: "a.example.com/v1", kind: "Thing", name: "x" } },
    conditions: [
      'AbleToScale False FailedGetScale: the HPA controller was unable to get the target\'s current scale: no matches for kind "Thing" in group "a.example.com"',
    ],
    events: ['Warning FailedGetScale: no matches for kind "Thing" in group "a.example.com"'],
  },
  "absurd-numbers": {
    replicas: 2,
    pods: [{ use: { cpu: "9223372036854775" } }, { use: { cpu: "1m" } }],
    spec: { maxReplicas: 2147483647, metrics: [cpu(2147483647)] },
    becomes: 2,
    conditions: [
      "AbleToScale True ScaleDownStabilized: recent recommendations were higher than current one, applying the highest recent recommendation",
      FROM(CPU),
      WITHIN,
    ],
  },
};

for (const [name, built, start] of [
  ["tenon", true, startOurs],
  ["kube-controller-manager", missing.length === 0, startReal],
] as const) {
  describe.skipIf(!built)(`the autoscaler of ${name}`, () => {
    let server: Server;
    let target: Target;
    let metrics: ScriptedMetrics;
    const path = (group: string, resource: string, of = "") =>
      `/${group === "v1" ? "api" : "apis"}/${group}/namespaces/${NS}/${resource}${of && `/${of}`}`;
    const made = async (url: string, body: object) => {
      const answer = await target.call("POST", url, { body });
      if (answer.status !== 201) throw new Error(answer.text);
    };
    const merge = (url: string, body: object) =>
      target.call("PATCH", url, { contentType: "application/merge-patch+json", body });

    async function makePod(pod: string, app: string, { use, status, request = { cpu: "100m" } }: PodCase) {
      const containers = [{ name: "c", image: "x", resources: { requests: request } }];
      await made(path("v1", "pods"), { metadata: { name: pod, labels: { app } }, spec: { containers } });
      await merge(path("v1", "pods", `${pod}/status`), { status: status ?? ready() });
      if (use !== undefined) metrics.pods.set(pod, { app, usage: use });
    }

    async function makeCase(app: string, one: Case) {
      const target = { apiVersion: "apps/v1", kind: "Deployment", name: app };
      for (const [index, pod] of (one.pods ?? []).entries()) await makePod(`${app}-${index}`, app, pod);
      if (one.replicas >= 0) {
        const labels = { app };
        await made(path("apps/v1", "deployments"), {
          metadata: { name: app },
          spec: {
            replicas: one.replicas,
            selector: { matchLabels: labels },
            template: { metadata: { labels }, spec: { containers: [{ name: "c", image: "x" }] } },
          },
        });
        await merge(path("apps/v1", "deployments", `${app}/status`), {
          status: { replicas: one.replicas, observedGeneration: 1 },
        });
      }
      await made(path("autoscaling/v2", "horizontalpodautoscalers"), {
        metadata: { name: app },
        spec: { scaleTargetRef: target, ...one.spec },
      });
    }

    const autoscaler = async (app: string) =>
      (await target.call("GET", path("autoscaling/v2", "horizontalpodautoscalers", app))).json;
    const conditionsOf = (status: {
      conditions?: { type: string; status: string; reason: string; message: string }[];
    }) => (status.conditions ?? []).map((one) => `${one.type} ${one.status} ${one.reason}: ${one.message}`);
    const eventsOf = async (app: string) => {
      const selector = `involvedObject.name%3D${app}%2CinvolvedObject.kind%3DHorizontalPodAutoscaler`;
      const { items } = (await target.call("GET", `${path("v1", "events")}?fieldSelector=${selector}`)).json;
      return items
        .map((one: { type: string; reason: string; message: string }) => `${one.type} ${one.reason}: ${one.message}`)
        .sort();
    };

    beforeAll(async () => {
      server = await start();
      target = server.target;
      await made("/api/v1/namespaces", { metadata: { name: NS } });
      metrics = await startScriptedMetrics(target, NS);
      metrics.values.set("pods/*/rps", [
        { name: "pods-metric-0", value: "19" },
        { name: "pods-metric-1", value: "20" },
      ]);
      metrics.values.set("services/main/hits", [{ value: "2k" }]);
      metrics.values.set("queue", [{ value: "10" }, { value: "20" }]);
      for (const [app, one] of Object.entries(CASES)) await makeCase(app, one);
    }, 120_000);
    afterAll(async () => {
      await metrics?.stop();
      await server?.stop();
    });

    it.each(Object.entries(CASES))("%s", async (app, one) => {
      const found = await eventually(
        () => autoscaler(app),
        ({ status }) => JSON.stringify(conditionsOf(status)) === JSON.stringify(one.conditions),
        15,
      );
      expect(conditionsOf(found.status)).toEqual(one.conditions);
      if (one.becomes !== undefined) {
        const deployment = await target.call("GET", path("apps/v1", "deployments", app));
        expect(deployment.json.spec.replicas).toBe(one.becomes);
      }
      if (one.desired !== undefined) expect(found.status.desiredReplicas).toBe(one.desired);
      if (one.metrics !== undefined) expect(found.status.currentMetrics).toEqual(one.metrics);
      if (one.events !== undefined) {
        const events = await eventually(
          () => eventsOf(app),
          (seen: string[]) => one.events!.every((event) => seen.includes(event)),
          15,
        );
        expect(events).toEqual(expect.arrayContaining([...one.events]));
      }
    });

    it("two at the same pods both hold still, and one goes on when the other is gone", async () => {
      const other = {
        metadata: { name: "rival" },
        spec: {
          scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "too-busy" },
          maxReplicas: 10,
          metrics: [cpu(80)],
        },
      };
      await made(path("autoscaling/v2", "horizontalpodautoscalers"), other);
      const active = async (name: string) =>
        conditionsOf((await autoscaler(name)).status).find((one) => one.startsWith("ScalingActive"));
      for (const name of ["rival", "too-busy"]) {
        const said = await eventually(
          () => active(name),
          (one) => one?.includes("AmbiguousSelector") ?? false,
          15,
        );
        expect(said).toMatch(
          /^ScalingActive False AmbiguousSelector: pods by selector app=too-busy are controlled by multiple HPAs: \[autoscaled\/(too-busy autoscaled\/rival|rival autoscaled\/too-busy)\]$/,
        );
      }
      await target.call("DELETE", path("autoscaling/v2", "horizontalpodautoscalers", "rival"));
      const said = await eventually(
        () => active("too-busy"),
        (one) => one === FROM(CPU),
        15,
      );
      expect(said).toBe(FROM(CPU));
    });

    it("a custom resource is scaled like any other", async () => {
      const group = "fleets.example.com";
      const schema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
      await made("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {
        metadata: { name: `ships.${group}` },
        spec: {
          group,
          scope: "Namespaced",
          names: { plural: "ships", singular: "ship", kind: "Ship", listKind: "ShipList" },
          versions: [
            {
              name: "v1",
              served: true,
              storage: true,
              schema: { openAPIV3Schema: { ...schema, properties: { spec: schema, status: schema } } },
              subresources: {
                status: {},
                scale: {
                  specReplicasPath: ".spec.replicas",
                  statusReplicasPath: ".status.replicas",
                  labelSelectorPath: ".status.selector",
                },
              },
            },
          ],
        },
      });
      const ships = path(`${group}/v1`, "ships");
      const body = { apiVersion: `${group}/v1`, kind: "Ship", metadata: { name: "ship" }, spec: { replicas: 2 } };
      const ship = await eventually(
        () => target.call("POST", ships, { body }),
        ({ status }) => status === 201 || status === 409,
      );
      expect([201, 409]).toContain(ship.status);
      await merge(`${ships}/ship/status`, { status: { replicas: 2, selector: "app=ship" } });
      for (const index of [0, 1]) await makePod(`ship-${index}`, "ship", { use: { cpu: "200m" } });
      await made(path("autoscaling/v2", "horizontalpodautoscalers"), {
        metadata: { name: "ship" },
        spec: {
          scaleTargetRef: { apiVersion: `${group}/v1`, kind: "Ship", name: "ship" },
          maxReplicas: 10,
          metrics: [cpu(100)],
        },
      });
      const scaled = await eventually(
        async () => (await target.call("GET", `${ships}/ship`)).json.spec.replicas,
        (replicas) => replicas === 4,
      );
      expect(scaled).toBe(4);
    });

    it("kubectl shows what is and what should be", async () => {
      const { stdout } = await target.kubectl(["-n", NS, "get", "hpa", "some-unready", "memory", "object-average"]);
      const lines = stdout.split("\n").map((line) => line.split(/ {2,}/).slice(0, 6));
      expect(lines.slice(0, 3)).toEqual([
        ["NAME", "REFERENCE", "TARGETS", "MINPODS", "MAXPODS", "REPLICAS"],
        ["some-unready", "Deployment/some-unready", "cpu: 300%/100%", "1", "10", "3"],
        ["memory", "Deployment/memory", "memory: 66048Ki/60Mi, memory: 66048Ki/64Mi", "1", "10", "2"],
      ]);
      const described = await target.kubectl(["-n", NS, "describe", "hpa", "at-the-limit"]);
      expect(described.stdout).toMatch(
        /^ {2}ScalingLimited +True +TooManyReplicas +the desired replica count is more than the maximum replica count$/m,
      );
      expect(described.stdout).toMatch(/^Deployment pods: +3 current \/ 3 desired$/m);
    });
  });
}
