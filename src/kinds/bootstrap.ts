/** What exists in every cluster from the first moment. */

/** Namespaces the server makes at start and again whenever they are missing (spec: apiserver 3.6). */
export const SYSTEM_NAMESPACES = ["kube-system", "kube-public", "kube-node-lease", "default"] as const;
/** Namespaces nobody may delete (spec: apiserver 9.4). */
export const UNDELETABLE_NAMESPACES = ["default", "kube-system", "kube-public"] as const;

export const BOOTSTRAP = {
  namespaces: SYSTEM_NAMESPACES,
  undeletableNamespaces: UNDELETABLE_NAMESPACES,
  /** The Service of the API server itself. */
  kubernetesService: { namespace: "default", name: "kubernetes", port: 443, portName: "https" },
} as const;
