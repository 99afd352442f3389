/** The links that need no connection: the claim, the Service it names, and the endpoints behind that. */

import { serviceOf } from "../../aggregator/api-service.ts";
import { finding } from "../../aggregator/findings.ts";
import { hasReason } from "../../api/status.ts";
import type { Client } from "../../client/client.ts";
import { type Address, address, findServicePort, SERVICE_LABEL } from "../../dial/index.ts";
import type { APIService, EndpointSlice, Service } from "../../kinds/generated/types.ts";
import { broken, type Link, ok, unknown } from "./report.ts";

/** As many addresses are tried. */
const MOST_ADDRESSES = 8;

export function claimLink(apiService: APIService): Link {
  const target = serviceOf(apiService)!;
  const { group, version } = apiService.spec;
  return ok("claim", `${group}/${version} is served by ${target.namespace}/${target.name}:${target.port}`);
}

/** What is read of the cluster; a text instead says why it could not be. */
export async function readOr<T>(read: Promise<T>): Promise<T | string> {
  try {
    return await read;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

export interface Way {
  readonly links: readonly Link[];
  /** Where the extension server may be reached; empty when that is not known. */
  readonly addresses: readonly Address[];
}

/** The Service and its endpoints, by the rules of the main server's check. */
export async function findWay(client: Client, apiService: APIService): Promise<Way> {
  const { namespace, name, port } = serviceOf(apiService)!;
  const where = `service/${name} in ${JSON.stringify(namespace)}`;
  const services = client.resource<Service>({ group: "", version: "v1", resource: "services" }, namespace);
  const no = (link: "service" | "endpoints", reason: Parameters<typeof finding>[0], message: string): Way => ({
    links: [...(link === "endpoints" ? [serviceFound] : []), broken(link, reason, message, finding(reason).remedy)],
    addresses: [],
  });
  let serviceFound: Link = unknown("service", "not read");
  let service: Service;
  try {
    service = await services.get(name);
  } catch (error) {
    if (hasReason(error, "NotFound")) return no("service", "ServiceNotFound", `${where} is not present`);
    const message = `${where} cannot be read: ${(error as Error).message}`;
    return { links: [unknown("service", message), unknown("endpoints", message)], addresses: [] };
  }
  const { type = "ClusterIP", clusterIP = "", externalName = "" } = service.spec;
  const servicePort = findServicePort(service, port);
  if (type === "ExternalName") {
    return {
      links: [ok("service", `${where} is an ExternalName: ${externalName}`), ok("endpoints", "it has none")],
      addresses: [address(externalName, port)],
    };
  }
  if (servicePort === undefined) {
    const ports = (service.spec.ports ?? []).map((one) => one.port).join(", ");
    return no("service", "ServicePortError", `${where} is not listening on port ${port}; it has ${ports || "none"}`);
  }
  serviceFound = ok("service", `${where} is a ${type}${clusterIP && ` with ${clusterIP}`}, and has port ${port}`);
  const slices = await readOr(
    client
      .resource<EndpointSlice>({ group: "discovery.k8s.io", version: "v1", resource: "endpointslices" }, namespace)
      .listAll({ labelSelector: `${SERVICE_LABEL}=${name}` }),
  );
  if (typeof slices === "string") {
    return { links: [serviceFound, unknown("endpoints", `EndpointSlices cannot be read: ${slices}`)], addresses: [] };
  }
  if (slices.items.length === 0) {
    return no("endpoints", "EndpointsNotFound", `no EndpointSlice belongs to ${where}`);
  }
  const portName = servicePort.name ?? "";
  const addresses: Address[] = [];
  let waiting = 0;
  for (const slice of slices.items) {
    const number = slice.ports?.find((one) => (one.name ?? "") === portName)?.port;
    for (const { addresses: hosts, conditions } of slice.endpoints ?? []) {
      const host = hosts?.[0];
      if (conditions?.ready === false) waiting++;
      else if (host !== undefined && typeof number === "number") addresses.push(address(host, number));
    }
  }
  if (addresses.length === 0) {
    const state = waiting > 0 ? `${waiting} not ready` : "no addresses";
    const message = `no ready endpoint of ${where} has a port named ${JSON.stringify(portName)}: ${state}`;
    return no("endpoints", "MissingEndpoints", message);
  }
  const tried = addresses.slice(0, MOST_ADDRESSES);
  const more = addresses.length - tried.length;
  const names = tried.map(({ authority }) => authority).join(", ");
  const also = `${more > 0 ? ` and ${more} more` : ""}${waiting > 0 ? `; ${waiting} not ready` : ""}`;
  return { links: [serviceFound, ok("endpoints", `${addresses.length} ready: ${names}${also}`)], addresses: tried };
}
