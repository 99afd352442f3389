/**
 * One round of the autoscaler: 10,000 of them with 10 pods each, every status rewritten, on one core. Everything runs in this process: the controller,
 * and Tenon's own API server in memory, which answers the scale of every target and stores every status. Only the Metrics API is made up: its lists
 * are built before a round begins and arrive as bytes that the controller parses.
 *
 *     npm run bench -- hpa [--autoscalers 10000] [--pods 10] [--namespaces 100] [--rounds 3]
 */
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { systemClock, systemRandom } from "../src/api/machine.ts";
import { apiVersionOf, type GroupVersionKind, type KubeObject } from "../src/api/meta.ts";
import { seededRandom } from "../src/api/simulated.ts";
import { formatTime } from "../src/api/time.ts";
import { type CallOptions, type Client, createClient } from "../src/client/client.ts";
import { informerFactory } from "../src/client/informer-factory.ts";
import { eventRecorder } from "../src/client/recorder.ts";
import {
  AUTOSCALERS,
  type Autoscaler,
  DEFAULT_OPTIONS,
  keyOf,
} from "../src/controllers/horizontal-pod-autoscaler/autoscaler.ts";
import { openAutoscaling } from "../src/controllers/horizontal-pod-autoscaler/autoscaling.ts";
import { codecFor } from "../src/kinds/tables.ts";
import { startControlPlane } from "../src/testing/control-plane.ts";
import { median } from "./measure.ts";

const { values } = parseArgs({
  options: {
    autoscalers: { type: "string", default: "10000" },
    pods: { type: "string", default: "10" },
    namespaces: { type: "string", default: "100" },
    rounds: { type: "string", default: "3" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log("npm run bench -- hpa [--autoscalers 10000] [--pods 10] [--namespaces 100] [--rounds 3]");
  process.exit(0);
}
const [autoscalerCount, podCount, namespaceCount, rounds] = [
  values.autoscalers,
  values.pods,
  values.namespaces,
  values.rounds,
].map(Number) as [number, number, number, number];
const DEPLOYMENT = { group: "apps", version: "v1", kind: "Deployment" };
const POD = { group: "", version: "v1", kind: "Pod" };
const NAMESPACE = { group: "", version: "v1", kind: "Namespace" };
const AUTOSCALER = { group: "autoscaling", version: "v2", kind: "HorizontalPodAutoscaler" };
const encoder = new TextEncoder();
const namespaceOf = (index: number) => `team-${index % namespaceCount}`;
const appOf = (index: number) => `app-${index}`;

const plane = await startControlPlane({ listen: false, controllers: false });
const direct = plane.client();

/** What the Metrics API answers, by path. */
const lists = new Map<string, Uint8Array>();
let metricLists = 0;
const client: Client = createClient(
  {
    async request(request) {
      if (request.path.startsWith("/apis/metrics.k8s.io/")) {
        metricLists++;
        const body = lists.get(request.path);
        if (body === undefined) throw new Error(`nothing is made up for ${request.path}`);
        return {
          status: 200,
          headers: { "content-type": "application/json" },
          body: (async function* () {
            yield body;
          })(),
        };
      }
      return direct.stream(callOf(request));
    },
    close: async () => {},
  },
  { clock: systemClock, random: systemRandom },
);

/** A request of the transport as a call of the client that reaches the server. */
function callOf(request: Parameters<Parameters<typeof createClient>[0]["request"]>[0]): CallOptions {
  const url = new URL(request.path, "http://in.memory");
  return {
    method: request.method,
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    headers: request.headers,
    ...(request.body !== undefined && {
      body: request.body,
      contentType: request.headers?.["content-type"] ?? "application/json",
    }),
    ...(request.signal && { signal: request.signal }),
  };
}

/** Straight into the store: through the API the making would take minutes. */
async function put(storagePrefix: string, kind: GroupVersionKind, object: KubeObject): Promise<void> {
  const { name = "", namespace = "" } = object.metadata;
  const value = codecFor(kind).encode(
    {
      kind: kind.kind,
      apiVersion: apiVersionOf(kind),
      ...object,
      metadata: { ...object.metadata, uid: systemRandom.uuid(), creationTimestamp: old },
    },
    "",
  );
  const key = `${storagePrefix}${namespace && `${namespace}/`}${name}`;
  const { committed } = await plane.controlPlane.state.commit({ key, expected: 0, value });
  if (!committed) throw new Error(`${key} is there already`);
}

const old = formatTime(systemClock.now() - 3_600_000);
const running = {
  phase: "Running",
  startTime: old,
  conditions: [{ type: "Ready", status: "True", lastTransitionTime: old }],
};

async function makeTarget(index: number): Promise<void> {
  const namespace = namespaceOf(index);
  const app = appOf(index);
  const labels = { app };
  const container = { name: "server", image: "example.com/server:1", resources: { requests: { cpu: "250m" } } };
  const template = { metadata: { labels }, spec: { containers: [container] } };
  await put("/registry/deployments/", DEPLOYMENT, {
    metadata: { name: app, namespace, generation: 1 },
    spec: { replicas: podCount, selector: { matchLabels: labels }, template },
  });
  for (let pod = 0; pod < podCount; pod++) {
    await put("/registry/pods/", POD, {
      metadata: { name: `${app}-${pod}`, namespace, labels },
      spec: template.spec,
      status: running,
    });
  }
  await put("/registry/horizontalpodautoscalers/", AUTOSCALER, {
    metadata: { name: app, namespace },
    spec: {
      scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: app },
      minReplicas: 1,
      maxReplicas: 100,
      metrics: [
        { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 50 } } },
      ],
    },
  });
}

