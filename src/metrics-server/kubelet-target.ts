/** Where to scrape a node (spec: metrics 2.2). */
import type { KubeObject } from "../api/meta.ts";

export const ADDRESS_TYPES = ["Hostname", "InternalDNS", "InternalIP", "ExternalDNS", "ExternalIP"] as const;

/** A node may serve its readings elsewhere than at `/metrics/resource`. */
const PATH_ANNOTATION = "metrics.k8s.io/resource-metrics-path";

export interface TargetOptions {
  readonly scheme: "https" | "http";
  readonly port: number;
  readonly useNodeStatusPort: boolean;
  /** The first type in this order that the node has an address of wins. */
  readonly preferredAddressTypes: readonly string[];
}

/** The URL of a node's resource metrics. Throws when the node has no usable address of the preferred types. */
export function kubeletTarget(node: KubeObject, options: TargetOptions): string {
  const addresses: readonly { type: string; address: string }[] = node["status"]?.addresses ?? [];
  const reported: unknown = node["status"]?.daemonEndpoints?.kubeletEndpoint?.Port;
  const port = options.useNodeStatusPort && typeof reported === "number" && reported !== 0 ? reported : options.port;
  for (const type of options.preferredAddressTypes) {
    const found = addresses.find((address) => address.type === type);
    if (found === undefined) continue;
    // Whoever writes a node's status chooses a host, and no more than a host: credentials travel with the request.
    if (!/^[\w.:-]+$/.test(found.address)) {
      throw new Error(`node ${node.metadata.name} has the ${type} ${JSON.stringify(found.address)}, which is no host`);
    }
    const host = found.address.includes(":") ? `[${found.address}]` : found.address;
    return `${options.scheme}://${host}:${port}${pathOf(node)}`;
  }
  throw new Error(
    `node ${node.metadata.name} has no address of the types ${options.preferredAddressTypes.join(", ")}; it has ${
      addresses.map((address) => `${address.type} ${address.address}`).join(", ") || "none"
    }`,
  );
}

/** A path and nothing else, whatever the annotation says. */
function pathOf(node: KubeObject): string {
  const path = node.metadata.annotations?.[PATH_ANNOTATION] || "/metrics/resource";
  const escaped = encodeURI(path).replaceAll("?", "%3F").replaceAll("#", "%23");
  return escaped.startsWith("/") ? escaped : `/${escaped}`;
}
