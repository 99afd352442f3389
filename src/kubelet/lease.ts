/** A node's heartbeat: a Lease in `kube-node-lease`, renewed far more often than the node's status is written. */
import type { KubeObject } from "../api/meta.ts";
import { hasReason } from "../api/status.ts";
import { formatMicroTime } from "../api/time.ts";
import type { Client } from "../client/client.ts";

export const LEASE_NAMESPACE = "kube-node-lease";
export const LEASE_SECONDS = 40;
export const RENEW_MILLISECONDS = 10_000;

const LEASES = { group: "coordination.k8s.io", version: "v1", resource: "leases" };

export interface NodeLease {
  /** Rejects when it could not be renewed; the next call begins with what the server has. */
  renew(): Promise<void>;
}

export function nodeLease(client: Client, node: { readonly name: string; readonly uid: string }): NodeLease {
  const leases = client.resource(LEASES, LEASE_NAMESPACE);
  const spec = () => ({
    holderIdentity: node.name,
    leaseDurationSeconds: LEASE_SECONDS,
    renewTime: formatMicroTime(client.clock.now()),
  });
  const owner = { apiVersion: "v1", kind: "Node", name: node.name, uid: node.uid };
  let known: KubeObject | undefined;

  async function write(): Promise<KubeObject> {
    if (known === undefined) {
      try {
        known = await leases.get(node.name);
      } catch (error) {
        if (!hasReason(error, "NotFound")) throw error;
        const metadata = { name: node.name, namespace: LEASE_NAMESPACE, ownerReferences: [owner] };
        return await leases.create({ metadata, spec: spec() });
      }
    }
    return await leases.update({
      ...known,
      metadata: { ...known.metadata, ownerReferences: [owner] },
      spec: { ...known["spec"], ...spec() },
    });
  }

  return {
    async renew() {
      try {
        known = await write();
      } catch (error) {
        known = undefined;
        throw error;
      }
    },
  };
}
