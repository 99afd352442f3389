/** HorizontalPodAutoscalers of autoscaling/v2 and v1, one made from the other (spec: metrics 4.2). Neither function changes what it is given. */
import type { ObjectMeta } from "../../api/meta.ts";
import type {
  MetricSpec,
  MetricStatus,
  AutoscalingHorizontalPodAutoscaler as V1,
  HorizontalPodAutoscaler as V2,
} from "../generated/types.ts";
import {
  BEHAVIOR,
  CONDITIONS,
  CURRENT_METRICS,
  METRICS,
  printBehavior,
  printConditions,
  printCurrentMetrics,
  printMetrics,
  readBehavior,
  readConditions,
  readCurrentMetrics,
  readMetrics,
  withoutTravelling,
} from "./annotations.ts";

/** The percentage that an autoscaler without any metric aims at. */
export const DEFAULT_CPU_UTILIZATION = 80;

export function cpuUtilization(percent: number): MetricSpec {
  return { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: percent } } };
}

/** The target of a metric that v1 has a field for. */
function cpuTarget({ type, resource }: MetricSpec): number | undefined {
  return type === "Resource" && resource?.name === "cpu" ? resource.target.averageUtilization : undefined;
}

function currentCPU(statuses: readonly MetricStatus[]): number | undefined {
  const values = statuses.flatMap(({ type, resource }) =>
    type === "Resource" && resource?.name === "cpu" ? [resource.current.averageUtilization] : [],
  );
  return values.findLast((value) => value !== undefined);
}

function withAnnotations(metadata: ObjectMeta, added: Readonly<Record<string, string>>): ObjectMeta {
  const { annotations, ...rest } = metadata;
  const kept = withoutTravelling(annotations);
  const all = Object.keys(added).length === 0 ? kept : { ...kept, ...added };
  return all === undefined ? rest : { ...rest, annotations: all };
}

export function toV1(autoscaler: V2): V1 {
  const { spec, status, metadata } = autoscaler;
  const metrics = spec.metrics ?? [];
  const others = metrics.filter((metric) => cpuTarget(metric) === undefined);
  const { currentMetrics, conditions, ...counts } = status ?? { desiredReplicas: 0, currentMetrics: null };
  const target = metrics.map(cpuTarget).find((percent) => percent !== undefined);
  const current = currentCPU(currentMetrics ?? []);
  return {
    kind: "HorizontalPodAutoscaler",
    apiVersion: "autoscaling/v1",
    metadata: withAnnotations(metadata, {
      ...(others.length > 0 && { [METRICS]: printMetrics(others) }),
      ...(currentMetrics?.length && { [CURRENT_METRICS]: printCurrentMetrics(currentMetrics) }),
      ...(spec.behavior && { [BEHAVIOR]: printBehavior(spec.behavior) }),
      ...(conditions?.length && { [CONDITIONS]: printConditions(conditions) }),
    }),
    spec: {
      scaleTargetRef: spec.scaleTargetRef,
      ...(spec.minReplicas !== undefined && { minReplicas: spec.minReplicas }),
      maxReplicas: spec.maxReplicas,
      ...(target !== undefined && { targetCPUUtilizationPercentage: target }),
    },
    status: {
      ...counts,
      currentReplicas: counts.currentReplicas ?? 0,
      desiredReplicas: counts.desiredReplicas,
      ...(current !== undefined && { currentCPUUtilizationPercentage: current }),
    },
  };
}

function metricsOf({ spec, metadata }: V1): MetricSpec[] {
  const { targetCPUUtilizationPercentage: percent } = spec;
  const cpu = percent === undefined ? [] : [cpuUtilization(percent)];
  const annotation = metadata.annotations?.[METRICS];
  const metrics = [...((annotation !== undefined && readMetrics(annotation)) || []), ...cpu];
  return metrics.length > 0 ? metrics : [cpuUtilization(DEFAULT_CPU_UTILIZATION)];
}

function currentMetricsOf({ status, metadata }: V1): MetricStatus[] | null {
  const annotation = metadata.annotations?.[CURRENT_METRICS];
  const carried = annotation === undefined ? undefined : readCurrentMetrics(annotation);
  if (carried !== undefined) return carried;
  const percent = status?.currentCPUUtilizationPercentage;
  if (percent === undefined) return null;
  return [{ type: "Resource", resource: { name: "cpu", current: { averageUtilization: percent } } }];
}

export function toV2(autoscaler: V1): V2 {
  const { spec, status, metadata } = autoscaler;
  const { annotations } = metadata;
  const behavior = annotations?.[BEHAVIOR] === undefined ? undefined : readBehavior(annotations[BEHAVIOR]);
  const conditions = annotations?.[CONDITIONS] === undefined ? undefined : readConditions(annotations[CONDITIONS]);
  const {
    currentCPUUtilizationPercentage: _,
    currentReplicas,
    desiredReplicas,
    ...rest
  } = status ?? {
    currentReplicas: 0,
    desiredReplicas: 0,
  };
  return {
    kind: "HorizontalPodAutoscaler",
    apiVersion: "autoscaling/v2",
    metadata: withAnnotations(metadata, {}),
    spec: {
      scaleTargetRef: spec.scaleTargetRef,
      ...(spec.minReplicas !== undefined && { minReplicas: spec.minReplicas }),
      maxReplicas: spec.maxReplicas,
      metrics: metricsOf(autoscaler),
      ...(behavior && { behavior }),
    },
    status: {
      ...rest,
      ...(currentReplicas && { currentReplicas }),
      desiredReplicas,
      currentMetrics: currentMetricsOf(autoscaler),
      ...(conditions && { conditions }),
    },
  };
}
