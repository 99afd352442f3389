/** ClusterRoles that gather the rules of others by label (spec: apiserver 10.4). */
import { labelSelectorFromObject } from "../../api/selectors.ts";
import type { ClusterRole, PolicyRule } from "../../kinds/generated/types.ts";

/** The rules an aggregated role shall have: of each selector the roles it matches in the order of their names, each rule once. Undefined for a role that gathers nothing. */
export function aggregatedRules(role: ClusterRole, all: Iterable<ClusterRole>): PolicyRule[] | undefined {
  const selectors = role.aggregationRule?.clusterRoleSelectors;
  if (selectors === undefined) return undefined;
  const others = [...all]
    .filter((other) => other.metadata.name !== role.metadata.name)
    .sort((a, b) => ((a.metadata.name ?? "") < (b.metadata.name ?? "") ? -1 : 1));
  const rules = new Map<string, PolicyRule>();
  for (const selector of selectors) {
    const labels = labelSelectorFromObject(selector);
    for (const other of others) {
      if (!labels.matches(other.metadata.labels ?? {})) continue;
      for (const rule of other.rules ?? []) rules.set(keyOf(rule), rule);
    }
  }
  return [...rules.values()];
}

/** Whether the rules a role has are the ones it shall have. */
export function sameRules(a: readonly PolicyRule[] | null | undefined, b: readonly PolicyRule[]): boolean {
  return (a ?? []).length === b.length && b.every((rule, index) => keyOf(rule) === keyOf((a ?? [])[index]!));
}

function keyOf(rule: PolicyRule): string {
  return JSON.stringify(
    [rule.verbs, rule.apiGroups, rule.resources, rule.resourceNames, rule.nonResourceURLs].map((list) => list ?? []),
  );
}
