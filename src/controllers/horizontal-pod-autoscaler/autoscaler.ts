/** A HorizontalPodAutoscaler of autoscaling/v2 as its controller reads and writes it, and the Scale it moves. */
import type { KubeObject } from "../../api/meta.ts";
import type { LabelSelectorObject } from "../../api/selectors.ts";
import type { ScalingRules } from "./normalization.ts";

/** The controller's name, in events too. */
export const NAME = "horizontal-pod-autoscaler";
export const AUTOSCALERS = { group: "autoscaling", version: "v2", resource: "horizontalpodautoscalers" };
export const PODS = { group: "", version: "v1", resource: "pods" };

export interface ObjectReference {
  readonly kind: string;
  readonly name: string;
  readonly apiVersion?: string;
}

export interface MetricIdentifier {
  readonly name: string;
  readonly selector?: LabelSelectorObject;
}

export interface MetricTarget {
  readonly type: string;
  readonly value?: string;
  readonly averageValue?: string;
  readonly averageUtilization?: number;
}

export interface MetricSpec {
  readonly type: string;
  readonly object?: {
    readonly describedObject: ObjectReference;
    readonly target: MetricTarget;
    readonly metric: MetricIdentifier;
  };
  readonly pods?: { readonly metric: MetricIdentifier; readonly target: MetricTarget };
  readonly resource?: { readonly name: string; readonly target: MetricTarget };
  readonly containerResource?: { readonly name: string; readonly target: MetricTarget; readonly container: string };
  readonly external?: { readonly metric: MetricIdentifier; readonly target: MetricTarget };
}

export interface MetricValue {
  readonly value?: string;
  readonly averageValue?: string;
  readonly averageUtilization?: number;
}

export interface MetricStatus {
  /** "" for a metric that could not be had. */
  readonly type: string;
  readonly object?: {
    readonly metric: MetricIdentifier;
    readonly current: MetricValue;
    readonly describedObject: ObjectReference;
  };
  readonly pods?: { readonly metric: MetricIdentifier; readonly current: MetricValue };
  readonly resource?: { readonly name: string; readonly current: MetricValue };
  readonly containerResource?: { readonly name: string; readonly current: MetricValue; readonly container: string };
  readonly external?: { readonly metric: MetricIdentifier; readonly current: MetricValue };
}

export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly lastTransitionTime?: string | null;
  readonly reason?: string;
  readonly message?: string;
}

export interface DirectionRules extends ScalingRules {
  /** A quantity: how far the ratio may be from 1. */
  readonly tolerance?: string;
}

export interface AutoscalerStatus {
  readonly observedGeneration?: number;
  readonly lastScaleTime?: string;
  readonly currentReplicas?: number;
  readonly desiredReplicas: number;
  readonly currentMetrics: readonly MetricStatus[] | null;
  readonly conditions?: readonly Condition[];
}

export interface Autoscaler extends KubeObject {
  readonly spec: {
    readonly scaleTargetRef: ObjectReference;
    readonly minReplicas?: number;
    readonly maxReplicas: number;
    readonly metrics?: readonly MetricSpec[];
    readonly behavior?: { readonly scaleUp?: DirectionRules; readonly scaleDown?: DirectionRules };
  };
  readonly status?: AutoscalerStatus;
}

export interface Scale extends KubeObject {
  readonly spec?: { readonly replicas?: number };
  readonly status?: { readonly replicas?: number; readonly selector?: string };
}

/** The flags of kube-controller-manager; durations in milliseconds. */
export interface AutoscalerOptions {
  readonly syncPeriod: number;
  readonly tolerance: number;
  readonly downscaleStabilization: number;
  readonly cpuInitializationPeriod: number;
  readonly initialReadinessDelay: number;
  /** How many autoscalers are looked at at the same time. */
  readonly concurrentSyncs: number;
}

export const DEFAULT_OPTIONS: AutoscalerOptions = {
  syncPeriod: 15_000,
  tolerance: 0.1,
  downscaleStabilization: 300_000,
  cpuInitializationPeriod: 300_000,
  initialReadinessDelay: 30_000,
  concurrentSyncs: 5,
};

/** `namespace/name`. */
export function keyOf(object: KubeObject): string {
  return `${object.metadata.namespace ?? ""}/${object.metadata.name ?? ""}`;
}
