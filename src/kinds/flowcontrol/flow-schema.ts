/** FlowSchema: whose requests are of which priority level. Stored for servers that ask; nothing here acts on it. */
import {
  child,
  duplicate,
  forbiddenField,
  invalidValue,
  notSupported,
  Printed,
  required,
} from "../../api/field-errors.ts";
import { stringifyJSON } from "../../api/json/encode.ts";
import type { JSONValue } from "../../api/meta.ts";
import { dns1123Label, dns1123Subdomain } from "../../api/names.ts";
import type { FieldError } from "../../api/status.ts";
import type { ResourceDefinition, Strategy } from "../../server/resource.ts";
import { AGE_COLUMN, age, column, NAME_COLUMN } from "../columns.ts";
import { defineKind, keep, statusOnly } from "../define.ts";
import type {
  FlowcontrolSubject,
  FlowSchema,
  NonResourcePolicyRule,
  PolicyRulesWithSubjects,
  ResourcePolicyRule,
} from "../generated/types.ts";
import { semanticEqual } from "../semantic.ts";

export const FLOWCONTROL_GROUP = "flowcontrol.apiserver.k8s.io";
const MAX_PRECEDENCE = 10_000;
const VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"];
const hasWildcard = (values: readonly string[]) => values.includes("*");

/** Conditions have a type each, and no two the same. */
export function conditionErrors(conditions: readonly { type?: string }[] | undefined): FieldError[] {
  const seen = new Set<string>();
  const errors: FieldError[] = [];
  for (const [index, { type = "" }] of (conditions ?? []).entries()) {
    const path = `status.conditions[${index}].type`;
    if (seen.has(type)) errors.push(duplicate(path, type));
    if (type === "") errors.push(required(path));
    seen.add(type);
  }
  return errors;
}

function subjectErrors(subject: FlowcontrolSubject, path: string): FieldError[] {
  const { kind = "" } = subject;
  const fields = { User: "user", Group: "group", ServiceAccount: "serviceAccount" } as const;
  if (kind !== "User" && kind !== "Group" && kind !== "ServiceAccount") {
    return [notSupported(child(path, "kind"), kind, ["Group", "ServiceAccount", "User"])];
  }
  const errors: FieldError[] = [];
  const own = fields[kind];
  const given = subject[own];
  if (given == null) errors.push(required(child(path, own), `${own} is required when subject kind is '${kind}'`));
  else if (!given.name) errors.push(required(child(path, `${own}.name`)));
  if (kind === "ServiceAccount" && subject.serviceAccount != null) {
    const { name = "", namespace = "" } = subject.serviceAccount;
    const refuse = (field: string, value: string, messages: readonly string[]) =>
      errors.push(...messages.map((message) => invalidValue(child(path, `serviceAccount.${field}`), value, message)));
    if (name !== "" && name !== "*") refuse("name", name, dns1123Subdomain(name));
    if (namespace === "") {
      errors.push(required(child(path, "serviceAccount.namespace"), "must specify namespace for service account"));
    } else refuse("namespace", namespace, dns1123Label(namespace));
  }
  for (const [other, field] of [
    ["ServiceAccount", "serviceAccount"],
    ["User", "user"],
    ["Group", "group"],
  ] as const) {
    if (other === kind || subject[field] == null) continue;
    errors.push(forbiddenField(child(path, field), `${field} is forbidden when subject kind is not '${other}'`));
  }
  return errors;
}

function verbErrors(verbs: readonly string[], path: string): FieldError[] {
  if (verbs.length === 0) return [required(path, "verbs must contain at least one value")];
  if (hasWildcard(verbs)) {
    return verbs.length > 1 ? [invalidValue(path, verbs, "if '*' is present, must not specify other verbs")] : [];
  }
  return verbs.every((verb) => VERBS.includes(verb)) ? [] : [notSupported(path, verbs, VERBS)];
}

function alone(values: readonly string[], path: string, empty: string, what: string): FieldError[] {
  if (values.length === 0) return [required(path, empty)];
  if (values.length > 1 && hasWildcard(values)) {
    return [invalidValue(path, values, `if '*' is present, must not specify other ${what}`)];
  }
  return [];
}

function resourceRuleErrors(rule: ResourcePolicyRule, path: string): FieldError[] {
  const supply = (what: string) => `resource rules must supply at least one ${what}`;
  const namespaces = rule.namespaces ?? [];
  const errors = [
    ...verbErrors(rule.verbs ?? [], child(path, "verbs")),
    ...alone(rule.apiGroups ?? [], child(path, "apiGroups"), supply("api group"), "api groups"),
    ...alone(rule.resources ?? [], child(path, "resources"), supply("resource"), "resources"),
  ];
  const at = child(path, "namespaces");
  if (namespaces.length === 0) {
    if (rule.clusterScope === true) return errors;
    return [...errors, required(at, "resource rules that are not cluster scoped must supply at least one namespace")];
  }
  if (hasWildcard(namespaces)) return [...errors, ...alone(namespaces, at, "", "namespaces")];
  for (const [index, namespace] of namespaces.entries()) {
    for (const message of dns1123Label(namespace)) {
      const detail = `each member of this list must be '*' or a DNS-1123 label; ${message}`;
      errors.push(invalidValue(`${at}[${index}]`, namespace, detail));
    }
  }
  return errors;
}

