/** What metrics-server needs to be allowed, and what it allows to others (spec: metrics 2.11). */
import type { GroupVersionResource, KubeObject } from "../api/meta.ts";
import type { Client } from "../client/client.ts";
import { createIfMissing } from "../client/ensure.ts";

export const NAMESPACE = "kube-system";
export const NAME = "metrics-server";
/** Whom the objects give rights to. A client certificate with this name is as good as the account's token. */
export const USER = `system:serviceaccount:${NAMESPACE}:${NAME}`;

const RBAC = "rbac.authorization.k8s.io";
const labels = { "k8s-app": NAME };
const subjects = [{ kind: "ServiceAccount", name: NAME, namespace: NAMESPACE }];
const bindTo = (kind: "ClusterRole" | "Role", name: string) => ({ roleRef: { apiGroup: RBAC, kind, name }, subjects });
const rbac = (resource: string): GroupVersionResource => ({ group: RBAC, version: "v1", resource });
const toAll = (verbs: string[], apiGroups: string[], resources: string[]) => ({ verbs, apiGroups, resources });

const OBJECTS: readonly (readonly [resource: GroupVersionResource, object: KubeObject])[] = [
  [
    { group: "", version: "v1", resource: "serviceaccounts" },
    { metadata: { name: NAME, namespace: NAMESPACE, labels } },
  ],
  [
    rbac("clusterroles"),
    {
      metadata: {
        name: "system:aggregated-metrics-reader",
        labels: {
          ...labels,
          ...Object.fromEntries(
            ["view", "edit", "admin"].map((role) => [`rbac.authorization.k8s.io/aggregate-to-${role}`, "true"]),
          ),
        },
      },
      rules: [toAll(["get", "list", "watch"], ["metrics.k8s.io"], ["pods", "nodes"])],
    },
  ],
  [
    rbac("clusterroles"),
    {
      metadata: { name: "system:metrics-server", labels },
      rules: [toAll(["get"], [""], ["nodes/metrics"]), toAll(["get", "list", "watch"], [""], ["pods", "nodes"])],
    },
  ],
  [
    rbac("clusterrolebindings"),
    { metadata: { name: "system:metrics-server", labels }, ...bindTo("ClusterRole", "system:metrics-server") },
  ],
  [
    rbac("clusterrolebindings"),
    {
      metadata: { name: "metrics-server:system:auth-delegator", labels },
      ...bindTo("ClusterRole", "system:auth-delegator"),
    },
  ],
  [
    rbac("rolebindings"),
    {
      metadata: { name: "metrics-server-auth-reader", namespace: NAMESPACE, labels },
      ...bindTo("Role", "extension-apiserver-authentication-reader"),
    },
  ],
];

/** Only for a server that registers itself; a manifest does it for the others. */
const REGISTRATION: typeof OBJECTS = [
  [
    rbac("clusterroles"),
    {
      metadata: { name: "tenon:metrics-server:registration", labels },
      rules: [
        toAll(["create", "get", "update"], ["apiregistration.k8s.io"], ["apiservices"]),
        toAll(["create", "get", "update"], [""], ["services"]),
        toAll(["create", "get", "update"], ["discovery.k8s.io"], ["endpointslices"]),
      ],
    },
  ],
  [
    rbac("clusterrolebindings"),
    {
      metadata: { name: "tenon:metrics-server:registration", labels },
      ...bindTo("ClusterRole", "tenon:metrics-server:registration"),
    },
  ],
];

/** Creates what is missing and leaves alone what is there. `client` needs the rights it gives. */
export async function ensureRBAC(client: Client, options: { readonly registration?: boolean } = {}): Promise<void> {
  for (const [resource, object] of options.registration ? [...OBJECTS, ...REGISTRATION] : OBJECTS) {
    await createIfMissing(client.resource(resource), object);
  }
}
