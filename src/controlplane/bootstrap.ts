/** The objects a cluster cannot be without: system namespaces, the default policy, the Service of the API server itself (spec: apiserver 12.3). */
import type { Clock } from "../api/clock.ts";
import type { KubeObject } from "../api/meta.ts";
import { hasReason } from "../api/status.ts";
import type { Client } from "../client/client.ts";
import { SYSTEM_NAMESPACES } from "../kinds/bootstrap.ts";

const NAMESPACES = { group: "", version: "v1", resource: "namespaces" };
const SERVICES = { group: "", version: "v1", resource: "services" };
const SLICES = { group: "discovery.k8s.io", version: "v1", resource: "endpointslices" };
const AGAIN = 60_000;

async function ensure(create: Promise<unknown>): Promise<void> {
  try {
    await create;
  } catch (error) {
    if (!hasReason(error, "AlreadyExists")) throw error;
  }
}

/** Creates the system namespaces that are missing. */
export async function ensureNamespaces(client: Client): Promise<void> {
  const namespaces = client.resource(NAMESPACES);
  await Promise.all(SYSTEM_NAMESPACES.map((name) => ensure(namespaces.create({ metadata: { name } }))));
}

/** Looks after them every minute until `signal` aborts. */
export async function keepNamespaces(
  client: Client,
  clock: Clock,
  signal: AbortSignal,
  onError: (error: unknown) => void,
): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(AGAIN, signal).catch(() => {});
    if (!signal.aborted) await ensureNamespaces(client).catch(onError);
  }
}

/** `default/kubernetes`, behind which this server is found by its address; without a port nothing is published yet. */
export async function ensureKubernetesService(
  client: Client,
  clusterIP: string,
  at?: { address: string; port: number },
): Promise<void> {
  const labels = { component: "apiserver", provider: "kubernetes" };
  await ensure(
    client.resource(SERVICES, "default").create({
      metadata: { name: "kubernetes", labels },
      spec: {
        clusterIP,
        ports: [{ name: "https", port: 443, protocol: "TCP", targetPort: at?.port ?? 6443 }],
        sessionAffinity: "None",
        type: "ClusterIP",
      },
    }),
  );
  if (at === undefined) return;
  const slices = client.resource(SLICES, "default");
  const wanted: KubeObject = {
    metadata: { name: "kubernetes", labels: { "kubernetes.io/service-name": "kubernetes" } },
    addressType: at.address.includes(":") ? "IPv6" : "IPv4",
    endpoints: [{ addresses: [at.address], conditions: { ready: true } }],
    ports: [{ name: "https", port: at.port, protocol: "TCP" }],
  };
  try {
    await slices.create(wanted);
  } catch (error) {
    if (!hasReason(error, "AlreadyExists")) throw error;
    const found = await slices.get("kubernetes");
    await slices.update({ ...found, endpoints: wanted["endpoints"], ports: wanted["ports"] });
  }
}