/** Use near the target: nothing is scaled, every average is another one. */
function makeMetrics(round: number): void {
  const random = seededRandom(round);
  const timestamp = formatTime(systemClock.now());
  const items = new Map<string, object[]>();
  for (let index = 0; index < autoscalerCount; index++) {
    const namespace = namespaceOf(index);
    let list = items.get(namespace);
    if (list === undefined) {
      list = [];
      items.set(namespace, list);
    }
    for (let pod = 0; pod < podCount; pod++) {
      list.push({
        metadata: {
          name: `${appOf(index)}-${pod}`,
          namespace,
          creationTimestamp: timestamp,
          labels: { app: appOf(index) },
        },
        timestamp,
        window: "15.004s",
        containers: [
          {
            name: "server",
            usage: {
              cpu: `${116_000_000 + (round % 4) * 4_000_000 + Math.floor(random.number() * 3_000_000)}n`,
              memory: "92160Ki",
            },
          },
        ],
      });
    }
  }
  for (const [namespace, list] of items) {
    const body = { kind: "PodMetricsList", apiVersion: "metrics.k8s.io/v1beta1", metadata: {}, items: list };
    lists.set(`/apis/metrics.k8s.io/v1beta1/namespaces/${namespace}/pods`, encoder.encode(JSON.stringify(body)));
  }
}

const began = performance.now();
for (let index = 0; index < namespaceCount; index++) {
  await put("/registry/namespaces/", NAMESPACE, {
    metadata: { name: namespaceOf(index) },
    status: { phase: "Active" },
  });
}
for (let index = 0; index < autoscalerCount; index++) await makeTarget(index);
console.log(
  `${autoscalerCount} autoscalers × ${podCount} pods in ${namespaceCount} namespaces, made in ${((performance.now() - began) / 1000).toFixed(0)} s\n`,
);

const stopping = new AbortController();
const informers = informerFactory(client);
const context = {
  client,
  informers,
  recorder: (component: string) => eventRecorder(client, component),
  log: { info: () => {}, warn: () => {} },
  signal: stopping.signal,
};
const autoscalers = informers.of<Autoscaler>(AUTOSCALERS);
await informers.ready(autoscalers);
const autoscaling = await openAutoscaling(context, autoscalers, DEFAULT_OPTIONS);
autoscalers.subscribe(autoscaling);
const keys = autoscalers.list().map(keyOf);

const seconds: number[] = [];
console.log("| round | seconds | CPU seconds | lists of metrics | statuses written |");
console.log("|---|---|---|---|---|");
for (let round = 0; round <= rounds; round++) {
  makeMetrics(round);
  // A period lies between rounds: what was shared in the last one is not shared any more.
  await setTimeout(DEFAULT_OPTIONS.syncPeriod);
  metricLists = 0;
  const revision = plane.controlPlane.state.revision;
  const cpu = process.cpuUsage();
  const from = performance.now();
  let next = 0;
  const worker = async () => {
    while (next < keys.length) await autoscaling.look(keys[next++]!);
  };
  await Promise.all(Array.from({ length: DEFAULT_OPTIONS.concurrentSyncs }, worker));
  const took = (performance.now() - from) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const wrote = plane.controlPlane.state.revision - revision;
  if (wrote < autoscalerCount) throw new Error(`only ${wrote} of ${autoscalerCount} statuses were written`);
  const name = round === 0 ? "first (cold)" : String(round);
  console.log(`| ${name} | ${took.toFixed(2)} | ${((user + system) / 1e6).toFixed(2)} | ${metricLists} | ${wrote} |`);
  if (round > 0) seconds.push(took);
}
const { rss } = process.memoryUsage();
console.log(
  `\nmedian ${median(seconds).toFixed(2)} s for a round (target: 15 s), ${((median(seconds) * 1e6) / autoscalerCount).toFixed(0)} µs for each; ${(rss / 1e6).toFixed(0)} MB resident, API server and all its objects included`,
);
stopping.abort(new Error("measured"));
await informers.stop();
await plane.close();
