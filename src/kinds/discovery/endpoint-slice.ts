/** EndpointSlice: some of the addresses behind a Service, as proxies and the aggregator read them. */
import { duplicate, invalidValue, notSupported, Printed, required, tooMany } from "../../api/field-errors.ts";
import { goQuote } from "../../api/go-quote.ts";
import { dns1123Label, dns1123Subdomain, labelValue, qualifiedName } from "../../api/names.ts";
import { validateLabels } from "../../api/object-meta.ts";
import type { FieldError } from "../../api/status.ts";
import { UNSET } from "../../api/table.ts";
import type { ResourceDefinition, Strategy } from "../../server/resource.ts";
import { ipFamily, validateCanonicalIP, validateEndpointIP, validateIP } from "../addresses.ts";
import { AGE_COLUMN, age, column, listWithMore, NAME_COLUMN } from "../columns.ts";
import { PROTOCOLS } from "../core/endpoints.ts";
import { defineKind, type KindDeps } from "../define.ts";
import type { DiscoveryEndpointPort, Endpoint, EndpointHints, EndpointSlice } from "../generated/types.ts";
import { immutable, semanticEqual } from "../semantic.ts";

const ADDRESS_TYPES = ["FQDN", "IPv4", "IPv6"];
const MAX_ENDPOINTS = 1000;
const MAX_ADDRESSES = 100;
const MAX_PORTS = 20_000;
const MAX_HINTS = 8;
const MAX_TOPOLOGY = 16;

function domainErrors(field: string, text: string): FieldError[] {
  if (text === "") return [required(field)];
  const name = text.endsWith(".") ? text.slice(0, -1) : text;
  const messages = dns1123Subdomain(name);
  if (messages.length > 0) return [invalidValue(field, name, messages.join(","))];
  const labels = name.split(".");
  if (labels.length < 2) {
    return [invalidValue(field, name, "should be a domain with at least two segments separated by dots")];
  }
  for (const label of labels) {
    const wrong = dns1123Label(label);
    if (wrong.length > 0) return [invalidValue(field, label, wrong.join(","))];
  }
  return [];
}

function addressErrors(type: string, address: string, list: string, index: number, loopback: boolean): FieldError[] {
  const field = `${list}[${index}]`;
  if (type === "FQDN") return domainErrors(field, address);
  if (type !== "IPv4" && type !== "IPv6") return [];
  const errors = type === "IPv4" ? validateIP(field, address) : validateCanonicalIP(field, address);
  if (errors.length > 0) return errors;
  if (ipFamily(address) !== (type === "IPv4" ? 4 : 6)) {
    errors.push(invalidValue(list, address, `must be an ${type} address`));
  }
  return [...errors, ...validateEndpointIP(field, address, loopback)];
}

function hintErrors(hints: EndpointHints, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const lists = [
    ["forZones", hints.forZones ?? [], labelValue],
    ["forNodes", hints.forNodes ?? [], dns1123Subdomain],
  ] as const;
  for (const [name, list, rule] of lists) {
    if (list.length > MAX_HINTS) return [...errors, tooMany(`${path}.${name}`, list.length, MAX_HINTS)];
    const seen = new Set<string>();
    list.forEach((item, index) => {
      const field = `${path}.${name}[${index}].name`;
      if (seen.has(item.name)) errors.push(duplicate(field, item.name));
      seen.add(item.name);
      for (const message of rule(item.name)) errors.push(invalidValue(field, item.name, message));
    });
  }
  return errors;
}

function endpointErrors(endpoint: Endpoint, type: string, path: string, loopback: boolean): FieldError[] {
  const errors: FieldError[] = [];
  const addresses = endpoint.addresses ?? [];
  const list = `${path}.addresses`;
  if (addresses.length === 0) errors.push(required(list, "must contain at least 1 address"));
  else if (addresses.length > MAX_ADDRESSES) errors.push(tooMany(list, addresses.length, MAX_ADDRESSES));
  addresses.forEach((address, index) => {
    errors.push(...addressErrors(type, address, list, index, loopback));
  });
  if (endpoint.nodeName !== undefined) {
    for (const message of dns1123Subdomain(endpoint.nodeName)) {
      errors.push(invalidValue(`${path}.nodeName`, endpoint.nodeName, message));
    }
  }
  const topology = endpoint.deprecatedTopology ?? {};
  const size = Object.keys(topology).length;
  if (size > MAX_TOPOLOGY) errors.push(tooMany(`${path}.deprecatedTopology`, size, MAX_TOPOLOGY));
  errors.push(...validateLabels(topology, `${path}.deprecatedTopology`));
  if (endpoint.hostname !== undefined) {
    for (const message of dns1123Label(endpoint.hostname)) {
      errors.push(invalidValue(`${path}.hostname`, endpoint.hostname, message));
    }
  }
  if (endpoint.hints) errors.push(...hintErrors(endpoint.hints, `${path}.hints`));
  return errors;
}

