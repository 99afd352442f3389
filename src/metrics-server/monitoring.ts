/** What metrics-server says of itself, under the original's names (spec: metrics 2.10). */
import { Counter, exponentialBuckets, Gauge, Histogram, type Registry } from "prom-client";

/** Seconds; upstream's default buckets. */
const DEFAULT_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export interface Monitoring {
  ticked(seconds: number): void;
  /** `at`: milliseconds since the epoch. */
  requested(node: string, seconds: number, success: boolean, at: number): void;
  /** A node that is no longer there takes its series with it. */
  forget(node: string): void;
  served(ageSeconds: number): void;
  stored(points: { readonly nodes: number; readonly containers: number }): void;
  /** Shows the series in this registry. */
  appearIn(registry: Registry): void;
}

export function monitoring(resolutionMilliseconds: number): Monitoring {
  const tickDuration = new Histogram({
    name: "metrics_server_manager_tick_duration_seconds",
    help: "How long collecting and storing one round of readings took.",
    buckets: tickBuckets(resolutionMilliseconds / 1000),
    registers: [],
  });
  const requestDuration = new Histogram({
    name: "metrics_server_kubelet_request_duration_seconds",
    help: "How long requests to kubelets took.",
    labelNames: ["node"],
    buckets: DEFAULT_BUCKETS,
    registers: [],
  });
  const requests = new Counter({
    name: "metrics_server_kubelet_request_total",
    help: "Requests to kubelets, by success.",
    labelNames: ["success"],
    registers: [],
  });
  const lastRequest = new Gauge({
    name: "metrics_server_kubelet_last_request_time_seconds",
    help: "When a kubelet was last asked, in seconds since the epoch.",
    labelNames: ["node"],
    registers: [],
  });
  const freshness = new Histogram({
    name: "metrics_server_api_metric_freshness_seconds",
    help: "How old readings were when they were served.",
    buckets: exponentialBuckets(1, 1.364, 20),
    registers: [],
  });
  const points = new Gauge({
    name: "metrics_server_storage_points",
    help: "Readings that can be served, by type.",
    labelNames: ["type"],
    registers: [],
  });
  return {
    ticked: (seconds) => tickDuration.observe(seconds),
    requested(node, seconds, success, at) {
      requestDuration.observe({ node }, seconds);
      requests.inc({ success: String(success) });
      lastRequest.set({ node }, at / 1000);
    },
    forget(node) {
      requestDuration.remove({ node });
      lastRequest.remove({ node });
    },
    served: (seconds) => freshness.observe(seconds),
    stored({ nodes, containers }) {
      points.set({ type: "node" }, nodes);
      points.set({ type: "container" }, containers);
    },
    appearIn(registry) {
      for (const metric of [tickDuration, requestDuration, requests, lastRequest, freshness, points]) {
        registry.registerMetric(metric as Histogram);
      }
    },
  };
}

/** The default buckets, and around a resolution (seconds) above 10 s: its half-way mark, itself, one and a half and twice of it. */
export function tickBuckets(resolution: number): number[] {
  if (resolution <= 10) return DEFAULT_BUCKETS;
  return [...DEFAULT_BUCKETS, (10 + resolution) / 2, resolution, resolution * 1.5, resolution * 2];
}
