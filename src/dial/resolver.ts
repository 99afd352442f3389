/** From a Service to an address that can be dialled, as kube-apiserver does it (spec: aggregation 3.5). */
import type { Random } from "../api/clock.ts";
import { notFound, serviceUnavailable } from "../api/status.ts";
import type { Lister } from "../client/lister.ts";
import type { EndpointSlice, Service } from "../kinds/generated/types.ts";
import { joinHostPort, refusedAddress } from "./addresses.ts";
import type { EndpointSlices } from "./endpoint-slices.ts";

export interface Address {
  readonly host: string;
  readonly port: number;
  /** `host:port`, IPv6 in brackets. */
  readonly authority: string;
}

/** Throws a StatusError, or an Error whose text is upstream's, when there is nowhere to go. */
export type ServiceResolver = (namespace: string, name: string, port: number) => Address;

export interface ResolverOptions {
  readonly services: Lister<Service>;
  readonly slices: EndpointSlices;
  /** "endpoint" picks a ready endpoint for every request; "cluster-ip" leaves that to the network. */
  readonly mode: "endpoint" | "cluster-ip";
  readonly random: Random;
  /** Where `default/kubernetes:443` leads: this server itself. */
  readonly loopback?: () => Address | undefined;
  /** Endpoints on this host and this link are refused otherwise. */
  readonly allowLoopbackEndpoints?: boolean;
}

export function address(host: string, port: number): Address {
  return { host, port, authority: joinHostPort(host, port) };
}

export function createServiceResolver(options: ResolverOptions): ServiceResolver {
  const resolve = options.mode === "endpoint" ? resolveEndpoint : resolveCluster;
  return (namespace, name, port) => {
    if (namespace === "default" && name === "kubernetes" && port === 443) {
      const own = options.loopback?.();
      if (own !== undefined) return own;
    }
    const service = options.services.get(name, namespace);
    if (service === undefined) throw notFound({ group: "", resource: "services" }, name);
    const found = resolve(service, port, options);
    if (!options.allowLoopbackEndpoints) {
      const why = refusedAddress(found.host);
      if (why !== undefined) throw new Error(`cannot route to service "${name}": ${why}`);
    }
    return found;
  };
}

/** The entry of `spec.ports` with this port number; undefined when there is none. */
export function findServicePort(service: Service, port: number) {
  return service.spec.ports?.find((candidate) => candidate.port === port);
}

function servicePort(service: Service, port: number) {
  const found = findServicePort(service, port);
  if (found === undefined) {
    throw serviceUnavailable(`no service port ${port} found for service "${service.metadata.name}"`);
  }
  return found;
}

function resolveCluster(service: Service, port: number): Address {
  const { clusterIP = "", externalName = "", type = "" } = service.spec;
  switch (type) {
    case "ClusterIP":
      if (clusterIP === "None") throw new Error('cannot route to service with ClusterIP "None"');
      return address(clusterIP, servicePort(service, port).port);
    case "NodePort":
    case "LoadBalancer":
      return address(clusterIP, servicePort(service, port).port);
    case "ExternalName":
      return address(externalName, port);
    default:
      throw new Error(`unsupported service type ${JSON.stringify(type)}`);
  }
}

function resolveEndpoint(service: Service, port: number, { slices, random }: ResolverOptions): Address {
  const { type = "" } = service.spec;
  if (type !== "ClusterIP" && type !== "NodePort" && type !== "LoadBalancer") {
    throw new Error(`unsupported service type ${JSON.stringify(type)}`);
  }
  const name = service.metadata.name ?? "";
  const portName = servicePort(service, port).name ?? "";
  const candidates = [...slices.of(service.metadata.namespace ?? "", name)];
  for (const slice of inOrder(candidates, service.spec.ipFamilies?.[0], random)) {
    for (const slicePort of slice.ports ?? []) {
      if (slicePort.name !== portName || slicePort.port === undefined) continue;
      const endpoints = slice.endpoints ?? [];
      const offset = Math.floor(random.number() * endpoints.length);
      for (let index = 0; index < endpoints.length; index++) {
        const endpoint = endpoints[(index + offset) % endpoints.length]!;
        const host = endpoint.addresses?.[0];
        if (endpoint.conditions?.ready !== false && host !== undefined) return address(host, slicePort.port);
      }
    }
  }
  throw serviceUnavailable(`no endpoints available for service "${name}"`);
}

/** At random, but slices of the service's first IP family before all others. */
function inOrder(slices: EndpointSlice[], family: string | undefined, random: Random): EndpointSlice[] {
  if (slices.length < 2) return slices;
  return slices
    .map((slice) => ({ slice, rank: (slice.addressType === family ? 0 : 1) + random.number() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ slice }) => slice);
}
