/**
 * What autoscaling/v1 has no fields for travels in annotations: metrics, behavior, current metrics and conditions, in the field names of an
 * older time (spec: metrics 4.2). Behavior is written from upstream's internal type, so its keys are capitalised.
 */

import type { LabelSelector } from "../../api/generated/types.ts";
import { sortKeys, stringifyJSON } from "../../api/json/index.ts";
import type {
  HorizontalPodAutoscalerBehavior,
  HorizontalPodAutoscalerCondition,
  HPAScalingPolicy,
  HPAScalingRules,
  MetricSpec,
  MetricStatus,
} from "../generated/types.ts";
import { type Shape, unmarshal } from "./go-unmarshal.ts";

const PREFIX = "autoscaling.alpha.kubernetes.io/";
export const METRICS = `${PREFIX}metrics`;
export const CURRENT_METRICS = `${PREFIX}current-metrics`;
export const CONDITIONS = `${PREFIX}conditions`;
export const BEHAVIOR = `${PREFIX}behavior`;
/** Every annotation that only ever travels. */
const TRAVELLING = [
  METRICS,
  BEHAVIOR,
  `${PREFIX}scale-down-tolerance`,
  `${PREFIX}scale-up-tolerance`,
  CURRENT_METRICS,
  CONDITIONS,
];

/** Annotations without those that travel; the same object when there are none of them. */
export function withoutTravelling(annotations: Record<string, string> | undefined): Record<string, string> | undefined {
  if (annotations === undefined || !TRAVELLING.some((name) => Object.hasOwn(annotations, name))) return annotations;
  return Object.fromEntries(Object.entries(annotations).filter(([name]) => !TRAVELLING.includes(name)));
}

// The shapes of autoscaling/v1's types, in the order in which Go prints their fields.
const REFERENCE: Shape = { kind: "string", name: "string", apiVersion: "string" };
const SELECTOR: Shape = {
  matchLabels: "labels",
  matchExpressions: [{ key: "string", operator: "string", values: ["string"] }],
};
const METRIC_SPECS: Shape = [
  {
    type: "string",
    object: {
      target: REFERENCE,
      metricName: "string",
      targetValue: "quantity",
      selector: SELECTOR,
      averageValue: "quantity",
    },
    pods: { metricName: "string", targetAverageValue: "quantity", selector: SELECTOR },
    resource: { name: "string", targetAverageUtilization: "int32", targetAverageValue: "quantity" },
    containerResource: {
      name: "string",
      targetAverageUtilization: "int32",
      targetAverageValue: "quantity",
      container: "string",
    },
    external: {
      metricName: "string",
      metricSelector: SELECTOR,
      targetValue: "quantity",
      targetAverageValue: "quantity",
    },
  },
];
const METRIC_STATUSES: Shape = [
  {
    type: "string",
    object: {
      target: REFERENCE,
      metricName: "string",
      currentValue: "quantity",
      selector: SELECTOR,
      averageValue: "quantity",
    },
    pods: { metricName: "string", currentAverageValue: "quantity", selector: SELECTOR },
    resource: { name: "string", currentAverageUtilization: "int32", currentAverageValue: "quantity" },
    containerResource: {
      name: "string",
      currentAverageUtilization: "int32",
      currentAverageValue: "quantity",
      container: "string",
    },
    external: {
      metricName: "string",
      metricSelector: SELECTOR,
      currentValue: "quantity",
      currentAverageValue: "quantity",
    },
  },
];
const CONDITION_LIST: Shape = [
  { type: "string", status: "string", lastTransitionTime: "time", reason: "string", message: "string" },
];
const RULES: Shape = {
  StabilizationWindowSeconds: "int32",
  SelectPolicy: "string",
  Policies: [{ Type: "string", Value: "int32", PeriodSeconds: "int32" }],
  Tolerance: "quantity",
};
const BEHAVIOR_SHAPE: Shape = { ScaleUp: RULES, ScaleDown: RULES };

type Plain = Record<string, unknown>;

