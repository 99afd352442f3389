/** Endpoints: the older list of addresses behind a Service. */
import { append, invalidValue, notSupported, required } from "../../api/field-errors.ts";
import { dns1123Label, dns1123Subdomain, portNumber, qualifiedName } from "../../api/names.ts";
import type { FieldError } from "../../api/status.ts";
import { NONE } from "../../api/table.ts";
import type { ResourceDefinition } from "../../server/resource.ts";
import { joinHostPort, validateEndpointIP, validateIP } from "../addresses.ts";
import { AGE_COLUMN, age, column, listWithMore, NAME_COLUMN } from "../columns.ts";
import { defineKind, type KindDeps } from "../define.ts";
import type { EndpointAddress, EndpointPort, EndpointSubset, Endpoints } from "../generated/types.ts";
import { semanticEqual } from "../semantic.ts";

/** As upstream prints them. */
export const PROTOCOLS = ["SCTP", "TCP", "UDP"];

function addressErrors(address: EndpointAddress, path: string, loopback: boolean): FieldError[] {
  const errors = validateIP(`${path}.ip`, address.ip);
  if (address.hostname) {
    for (const message of dns1123Label(address.hostname)) {
      errors.push(invalidValue(`${path}.hostname`, address.hostname, message));
    }
  }
  if (address.nodeName !== undefined) {
    for (const message of dns1123Subdomain(address.nodeName)) {
      errors.push(invalidValue(`${path}.nodeName`, address.nodeName, message));
    }
  }
  return [...errors, ...validateEndpointIP(`${path}.ip`, address.ip, loopback)];
}

function portErrors(port: EndpointPort, nameRequired: boolean, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const name = port.name ?? "";
  if (nameRequired && name === "") errors.push(required(`${path}.name`));
  else if (name !== "") {
    for (const message of dns1123Label(name)) errors.push(invalidValue(`${path}.name`, name, message));
  }
  for (const message of portNumber(port.port)) errors.push(invalidValue(`${path}.port`, port.port, message));
  if (!port.protocol) errors.push(required(`${path}.protocol`));
  else if (!PROTOCOLS.includes(port.protocol)) {
    errors.push(notSupported(`${path}.protocol`, port.protocol, PROTOCOLS));
  }
  if (port.appProtocol !== undefined) {
    for (const message of qualifiedName(port.appProtocol)) {
      errors.push(invalidValue(`${path}.appProtocol`, port.appProtocol, message));
    }
  }
  return errors;
}

function subsetErrors(subset: EndpointSubset, path: string, loopback: boolean): FieldError[] {
  const { addresses = [], notReadyAddresses = [], ports = [] } = subset;
  const errors: FieldError[] = [];
  if (addresses.length + notReadyAddresses.length === 0) {
    errors.push(required(path, "must specify `addresses` or `notReadyAddresses`"));
  }
  return [
    ...errors,
    ...addresses.flatMap((address, index) => addressErrors(address, `${path}.addresses[${index}]`, loopback)),
    ...notReadyAddresses.flatMap((address, index) =>
      addressErrors(address, `${path}.notReadyAddresses[${index}]`, loopback),
    ),
    ...ports.flatMap((port, index) => portErrors(port, ports.length > 1, `${path}.ports[${index}]`)),
  ];
}

export function validateEndpoints(object: Endpoints, loopback = false): FieldError[] {
  return (object.subsets ?? []).flatMap((subset, index) => subsetErrors(subset, `subsets[${index}]`, loopback));
}

function endpointsCell(object: Endpoints): string {
  const shown: string[] = [];
  for (const subset of object.subsets ?? []) {
    const addresses = subset.addresses ?? [];
    const ports = subset.ports ?? [];
    if (ports.length === 0)
      append(
        shown,
        addresses.map((address) => address.ip),
      );
    for (const port of ports)
      append(
        shown,
        addresses.map((address) => joinHostPort(address.ip, port.port)),
      );
  }
  // Subsets without a ready address print as nothing, not as <none>.
  if (shown.length === 0) return (object.subsets ?? []).length === 0 ? NONE : "";
  return listWithMore(shown);
}

export function endpoints({
  allowLoopbackEndpoints: loopback = false,
}: Pick<KindDeps, "allowLoopbackEndpoints"> = {}): ResourceDefinition<Endpoints> {
  return defineKind<Endpoints>({
    group: "",
    version: "v1",
    kind: "Endpoints",
    singular: "endpoints",
    plural: "endpoints",
    namespaced: true,
    shortNames: ["ep"],
    deprecation: "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
    storagePrefix: "/registry/services/endpoints/",
    nameRule: dns1123Subdomain,
    strategy: {
      allowCreateOnUpdate: true,
      setDefaults(object) {
        for (const subset of object.subsets ?? []) {
          for (const port of subset.ports ?? []) port.protocol ||= "TCP";
        }
      },
      validate: (object) => validateEndpoints(object, loopback),
      validateUpdate: (object, old) =>
        semanticEqual(object.subsets, old.subsets) ? [] : validateEndpoints(object, loopback),
    },
    table: {
      columns: [NAME_COLUMN, column("Endpoints", "Addresses and ports that are ready."), AGE_COLUMN],
      cells: (object, now) => [object.metadata.name ?? "", endpointsCell(object), age(object, now)],
    },
  });
}
