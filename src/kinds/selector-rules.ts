/** The rules of a LabelSelector inside an object. */
import { forbiddenField, invalidValue, Printed, required } from "../api/field-errors.ts";
import { stringifyJSON } from "../api/json/encode.ts";
import { labelValue, qualifiedName } from "../api/names.ts";
import { validateLabels } from "../api/object-meta.ts";
import type { FieldError } from "../api/status.ts";

export interface SelectorObject {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}

export function selectorErrors(selector: SelectorObject | null | undefined, path: string): FieldError[] {
  if (!selector) return [];
  const errors = validateLabels(selector.matchLabels, `${path}.matchLabels`);
  (selector.matchExpressions ?? []).forEach((expression, index) => {
    const base = `${path}.matchExpressions[${index}]`;
    const { key = "", operator = "", values = [] } = expression;
    if (operator === "In" || operator === "NotIn") {
      if (values.length === 0) {
        errors.push(required(`${base}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
      }
    } else if (operator === "Exists" || operator === "DoesNotExist") {
      if (values.length > 0) {
        errors.push(
          forbiddenField(`${base}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
        );
      }
    } else errors.push(invalidValue(`${base}.operator`, operator, "not a valid selector operator"));
    for (const message of qualifiedName(key)) errors.push(invalidValue(`${base}.key`, key, message));
    values.forEach((value, position) => {
      for (const message of labelValue(value)) {
        errors.push(invalidValue(`${base}.values[${position}]`, value, message));
      }
    });
  });
  return errors;
}

/** A selector as messages show it, in Go's field order. */
export function printedSelector(selector: SelectorObject | null | undefined): Printed {
  if (!selector) return new Printed("null");
  const { matchLabels, matchExpressions } = selector;
  const labels = Object.keys(matchLabels ?? {})
    .sort()
    .map((key) => [key, matchLabels![key]!]);
  return new Printed(
    stringifyJSON({
      matchLabels: labels.length === 0 ? undefined : Object.fromEntries(labels),
      matchExpressions: matchExpressions?.length
        ? matchExpressions.map(({ key, operator, values }) => ({
            key,
            operator,
            values: values?.length ? values : undefined,
          }))
        : undefined,
    } as never),
  );
}
