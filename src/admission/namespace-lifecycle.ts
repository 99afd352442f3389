/** Nothing is created where there is no namespace, or where it is going; and the namespaces everything stands on stay (spec: apiserver 9.4). */
import type { KubeObject } from "../api/meta.ts";
import { forbidden, notFound, StatusError } from "../api/status.ts";
import type { Lister } from "../client/lister.ts";
import { UNDELETABLE_NAMESPACES } from "../kinds/bootstrap.ts";
import type { Admission, AdmissionAttributes } from "../server/admission.ts";

/** Reviews must work in a namespace that is going, for they tell its users why. */
const ALLOWED_GOING = new Set(["authorization.k8s.io/localsubjectaccessreviews"]);

export function namespaceLifecycle(namespaces: Lister): Admission {
  const undeletable: readonly string[] = UNDELETABLE_NAMESPACES;
  return {
    admit(attributes: AdmissionAttributes) {
      const { operation, resource, namespace, name } = attributes;
      const isNamespace = resource.group === "" && resource.resource === "namespaces";
      if (operation === "DELETE" && isNamespace && undeletable.includes(name)) {
        throw forbidden(resource, name, "this namespace may not be deleted");
      }
      if (namespace === "" || isNamespace) return;
      if (ALLOWED_GOING.has(`${resource.group}/${resource.resource}`)) return;
      if (operation === "DELETE") return;
      const found = namespaces.get(namespace);
      if (found === undefined) throw notFound({ group: "", resource: "namespaces" }, namespace);
      if (operation !== "CREATE" || !isGoing(found)) return;
      const refusal = forbidden(
        resource,
        name || (attributes.object?.metadata.name ?? ""),
        `unable to create new content in namespace ${namespace} because it is being terminated`,
      );
      throw new StatusError(403, "Forbidden", refusal.message, {
        ...refusal.status.details,
        causes: [
          {
            reason: "NamespaceTerminating",
            message: `namespace ${namespace} is being terminated`,
            field: "metadata.namespace",
          },
        ],
      });
    },
  };
}

function isGoing(namespace: KubeObject): boolean {
  return Boolean(namespace.metadata.deletionTimestamp) || namespace.status?.phase === "Terminating";
}
