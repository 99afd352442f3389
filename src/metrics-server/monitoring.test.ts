import { Registry } from "prom-client";
import { describe, expect, it } from "vitest";
import { monitoring, tickBuckets } from "./monitoring.ts";

describe("what metrics-server says of itself", () => {
  it.each([
    [10, []],
    [15, [12.5, 15, 22.5, 30]],
    [60, [35, 60, 90, 120]],
  ])("has buckets around a resolution of %i s", (resolution, extra) => {
    expect(tickBuckets(resolution)).toEqual([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, ...extra]);
  });

  it("has the original's names, and forgets nodes that are gone", async () => {
    const series = monitoring(15_000);
    const registry = new Registry();
    series.appearIn(registry);
    series.ticked(0.3);
    series.requested("n1", 0.02, true, 1_789_000_000_500);
    series.requested("n2", 10, false, 1_789_000_000_500);
    series.stored({ nodes: 1, containers: 60 });
    series.served(3);
    series.forget("n2");
    const text = await registry.metrics();
    for (const line of [
      'metrics_server_manager_tick_duration_seconds_bucket{le="0.5"} 1',
      'metrics_server_kubelet_request_duration_seconds_count{node="n1"} 1',
      'metrics_server_kubelet_request_total{success="true"} 1',
      'metrics_server_kubelet_request_total{success="false"} 1',
      'metrics_server_kubelet_last_request_time_seconds{node="n1"} 1789000000.5',
      "metrics_server_api_metric_freshness_seconds_sum 3",
      'metrics_server_storage_points{type="node"} 1',
      'metrics_server_storage_points{type="container"} 60',
    ]) {
      expect(text.split("\n")).toContain(line);
    }
    expect(text).not.toContain('node="n2"');
  });
});
