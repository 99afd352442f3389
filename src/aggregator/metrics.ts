/** What the aggregator counts (spec: aggregation 2.6); whoever wires the server decides where it is shown. */
import type { RequestInfo } from "../server/request-info.ts";

export interface AggregatorMetrics {
  /** `aggregator_unavailable_apiservice{name}`; undefined removes the series. */
  unavailable(name: string, value: 0 | 1 | undefined): void;
  /** `aggregator_unavailable_apiservice_total{name,reason}`: it was available before. */
  becameUnavailable(name: string, reason: string): void;
  /** `apiserver_kube_aggregator_x509_missing_san_total`. */
  missingSAN(): void;
  /** `apiserver_request_terminations_total{component="aggregator"}`: a request ended here, with this code, before anybody was asked. */
  terminated(info: RequestInfo, code: number): void;
  /** One proxied request failed before its response began; `stage` is the DialError's reason. */
  proxyFailed(name: string, stage: string): void;
}

export const noMetrics: AggregatorMetrics = {
  unavailable: () => {},
  becameUnavailable: () => {},
  missingSAN: () => {},
  terminated: () => {},
  proxyFailed: () => {},
};
