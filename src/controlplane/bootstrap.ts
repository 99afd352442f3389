/** What a running server keeps up: the system namespaces, and where it is found itself (spec: apiserver 12.3). */
import type { Clock } from "../api/clock.ts";
import type { KubeObject } from "../api/meta.ts";
import type { Client } from "../client/client.ts";
import { createIfMissing, createOrUpdate } from "../client/ensure.ts";
import type { ResourceClient } from "../client/resource.ts";
import { SYSTEM_NAMESPACES } from "../kinds/bootstrap.ts";

const NAMESPACES = { group: "", version: "v1", resource: "namespaces" };
const SERVICES = { group: "", version: "v1", resource: "services" };
const ENDPOINTS = { group: "", version: "v1", resource: "endpoints" };
const SLICES = { group: "discovery.k8s.io", version: "v1", resource: "endpointslices" };
const AGAIN = 60_000;

/** Creates the system namespaces that are missing. */
async function ensureNamespaces(client: Client): Promise<void> {
  const namespaces = client.resource(NAMESPACES);
  await Promise.all(SYSTEM_NAMESPACES.map((name) => createIfMissing(namespaces, { metadata: { name } })));
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

/**
 * Shows under `default/kubernetes` where this server is reached: as the endpoints of a Service without a selector, in both forms
 * that exist (spec: apiserver 12.3). An address that others may not dial is left out: then only the Service knows the port. One
 * server: several over one store would each overwrite the others'.
 */
export async function publishAddress(
  client: Client,
  at: { readonly address: string | undefined; readonly port: number },
): Promise<void> {
  const name = "kubernetes";
  const { address, port } = at;
  const work = [leadTo(client.resource(SERVICES, "default"), name, port)];
  if (address !== undefined) {
    const ports = [{ name: "https", port, protocol: "TCP" }];
    const slice: KubeObject = {
      metadata: { name, labels: { "kubernetes.io/service-name": name } },
      addressType: address.includes(":") ? "IPv6" : "IPv4",
      endpoints: [{ addresses: [address], conditions: { ready: true } }],
      ports,
    };
    const endpoints: KubeObject = {
      // The slice beside it is not to be made from it.
      metadata: { name, labels: { "endpointslice.kubernetes.io/skip-mirror": "true" } },
      subsets: [{ addresses: [{ ip: address }], ports }],
    };
    work.push(put(client.resource(SLICES, "default"), slice), put(client.resource(ENDPOINTS, "default"), endpoints));
  }
  await Promise.all(work);
}

/** Creates it, or writes over what is there; labels of others stay. */
function put(objects: ResourceClient, wanted: KubeObject): Promise<void> {
  const { metadata, ...rest } = wanted;
  return createOrUpdate(objects, wanted, (found) => ({
    ...found,
    ...rest,
    metadata: { ...found.metadata, labels: { ...found.metadata.labels, ...metadata.labels } },
  }));
}

async function leadTo(services: ResourceClient, name: string, port: number): Promise<void> {
  const service = await services.get(name);
  const [first] = service["spec"]?.ports ?? [];
  if (first === undefined || first.targetPort === port) return;
  await services.update({ ...service, spec: { ...service["spec"], ports: [{ ...first, targetPort: port }] } });
}

export function isLoopback(address: string): boolean {
  return address === "::1" || address === "localhost" || address.startsWith("127.");
}

/** The address others reach a server at that listens on `host`: an unspecified one stands for the first of the machine that is not loopback. */
export function advertisedAddress(
  host: string,
  interfaces: Readonly<Record<string, readonly { address: string; internal: boolean; family: string }[] | undefined>>,
): string {
  if (host !== "0.0.0.0" && host !== "::") return host;
  const family = host === "::" ? "IPv6" : "IPv4";
  const all = Object.values(interfaces).flatMap((found) => found ?? []);
  const own = all.filter(({ internal, address }) => !internal && !address.startsWith("fe80:"));
  return (own.find((one) => one.family === family) ?? own[0])?.address ?? (family === "IPv4" ? "127.0.0.1" : "::1");
}