function endpointsErrors(object: EndpointSlice, loopback: boolean): FieldError[] {
  const list = object.endpoints ?? [];
  if (list.length > MAX_ENDPOINTS) return [tooMany("endpoints", list.length, MAX_ENDPOINTS)];
  return list.flatMap((endpoint, index) =>
    endpointErrors(endpoint, object.addressType, `endpoints[${index}]`, loopback),
  );
}

function portErrors(ports: readonly DiscoveryEndpointPort[]): FieldError[] {
  if (ports.length > MAX_PORTS) return [tooMany("ports", ports.length, MAX_PORTS)];
  const errors: FieldError[] = [];
  const names = new Set<string>();
  ports.forEach((port, index) => {
    const path = `ports[${index}]`;
    const name = port.name ?? "";
    if (name !== "") {
      for (const message of dns1123Label(name)) errors.push(invalidValue(`${path}.name`, name, message));
    }
    if (names.has(name)) errors.push(duplicate(`${path}.name`, new Printed(goQuote(name))));
    names.add(name);
    if (port.protocol === undefined) errors.push(required(`${path}.protocol`));
    else if (!PROTOCOLS.includes(port.protocol)) {
      errors.push(notSupported(`${path}.protocol`, port.protocol, PROTOCOLS));
    }
    if (port.appProtocol !== undefined) {
      for (const message of qualifiedName(port.appProtocol)) {
        errors.push(invalidValue(`${path}.appProtocol`, port.appProtocol, message));
      }
    }
  });
  return errors;
}

function headErrors(object: EndpointSlice): FieldError[] {
  const type = object.addressType ?? "";
  const errors: FieldError[] = [];
  if (type === "") errors.push(required("addressType"));
  else if (!ADDRESS_TYPES.includes(type)) errors.push(notSupported("addressType", type, ADDRESS_TYPES));
  return [...errors, ...portErrors(object.ports ?? [])];
}

/** What counts as its spec: all but metadata and the names of the kind. */
function content(object: EndpointSlice): unknown[] {
  return [object.addressType, object.endpoints, object.ports, object.metadata.labels];
}

const strategy = (loopback: boolean): Strategy<EndpointSlice> => ({
  setDefaults(object) {
    for (const port of object.ports ?? []) {
      port.name ??= "";
      port.protocol ??= "TCP";
    }
  },
  prepareForCreate(object) {
    object.metadata.generation = 1;
    for (const endpoint of object.endpoints ?? []) delete endpoint.deprecatedTopology;
  },
  validate: (object) => [...headErrors(object), ...endpointsErrors(object, loopback)],
  prepareForUpdate(object, old) {
    const generation = old.metadata.generation ?? 0;
    object.metadata.generation = semanticEqual(content(object), content(old)) ? generation : generation + 1;
  },
  validateUpdate: (object, old) => [
    ...headErrors(object),
    ...(semanticEqual(object.endpoints, old.endpoints) ? [] : endpointsErrors(object, loopback)),
    ...immutable("addressType", object.addressType, old.addressType),
  ],
});

export function endpointSlices({
  allowLoopbackEndpoints = false,
}: Pick<KindDeps, "allowLoopbackEndpoints"> = {}): ResourceDefinition<EndpointSlice> {
  return defineKind<EndpointSlice>({
    group: "discovery.k8s.io",
    version: "v1",
    kind: "EndpointSlice",
    namespaced: true,
    nameRule: dns1123Subdomain,
    strategy: strategy(allowLoopbackEndpoints),
    table: {
      columns: [
        NAME_COLUMN,
        column("AddressType", "The form of its addresses."),
        column("Ports", "Its ports."),
        column("Endpoints", "Its addresses."),
        AGE_COLUMN,
      ],
      cells: (object, now) => [
        object.metadata.name ?? "",
        object.addressType ?? "",
        listOrUnset((object.ports ?? []).map((port) => `${port.port ?? port.name ?? "*"}`)),
        listOrUnset((object.endpoints ?? []).flatMap((endpoint) => endpoint.addresses ?? [])),
        age(object, now),
      ],
    },
  });
}

function listOrUnset(items: readonly string[]): string {
  return items.length === 0 ? UNSET : listWithMore(items);
}
