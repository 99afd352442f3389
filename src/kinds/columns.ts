/** Cells that many kinds print the same way (spec: apiserver 6.2). */
import type { KubeObject } from "../api/meta.ts";
import { labelSelectorFromObject } from "../api/selectors.ts";
import { NONE, UNKNOWN } from "../api/table.ts";
import { humanDuration, parseTime } from "../api/time.ts";
import type { Column } from "../server/resource.ts";

export const NAME_COLUMN: Column = { name: "Name", type: "string", format: "name", description: "Name of the object." };
export const AGE_COLUMN: Column = { name: "Age", type: "string", description: "Time since the object was created." };

/** A text column; `wide`: only with `-o wide`. */
export function column(name: string, description: string, wide = false): Column {
  return wide ? { name, type: "string", description, priority: 1 } : { name, type: "string", description };
}

export function integerColumn(name: string, description: string): Column {
  return { name, type: "integer", description };
}

/** Time since an RFC 3339 moment, `<unknown>` when there is none. */
export function since(moment: string | null | undefined, now: number): string {
  const at = moment ? parseTime(moment) : undefined;
  return at === undefined ? UNKNOWN : humanDuration(now - at);
}

export function age(object: KubeObject, now: number): string {
  return since(object.metadata.creationTimestamp, now);
}

/** `a=b,c=d` by key, `<none>` when empty. */
export function formatLabels(labels: Readonly<Record<string, string>> | null | undefined): string {
  const keys = Object.keys(labels ?? {}).sort();
  return keys.length === 0 ? NONE : keys.map((key) => `${key}=${labels![key]}`).join(",");
}

interface SelectorLike {
  matchLabels?: Record<string, string> | undefined;
  matchExpressions?: { key: string; operator: string; values?: string[] | undefined }[] | undefined;
}

/** A label selector in its text form, `<invalid>` when it is none. An empty selector prints as "". */
export function selectorText(selector: SelectorLike | null | undefined): string {
  try {
    return `${labelSelectorFromObject(selector as Parameters<typeof labelSelectorFromObject>[0])}`;
  } catch {
    return "<invalid>";
  }
}

/** Names and images of containers, comma-separated. */
export function containerCells(
  containers: readonly { name?: string; image?: string }[] | null | undefined,
): [string, string] {
  return [
    (containers ?? []).map((container) => container.name ?? "").join(","),
    (containers ?? []).map((container) => container.image ?? "").join(","),
  ];
}

/** At most three of `items`, and how many more there are: `a,b,c + 2 more...`. `count`: all there are. */
export function listWithMore(items: readonly string[], count = items.length): string {
  if (count === 0) return NONE;
  const shown = items.slice(0, 3).join(",");
  return count > 3 ? `${shown} + ${count - 3} more...` : shown;
}
/** The column of kinds that have no printer of their own. */
export const CREATED_COLUMN: Column = {
  name: "Created At",
  type: "date",
  description: "When the object was created.",
};
