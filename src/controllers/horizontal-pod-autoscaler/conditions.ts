/** Conditions of an autoscaler, and whether its status says anything new. */
import { equalJSON } from "../../api/json/index.ts";
import type { JSONValue } from "../../api/meta.ts";
import { formatTime } from "../../api/time.ts";
import type { AutoscalerStatus, Condition } from "./autoscaler.ts";

export type ConditionType = "AbleToScale" | "ScalingActive" | "ScalingLimited" | "ScaledToZero";

/** The conditions with one set: in its place, or at the end. The time moves only when the status does. `now`: milliseconds. */
export function withCondition(
  conditions: readonly Condition[],
  type: ConditionType,
  holds: boolean,
  reason: string,
  message: string,
  now: number,
): Condition[] {
  const status = holds ? "True" : "False";
  const index = conditions.findIndex((condition) => condition.type === type);
  const before = conditions[index];
  const lastTransitionTime = before?.status === status ? (before.lastTransitionTime ?? null) : formatTime(now);
  const condition: Condition = { type, status, lastTransitionTime, reason, message };
  return index < 0 ? [...conditions, condition] : conditions.with(index, condition);
}

export function withoutCondition(conditions: readonly Condition[], type: ConditionType): Condition[] {
  return conditions.filter((condition) => condition.type !== type);
}

/** Whether two statuses mean the same: what is empty equals what is absent. */
export function sameStatus(a: AutoscalerStatus | undefined, b: AutoscalerStatus): boolean {
  return equalJSON(comparable(a), comparable(b));
}

function comparable(status: AutoscalerStatus | undefined): JSONValue {
  const { observedGeneration, lastScaleTime, currentReplicas, desiredReplicas, currentMetrics, conditions } =
    status ?? { desiredReplicas: 0, currentMetrics: null };
  return {
    observedGeneration: observedGeneration ?? null,
    lastScaleTime: lastScaleTime ?? null,
    currentReplicas: currentReplicas ?? 0,
    desiredReplicas: desiredReplicas ?? 0,
    currentMetrics: (currentMetrics ?? []) as unknown as JSONValue,
    conditions: (conditions ?? []).map(({ type, status: state, lastTransitionTime, reason, message }) => ({
      type,
      status: state,
      lastTransitionTime: lastTransitionTime ?? null,
      reason: reason ?? "",
      message: message ?? "",
    })),
  };
}