function pathProblem(path: string): string | undefined {
  if (path === "") return "must not be empty";
  if (path === "/") return undefined;
  if (!path.startsWith("/")) return "must start with slash";
  if (path.includes(" ")) return "must not contain white-space";
  if (path.includes("//")) return "must not contain double slash";
  const star = path.indexOf("*");
  return star < 0 || (star === path.length - 1 && path.endsWith("/*"))
    ? undefined
    : "wildcard can only do suffix matching";
}

function nonResourceRuleErrors(rule: NonResourcePolicyRule, path: string): FieldError[] {
  const urls = rule.nonResourceURLs ?? [];
  const at = child(path, "nonResourceURLs");
  const errors = [
    ...verbErrors(rule.verbs ?? [], child(path, "verbs")),
    ...alone(urls, at, "nonResourceURLs must contain at least one value", "non-resource URLs"),
  ];
  if (hasWildcard(urls)) return errors;
  for (const [index, url] of urls.entries()) {
    const problem = pathProblem(url);
    if (problem !== undefined) errors.push(invalidValue(`${at}[${index}]`, url, problem));
  }
  return errors;
}

function ruleErrors(rule: PolicyRulesWithSubjects, path: string): FieldError[] {
  const { resourceRules = [], nonResourceRules = [] } = rule;
  const subjects = rule.subjects ?? [];
  const errors = subjects.flatMap((subject, index) => subjectErrors(subject, `${path}.subjects[${index}]`));
  if (subjects.length === 0) errors.push(required(`${path}.subjects`, "subjects must contain at least one value"));
  if (resourceRules.length + nonResourceRules.length === 0) {
    errors.push(required(path, "at least one of resourceRules and nonResourceRules has to be non-empty"));
  }
  return [
    ...errors,
    ...resourceRules.flatMap((one, index) => resourceRuleErrors(one, `${path}.resourceRules[${index}]`)),
    ...nonResourceRules.flatMap((one, index) => nonResourceRuleErrors(one, `${path}.nonResourceRules[${index}]`)),
  ];
}

function validate(object: FlowSchema): FieldError[] {
  const { matchingPrecedence, distinguisherMethod, priorityLevelConfiguration, rules = [] } = object.spec;
  const errors: FieldError[] = [];
  const precedence = (detail: string) =>
    errors.push(invalidValue("spec.matchingPrecedence", matchingPrecedence, detail));
  if (matchingPrecedence <= 0) precedence("must be a positive value");
  if (matchingPrecedence > MAX_PRECEDENCE) precedence(`must not be greater than ${MAX_PRECEDENCE}`);
  if (matchingPrecedence === 1 && object.metadata.name !== "exempt") {
    precedence("only the schema named 'exempt' may have matchingPrecedence 1");
  }
  const methods = ["ByNamespace", "ByUser"];
  if (distinguisherMethod !== undefined && !methods.includes(distinguisherMethod.type)) {
    const shown = new Printed(stringifyJSON({ Type: distinguisherMethod.type } as unknown as JSONValue));
    errors.push(notSupported("spec.distinguisherMethod.type", shown, methods));
  }
  const { name = "" } = priorityLevelConfiguration;
  const at = "spec.priorityLevelConfiguration.name";
  if (name === "") errors.push(required(at, "must reference a priority level"));
  else errors.push(...dns1123Subdomain(name).map((message) => invalidValue(at, name, message)));
  return [
    ...errors,
    ...rules.flatMap((rule, index) => ruleErrors(rule, `spec.rules[${index}]`)),
    ...conditionErrors(object.status?.conditions),
  ];
}

const strategy: Strategy<FlowSchema> = {
  setDefaults(object) {
    object.spec ??= { priorityLevelConfiguration: { name: "" }, matchingPrecedence: 0 };
    object.spec.priorityLevelConfiguration ??= { name: "" };
    object.spec.matchingPrecedence ||= 1000;
  },
  prepareForCreate(object) {
    object.metadata.generation = 1;
    delete object.status;
  },
  prepareForUpdate(object, old) {
    keep(object, old, "status");
    if (!semanticEqual(object.spec, old.spec)) object.metadata.generation = (old.metadata.generation ?? 0) + 1;
  },
  validate,
  validateUpdate: validate,
};

export function flowSchemas(): ResourceDefinition<FlowSchema> {
  return defineKind<FlowSchema>({
    group: FLOWCONTROL_GROUP,
    version: "v1",
    kind: "FlowSchema",
    namespaced: false,
    nameRule: dns1123Subdomain,
    strategy,
    subresources: [statusOnly(strategy, ({ status }) => conditionErrors(status?.conditions))],
    table: {
      columns: [
        NAME_COLUMN,
        column("PriorityLevel", "The priority level requests get."),
        column("MatchingPrecedence", "The lowest number that matches wins."),
        column("DistinguisherMethod", "What tells flows apart."),
        AGE_COLUMN,
        column("MissingPL", "references a broken or non-existent PriorityLevelConfiguration"),
      ],
      cells(object, now) {
        const { priorityLevelConfiguration, matchingPrecedence, distinguisherMethod } = object.spec;
        const dangling = object.status?.conditions?.find(({ type }) => type === "Dangling");
        return [
          object.metadata.name ?? "",
          priorityLevelConfiguration.name,
          matchingPrecedence,
          distinguisherMethod?.type ?? "<none>",
          age(object, now),
          dangling === undefined ? "?" : (dangling.status ?? ""),
        ];
      },
    },
  });
}
