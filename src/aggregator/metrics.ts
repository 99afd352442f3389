/** What the aggregator counts (spec: aggregation 2.6); whoever wires the server decides where it is shown. */
export interface AggregatorMetrics {
  /** `aggregator_unavailable_apiservice{name}`; undefined removes the series. */
  unavailable(name: string, value: 0 | 1 | undefined): void;
  /** `aggregator_unavailable_apiservice_total{name,reason}`: it was available before. */
  becameUnavailable(name: string, reason: string): void;
  /** `apiserver_kube_aggregator_x509_missing_san_total`. */
  missingSAN(): void;
  /** One proxied request failed before its response began; `stage` is the DialError's reason. */
  proxyFailed(name: string, stage: string): void;
}

export const noMetrics: AggregatorMetrics = {
  unavailable: () => {},
  becameUnavailable: () => {},
  missingSAN: () => {},
  proxyFailed: () => {},
};
