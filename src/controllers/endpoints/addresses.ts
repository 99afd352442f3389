/** Where the pods of a Service are reached, in both shapes the API knows: EndpointSlices and the older Endpoints. */
import type { KubeObject } from "../../api/meta.ts";
import { isReady, type Pod } from "../objects.ts";

export interface ServicePort {
  name?: string;
  port: number;
  protocol?: string;
  appProtocol?: string;
  targetPort?: number | string;
}

export interface Service extends KubeObject {
  spec?: {
    type?: string;
    selector?: Record<string, string>;
    clusterIP?: string;
    ipFamilies?: string[];
    publishNotReadyAddresses?: boolean;
    ports?: ServicePort[];
  };
}

export interface Port {
  name: string;
  port: number;
  protocol: string;
  appProtocol?: string;
}

interface TargetRef {
  kind: string;
  namespace: string;
  name: string;
  uid: string;
}

export interface Endpoint {
  addresses: string[];
  conditions: { ready: boolean; serving: boolean; terminating: boolean };
  hostname?: string;
  targetRef: TargetRef;
  nodeName?: string;
  zone?: string;
}

export type AddressType = "IPv4" | "IPv6";

const ZONE = "topology.kubernetes.io/zone";

export const isHeadless = ({ spec }: Service): boolean => spec?.clusterIP === "None";
/** Whether its addresses follow from pods at all. */
export const selectsPods = ({ spec }: Service): boolean =>
  spec?.type !== "ExternalName" && Object.keys(spec?.selector ?? {}).length > 0;

export function addressTypes({ spec }: Service): readonly AddressType[] {
  const families = (spec?.ipFamilies ?? []).filter((family) => family === "IPv4" || family === "IPv6");
  return families.length > 0 ? families : ["IPv4"];
}

function addressesOf({ status }: Pod, type: AddressType): string[] {
  const all = status?.podIPs?.map(({ ip }) => ip) ?? (status?.podIP ? [status.podIP] : []);
  return all.filter((ip) => ip.includes(":") === (type === "IPv6"));
}

/** A pod that has ended, or has no address yet, is nowhere. */
function isSomewhere({ status }: Pod): boolean {
  const ended = status?.phase === "Succeeded" || status?.phase === "Failed";
  return !ended && Boolean(status?.podIP || status?.podIPs?.length);
}

/** The number of a port on this pod; a name its containers do not have yields undefined. */
function portOn({ spec }: Pod, { port, targetPort, protocol = "TCP" }: ServicePort): number | undefined {
  if (typeof targetPort !== "string") return targetPort ?? port;
  const sidecars = (spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always");
  for (const container of [...(spec?.containers ?? []), ...sidecars]) {
    const found = container.ports?.find((one) => one.name === targetPort && (one.protocol ?? "TCP") === protocol);
    if (found !== undefined) return found.containerPort;
  }
  return undefined;
}

function portsOn(pod: Pod, service: Service): Port[] {
  return (service.spec?.ports ?? []).flatMap((one): Port[] => {
    const port = portOn(pod, one);
    if (port === undefined) return [];
    const { name = "", protocol = "TCP", appProtocol } = one;
    return [{ name, port, protocol, ...(appProtocol !== undefined && { appProtocol }) }];
  });
}

const targetOf = ({ metadata: { namespace = "", name = "", uid = "" } }: Pod): TargetRef => ({
  kind: "Pod",
  namespace,
  name,
  uid,
});

function hostnameOf({ spec }: Pod, { metadata }: Service): string | undefined {
  return spec?.hostname && spec.subdomain === metadata.name ? spec.hostname : undefined;
}

/** Endpoints that have the same ports. */
export interface Group {
  readonly ports: readonly Port[];
  readonly endpoints: readonly Endpoint[];
}

/** Same ports, same key, whatever their order. */
export function portsKey(ports: readonly Port[]): string {
  return JSON.stringify(
    ports
      .map(({ name, port, protocol, appProtocol = "" }) => JSON.stringify([name, port, protocol, appProtocol]))
      .sort(),
  );
}

/** `nodeOf`: the Node object; a pod whose node is not there is left out, unless the Service publishes whatever it has. */
export function groupsOf(
  service: Service,
  pods: readonly Pod[],
  type: AddressType,
  nodeOf: (name: string) => KubeObject | undefined,
): Group[] {
  const groups = new Map<string, { ports: Port[]; endpoints: Endpoint[] }>();
  const publishAll = service.spec?.publishNotReadyAddresses === true;
  for (const pod of pods) {
    if (!isSomewhere(pod)) continue;
    const nodeName = pod.spec?.nodeName ?? "";
    const node = nodeOf(nodeName);
    if (node === undefined && !publishAll) continue;
    const addresses = addressesOf(pod, type);
    if (addresses.length === 0) continue;
    const [serving, terminating] = [isReady(pod), Boolean(pod.metadata.deletionTimestamp)];
    const [hostname, zone] = [hostnameOf(pod, service), node?.metadata.labels?.[ZONE]];
    const ports = portsOn(pod, service);
    const key = portsKey(ports);
    const group = groups.get(key) ?? { ports, endpoints: [] };
    groups.set(key, group);
    group.endpoints.push({
      addresses,
      conditions: { ready: publishAll || (serving && !terminating), serving, terminating },
      ...(hostname !== undefined && { hostname }),
      targetRef: targetOf(pod),
      ...(nodeName !== "" && { nodeName }),
      ...(zone && { zone }),
    });
  }
  return [...groups.values()];
}

export interface Address {
  ip: string;
  hostname?: string;
  nodeName?: string;
  targetRef: TargetRef;
}

export interface Subset {
  addresses?: Address[];
  notReadyAddresses?: Address[];
  ports?: Port[];
}

/** Subsets of the older kind: one for each set of ports, addresses in order; ports without a name have none. */
export function subsetsOf(service: Service, pods: readonly Pod[]): Subset[] {
  const subsets = new Map<string, { ready: Address[]; unready: Address[]; ports: Port[] }>();
  const publishAll = service.spec?.publishNotReadyAddresses === true;
  const [type = "IPv4"] = addressTypes(service);
  for (const pod of pods) {
    if (!isSomewhere(pod) || (pod.metadata.deletionTimestamp && !publishAll)) continue;
    const [ip] = addressesOf(pod, type);
    const ports = portsOn(pod, service);
    // Without ports only a headless Service has addresses.
    if (ip === undefined || (ports.length === 0 && !(isHeadless(service) && !service.spec?.ports?.length))) continue;
    const key = portsKey(ports);
    const subset = subsets.get(key) ?? { ready: [], unready: [], ports };
    subsets.set(key, subset);
    const hostname = hostnameOf(pod, service);
    const address: Address = {
      ip,
      ...(hostname !== undefined && { hostname }),
      ...(pod.spec?.nodeName && { nodeName: pod.spec.nodeName }),
      targetRef: targetOf(pod),
    };
    (publishAll || isReady(pod) ? subset.ready : subset.unready).push(address);
  }
  const byAddress = (a: Address, b: Address) =>
    a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : a.targetRef.uid < b.targetRef.uid ? -1 : 1;
  return [...subsets]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { ready, unready, ports }]) => ({
      ...(ready.length > 0 && { addresses: ready.sort(byAddress) }),
      ...(unready.length > 0 && { notReadyAddresses: unready.sort(byAddress) }),
      ...(ports.length > 0 && { ports: ports.map(unnamed) }),
    }));
}

/** An empty name is left out where the API leaves it out. */
function unnamed({ name, ...rest }: Port): Port {
  return (name === "" ? rest : { name, ...rest }) as Port;
}