/** Without the members that Go leaves out. */
function present(fields: Plain): Plain {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** Go leaves out an empty text where its tag says so. */
const unlessEmpty = (text: string | undefined) => (text === "" ? undefined : text);

function selectorOf(selector: LabelSelector | undefined): Plain | undefined {
  if (selector === undefined || selector === null) return undefined;
  const { matchLabels, matchExpressions } = selector;
  const labels = matchLabels && Object.keys(matchLabels).length > 0 ? matchLabels : undefined;
  return present({
    matchLabels: labels && Object.fromEntries(sortKeys(Object.keys(labels)).map((key) => [key, labels[key]])),
    matchExpressions: matchExpressions?.length
      ? matchExpressions.map(({ key, operator, values }) =>
          present({ key, operator, values: values?.length ? values : undefined }),
        )
      : undefined,
  });
}

interface Reference {
  readonly kind: string;
  readonly name: string;
  readonly apiVersion?: string;
}

const referenceOf = ({ kind, name, apiVersion }: Reference) =>
  present({ kind, name, apiVersion: unlessEmpty(apiVersion) });

function printedSpec({ type, object, pods, resource, containerResource, external }: MetricSpec): Plain {
  return present({
    type,
    object:
      object &&
      present({
        target: referenceOf(object.describedObject),
        metricName: object.metric.name,
        targetValue: object.target.value ?? "0",
        selector: selectorOf(object.metric.selector),
        averageValue: object.target.averageValue,
      }),
    pods:
      pods &&
      present({
        metricName: pods.metric.name,
        targetAverageValue: pods.target.averageValue ?? "0",
        selector: selectorOf(pods.metric.selector),
      }),
    resource:
      resource &&
      present({
        name: resource.name,
        targetAverageUtilization: resource.target.averageUtilization,
        targetAverageValue: resource.target.averageValue,
      }),
    containerResource:
      containerResource &&
      present({
        name: containerResource.name,
        targetAverageUtilization: containerResource.target.averageUtilization,
        targetAverageValue: containerResource.target.averageValue,
        container: containerResource.container,
      }),
    external:
      external &&
      present({
        metricName: external.metric.name,
        metricSelector: selectorOf(external.metric.selector),
        targetValue: external.target.value,
        targetAverageValue: external.target.averageValue,
      }),
  });
}

function printedStatus({ type, object, pods, resource, containerResource, external }: MetricStatus): Plain {
  return present({
    type,
    object:
      object &&
      present({
        target: referenceOf(object.describedObject),
        metricName: object.metric.name,
        currentValue: object.current.value ?? "0",
        selector: selectorOf(object.metric.selector),
        averageValue: object.current.averageValue,
      }),
    pods:
      pods &&
      present({
        metricName: pods.metric.name,
        currentAverageValue: pods.current.averageValue ?? "0",
        selector: selectorOf(pods.metric.selector),
      }),
    resource:
      resource &&
      present({
        name: resource.name,
        currentAverageUtilization: resource.current.averageUtilization,
        currentAverageValue: resource.current.averageValue ?? "0",
      }),
    containerResource:
      containerResource &&
      present({
        name: containerResource.name,
        currentAverageUtilization: containerResource.current.averageUtilization,
        currentAverageValue: containerResource.current.averageValue ?? "0",
        container: containerResource.container,
      }),
    external:
      external &&
      present({
        metricName: external.metric.name,
        metricSelector: selectorOf(external.metric.selector),
        currentValue: external.current.value ?? "0",
        currentAverageValue: external.current.averageValue,
      }),
  });
}

export const printMetrics = (metrics: readonly MetricSpec[]): string => stringifyJSON(metrics.map(printedSpec));
export const printCurrentMetrics = (statuses: readonly MetricStatus[]): string =>
  stringifyJSON(statuses.map(printedStatus));

export function printConditions(conditions: readonly HorizontalPodAutoscalerCondition[]): string {
  return stringifyJSON(
    conditions.map(({ type, status, lastTransitionTime, reason, message }) =>
      present({
        type,
        status,
        lastTransitionTime: lastTransitionTime ?? null,
        reason: unlessEmpty(reason),
        message: unlessEmpty(message),
      }),
    ),
  );
}

function printedRules(rules: HPAScalingRules | undefined): Plain | null {
  if (rules === undefined) return null;
  const { stabilizationWindowSeconds, selectPolicy, policies, tolerance } = rules;
  return {
    StabilizationWindowSeconds: stabilizationWindowSeconds ?? null,
    SelectPolicy: selectPolicy ?? null,
    Policies:
      policies?.map(({ type, value, periodSeconds }) => ({
        Type: type,
        Value: value,
        PeriodSeconds: periodSeconds,
      })) ?? null,
    Tolerance: tolerance ?? null,
  };
}

export function printBehavior({ scaleUp, scaleDown }: HorizontalPodAutoscalerBehavior): string {
  return stringifyJSON({ ScaleUp: printedRules(scaleUp), ScaleDown: printedRules(scaleDown) });
}

// Reading. Every function answers undefined for what Go would not take: the annotation is then as if it were not there.

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** A metric or its status as it stands in an annotation: every member of every type, present or not. */
interface Carried {
  readonly type?: string;
  readonly object?: Source;
  readonly pods?: Source;
  readonly resource?: Source;
  readonly containerResource?: Source;
  readonly external?: Source;
}

interface Source {
  readonly target?: { readonly kind?: string; readonly name?: string; readonly apiVersion?: string };
  readonly name?: string;
  readonly container?: string;
  readonly metricName?: string;
  readonly selector?: LabelSelector;
  readonly metricSelector?: LabelSelector;
  readonly averageValue?: string;
  readonly targetValue?: string;
  readonly targetAverageValue?: string;
  readonly targetAverageUtilization?: number;
  readonly currentValue?: string;
  readonly currentAverageValue?: string;
  readonly currentAverageUtilization?: number;
}

const metricOf = (source: Source, selector: LabelSelector | undefined) => ({
  name: source.metricName ?? "",
  ...(selector && { selector }),
});

const describedObjectOf = ({ target = {} }: Source) => ({
  kind: target.kind ?? "",
  name: target.name ?? "",
  ...(target.apiVersion && { apiVersion: target.apiVersion }),
});

/** The target of a Resource or ContainerResource metric. */
function usageTarget({ targetAverageUtilization, targetAverageValue }: Source) {
  return {
    type: targetAverageUtilization === undefined ? "AverageValue" : "Utilization",
    ...(targetAverageValue !== undefined && { averageValue: targetAverageValue }),
    ...(targetAverageUtilization !== undefined && { averageUtilization: targetAverageUtilization }),
  };
}

/** The target of an Object metric: v1 cannot leave its value out, so beside an average a zero means none. */
function objectTarget({ targetValue = "0", averageValue }: Source) {
  if (averageValue === undefined) return { type: "Value", value: targetValue };
  return { type: "AverageValue", ...(targetValue !== "0" && { value: targetValue }), averageValue };
}

function externalTarget({ targetValue, targetAverageValue }: Source) {
  return {
    type: targetValue === undefined ? "AverageValue" : "Value",
    ...(targetValue !== undefined && { value: targetValue }),
    ...(targetAverageValue !== undefined && { averageValue: targetAverageValue }),
  };
}

function readSpec({ type = "", object, pods, resource, containerResource, external }: Carried): MetricSpec {
  return {
    type,
    ...(object && {
      object: {
        describedObject: describedObjectOf(object),
        target: objectTarget(object),
        metric: metricOf(object, object.selector),
      },
    }),
    ...(pods && {
      pods: {
        metric: metricOf(pods, pods.selector),
        target: { type: "AverageValue", averageValue: pods.targetAverageValue ?? "0" },
      },
    }),
    ...(resource && { resource: { name: resource.name ?? "", target: usageTarget(resource) } }),
    ...(containerResource && {
      containerResource: {
        name: containerResource.name ?? "",
        target: usageTarget(containerResource),
        container: containerResource.container ?? "",
      },
    }),
    ...(external && {
      external: { metric: metricOf(external, external.metricSelector), target: externalTarget(external) },
    }),
  };
}

/** The current value of a Resource or ContainerResource metric. */
const currentUsage = ({ currentAverageUtilization, currentAverageValue = "0" }: Source) => ({
  averageValue: currentAverageValue,
  ...(currentAverageUtilization !== undefined && { averageUtilization: currentAverageUtilization }),
});

function readStatus({ type = "", object, pods, resource, containerResource, external }: Carried): MetricStatus {
  return {
    type,
    ...(object && {
      object: {
        metric: metricOf(object, object.selector),
        current: {
          value: object.currentValue ?? "0",
          ...(object.averageValue !== undefined && { averageValue: object.averageValue }),
        },
        describedObject: describedObjectOf(object),
      },
    }),
    ...(pods && {
      pods: { metric: metricOf(pods, pods.selector), current: { averageValue: pods.currentAverageValue ?? "0" } },
    }),
    ...(resource && { resource: { name: resource.name ?? "", current: currentUsage(resource) } }),
    ...(containerResource && {
      containerResource: {
        name: containerResource.name ?? "",
        current: currentUsage(containerResource),
        container: containerResource.container ?? "",
      },
    }),
    ...(external && {
      external: {
        metric: metricOf(external, external.metricSelector),
        current: {
          value: external.currentValue ?? "0",
          ...(external.currentAverageValue !== undefined && { averageValue: external.currentAverageValue }),
        },
      },
    }),
  };
}

const readList = <T>(text: string, shape: Shape, read: (item: Carried) => T) =>
  attempt(() => ((unmarshal(text, shape) ?? []) as Carried[]).map(read));

export const readMetrics = (text: string): MetricSpec[] | undefined => readList(text, METRIC_SPECS, readSpec);
export const readCurrentMetrics = (text: string): MetricStatus[] | undefined =>
  readList(text, METRIC_STATUSES, readStatus);

export function readConditions(text: string): HorizontalPodAutoscalerCondition[] | undefined {
  const list = attempt(() => unmarshal(text, CONDITION_LIST) ?? []) as
    | Partial<HorizontalPodAutoscalerCondition>[]
    | undefined;
  return list?.map(({ type = "", status = "", lastTransitionTime = null, ...rest }) => ({
    type,
    status,
    lastTransitionTime,
    ...rest,
  }));
}

interface CarriedRules {
  readonly StabilizationWindowSeconds?: number;
  readonly SelectPolicy?: string;
  readonly Policies?: { Type?: string; Value?: number; PeriodSeconds?: number }[];
  readonly Tolerance?: string;
}

function readRules(rules: CarriedRules): HPAScalingRules {
  const policies = rules.Policies?.map(
    ({ Type = "", Value = 0, PeriodSeconds = 0 }): HPAScalingPolicy => ({
      type: Type,
      value: Value,
      periodSeconds: PeriodSeconds,
    }),
  );
  return {
    ...(rules.StabilizationWindowSeconds !== undefined && {
      stabilizationWindowSeconds: rules.StabilizationWindowSeconds,
    }),
    ...(rules.SelectPolicy !== undefined && { selectPolicy: rules.SelectPolicy }),
    ...(policies && { policies }),
    ...(rules.Tolerance !== undefined && { tolerance: rules.Tolerance }),
  };
}

/** Undefined also for a behavior that says nothing. */
export function readBehavior(text: string): HorizontalPodAutoscalerBehavior | undefined {
  const read = attempt(() => unmarshal(text, BEHAVIOR_SHAPE)) as
    | { ScaleUp?: CarriedRules; ScaleDown?: CarriedRules }
    | undefined;
  if (read?.ScaleUp === undefined && read?.ScaleDown === undefined) return undefined;
  return {
    ...(read.ScaleUp && { scaleUp: readRules(read.ScaleUp) }),
    ...(read.ScaleDown && { scaleDown: readRules(read.ScaleDown) }),
  };
}
