/** What one RBAC rule allows, and when rules cover other rules (spec: apiserver 10.4). */
import type { PolicyRule } from "../../kinds/generated/types.ts";
import type { AuthorizationAttributes } from "../../server/authorization.ts";

const NONE: readonly string[] = [];
const list = (values: readonly string[] | null | undefined) => values ?? NONE;

/** What a rule is matched against. */
export type RuleRequest = Pick<
  AuthorizationAttributes,
  "isResourceRequest" | "verb" | "group" | "resource" | "subresource" | "name" | "path"
>;

export function ruleAllows(rule: PolicyRule, request: RuleRequest): boolean {
  if (!holds(list(rule.verbs), request.verb)) return false;
  if (!request.isResourceRequest)
    return list(rule.nonResourceURLs).some((url) => url === "*" || pathCovers(url, request.path));
  return (
    holds(list(rule.apiGroups), request.group) &&
    resourceMatches(list(rule.resources), request.resource, request.subresource) &&
    (list(rule.resourceNames).length === 0 || list(rule.resourceNames).includes(request.name))
  );
}

function holds(values: readonly string[], value: string): boolean {
  return values.includes("*") || values.includes(value);
}

// `pods`, `pods/log`, `*`, or `*` with a sub-resource; nothing means all sub-resources of one resource.
function resourceMatches(resources: readonly string[], resource: string, subresource: string): boolean {
  const combined = subresource === "" ? resource : `${resource}/${subresource}`;
  return resources.some(
    (candidate) =>
      candidate === "*" || candidate === combined || (subresource !== "" && candidate === `*/${subresource}`),
  );
}

/** Equal, or `pattern` ends in `*` and `path` starts with what stands before. */
function pathCovers(pattern: string, path: string): boolean {
  if (pattern === path) return true;
  if (!pattern.endsWith("*")) return false;
  let end = pattern.length;
  while (end > 0 && pattern[end - 1] === "*") end--;
  return path.startsWith(pattern.slice(0, end));
}

/** More combinations than this in one rule are not looked at one by one; a role of an honest size has hundreds. */
export const MAX_COMBINATIONS = 50_000;

/**
 * The parts of `wanted` that no rule of `owned` covers, each with one verb, one resource and one name. Throws a RangeError for a
 * rule that no single owned rule covers as a whole and that names more than MAX_COMBINATIONS: the work would be without bound.
 */
export function uncovered(owned: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  const missing: PolicyRule[] = [];
  let combinations = 0;
  for (const rule of wanted) {
    const many =
      list(rule.verbs).length *
      (list(rule.apiGroups).length * list(rule.resources).length * Math.max(1, list(rule.resourceNames).length) +
        list(rule.nonResourceURLs).length);
    if (many === 0) continue;
    if (owned.some((held) => covers(held, rule))) continue;
    combinations += many;
    if (combinations > MAX_COMBINATIONS)
      throw new RangeError(
        `the rules name more than ${MAX_COMBINATIONS} combinations of verbs, groups, resources and names`,
      );
    missing.push(...breakDown(rule).filter((part) => !owned.some((held) => covers(held, part))));
  }
  return missing;
}

function breakDown(rule: PolicyRule): PolicyRule[] {
  const parts: PolicyRule[] = [];
  for (const group of list(rule.apiGroups))
    for (const resource of list(rule.resources))
      for (const verb of list(rule.verbs)) {
        const part = { apiGroups: [group], resources: [resource], verbs: [verb] };
        const names = list(rule.resourceNames);
        if (names.length === 0) parts.push(part);
        else parts.push(...names.map((name) => ({ ...part, resourceNames: [name] })));
      }
  for (const url of list(rule.nonResourceURLs))
    for (const verb of list(rule.verbs)) parts.push({ nonResourceURLs: [url], verbs: [verb] });
  return parts;
}

/** Whether `owner` covers all of `part`. */
function covers(owner: PolicyRule, part: PolicyRule): boolean {
  const all = (owned: readonly string[], wanted: readonly string[]) =>
    owned.includes("*") || wanted.every((value) => owned.includes(value));
  const resources = list(owner.resources);
  const names = list(owner.resourceNames);
  return (
    all(list(owner.verbs), list(part.verbs)) &&
    all(list(owner.apiGroups), list(part.apiGroups)) &&
    list(part.resources).every((wanted) => {
      if (resources.includes("*") || resources.includes(wanted)) return true;
      const slash = wanted.indexOf("/");
      return slash >= 0 && resources.includes(`*${wanted.slice(slash)}`);
    }) &&
    (names.length === 0 ||
      (list(part.resourceNames).length > 0 && list(part.resourceNames).every((name) => names.includes(name)))) &&
    list(part.nonResourceURLs).every((url) => list(owner.nonResourceURLs).some((pattern) => pathCovers(pattern, url)))
  );
}

/** Joins rules that name one resource of one group and differ only in verbs. */
export function compact(rules: readonly PolicyRule[]): PolicyRule[] {
  const joined: PolicyRule[] = [];
  const simple = new Map<string, PolicyRule>();
  for (const rule of rules) {
    const names = list(rule.resourceNames);
    const isSimple =
      list(rule.apiGroups).length === 1 &&
      list(rule.resources).length === 1 &&
      names.length <= 1 &&
      list(rule.nonResourceURLs).length === 0;
    if (!isSimple) {
      joined.push(rule);
      continue;
    }
    const key = JSON.stringify([rule.apiGroups, rule.resources, names]);
    const existing = simple.get(key);
    if (existing === undefined) simple.set(key, { ...rule, verbs: [...list(rule.verbs)] });
    else existing.verbs!.push(...list(rule.verbs));
  }
  return [...joined, ...simple.values()];
}

/** `{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}` */
export function describeRule(rule: PolicyRule): string {
  const parts: string[] = [];
  const add = (label: string, values: readonly string[]) => {
    if (values.length > 0) parts.push(`${label}:[${values.map((value) => JSON.stringify(value)).join(" ")}]`);
  };
  add("APIGroups", list(rule.apiGroups));
  add("Resources", list(rule.resources));
  add("NonResourceURLs", list(rule.nonResourceURLs));
  add("ResourceNames", list(rule.resourceNames));
  add("Verbs", list(rule.verbs));
  return `{${parts.join(", ")}}`;
}
