/** The RBAC authorizer: decides from roles and bindings as they are in the cluster (spec: apiserver 10.3, 10.4). */
import type { Lister } from "../../client/lister.ts";
import type {
  ClusterRole,
  ClusterRoleBinding,
  PolicyRule,
  Role,
  RoleBinding,
  RoleRef,
} from "../../kinds/generated/types.ts";
import type {
  AuthorizationAttributes,
  AuthorizationDecision,
  Authorizer,
  NonResourceRule,
  ResourceRule,
  RuleSet,
} from "../../server/authorization.ts";
import type { UserInfo } from "../../server/identity.ts";
import { type Applied, BindingIndex } from "./bindings.ts";
import { ruleAllows } from "./rules.ts";

export interface RBACListers {
  readonly roles: Lister<Role>;
  readonly roleBindings: Lister<RoleBinding>;
  readonly clusterRoles: Lister<ClusterRole>;
  readonly clusterRoleBindings: Lister<ClusterRoleBinding>;
}

/** Answers what rules somebody holds; the ground under the authorizer and the escalation checks. */
export interface RuleResolver {
  /** Calls `visit` with each rule that applies, or an error for a binding whose role is missing; stops when it answers false. */
  visit(
    user: UserInfo,
    namespace: string,
    visit: (rule: PolicyRule | undefined, source: () => string, error?: Error) => boolean,
  ): void;
  /** The rules of a role. Throws an Error with upstream's text when it does not exist. */
  rulesOf(roleRef: RoleRef, namespace: string): readonly PolicyRule[];
}

export interface RBACAuthorizer extends Authorizer, RuleResolver {
  /** Resolves when every lister delivered its first state. */
  ready(): Promise<void>;
  close(): void;
}

/** NoOpinion where no rule allows; it never denies. */
export function rbacAuthorizer(listers: RBACListers): RBACAuthorizer {
  const clusterBindings = new BindingIndex(listers.clusterRoleBindings);
  const bindings = new BindingIndex(listers.roleBindings);

  function rulesOf(roleRef: RoleRef, namespace: string): readonly PolicyRule[] {
    if (roleRef.kind === "ClusterRole") {
      const role = listers.clusterRoles.get(roleRef.name);
      if (role === undefined)
        throw new Error(`clusterrole.rbac.authorization.k8s.io ${JSON.stringify(roleRef.name)} not found`);
      return role.rules ?? [];
    }
    if (roleRef.kind === "Role") {
      const role = listers.roles.get(roleRef.name, namespace);
      if (role === undefined)
        throw new Error(`role.rbac.authorization.k8s.io ${JSON.stringify(roleRef.name)} not found`);
      return role.rules ?? [];
    }
    throw new Error(`unsupported role reference kind: ${JSON.stringify(roleRef.kind)}`);
  }

  const visit: RuleResolver["visit"] = (user, namespace, visitor) => {
    const each = (applied: readonly Applied<ClusterRoleBinding | RoleBinding>[], home: string): boolean => {
      for (const one of applied) {
        let rules: readonly PolicyRule[];
        try {
          rules = rulesOf(one.binding.roleRef, home);
        } catch (error) {
          if (!visitor(undefined, () => "", error as Error)) return false;
          continue;
        }
        for (const rule of rules) if (!visitor(rule, () => describeBinding(one, home))) return false;
      }
      return true;
    };
    if (!each(clusterBindings.applied(user, ""), "")) return;
    if (namespace !== "") each(bindings.applied(user, namespace), namespace);
  };

  return {
    visit,
    rulesOf,
    authorize(attributes: AuthorizationAttributes): AuthorizationDecision {
      let reason: string | undefined;
      const errors: string[] = [];
      visit(attributes.user, attributes.namespace, (rule, source, error) => {
        if (error !== undefined) errors.push(error.message);
        if (rule === undefined || !ruleAllows(rule, attributes)) return true;
        reason = `RBAC: allowed by ${source()}`;
        return false;
      });
      if (reason !== undefined) return { verdict: "Allow", reason };
      return { verdict: "NoOpinion", reason: errors.length === 0 ? "" : `RBAC: ${aggregate(errors)}` };
    },
    rulesFor(user: UserInfo, namespace: string): RuleSet {
      const resourceRules: ResourceRule[] = [];
      const nonResourceRules: NonResourceRule[] = [];
      const errors: string[] = [];
      visit(user, namespace, (rule, _, error) => {
        if (error !== undefined) errors.push(error.message);
        if (rule?.resources?.length)
          resourceRules.push({
            verbs: rule.verbs ?? [],
            apiGroups: rule.apiGroups ?? [],
            resources: rule.resources,
            resourceNames: rule.resourceNames ?? [],
          });
        if (rule?.nonResourceURLs?.length)
          nonResourceRules.push({ verbs: rule.verbs ?? [], nonResourceURLs: rule.nonResourceURLs });
        return true;
      });
      return { resourceRules, nonResourceRules, incomplete: false, evaluationError: aggregate(errors) };
    },
    async ready() {
      await Promise.all(Object.values(listers).map((lister: Lister) => lister.ready()));
    },
    close() {
      clusterBindings.close();
      bindings.close();
    },
  };
}

/** How Go prints several errors as one; equal texts once. "" for none. */
export function aggregate(messages: readonly string[]): string {
  const unique = [...new Set(messages)];
  return unique.length < 2 ? (unique[0] ?? "") : `[${unique.join(", ")}]`;
}

function describeBinding({ binding, subject }: Applied<ClusterRoleBinding | RoleBinding>, namespace: string): string {
  const name = binding.metadata.name ?? "";
  const title =
    namespace === ""
      ? `ClusterRoleBinding ${JSON.stringify(name)}`
      : `RoleBinding ${JSON.stringify(`${name}/${namespace}`)}`;
  const who =
    subject.kind === "ServiceAccount"
      ? JSON.stringify(`${subject.name}/${subject.namespace ? subject.namespace : namespace}`)
      : JSON.stringify(subject.name);
  return `${title} of ${binding.roleRef.kind} ${JSON.stringify(binding.roleRef.name)} to ${subject.kind} ${who}`;
}
