/** Roles and bindings hand out only what their writer holds, and a service claims a built-in group only by permission (spec: apiserver 10.4; DESIGN decision 6). */
import { forbidden } from "../api/status.ts";
import type { RuleResolver } from "../auth/rbac/authorizer.ts";
import { checkBinding, checkEscalation, mayOverrideBuiltIn } from "../auth/rbac/escalation.ts";
import type { APIService, ClusterRole, ClusterRoleBinding, Role, RoleBinding } from "../kinds/generated/types.ts";
import type { Admission } from "../server/admission.ts";
import type { Authorizer } from "../server/authorization.ts";

export function rbacEscalation(resolver: RuleResolver, authorizer: Authorizer): Admission {
  return {
    async validate({ operation, resource, subresource, object, oldObject, user, namespace, name }) {
      if (resource.group !== "rbac.authorization.k8s.io" || subresource !== "" || object === undefined) return;
      if (operation !== "CREATE" && operation !== "UPDATE") return;
      const context = { user, namespace, resolver, authorizer };
      switch (resource.resource) {
        case "roles":
        case "clusterroles":
          return checkEscalation(
            resource.resource,
            object as Role | ClusterRole,
            oldObject as Role | ClusterRole | undefined,
            name,
            context,
          );
        case "rolebindings":
        case "clusterrolebindings":
          return checkBinding(
            resource.resource,
            object as RoleBinding | ClusterRoleBinding,
            oldObject as RoleBinding | ClusterRoleBinding | undefined,
            context,
          );
      }
    },
  };
}

/** `isBuiltIn` says whether this process serves the group itself. */
export function builtInClaims(
  isBuiltIn: (group: string, version: string) => boolean,
  authorizer: Authorizer,
): Admission {
  return {
    async validate({ operation, resource, subresource, object, oldObject, user }) {
      if (resource.group !== "apiregistration.k8s.io" || subresource !== "" || object === undefined) return;
      if (operation !== "CREATE" && operation !== "UPDATE") return;
      const { spec, metadata } = object as APIService;
      if (spec?.service === undefined || !isBuiltIn(spec.group ?? "", spec.version ?? "")) return;
      const before = (oldObject as APIService | undefined)?.spec?.service;
      if (before !== undefined && before.name === spec.service.name && before.namespace === spec.service.namespace)
        return;
      if (await mayOverrideBuiltIn(user, metadata.name ?? "", authorizer)) return;
      throw forbidden(
        resource,
        metadata.name ?? "",
        `the group-version ${spec.group}/${spec.version} is built in: to let a service claim it, user ${JSON.stringify(user.name)} needs the verb "override" on apiservices.apiregistration.k8s.io`,
      );
    },
  };
}
