/** What a running server keeps up: the system namespaces, and where it is found itself (spec: apiserver 12.3). */
import type { Clock } from "../api/clock.ts";
import type { KubeObject } from "../api/meta.ts";
import { hasReason } from "../api/status.ts";
import type { Client } from "../client/client.ts";
import { createIfMissing, createOrUpdate } from "../client/ensure.ts";
import type { ResourceClient } from "../client/resource.ts";
import { SYSTEM_NAMESPACES } from "../kinds/bootstrap.ts";

const NAMESPACES = { group: "", version: "v1", resource: "namespaces" };
const SERVICES = { group: "", version: "v1", resource: "services" };
const ENDPOINTS = { group: "", version: "v1", resource: "endpoints" };
const SLICES = { group: "discovery.k8s.io", version: "v1", resource: "endpointslices" };
const NAME = "kubernetes";
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

/** Where a server is reached. */
export interface ServerAddress {
  readonly address: string;
  readonly port: number;
}

/**
 * Shows under `default/kubernetes` where this server is reached: as the endpoints of a Service without a selector, in both forms
 * that exist (spec: apiserver 12.3). An address that others may not dial is left out: then only the Service knows the port. For a server
 * alone over its store.
 */
export async function publishAddress(
  client: Client,
  at: { readonly address: string | undefined; readonly port: number },
): Promise<void> {
  const { address, port } = at;
  if (address === undefined) await leadTo(client.resource(SERVICES, "default"), [port]);
  else await publishAddresses(client, [{ address, port }], { address, port });
}

/** The same for several: one subset, and one slice, for each port they serve on. `own` says the port of who does not say it. */
export async function publishAddresses(
  client: Client,
  servers: readonly { readonly address: string; readonly port: number | undefined }[],
  own: ServerAddress,
): Promise<void> {
  const byPort = new Map<number, Set<string>>();
  for (const { address, port = own.port } of servers) {
    const addresses = byPort.get(port) ?? new Set();
    byPort.set(port, addresses.add(address));
  }
  // Without servers nobody is there to say so.
  if (byPort.size === 0) return;
  const groups = [...byPort]
    .sort(([a], [b]) => a - b)
    .map(([port, addresses]) => ({
      ports: [{ name: "https", port, protocol: "TCP" }],
      addresses: [...addresses].sort(),
    }));
  const endpoints: KubeObject = {
    // The slices beside it are not to be made from it.
    metadata: { name: NAME, labels: { "endpointslice.kubernetes.io/skip-mirror": "true" } },
    subsets: groups.map(({ addresses, ports }) => ({ addresses: addresses.map((ip) => ({ ip })), ports })),
  };
  const slices = groups.flatMap(({ addresses, ports }, index) =>
    (["IPv4", "IPv6"] as const).flatMap((addressType): KubeObject[] => {
      const own = addresses.filter((address) => address.includes(":") === (addressType === "IPv6"));
      if (own.length === 0) return [];
      // The first has the name that upstream gives to its only one.
      const name = index === 0 ? NAME : `${NAME}-${ports[0]!.port}`;
      return [
        {
          metadata: {
            name: addressType === "IPv4" ? name : `${name}-ipv6`,
            labels: { "kubernetes.io/service-name": NAME },
          },
          addressType,
          endpoints: own.map((address) => ({ addresses: [address], conditions: { ready: true } })),
          ports,
        },
      ];
    }),
  );
  const sliceClient = client.resource(SLICES, "default");
  await Promise.all([
    leadTo(client.resource(SERVICES, "default"), [...byPort.keys()]),
    put(client.resource(ENDPOINTS, "default"), endpoints),
    ...slices.map((slice) => put(sliceClient, slice)),
    removeOthers(sliceClient, new Set(slices.map(({ metadata }) => metadata.name!))),
  ]);
}

/** Slices of ports that no server has any more. */
async function removeOthers(slices: ResourceClient, keep: ReadonlySet<string>): Promise<void> {
  const { items } = await slices.list({ labelSelector: `kubernetes.io/service-name=${NAME}` });
  const gone = items.map(({ metadata }) => metadata.name!).filter((name) => !keep.has(name));
  await Promise.all(
    gone.map((name) =>
      slices.delete(name).catch((error: unknown) => {
        if (!hasReason(error, "NotFound")) throw error;
      }),
    ),
  );
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

/** The Service names one port: the first of those there are, unless it names one of them already. */
async function leadTo(services: ResourceClient, ports: readonly number[]): Promise<void> {
  const service = await services.get(NAME);
  const [first] = service["spec"]?.ports ?? [];
  if (first === undefined || ports.includes(first.targetPort)) return;
  await services.update({ ...service, spec: { ...service["spec"], ports: [{ ...first, targetPort: ports[0] }] } });
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
