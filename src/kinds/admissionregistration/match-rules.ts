/** What webhooks and policies match: rules of operations and resources, selectors, conditions (spec: apiserver 10). */
import { child, duplicate, invalidValue, notSupported, required, tooMany } from "../../api/field-errors.ts";
import { pathSegment, qualifiedName } from "../../api/names.ts";
import type { FieldError } from "../../api/status.ts";
import type {
  MatchCondition,
  MatchResources,
  NamedRuleWithOperations,
  RuleWithOperations,
} from "../generated/types.ts";
import { selectorErrors } from "../selector-rules.ts";

export const ADMISSION_GROUP = "admissionregistration.k8s.io";
/** Told whoever writes such an object: who relies on it must know. */
export const STORED_ONLY =
  "stored, but not acted on: this server does not call webhooks or evaluate admission policies yet";

const FAILURE_POLICIES = ["Fail", "Ignore"];
const MATCH_POLICIES = ["Equivalent", "Exact"];
const OPERATIONS = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
const SCOPES = ["*", "Cluster", "Namespaced"];
const MAX_CONDITIONS = 64;

/** One of `allowed`, or absent. */
export function oneOf(value: string | undefined, path: string, allowed: readonly string[]): FieldError[] {
  return value === undefined || allowed.includes(value) ? [] : [notSupported(path, value, allowed)];
}

export const failurePolicyErrors = (value: string | undefined, path: string) => oneOf(value, path, FAILURE_POLICIES);
export const matchPolicyErrors = (value: string | undefined, path: string) => oneOf(value, path, MATCH_POLICIES);

function listErrors(values: readonly string[], path: string, what: string): FieldError[] {
  if (values.length === 0) return [required(path)];
  if (values.length > 1 && values.includes("*")) {
    return [invalidValue(path, values, `if '*' is present, must not specify other ${what}`)];
  }
  return [];
}

function resourceErrors(resources: readonly string[], path: string): FieldError[] {
  if (resources.length === 0) return [required(path)];
  const errors: FieldError[] = [];
  const wholeResources = new Set<string>();
  const wholeSubresources = new Set<string>();
  let plain = false;
  for (const [index, entry] of resources.entries()) {
    const at = `${path}[${index}]`;
    if (entry === "") {
      errors.push(required(at));
      continue;
    }
    const slash = entry.indexOf("/");
    if (slash < 0) {
      // As upstream has it: the last one decides.
      plain = entry !== "*";
      continue;
    }
    const resource = entry.slice(0, slash);
    const sub = entry.slice(slash + 1);
    const clash = (with_: string) =>
      errors.push(invalidValue(at, entry, `if '${with_}' is present, must not specify ${entry}`));
    if (wholeResources.has(resource)) clash(`${resource}/*`);
    if (wholeSubresources.has(sub)) clash(`*/${sub}`);
    if (sub === "*") wholeResources.add(resource);
    if (resource === "*") wholeSubresources.add(sub);
  }
  if (resources.length > 1 && resources.includes("*/*")) {
    errors.push(invalidValue(path, resources, "if '*/*' is present, must not specify other resources"));
  }
  if (resources.includes("*") && plain) {
    const detail = "if '*' is present, must not specify other resources without subresources";
    errors.push(invalidValue(path, resources, detail));
  }
  return errors;
}

export function ruleErrors(rule: RuleWithOperations, path: string): FieldError[] {
  const { operations = [], apiGroups = [], apiVersions = [], resources = [], scope } = rule;
  return [
    ...listErrors(operations, child(path, "operations"), "operations"),
    ...operations.flatMap((operation, index) => oneOf(operation, `${path}.operations[${index}]`, OPERATIONS)),
    ...listErrors(apiGroups, child(path, "apiGroups"), "API groups"),
    ...listErrors(apiVersions, child(path, "apiVersions"), "API versions"),
    ...apiVersions.flatMap((version, index) => (version === "" ? [required(`${path}.apiVersions[${index}]`)] : [])),
    ...resourceErrors(resources, child(path, "resources")),
    ...oneOf(scope, child(path, "scope"), SCOPES),
  ];
}

function namedRuleErrors(rule: NamedRuleWithOperations, path: string): FieldError[] {
  const seen = new Set<string>();
  const errors: FieldError[] = [];
  for (const [index, name] of (rule.resourceNames ?? []).entries()) {
    const at = `${path}.resourceNames[${index}]`;
    errors.push(...pathSegment(name).map((message) => invalidValue(at, name, message)));
    if (seen.has(name)) errors.push(duplicate(at, name));
    seen.add(name);
  }
  return [...errors, ...ruleErrors(rule, path)];
}

export function matchResourcesErrors(match: MatchResources, path: string): FieldError[] {
  const { matchPolicy, namespaceSelector, objectSelector, resourceRules = [], excludeResourceRules = [] } = match;
  return [
    ...(matchPolicy === undefined ? [required(child(path, "matchPolicy"))] : []),
    ...matchPolicyErrors(matchPolicy, child(path, "matchPolicy")),
    ...selectorErrors(namespaceSelector, child(path, "namespaceSelector")),
    ...selectorErrors(objectSelector, child(path, "objectSelector")),
    ...resourceRules.flatMap((rule, index) => namedRuleErrors(rule, `${path}.resourceRules[${index}]`)),
    ...excludeResourceRules.flatMap((rule, index) => namedRuleErrors(rule, `${path}.excludeResourceRules[${index}]`)),
  ];
}

/** Names and lengths; expressions are not compiled. */
export function matchConditionErrors(conditions: readonly MatchCondition[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (conditions.length > MAX_CONDITIONS) errors.push(tooMany(path, conditions.length, MAX_CONDITIONS));
  const seen = new Set<string>();
  for (const [index, { name = "", expression = "" }] of conditions.entries()) {
    const at = `${path}[${index}]`;
    if (expression.trim() === "") errors.push(required(child(at, "expression")));
    if (name === "") errors.push(required(child(at, "name")));
    else {
      errors.push(...qualifiedName(name).map((message) => invalidValue(child(at, "name"), name, message)));
      if (seen.has(name)) errors.push(duplicate(child(at, "name"), name));
      seen.add(name);
    }
  }
  return errors;
}

export function defaultRule(rule: RuleWithOperations): void {
  rule.scope ??= "*";
}

export function defaultMatchResources(match: MatchResources | undefined): void {
  if (match === undefined) return;
  match.matchPolicy ??= "Equivalent";
  match.namespaceSelector ??= {};
  match.objectSelector ??= {};
  for (const rule of [...(match.resourceRules ?? []), ...(match.excludeResourceRules ?? [])]) defaultRule(rule);
}
