/** ClusterRoles that gather the rules of others by label (spec: apiserver 10.4). */
import type { KubeObject } from "../api/meta.ts";
import { labelSelectorFromObject } from "../api/selectors.ts";

export interface Rule {
  readonly verbs?: readonly string[] | null;
  readonly apiGroups?: readonly string[] | null;
  readonly resources?: readonly string[] | null;
  readonly resourceNames?: readonly string[] | null;
  readonly nonResourceURLs?: readonly string[] | null;
}

/** The part of a ClusterRole that gathering looks at. */
export interface GatheringRole extends KubeObject {
  aggregationRule?: { clusterRoleSelectors?: Parameters<typeof labelSelectorFromObject>[0][] };
  rules?: Rule[] | null;
}

/** The rules an aggregated role shall have: of each selector the roles it matches in the order of their names, each rule once. Undefined for a role that gathers nothing. */
export function aggregatedRules(role: GatheringRole, all: Iterable<GatheringRole>): Rule[] | undefined {
  const selectors = role.aggregationRule?.clusterRoleSelectors;
  if (selectors === undefined) return undefined;
  const others = [...all]
    .filter((other) => other.metadata.name !== role.metadata.name)
    .sort((a, b) => ((a.metadata.name ?? "") < (b.metadata.name ?? "") ? -1 : 1));
  const rules = new Map<string, Rule>();
  for (const selector of selectors) {
    const labels = labelSelectorFromObject(selector);
    for (const other of others) {
      if (!labels.matches(other.metadata.labels ?? {})) continue;
      for (const rule of other.rules ?? []) if (!rules.has(keyOf(rule))) rules.set(keyOf(rule), rule);
    }
  }
  return [...rules.values()];
}

/** Whether the rules a role has are the ones it shall have. */
export function sameRules(a: readonly Rule[] | null | undefined, b: readonly Rule[]): boolean {
  return (a ?? []).length === b.length && b.every((rule, index) => keyOf(rule) === keyOf((a ?? [])[index]!));
}

function keyOf(rule: Rule): string {
  return JSON.stringify(
    [rule.verbs, rule.apiGroups, rule.resources, rule.resourceNames, rule.nonResourceURLs].map((list) => list ?? []),
  );
}
