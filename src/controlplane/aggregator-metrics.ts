/** The aggregator's counts under upstream's metric names (spec: aggregation 2.6). */

import type { AggregatorMetrics } from "../aggregator/metrics.ts";
import type { Metrics } from "../server/metrics.ts";
import { Counter, Gauge } from "../server/prometheus.ts";

export function aggregatorMetrics({ registry }: Metrics): AggregatorMetrics {
  const registers = [registry];
  const unavailable = new Gauge({
    name: "aggregator_unavailable_apiservice",
    help: "Gauge of APIServices which are marked as unavailable broken down by APIService name.",
    labelNames: ["name"],
    registers,
  });
  const transitions = new Counter({
    name: "aggregator_unavailable_apiservice_total",
    help: "Counter of APIServices which are marked as unavailable broken down by APIService name and reason.",
    labelNames: ["name", "reason"],
    registers,
  });
  const missingSAN = new Counter({
    name: "apiserver_kube_aggregator_x509_missing_san_total",
    help: "Connections to extension servers that failed because their certificate has no alternative names.",
    registers,
  });
  const failures = new Counter({
    name: "tenon_aggregator_proxy_failures_total",
    help: "Proxied requests that failed before a response began, by APIService and stage.",
    labelNames: ["name", "stage"],
    registers,
  });
  return {
    unavailable(name, value) {
      if (value === undefined) unavailable.remove({ name });
      else unavailable.set({ name }, value);
    },
    becameUnavailable: (name, reason) => transitions.inc({ name, reason }),
    missingSAN: () => missingSAN.inc(),
    proxyFailed: (name, stage) => failures.inc({ name, stage }),
  };
}
