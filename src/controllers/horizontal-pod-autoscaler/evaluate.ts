/** What one metric of an autoscaler asks for, and what its status says (spec: metrics 4.6): the question to the metric API, then the calculator. */
import { goQuote } from "../../api/go-quote.ts";
import { milliQuantity, parseQuantity } from "../../api/quantity.ts";
import { type LabelSelector, labelSelectorFromObject } from "../../api/selectors.ts";
import type {
  Autoscaler,
  AutoscalerOptions,
  MetricIdentifier,
  MetricSpec,
  MetricStatus,
  MetricTarget,
  MetricValue,
} from "./autoscaler.ts";
import {
  averageReplicas,
  type PodQuestion,
  type Proposal,
  perPodReplicas,
  seriesPerPodReplicas,
  sumOfSeries,
  type Tolerances,
  utilizationReplicas,
  valueReplicas,
} from "./calculator.ts";
import { goSelector } from "./go-selector.ts";
import type { MetricAPIs } from "./metric-apis.ts";
import { milli, type Pod } from "./pod.ts";

export interface MetricContext {
  readonly autoscaler: Autoscaler;
  /** `scale.spec.replicas`, `scale.status.replicas`. */
  readonly specReplicas: number;
  readonly statusReplicas: number;
  readonly selector: LabelSelector;
  readonly pods: () => readonly Pod[];
  /** Whether many autoscalers ask about this namespace. */
  readonly shared: boolean;
  readonly metrics: MetricAPIs;
  readonly options: AutoscalerOptions;
  /** Milliseconds; asked when the metrics are here. */
  now(): number;
}

export interface Evaluation {
  readonly replicas: number;
  /** How conditions and reasons call the metric. */
  readonly name: string;
  readonly status: MetricStatus;
}

/** A metric that could not be had. */
export class MetricFailure extends Error {
  /** Of the condition and of the event. */
  readonly reason: string;
  /** What condition and event say; the message of the error goes on to say of which metric. */
  readonly told: string;

  constructor(reason: string, told: string, message: string) {
    super(message);
    this.reason = reason;
    this.told = told;
  }
}

const textOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
const milliText = (value: bigint) => `${milliQuantity(value)}`;
const namespaceOf = ({ autoscaler }: MetricContext) => autoscaler.metadata.namespace ?? "";

/** How far a ratio may be off in each direction: what `behavior` says, or the flag. */
export function tolerancesOf({ spec }: Autoscaler, fallback: number): Tolerances {
  const { scaleUp, scaleDown } = spec.behavior ?? {};
  const toleranceOf = (text: string | undefined) => (text === undefined ? fallback : parseQuantity(text).approximate());
  return { down: toleranceOf(scaleDown?.tolerance), up: toleranceOf(scaleUp?.tolerance) };
}

/** Throws a MetricFailure, and nothing else. */
export async function evaluateMetric(spec: MetricSpec, context: MetricContext): Promise<Evaluation> {
  const attempt = async (reason: string, what: string, evaluate: () => Promise<Evaluation>) => {
    try {
      return await evaluate();
    } catch (error) {
      const told = error instanceof Wrapped ? error.told : textOf(error);
      throw new MetricFailure(reason, told, `failed to get ${what} value: ${textOf(error)}`);
    }
  };
  const { object, pods, resource, containerResource, external } = spec;
  if (spec.type === "Object" && object) {
    return attempt("FailedGetObjectMetric", "object metric", () => objectMetric(object, context));
  }
  if (spec.type === "Pods" && pods) {
    return attempt("FailedGetPodsMetric", "pods metric", () => podsMetric(pods, context));
  }
  if (spec.type === "Resource" && resource) {
    return attempt("FailedGetResourceMetric", `${resource.name} resource metric`, async () => {
      const { current, ...rest } = await usageMetric(resource.name, resource.target, "", context);
      return { ...rest, status: { type: "Resource", resource: { name: resource.name, current } } };
    });
  }
  if (spec.type === "ContainerResource" && containerResource) {
    const { name, container, target } = containerResource;
    return attempt("FailedGetContainerResourceMetric", `${container} container metric`, async () => {
      const { current, ...rest } = await usageMetric(name, target, container, context);
      return { ...rest, status: { type: "ContainerResource", containerResource: { name, current, container } } };
    });
  }
  if (spec.type === "External" && external) {
    return attempt("FailedGetExternalMetric", `${external.metric.name} external metric`, () =>
      externalMetric(external, context),
    );
  }
  const unknown = `unknown metric source type ${goQuote(spec.type ?? "")}`;
  throw new MetricFailure("InvalidMetricSourceType", unknown, unknown);
}

