/** Nobody grants what they do not hold: checks on writes of roles and bindings (spec: apiserver 10.4), and on claims of built-in groups. */
import { forbidden } from "../../api/status.ts";
import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding } from "../../kinds/generated/types.ts";
import type { Authorizer } from "../../server/authorization.ts";
import { SYSTEM_MASTERS, type UserInfo } from "../../server/identity.ts";
import { aggregate, type RuleResolver } from "./authorizer.ts";
import { compact, describeRule, uncovered } from "./rules.ts";

const GROUP = "rbac.authorization.k8s.io";
const EVERYTHING: readonly PolicyRule[] = [
  { verbs: ["*"], apiGroups: ["*"], resources: ["*"] },
  { verbs: ["*"], nonResourceURLs: ["*"] },
];

export interface EscalationContext {
  readonly user: UserInfo;
  /** The namespace of the request, "" at the cluster scope. */
  readonly namespace: string;
  readonly resolver: RuleResolver;
  readonly authorizer: Authorizer;
}

/** Checks the create of a Role or ClusterRole, or its update from `old`. `name`: of the request, "" for a create. Rejects with 403. */
export async function checkEscalation(
  resource: "roles" | "clusterroles",
  role: Role | ClusterRole,
  old: Role | ClusterRole | undefined,
  name: string,
  context: EscalationContext,
): Promise<void> {
  if (context.user.groups.includes(SYSTEM_MASTERS)) return;
  if (await allowed(context, "escalate", resource, name, context.namespace)) return;
  if (old !== undefined && sameButForCollection(role, old)) return;
  const refuse = (why: string) => forbidden({ group: GROUP, resource }, role.metadata.name ?? "", why);
  const problem = missingRights(role.rules ?? [], context);
  if (problem !== undefined) throw refuse(problem);
  // An aggregation rule can gather anything, and changing one can prevent tightening.
  if (
    resource === "clusterroles" &&
    (aggregates(role) || aggregates(old)) &&
    missingRights(EVERYTHING, context) !== undefined
  )
    throw refuse("must have cluster-admin privileges to use the aggregationRule");
}

/** Checks the create of a RoleBinding or ClusterRoleBinding, or its update from `old`. Rejects with 403, or with 404 when the role does not exist. */
export async function checkBinding(
  resource: "rolebindings" | "clusterrolebindings",
  binding: RoleBinding | ClusterRoleBinding,
  old: RoleBinding | ClusterRoleBinding | undefined,
  context: EscalationContext,
): Promise<void> {
  if (context.user.groups.includes(SYSTEM_MASTERS)) return;
  if (old !== undefined && sameButForCollection(binding, old)) return;
  const { roleRef } = binding;
  const kindOfRole = roleRef.kind === "ClusterRole" ? "clusterroles" : roleRef.kind === "Role" ? "roles" : undefined;
  if (
    kindOfRole !== undefined &&
    (await allowed(context, "bind", kindOfRole, roleRef.name, context.namespace, roleRef.apiGroup))
  )
    return;
  const rules = context.resolver.rulesOf(roleRef, context.namespace);
  const problem = missingRights(rules, context);
  if (problem !== undefined) throw forbidden({ group: GROUP, resource }, binding.metadata.name ?? "", problem);
}

/** Whether `user` may let a service claim a group that is built in: verb `override` on the APIService. */
export async function mayOverrideBuiltIn(user: UserInfo, apiService: string, authorizer: Authorizer): Promise<boolean> {
  const decision = await authorizer.authorize({
    user,
    verb: "override",
    isResourceRequest: true,
    group: "apiregistration.k8s.io",
    version: "*",
    resource: "apiservices",
    subresource: "",
    namespace: "",
    name: apiService,
    path: "",
  });
  return decision.verdict === "Allow";
}

async function allowed(
  context: EscalationContext,
  verb: string,
  resource: string,
  name: string,
  namespace: string,
  group = GROUP,
): Promise<boolean> {
  const decision = await context.authorizer.authorize({
    user: context.user,
    verb,
    isResourceRequest: true,
    group,
    version: "*",
    resource,
    subresource: "",
    namespace,
    name,
    path: "",
  });
  return decision.verdict === "Allow";
}

/** What the user lacks of `rules`, as upstream says it; undefined when nothing. */
function missingRights(
  rules: readonly PolicyRule[],
  { user, namespace, resolver }: EscalationContext,
): string | undefined {
  const owned: PolicyRule[] = [];
  const errors: string[] = [];
  resolver.visit(user, namespace, (rule, _, error) => {
    if (rule !== undefined) owned.push(rule);
    if (error !== undefined) errors.push(error.message);
    return true;
  });
  let missing: PolicyRule[];
  try {
    missing = uncovered(owned, rules);
  } catch (error) {
    return (error as RangeError).message;
  }
  if (missing.length === 0) return undefined;
  const descriptions = [...new Set(compact(missing).map(describeRule))].sort();
  const groups = user.groups.map((group) => JSON.stringify(group)).join(" ");
  const message = `user ${JSON.stringify(user.name)} (groups=[${groups}]) is attempting to grant RBAC permissions not currently held:\n${descriptions.join("\n")}`;
  return errors.length === 0 ? message : `${message}; resolution errors: ${aggregate(errors)}`;
}

function aggregates(role: Role | ClusterRole | undefined): boolean {
  return ((role as ClusterRole | undefined)?.aggregationRule?.clusterRoleSelectors ?? []).length > 0;
}

/** Whether an update changes nothing but what the garbage collector changes: finalizers and owners. */
function sameButForCollection(a: object, b: object): boolean {
  const strip = (object: object) => {
    const { metadata, ...rest } = object as { metadata: Record<string, unknown> };
    const { finalizers, ownerReferences, managedFields, resourceVersion, ...meta } = metadata;
    return { ...rest, metadata: meta };
  };
  return JSON.stringify(sorted(strip(a))) === JSON.stringify(sorted(strip(b)));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value === "bigint") return String(value);
  if (value === null || typeof value !== "object") return value;
  return Object.entries(value)
    .filter(([, held]) => held !== undefined)
    .sort(([x], [y]) => (x < y ? -1 : 1))
    .map(([key, held]) => [key, sorted(held)]);
}
