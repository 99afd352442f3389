/**
 * One look at one autoscaler (spec: metrics 4.5): its target's scale, its metrics, what follows from them, and what is said about it. Upstream's
 * order of steps, conditions and events; its gate for scaling to zero is off in the version followed, so a target of no replicas rests.
 */
import { type LabelSelector, parseLabelSelector } from "../../api/selectors.ts";
import { formatTime } from "../../api/time.ts";
import type { Client } from "../../client/client.ts";
import {
  AUTOSCALERS,
  type Autoscaler,
  type AutoscalerOptions,
  type AutoscalerStatus,
  type Condition,
  keyOf,
  type MetricStatus,
  type Scale,
} from "./autoscaler.ts";
import { type ConditionType, sameStatus, withCondition, withoutCondition } from "./conditions.ts";
import { evaluateMetric, type MetricContext, MetricFailure } from "./evaluate.ts";
import type { KindsServed } from "./kinds-served.ts";
import type { MetricAPIs } from "./metric-apis.ts";
import {
  type History,
  type Normalized,
  normalize,
  normalizeWithBehavior,
  recordInitial,
  recordScaling,
} from "./normalization.ts";
import type { Pod } from "./pod.ts";
import { BadReference, findScale, type LocatedScale, writeScale } from "./scales.ts";
import type { SelectorRegistry } from "./selector-registry.ts";

/** What a look needs beside the autoscaler. */
export interface World {
  readonly client: Client;
  readonly served: KindsServed;
  readonly metrics: MetricAPIs;
  readonly options: AutoscalerOptions;
  readonly selectors: SelectorRegistry;
  readonly signal?: AbortSignal;
  pods(namespace: string, selector: LabelSelector): readonly Pod[];
  /** Whether one list of the namespace's metrics is cheaper than one for each autoscaler, when this one has `count` pods. */
  worthSharing(namespace: string, count: number): boolean;
  record(about: Autoscaler, type: "Normal" | "Warning", reason: string, message: string): void;
  /** The autoscaler as it was written. */
  wrote(autoscaler: Autoscaler): void;
}

const textOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** The state of one look. */
class Look {
  readonly world: World;
  readonly autoscaler: Autoscaler;
  readonly history: History;
  conditions: readonly Condition[];
  readonly namespace: string;

  constructor(autoscaler: Autoscaler, history: History, world: World) {
    this.world = world;
    this.autoscaler = autoscaler;
    this.history = history;
    this.conditions = autoscaler.status?.conditions ?? [];
    this.namespace = autoscaler.metadata.namespace ?? "";
  }

  get now(): number {
    return this.world.client.clock.now();
  }

  set(type: ConditionType, holds: boolean, reason: string, message: string): void {
    this.conditions = withCondition(this.conditions, type, holds, reason, message, this.now);
  }

  warn(reason: string, message: string): void {
    this.world.record(this.autoscaler, "Warning", reason, message);
  }

  /** The status before, with the conditions of now. */
  statusAsBefore(): AutoscalerStatus {
    const before = this.autoscaler.status ?? { desiredReplicas: 0, currentMetrics: null };
    return { ...before, conditions: this.conditions };
  }

  statusOf(
    currentReplicas: number,
    desiredReplicas: number,
    currentMetrics: readonly MetricStatus[] | null,
    rescaled: boolean,
  ): AutoscalerStatus {
    const lastScaleTime = rescaled ? formatTime(this.now) : this.autoscaler.status?.lastScaleTime;
    return {
      ...(lastScaleTime !== undefined && { lastScaleTime }),
      currentReplicas,
      desiredReplicas,
      currentMetrics,
      conditions: this.conditions,
    };
  }

  /** Writes the status when it says something new. Throws when that fails. */
  async write(status: AutoscalerStatus): Promise<void> {
    const { autoscaler, world } = this;
    if (sameStatus(autoscaler.status, status)) return;
    const resource = world.client.resource<Autoscaler>(AUTOSCALERS, this.namespace);
    try {
      const options = world.signal === undefined ? {} : { signal: world.signal };
      world.wrote(await resource.updateStatus({ ...autoscaler, status }, options));
    } catch (error) {
      this.warn("FailedUpdateStatus", textOf(error));
      throw new Error(`failed to update status for ${autoscaler.metadata.name}: ${textOf(error)}`);
    }
  }

