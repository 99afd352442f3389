/** Role and ClusterRole: what may be done, in one namespace or everywhere. */
import { invalidValue, required } from "../../api/field-errors.ts";
import { pathSegment } from "../../api/names.ts";
import type { FieldError } from "../../api/status.ts";
import type { ResourceDefinition } from "../../server/resource.ts";
import { CREATED_COLUMN, NAME_COLUMN } from "../columns.ts";
import { defineKind } from "../define.ts";
import type { ClusterRole, PolicyRule, Role } from "../generated/types.ts";
import { selectorErrors } from "../selector-rules.ts";

export const RBAC_GROUP = "rbac.authorization.k8s.io";

/** The rules of one PolicyRule. */
export function validatePolicyRule(rule: PolicyRule, namespaced: boolean, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const { nonResourceURLs = [], apiGroups = [], resources = [], resourceNames = [] } = rule;
  if ((rule.verbs ?? []).length === 0) errors.push(required(`${path}.verbs`, "verbs must contain at least one value"));
  if (nonResourceURLs.length > 0) {
    const field = `${path}.nonResourceURLs`;
    if (namespaced) {
      errors.push(invalidValue(field, nonResourceURLs, "namespaced rules cannot apply to non-resource URLs"));
    }
    if (apiGroups.length + resources.length + resourceNames.length > 0) {
      const detail = "rules cannot apply to both regular resources and non-resource URLs";
      errors.push(invalidValue(field, nonResourceURLs, detail));
    }
    return errors;
  }
  if (apiGroups.length === 0) {
    errors.push(required(`${path}.apiGroups`, "resource rules must supply at least one api group"));
  }
  if (resources.length === 0) {
    errors.push(required(`${path}.resources`, "resource rules must supply at least one resource"));
  }
  return errors;
}

function validateRole(object: Role): FieldError[] {
  return (object.rules ?? []).flatMap((rule, index) => validatePolicyRule(rule, true, `rules[${index}]`));
}

function validateClusterRole(object: ClusterRole): FieldError[] {
  const errors = (object.rules ?? []).flatMap((rule, index) => validatePolicyRule(rule, false, `rules[${index}]`));
  if (object.aggregationRule) {
    const field = "aggregationRule.clusterRoleSelectors";
    const selectors = object.aggregationRule.clusterRoleSelectors ?? [];
    if (selectors.length === 0) {
      const detail = "at least one clusterRoleSelector required if aggregationRule is non-nil";
      errors.push(required(field, detail));
    }
    selectors.forEach((selector, index) => {
      const wrong = selectorErrors(selector, `${field}[${index}]`);
      errors.push(...wrong);
      if (wrong.length > 0) errors.push(invalidValue(`${field}[${index}]`, null, "invalid label selector."));
    });
  }
  return errors;
}

const table = {
  columns: [NAME_COLUMN, CREATED_COLUMN],
  cells: (object: Role | ClusterRole) => [object.metadata.name ?? "", object.metadata.creationTimestamp ?? null],
};

export function roles(): ResourceDefinition<Role> {
  return defineKind<Role>({
    group: RBAC_GROUP,
    version: "v1",
    kind: "Role",
    namespaced: true,
    nameRule: pathSegment,
    strategy: { allowCreateOnUpdate: true, validate: validateRole, validateUpdate: validateRole },
    table,
  });
}

export function clusterRoles(): ResourceDefinition<ClusterRole> {
  return defineKind<ClusterRole>({
    group: RBAC_GROUP,
    version: "v1",
    kind: "ClusterRole",
    namespaced: false,
    nameRule: pathSegment,
    strategy: { allowCreateOnUpdate: true, validate: validateClusterRole, validateUpdate: validateClusterRole },
    table,
  });
}
