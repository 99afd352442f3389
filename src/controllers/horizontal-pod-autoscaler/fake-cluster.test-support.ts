/** An API server as the autoscaler sees it, in a few maps, on a simulated clock: for tests of what the controller does. */
import { SimulatedClock, seededRandom } from "../../api/simulated.ts";
import { formatTime } from "../../api/time.ts";
import { type Client, createClient } from "../../client/client.ts";
import { type InformerFactory, informerFactory } from "../../client/informer-factory.ts";
import { listerRegistry } from "../../client/lister-registry.ts";
import { type Answer, Feed, scriptedTransport } from "../../client/scripted.test-support.ts";
import type { ClientRequest } from "../../client/transport.ts";
import type { Autoscaler, Scale } from "./autoscaler.ts";
import type { Pod } from "./pod.ts";

const NS = "ns";
const NOT_FOUND = { kind: "Status", apiVersion: "v1", code: 404, reason: "NotFound", message: "not found" };
const group = (name: string, version: string, resource: string, kind: string) => ({
  metadata: { name },
  versions: [
    {
      version,
      freshness: "Current",
      resources: [{ resource, responseKind: { kind }, scope: "Namespaced", verbs: [] }],
    },
  ],
});

export interface FakeCluster {
  readonly clock: SimulatedClock;
  readonly client: Client;
  readonly informers: InformerFactory;
  /** `METHOD path` of all that was asked. */
  readonly requests: readonly ClientRequest[];
  readonly scales: Map<string, Scale>;
  readonly statuses: Map<string, Autoscaler>;
  /** type, reason and message of every event. */
  readonly events: string[];
  readonly autoscalers: ReturnType<typeof listerRegistry<Autoscaler>>;
  readonly pods: ReturnType<typeof listerRegistry<Pod>>;
  /** Usage of each pod's container `c`; undefined: the Metrics API is down. */
  usage: Map<string, string> | undefined;
  /** Answers instead of the cluster. */
  intercept: (request: ClientRequest) => Answer | undefined;
  autoscaler(name: string, spec?: Partial<Autoscaler["spec"]>): Autoscaler;
  /** A Deployment of that name, and its pods, ready since long ago. */
  target(name: string, replicas: number, pods: number): void;
}

export function fakeCluster(): FakeCluster {
  const clock = new SimulatedClock();
  const scales = new Map<string, Scale>();
  const statuses = new Map<string, Autoscaler>();
  const events: string[] = [];
  let revision = 1000;
  const autoscalers = listerRegistry<Autoscaler>((error) => {
    throw error;
  });
  const pods = listerRegistry<Pod>((error) => {
    throw error;
  });
  autoscalers.replace([]);
  pods.replace([]);

  const metricsAnswer = (selector: string | null): Answer => {
    if (cluster.usage === undefined) return { status: 503, body: "no endpoints" };
    const app = /^app=(.*)$/.exec(selector ?? "")?.[1];
    const items = [...cluster.usage].flatMap(([name, cpu]) => {
      const labels = { app: name.slice(0, name.lastIndexOf("-")) };
      if (app !== undefined && labels.app !== app) return [];
      const timestamp = formatTime(clock.now());
      return [{ metadata: { name, labels }, timestamp, window: "15s", containers: [{ name: "c", usage: { cpu } }] }];
    });
    return { body: { kind: "PodMetricsList", items } };
  };

  const answer = (request: ClientRequest): Answer => {
    const intercepted = cluster.intercept(request);
    if (intercepted !== undefined) return intercepted;
    const url = new URL(request.path, "http://cluster");
    const parts = url.pathname.split("/").slice(1);
    const body = request.body === undefined ? undefined : JSON.parse(String(request.body));
    if (url.pathname === "/api") return { body: { items: [group("", "v1", "pods", "Pod")] } };
    if (url.pathname === "/apis") {
      const items = [
        group("apps", "v1", "deployments", "Deployment"),
        group("metrics.k8s.io", "v1beta1", "pods", "PodMetrics"),
      ];
      return { body: { items } };
    }
    if (url.pathname.startsWith("/apis/metrics.k8s.io/")) return metricsAnswer(url.searchParams.get("labelSelector"));
    if (parts.at(-1) === "events") {
      events.push(`${body.type} ${body.reason}: ${body.message}`);
      return { status: 201, body };
    }
    if (parts.at(-1) === "scale") {
      const name = parts.at(-2)!;
      const scale = scales.get(name);
      if (scale === undefined) return { status: 404, body: NOT_FOUND };
      if (request.method === "GET") return { body: scale };
      scales.set(name, { ...scale, spec: { replicas: body.spec.replicas } });
      return { body: scales.get(name) };
    }
    if (parts.at(-1) === "status") {
      const written = { ...body, metadata: { ...body.metadata, resourceVersion: `${++revision}` } };
      statuses.set(parts.at(-2)!, written);
      return { body: written };
    }
    if (url.searchParams.has("watch")) return { body: new Feed() };
    return { body: {} };
  };
  const transport = scriptedTransport(answer);
  const client = createClient(transport, { clock, random: seededRandom(1), maxRetries: 0 });
  const informers = informerFactory(client);
  const cluster: FakeCluster = {
    clock,
    client,
    informers: {
      ...informers,
      of: (resource) => (resource.resource === "pods" ? pods : autoscalers) as never,
      ready: async () => {},
    },
    requests: transport.requests,
    scales,
    statuses,
    events,
    autoscalers,
    pods,
    usage: new Map(),
    intercept: () => undefined,
    autoscaler(name, spec = {}) {
      const autoscaler: Autoscaler = {
        apiVersion: "autoscaling/v2",
        kind: "HorizontalPodAutoscaler",
        metadata: { name, namespace: NS, uid: `uid-${name}`, resourceVersion: `${++revision}` },
        spec: {
          scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name },
          minReplicas: 1,
          maxReplicas: 10,
          metrics: [
            { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 50 } } },
          ],
          ...spec,
        },
      };
      autoscalers.apply("ADDED", autoscaler);
      return autoscaler;
    },
    target(name, replicas, count) {
      const metadata = { name, namespace: NS };
      scales.set(name, { metadata, spec: { replicas }, status: { replicas, selector: `app=${name}` } });
      const old = formatTime(clock.now() - 3_600_000);
      for (let index = 0; index < count; index++) {
        pods.apply("ADDED", {
          metadata: { name: `${name}-${index}`, namespace: NS, labels: { app: name }, uid: `${name}-${index}` },
          spec: { containers: [{ name: "c", resources: { requests: { cpu: "1" } } }] },
          status: {
            phase: "Running",
            startTime: old,
            conditions: [{ type: "Ready", status: "True", lastTransitionTime: old }],
          },
        });
      }
    },
  };
  return cluster;
}

/** The status an autoscaler was last given, told as `type status reason`. */
export function told(cluster: FakeCluster, name: string): string[] {
  return (cluster.statuses.get(name)?.status?.conditions ?? []).map(
    ({ type, status, reason }) => `${type} ${status} ${reason}`,
  );
}