  /** As write, for a look that has failed already: what went wrong first is what is told. */
  async writeAnyway(status: AutoscalerStatus): Promise<void> {
    await this.write(status).catch(() => {});
  }
}

/** Throws what the operator should know; by then everything is done that could be done. */
export async function reconcile(autoscaler: Autoscaler, history: History, world: World): Promise<void> {
  const look = new Look(autoscaler, history, world);
  const { namespace } = look;
  const { scaleTargetRef, maxReplicas, minReplicas: min = 1 } = autoscaler.spec;
  const reference = `${scaleTargetRef.kind}/${namespace}/${scaleTargetRef.name}`;
  let located: LocatedScale;
  try {
    located = await findScale(world.client, world.served, namespace, scaleTargetRef, world.signal);
  } catch (error) {
    look.warn("FailedGetScale", textOf(error));
    look.set(
      "AbleToScale",
      false,
      "FailedGetScale",
      `the HPA controller was unable to get the target's current scale: ${textOf(error)}`,
    );
    await look.writeAnyway(look.statusAsBefore());
    const what =
      error instanceof BadReference
        ? "invalid API version in scale target reference"
        : `failed to query scale subresource for ${reference}`;
    throw new Error(`${what}: ${textOf(error)}`);
  }
  const current = located.scale.spec?.replicas ?? 0;
  look.set("AbleToScale", true, "SucceededGetScale", "the HPA controller was able to get the target's current scale");
  recordInitial(history, current, look.now);

  let desired = current;
  let reason = "";
  let statuses: readonly MetricStatus[] | null = null;
  let partial: Error | undefined;
  if (current === 0) {
    look.set(
      "ScalingActive",
      false,
      "ScalingDisabled",
      "scaling is disabled since the replica count of the target is zero",
    );
    look.conditions = withoutCondition(look.conditions, "ScaledToZero");
  } else if (current > maxReplicas) {
    desired = maxReplicas;
    reason = "Current number of replicas above Spec.MaxReplicas";
  } else if (current < min) {
    desired = min;
    reason = "Current number of replicas below Spec.MinReplicas";
  } else {
    const combined = await combine(look, located.scale);
    statuses = combined.statuses;
    if (combined.proposal === undefined) {
      const { error } = combined;
      await look.writeAnyway(look.statusOf(current, autoscaler.status?.desiredReplicas ?? 0, statuses, false));
      look.warn("FailedComputeMetricsReplicas", error.message);
      throw new Error(
        `failed to compute desired number of replicas based on listed metrics for ${reference}: ${error.message}`,
      );
    }
    partial = combined.error;
    const { replicas, name } = combined.proposal;
    // A metric may ask for less than nothing.
    const proposed = Math.max(replicas, 0);
    if (proposed > current) reason = `${name} above target`;
    else if (proposed < current) reason = "All metrics below target";
    desired = settle(look, proposed, { current, min, max: maxReplicas });
  }

  const rescale = desired !== current;
  if (rescale) {
    try {
      await writeScale(world.client, located, namespace, scaleTargetRef.name, desired, world.signal);
    } catch (error) {
      look.warn("FailedRescale", `New size: ${desired}; reason: ${reason}; error: ${textOf(error)}`);
      look.set(
        "AbleToScale",
        false,
        "FailedUpdateScale",
        `the HPA controller was unable to update the target scale: ${textOf(error)}`,
      );
      await look.writeAnyway(look.statusOf(current, autoscaler.status?.desiredReplicas ?? 0, statuses, false));
      throw new Error(`failed to rescale ${reference}: ${textOf(error)}`);
    }
    look.set(
      "AbleToScale",
      true,
      "SucceededRescale",
      `the HPA controller was able to update the target scale to ${desired}`,
    );
    world.record(autoscaler, "Normal", "SuccessfulRescale", `New size: ${desired}; reason: ${reason}`);
    if (autoscaler.spec.behavior) recordScaling(history, autoscaler.spec.behavior, current, desired, look.now);
    look.conditions = withoutCondition(look.conditions, "ScaledToZero");
  }
  await look.write(look.statusOf(current, desired, statuses, rescale));
  if (partial !== undefined) throw partial;
}

