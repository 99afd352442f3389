/** The public face of `tenon/metrics-server`: the Metrics API from memory, behind any Kubernetes API server. */
export { METRICS_SERVER_FLAGS, type MetricsServerFlags, parseMetricsServerFlags } from "./flags.ts";
export { ensureRBAC, NAME, NAMESPACE, USER } from "./rbac.ts";
export { type FlaggedOptions, runMetricsServer } from "./run.ts";
export { type MetricsServer, type MetricsServerOptions, startMetricsServer } from "./server.ts";
