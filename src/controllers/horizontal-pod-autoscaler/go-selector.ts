/** A LabelSelector as Go's generated String() prints it: messages of upstream contain it. */
import { sortKeys } from "../../api/json/index.ts";
import type { LabelSelectorObject } from "../../api/selectors.ts";

export function goSelector(selector: LabelSelectorObject | null | undefined): string {
  if (selector === null || selector === undefined) return "nil";
  const { matchLabels = {}, matchExpressions = [] } = selector;
  const labels = sortKeys(Object.keys(matchLabels)).map((key) => `${key}: ${matchLabels[key]},`);
  const expressions = matchExpressions.map(
    ({ key, operator, values = [] }) =>
      `LabelSelectorRequirement{Key:${key},Operator:${operator},Values:[${values.join(" ")}],},`,
  );
  return `&LabelSelector{MatchLabels:map[string]string{${labels.join("")}},MatchExpressions:[]LabelSelectorRequirement{${expressions.join("")}},}`;
}
