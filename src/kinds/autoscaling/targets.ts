/** The TARGETS cell: what every metric is and what it should be (spec: metrics 4.1). Specs and statuses belong together by index. */
import { NONE, UNKNOWN } from "../../api/table.ts";
import type { HorizontalPodAutoscaler, MetricSpec, MetricStatus, MetricTarget } from "../generated/types.ts";

/** How many metrics are spelled out. */
const SHOWN = 2;
/** How Go prints a quantity that is not there. */
const NIL = "<nil>";

export function targetsCell({ spec, status }: HorizontalPodAutoscaler): string {
  const metrics = spec.metrics ?? [];
  if (metrics.length === 0) return NONE;
  const cells = metrics.map((metric, index) => metricCell(metric, status?.currentMetrics?.[index]));
  const shown = cells.slice(0, SHOWN).join(", ");
  return cells.length > SHOWN ? `${shown} + ${cells.length - SHOWN} more...` : shown;
}

function metricCell(metric: MetricSpec, status: MetricStatus | undefined): string {
  switch (metric.type) {
    case "External":
      return valueCell(metric.external?.target, status?.external);
    case "Object":
      return valueCell(metric.object?.target, status?.object);
    case "Pods": {
      const current = status?.pods === undefined ? UNKNOWN : (status.pods.current.averageValue ?? NIL);
      return `${current}/${metric.pods?.target.averageValue ?? NIL}`;
    }
    case "Resource":
      return usageCell(metric.resource, status?.resource);
    case "ContainerResource":
      return usageCell(metric.containerResource, status?.containerResource);
    default:
      return "<unknown type>";
  }
}

interface Current {
  readonly current: { readonly value?: string; readonly averageValue?: string; readonly averageUtilization?: number };
}

function valueCell(target: MetricTarget | undefined, status: Current | undefined): string {
  if (target?.averageValue !== undefined)
    return `${status?.current.averageValue ?? UNKNOWN}/${target.averageValue} (avg)`;
  return `${status === undefined ? UNKNOWN : (status.current.value ?? NIL)}/${target?.value ?? NIL}`;
}

function usageCell(source: { name: string; target: MetricTarget } | undefined, status: Current | undefined): string {
  const { averageValue, averageUtilization } = source?.target ?? {};
  const name = source?.name ?? "";
  if (averageValue !== undefined) {
    return `${name}: ${status === undefined ? UNKNOWN : (status.current.averageValue ?? NIL)}/${averageValue}`;
  }
  const percent = (value: number | undefined, absent: string) => (value === undefined ? absent : `${value}%`);
  return `${name}: ${percent(status?.current.averageUtilization, UNKNOWN)}/${percent(averageUtilization, "<auto>")}`;
}
