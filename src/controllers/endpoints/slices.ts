/** Which EndpointSlices to write so that they hold what they should: as few as possible, each with room for a hundred endpoints. */
import { stringifySorted } from "../../api/json/index.ts";
import type { JSONValue, KubeObject } from "../../api/meta.ts";
import {
  type AddressType,
  type Endpoint,
  type Group,
  isHeadless,
  type Port,
  portsKey,
  type Service,
} from "./addresses.ts";

export const SERVICE_NAME = "kubernetes.io/service-name";
export const MANAGED_BY = "endpointslice.kubernetes.io/managed-by";
export const MANAGER = "endpointslice-controller.k8s.io";
const HEADLESS = "service.kubernetes.io/headless";
const RESERVED: ReadonlySet<string> = new Set([SERVICE_NAME, MANAGED_BY, HEADLESS]);
const MOST = 100;

export interface EndpointSlice extends KubeObject {
  addressType: AddressType;
  endpoints?: Endpoint[] | null;
  ports?: Port[] | null;
}

export interface Changes {
  readonly create: readonly { readonly ports: readonly Port[]; readonly endpoints: readonly Endpoint[] }[];
  readonly update: readonly EndpointSlice[];
  readonly remove: readonly EndpointSlice[];
}

/** The Service's labels and those that say whose slice it is. */
export function labelsOf(service: Service): Record<string, string> {
  const own = Object.entries(service.metadata.labels ?? {}).filter(([name]) => !RESERVED.has(name));
  return {
    ...Object.fromEntries(own),
    ...(isHeadless(service) && { [HEADLESS]: "" }),
    [SERVICE_NAME]: service.metadata.name ?? "",
    [MANAGED_BY]: MANAGER,
  };
}

/** The same text for values that differ in the order of their fields alone. */
export function canonical(value: unknown): string {
  return stringifySorted(value as JSONValue);
}

const same = (a: unknown, b: unknown) => canonical(a ?? null) === canonical(b ?? null);

/** What to write for one address type. `existing`: the slices of the Service with that type. */
export function sliceChanges(service: Service, existing: readonly EndpointSlice[], groups: readonly Group[]): Changes {
  const labels = labelsOf(service);
  const byPorts = new Map<string, EndpointSlice[]>();
  for (const slice of existing) {
    const key = portsKey((slice.ports ?? []).map(withName));
    byPorts.set(key, [...(byPorts.get(key) ?? []), slice]);
  }
  const create: { ports: readonly Port[]; endpoints: Endpoint[] }[] = [];
  const update: EndpointSlice[] = [];
  const remove: EndpointSlice[] = [];
  for (const { ports, endpoints } of groups) {
    const key = portsKey(ports);
    const wanted = new Map(endpoints.map((endpoint) => [endpoint.targetRef.uid, endpoint]));
    const kept: { slice: EndpointSlice; endpoints: Endpoint[]; changed: boolean }[] = [];
    for (const slice of byPorts.get(key) ?? []) {
      let changed = !same(slice.metadata.labels, labels);
      const held: Endpoint[] = [];
      for (const endpoint of slice.endpoints ?? []) {
        const fresh = wanted.get(endpoint.targetRef?.uid ?? "");
        wanted.delete(endpoint.targetRef?.uid ?? "");
        if (fresh !== undefined) held.push(fresh);
        if (fresh === undefined || !same(fresh, endpoint)) changed = true;
      }
      kept.push({ slice, endpoints: held, changed });
    }
    byPorts.delete(key);
    const missing = [...wanted.values()];
    // Slices that are written anyway are filled first, then the fullest that have room for all that is left.
    for (const one of kept) {
      if (!one.changed || one.endpoints.length === 0) continue;
      one.endpoints.push(...missing.splice(0, MOST - one.endpoints.length));
    }
    if (missing.length > 0) {
      const roomy = kept.filter((one) => one.endpoints.length + missing.length <= MOST);
      const fullest = roomy.sort((a, b) => b.endpoints.length - a.endpoints.length)[0];
      if (fullest !== undefined) {
        fullest.endpoints.push(...missing.splice(0));
        fullest.changed = true;
      }
    }
    while (missing.length > 0) create.push({ ports, endpoints: missing.splice(0, MOST) });
    for (const one of kept) {
      if (one.endpoints.length === 0) remove.push(one.slice);
      else if (one.changed)
        update.push({ ...one.slice, metadata: { ...one.slice.metadata, labels }, endpoints: one.endpoints });
    }
  }
  for (const slices of byPorts.values()) remove.push(...slices);
  // A Service without endpoints has one empty slice: that there is nobody is knowledge, too.
  if (remove.length === existing.length && create.length === 0) {
    const index = remove.findIndex(
      (slice) => !slice.ports?.length && !slice.endpoints?.length && same(slice.metadata.labels, labels),
    );
    if (index >= 0) remove.splice(index, 1);
    else create.push({ ports: [], endpoints: [] });
  }
  return { create, update, remove };
}

function withName(port: Port): Port {
  return port.name === undefined ? Object.assign({}, port, { name: "" }) : port;
}
