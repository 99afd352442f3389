/** Every built-in kind the server stores, in one list; and the names around them. */
import type { ResourceDefinition } from "../server/resource.ts";
import {
  mutatingAdmissionPolicies,
  mutatingAdmissionPolicyBindings,
  validatingAdmissionPolicies,
  validatingAdmissionPolicyBindings,
} from "./admissionregistration/policies.ts";
import {
  mutatingWebhookConfigurations,
  validatingWebhookConfigurations,
} from "./admissionregistration/webhook-configurations.ts";
import { customResourceDefinitions } from "./apiextensions/custom-resource-definition.ts";
import { apiServices } from "./apiregistration/api-service.ts";
import { deployments } from "./apps/deployment.ts";
import { replicaSets } from "./apps/replica-set.ts";
import { selfSubjectReviews, tokenReviews } from "./authentication/reviews.ts";
import {
  localSubjectAccessReviews,
  selfSubjectAccessReviews,
  selfSubjectRulesReviews,
  subjectAccessReviews,
} from "./authorization/reviews.ts";
import { horizontalPodAutoscalers, horizontalPodAutoscalersV1 } from "./autoscaling/horizontal-pod-autoscaler.ts";
import { leases } from "./coordination/lease.ts";
import { configMaps } from "./core/config-map.ts";
import { endpoints } from "./core/endpoints.ts";
import { events } from "./core/event.ts";
import { namespaces } from "./core/namespace.ts";
import { nodes } from "./core/node.ts";
import { pods } from "./core/pod.ts";
import { secrets } from "./core/secret.ts";
import { services } from "./core/service.ts";
import { serviceAccounts } from "./core/service-account.ts";
import { createAddressPool } from "./core/service-addresses.ts";
import type { KindDeps } from "./define.ts";
import { endpointSlices } from "./discovery/endpoint-slice.ts";
import { flowSchemas } from "./flowcontrol/flow-schema.ts";
import { priorityLevelConfigurations } from "./flowcontrol/priority-level-configuration.ts";
import { clusterRoleBindings, roleBindings } from "./rbac/bindings.ts";
import { clusterRoles, roles } from "./rbac/rules.ts";

export { BOOTSTRAP, SYSTEM_NAMESPACES, UNDELETABLE_NAMESPACES } from "./bootstrap.ts";
export { createAddressPool } from "./core/service-addresses.ts";
export type { KindDeps, SubresourceCreate } from "./define.ts";
export { builtinPriority, type Priority } from "./priorities.ts";

/** Definitions of all stored built-in kinds, independent of any store. Sub-resources whose function is not given are not listed. */
export function builtinResources(given: Partial<KindDeps> = {}): ResourceDefinition[] {
  const deps: KindDeps = { ...given, addresses: given.addresses ?? createAddressPool() };
  return [
    configMaps(),
    endpoints(deps),
    events(),
    namespaces(),
    nodes(),
    pods(),
    secrets(),
    serviceAccounts(deps),
    services(deps),
    deployments(),
    replicaSets(),
    horizontalPodAutoscalers(),
    horizontalPodAutoscalersV1(),
    leases(),
    endpointSlices(deps),
    clusterRoleBindings(),
    clusterRoles(),
    roleBindings(),
    roles(),
    flowSchemas(),
    priorityLevelConfigurations(),
    mutatingAdmissionPolicies(),
    mutatingAdmissionPolicyBindings(),
    mutatingWebhookConfigurations(),
    validatingAdmissionPolicies(),
    validatingAdmissionPolicyBindings(),
    validatingWebhookConfigurations(),
    customResourceDefinitions(),
    apiServices(),
  ] as ResourceDefinition[];
}

/** Definitions of the review kinds, which are answered and never stored: to be bound as virtual resources. */
export function reviewResources(): ResourceDefinition[] {
  return [
    selfSubjectReviews(),
    tokenReviews(),
    localSubjectAccessReviews(),
    selfSubjectAccessReviews(),
    selfSubjectRulesReviews(),
    subjectAccessReviews(),
  ] as ResourceDefinition[];
}