/** An error whose message says more than the condition does. */
class Wrapped extends Error {
  readonly told: string;

  constructor(prefix: string, told: string) {
    super(`${prefix}: ${told}`);
    this.told = told;
  }
}

const wrap = <T>(prefix: string, compute: () => Promise<T>): Promise<T> =>
  compute().catch((error: unknown) => {
    throw new Wrapped(prefix, textOf(error));
  });

/** As wrap, but the condition says it too. */
const explain = <T>(prefix: string, compute: () => Promise<T>, suffix = ""): Promise<T> =>
  compute().catch((error: unknown) => {
    throw new Error(`${prefix}: ${textOf(error)}${suffix}`);
  });

function questionOf(context: MetricContext, resource: string, metrics: PodQuestion["metrics"]): PodQuestion {
  const { autoscaler, specReplicas, options } = context;
  return {
    pods: context.pods(),
    metrics,
    currentReplicas: specReplicas,
    tolerances: tolerancesOf(autoscaler, options.tolerance),
    resource,
    rules: options,
    now: context.now(),
  };
}

/** Resource and ContainerResource. */
async function usageMetric(
  resource: string,
  target: MetricTarget,
  container: string,
  context: MetricContext,
): Promise<{ replicas: number; name: string; current: MetricValue }> {
  const { selector, metrics, shared } = context;
  const question = async () => {
    const asked = { namespace: namespaceOf(context), selector, resource, container, shared };
    const used = await explain(`unable to get metrics for resource ${resource}`, () => metrics.resource(asked));
    return questionOf(context, resource, used);
  };
  // As metrics-server writes memory: in powers of two.
  const valueText = (value: bigint) => `${milliQuantity(value, resource === "memory" ? "BinarySI" : "DecimalSI")}`;
  const { averageValue, averageUtilization } = target;
  if (averageValue !== undefined) {
    return explain(`failed to get ${resource} usage`, async () => {
      const { replicas, usage } = averageReplicas(await question(), milli(averageValue));
      return { replicas, name: `${resource} resource`, current: { averageValue: valueText(usage) } };
    });
  }
  if (averageUtilization === undefined) {
    throw new Error(
      "invalid resource metric source: neither an average utilization target nor an average value (usage) target was set",
    );
  }
  return explain(`failed to get ${resource} utilization`, async () => {
    const { replicas, utilization, usage } = utilizationReplicas(await question(), averageUtilization, container);
    const what = container === "" ? "resource" : "container resource";
    return {
      replicas,
      name: `${resource} ${what} utilization (percentage of request)`,
      current: { averageValue: valueText(usage), averageUtilization: utilization },
    };
  });
}

type Pods = NonNullable<MetricSpec["pods"]>;
type ObjectSource = NonNullable<MetricSpec["object"]>;
type External = NonNullable<MetricSpec["external"]>;

const identifierOf = ({ name, selector }: MetricIdentifier): MetricIdentifier => ({
  name,
  ...(selector && { selector }),
});

