/** Conditions of a definition, set as upstream sets them: the time moves with the status only. */
import type { CustomResourceDefinitionCondition } from "../kinds/generated/types.ts";
import type { ConditionType } from "./digest.ts";

export interface WantedCondition {
  readonly type: ConditionType;
  readonly status: "True" | "False" | "Unknown";
  readonly reason: string;
  readonly message: string;
}

export type Conditions = readonly CustomResourceDefinitionCondition[];

/** The conditions with `wanted` in its place, or at the end. The same array when it says so already. `now`: RFC 3339. */
export function withCondition(conditions: Conditions, wanted: WantedCondition, now: string): Conditions {
  const at = conditions.findIndex(({ type }) => type === wanted.type);
  const { type, status, reason, message } = wanted;
  if (at < 0) return [...conditions, { type, status, lastTransitionTime: now, reason, message }];
  const old = conditions[at]!;
  const moved = old.status !== status || !old.lastTransitionTime;
  if (!moved && old.reason === reason && old.message === message) return conditions;
  const time = moved ? now : old.lastTransitionTime!;
  return conditions.with(at, { ...old, status, lastTransitionTime: time, reason, message });
}