function settle(look: Look, proposed: number, bounds: { current: number; min: number; max: number }): number {
  const { autoscaler, history, world } = look;
  const { behavior } = autoscaler.spec;
  const window = world.options.downscaleStabilization;
  const result: Normalized = behavior
    ? normalizeWithBehavior(history, proposed, bounds, behavior, window, look.now)
    : normalize(history, proposed, bounds, window, look.now);
  look.set("AbleToScale", true, result.ableToScale.reason, result.ableToScale.message);
  const { limited, reason, message } = result.scalingLimited;
  look.set("ScalingLimited", limited, reason, message);
  return result.desired;
}

type Combined =
  | { readonly statuses: readonly MetricStatus[] | null; readonly proposal: undefined; readonly error: Error }
  | {
      readonly statuses: readonly MetricStatus[];
      readonly proposal: { readonly replicas: number; readonly name: string };
      /** Of the metrics that could not be had. */
      readonly error: Error | undefined;
    };

/** The largest proposal of all metrics. While one of them cannot be had nothing shrinks. */
async function combine(look: Look, scale: Scale): Promise<Combined> {
  const { autoscaler, world, namespace } = look;
  const selected = podsOf(look, scale.status?.selector ?? "");
  if (selected instanceof Error) return { statuses: null, proposal: undefined, error: selected };
  const { selector, pods } = selected;
  const specReplicas = scale.spec?.replicas ?? 0;
  const context: MetricContext = {
    autoscaler,
    specReplicas,
    statusReplicas: scale.status?.replicas ?? 0,
    selector,
    pods: () => world.pods(namespace, selector),
    shared: world.worthSharing(namespace, pods.length),
    metrics: world.metrics,
    options: world.options,
    now: () => look.now,
  };
  const specs = autoscaler.spec.metrics ?? [];
  const statuses: MetricStatus[] = [];
  const failures: MetricFailure[] = [];
  let proposal = { replicas: 0, name: "" };
  for (const spec of specs) {
    try {
      const { replicas, name, status } = await evaluateMetric(spec, context);
      statuses.push(status);
      if (proposal.replicas === 0 || replicas > proposal.replicas) proposal = { replicas, name };
    } catch (error) {
      if (!(error instanceof MetricFailure)) throw error;
      look.warn(error.reason, error.told);
      statuses.push({ type: "" });
      failures.push(error);
    }
  }
  const [first] = failures;
  const error =
    first &&
    new Error(`invalid metrics (${failures.length} invalid out of ${specs.length}), first error is: ${first.message}`);
  if (first !== undefined && (failures.length >= specs.length || proposal.replicas < specReplicas)) {
    const message = `the HPA was unable to compute the replica count: ${first.told}`;
    look.set("ScalingActive", false, first.reason, message);
    return { statuses, proposal: undefined, error: error! };
  }
  look.set(
    "ScalingActive",
    true,
    "ValidMetricFound",
    `the HPA was able to successfully calculate a replica count from ${proposal.name}`,
  );
  return { statuses, proposal, error };
}

/** The pods of the target, unless nobody knows which they are, or somebody else decides about them too. */
function podsOf(look: Look, text: string): { selector: LabelSelector; pods: readonly Pod[] } | Error {
  const { autoscaler, world, namespace } = look;
  if (text === "") {
    look.warn("SelectorRequired", "selector is required");
    look.set("ScalingActive", false, "InvalidSelector", "the HPA target's scale is missing a selector");
    return new Error("selector is required");
  }
  const refuse = (reason: string, message: string) => {
    look.warn(reason, message);
    look.set("ScalingActive", false, reason, message);
    return new Error(message);
  };
  let selector: LabelSelector;
  try {
    selector = parseLabelSelector(text);
  } catch (error) {
    const message = `couldn't convert selector into a corresponding internal selector object: ${textOf(error)}`;
    return refuse("InvalidSelector", message);
  }
  world.selectors.put(namespace, keyOf(autoscaler), selector);
  const pods = world.pods(namespace, selector);
  const others = world.selectors.lookingAt(
    namespace,
    pods.map(({ metadata }) => metadata.labels),
  );
  if (others.length > 1) {
    return refuse(
      "AmbiguousSelector",
      `pods by selector ${text} are controlled by multiple HPAs: [${others.join(" ")}]`,
    );
  }
  return { selector, pods };
}