async function podsMetric({ metric, target }: Pods, context: MetricContext): Promise<Evaluation> {
  const metricSelector = labelSelectorFromObject(metric.selector);
  const used = await explain(`unable to get metric ${metric.name}`, () =>
    context.metrics.pods(metric.name, namespaceOf(context), context.selector, metricSelector),
  );
  const { replicas, usage } = averageReplicas(questionOf(context, "", used), milli(target.averageValue ?? "0"));
  const current = { averageValue: milliText(usage) };
  return {
    replicas,
    name: `pods metric ${metric.name}`,
    status: { type: "Pods", pods: { metric: identifierOf(metric), current } },
  };
}

async function objectMetric(source: ObjectSource, context: MetricContext): Promise<Evaluation> {
  const { describedObject, metric, target } = source;
  const { autoscaler, options, statusReplicas, specReplicas } = context;
  const namespace = namespaceOf(context);
  const metricSelector = labelSelectorFromObject(metric.selector);
  const tolerances = tolerancesOf(autoscaler, options.tolerance);
  const statusOf = (current: MetricValue): MetricStatus => ({
    type: "Object",
    object: { metric: identifierOf(metric), current, describedObject },
  });
  const read = async () => {
    try {
      return await context.metrics.object(metric.name, namespace, describedObject, metricSelector);
    } catch (error) {
      // Upstream's own order of words.
      const { kind, name } = describedObject;
      throw new Error(`unable to get metric ${metric.name}: ${kind} on ${namespace} ${name}/${textOf(error)}`);
    }
  };
  if (target.type === "Value" && target.value !== undefined) {
    const goal = milli(target.value);
    const { replicas, usage } = valueReplicas(specReplicas, await read(), goal, tolerances, context.pods);
    return {
      replicas,
      name: `${describedObject.kind} metric ${metric.name}`,
      status: statusOf({ value: milliText(usage) }),
    };
  }
  if (target.type === "AverageValue" && target.averageValue !== undefined) {
    const goal = milli(target.averageValue);
    return wrap(`failed to get ${metric.name} object metric`, async () => {
      const { replicas, usage } = perPodReplicas(statusReplicas, await read(), goal, tolerances);
      return {
        replicas,
        name: `external metric ${metric.name}(${goSelector(metric.selector)})`,
        status: statusOf({ averageValue: milliText(usage) }),
      };
    });
  }
  throw new Error("invalid object metric source: neither a value target nor an average value target was set");
}

async function externalMetric({ metric, target }: External, context: MetricContext): Promise<Evaluation> {
  const { autoscaler, options, statusReplicas, specReplicas } = context;
  const { value, averageValue } = target;
  const tolerances = tolerancesOf(autoscaler, options.tolerance);
  const selectorText = goSelector(metric.selector);
  const evaluationOf = ({ replicas }: Proposal, current: MetricValue): Evaluation => ({
    replicas,
    name: `external metric ${metric.name}(${selectorText})`,
    status: { type: "External", external: { metric: identifierOf(metric), current } },
  });
  const read = async () => {
    const metricSelector = labelSelectorFromObject(metric.selector);
    const namespace = namespaceOf(context);
    return explain(`unable to get external metric ${namespace}/${metric.name}/${selectorText}`, () =>
      context.metrics.external(metric.name, namespace, metricSelector),
    );
  };
  if (averageValue !== undefined) {
    return wrap(`failed to get ${metric.name} external metric`, async () => {
      const proposal = seriesPerPodReplicas(statusReplicas, await read(), milli(averageValue), tolerances);
      return evaluationOf(proposal, { averageValue: milliText(proposal.usage) });
    });
  }
  if (value !== undefined) {
    return wrap(`failed to get external metric ${metric.name}`, async () => {
      const sum = sumOfSeries(await read());
      const proposal = valueReplicas(specReplicas, sum, milli(value), tolerances, context.pods);
      return evaluationOf(proposal, { value: milliText(proposal.usage) });
    });
  }
  throw new Error("invalid external metric source: neither a value target nor an average value target was set");
}
