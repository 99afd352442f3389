/** What nodes are allowed where no node authorizer narrows it: the built-in role of nodes, for their group. */
import type { GroupVersionResource, KubeObject } from "../api/meta.ts";
import type { Client } from "../client/client.ts";
import { createIfMissing } from "../client/ensure.ts";

export const NODE_GROUP = "system:nodes";
const RBAC = "rbac.authorization.k8s.io";
const rbac = (resource: string): GroupVersionResource => ({ group: RBAC, version: "v1", resource });
const subjects = [{ apiGroup: RBAC, kind: "Group", name: NODE_GROUP }];
const roleRef = (kind: string, name: string) => ({ apiGroup: RBAC, kind, name });

const OBJECTS: readonly (readonly [GroupVersionResource, KubeObject])[] = [
  [
    rbac("clusterrolebindings"),
    { metadata: { name: "tenon:nodes" }, roleRef: roleRef("ClusterRole", "system:node"), subjects },
  ],
  [
    rbac("rolebindings"),
    {
      metadata: { name: "tenon:nodes-auth-reader", namespace: "kube-system" },
      roleRef: roleRef("Role", "extension-apiserver-authentication-reader"),
      subjects,
    },
  ],
];

/** The user name of a node's client certificate; its organization is `NODE_GROUP`. */
export function nodeUser(node: string): string {
  return `system:node:${node}`;
}

/** Creates what is missing and leaves alone what is there. `client` needs the rights it gives. */
export async function ensureNodeRBAC(client: Client): Promise<void> {
  for (const [resource, object] of OBJECTS) {
    await createIfMissing(client.resource(resource), object);
  }
}
