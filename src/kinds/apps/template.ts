/** What Deployment and ReplicaSet have in common: a selector, and a template that it must match. */
import { forbiddenField, invalidValue, notSupported, Printed, required } from "../../api/field-errors.ts";
import { stringifyJSON } from "../../api/json/encode.ts";
import { dns1123Label } from "../../api/names.ts";
import { validateAnnotations, validateLabels } from "../../api/object-meta.ts";
import { labelSelectorFromObject } from "../../api/selectors.ts";
import type { FieldError } from "../../api/status.ts";
import { validatePodSpec } from "../core/pod-rules.ts";
import type { PodTemplateSpec } from "../generated/types.ts";
import { printedSelector, type SelectorObject, selectorErrors } from "../selector-rules.ts";
import { NOT_NEGATIVE } from "./scale.ts";

/** An error when a number is below zero. */
export function notNegative(field: string, value: number | undefined): FieldError[] {
  return value !== undefined && value < 0 ? [invalidValue(field, value, NOT_NEGATIVE)] : [];
}

export function selectorRules(selector: SelectorObject | null | undefined): FieldError[] {
  if (!selector) return [required("spec.selector")];
  const errors = selectorErrors(selector, "spec.selector");
  if (Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions ?? []).length === 0) {
    errors.push(invalidValue("spec.selector", printedSelector(selector), "empty selector is invalid for deployment"));
  }
  return errors;
}

/** The template against the selector, and the rules of pods that run for ever. */
export function templateRules(template: PodTemplateSpec, selector: SelectorObject | null | undefined): FieldError[] {
  let parsed: ReturnType<typeof labelSelectorFromObject>;
  try {
    parsed = labelSelectorFromObject(selector);
  } catch {
    return [invalidValue("spec.selector", printedSelector(selector), "invalid label selector")];
  }
  const errors: FieldError[] = [];
  const labels = template.metadata?.labels ?? {};
  if (!parsed.empty && !parsed.matches(labels)) {
    const sorted = Object.keys(labels).sort();
    const printed =
      sorted.length === 0 ? "null" : stringifyJSON(Object.fromEntries(sorted.map((key) => [key, labels[key]!])));
    const detail = "`selector` does not match template `labels`";
    errors.push(invalidValue("spec.template.metadata.labels", new Printed(printed), detail));
  }
  errors.push(
    ...validateLabels(labels, "spec.template.labels"),
    ...validateAnnotations(template.metadata?.annotations, "spec.template.annotations"),
    ...validatePodSpec(template.spec, "spec.template.spec"),
  );
  const restart = template.spec.restartPolicy ?? "";
  if (restart !== "Always") errors.push(notSupported("spec.template.spec.restartPolicy", restart, ["Always"]));
  if (template.spec.activeDeadlineSeconds !== undefined) {
    const detail = "activeDeadlineSeconds in ReplicaSet is not Supported";
    errors.push(forbiddenField("spec.template.spec.activeDeadlineSeconds", detail));
  }
  return errors;
}

/** A name that pods inherit should be a DNS label. */
export function nameWarnings(name: string): string[] {
  const messages = dns1123Label(name);
  return messages.length === 0
    ? []
    : [
        `metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [${messages.join(" ")}]`,
      ];
}

const COUNTS_NOT_ABOVE_REPLICAS = "cannot be greater than status.replicas";

/** Counts in a status: none negative, none above the total. */
export function statusCountRules(
  status: Readonly<Record<string, unknown>>,
  fields: readonly string[],
  bounded: readonly string[],
): FieldError[] {
  const count = (field: string) => (typeof status[field] === "number" ? (status[field] as number) : 0);
  return [
    ...fields.flatMap((field) => notNegative(`status.${field}`, count(field))),
    ...bounded
      .filter((field) => count(field) > count("replicas"))
      .map((field) => invalidValue(`status.${field}`, count(field), COUNTS_NOT_ABOVE_REPLICAS)),
    ...(count("availableReplicas") > count("readyReplicas")
      ? [invalidValue("status.availableReplicas", count("availableReplicas"), "cannot be greater than readyReplicas")]
      : []),
  ];
}
