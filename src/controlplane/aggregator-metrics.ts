/** The aggregator's counts under upstream's metric names (spec: aggregation 2.6). */

import type { AggregatorMetrics } from "../aggregator/metrics.ts";
import type { Metrics } from "../server/metrics.ts";
import { Counter, Gauge } from "../server/prometheus.ts";

/** For DiscoveryOptions. */
export function discoveryMetrics({ registry }: Metrics): (what: "aggregated" | "nopeer") => void {
  const registers = [registry];
  const counters = {
    aggregated: new Counter({
      name: "aggregator_discovery_aggregation_count_total",
      help: "How often aggregated discovery documents were made.",
      registers,
    }),
    nopeer: new Counter({
      name: "aggregator_discovery_nopeer_requests_total",
      help: "Requests for discovery of this server alone.",
      registers,
    }),
  };
  return (what) => counters[what].inc();
}

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
  const terminations = new Counter({
    name: "apiserver_request_terminations_total",
    help: "Requests the server ended itself, by code and part.",
    labelNames: ["verb", "group", "version", "resource", "subresource", "scope", "component", "code"],
    registers,
  });
  // Upstream's names of what cannot happen here: no server asks its peers, and SHA-1 fails in the handshake.
  for (const [name, help] of ALWAYS_ZERO) new Counter({ name, help, registers });
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
    terminated({ verb, group, version, resource, subresource, ...info }, code) {
      const scope = !info.isResourceRequest
        ? ""
        : info.name !== ""
          ? "resource"
          : info.namespace !== ""
            ? "namespace"
            : "cluster";
      const labels = { group, version, resource, subresource, scope, component: "aggregator", code: `${code}` };
      terminations.inc({ ...labels, verb: verb.toUpperCase() });
    },
    proxyFailed: (name, stage) => failures.inc({ name, stage }),
  };
}

const ALWAYS_ZERO = [
  ["aggregator_discovery_peer_aggregated_cache_hits_total", "Discovery documents of peers that were at hand."],
  ["aggregator_discovery_peer_aggregated_cache_misses_total", "Discovery documents of peers that had to be fetched."],
  [
    "apiserver_kube_aggregator_x509_insecure_sha1_total",
    "Connections to extension servers whose certificate was signed with SHA-1.",
  ],
] as const;
