/** EndpointSlices by the Service they belong to, kept up to date. */
import type { Lister } from "../client/lister.ts";
import type { EndpointSlice } from "../kinds/generated/types.ts";

export const SERVICE_LABEL = "kubernetes.io/service-name";

export interface EndpointSlices {
  /** The slices labelled with this service's name; slices without the label belong to nobody. */
  of(namespace: string, service: string): Iterable<EndpointSlice>;
  /** Called with the service whose slices changed. Returns how to stop. */
  changed(listener: (namespace: string, service: string) => void): () => void;
  readonly synced: boolean;
  ready(): Promise<void>;
}

const keyOf = (namespace: string, service: string) => `${namespace}/${service}`;
const serviceOf = (slice: EndpointSlice) => slice.metadata.labels?.[SERVICE_LABEL] ?? "";

export function indexEndpointSlices(lister: Lister<EndpointSlice>): EndpointSlices {
  const services = new Map<string, Map<string, EndpointSlice>>();
  const listeners = new Set<(namespace: string, service: string) => void>();

  const touch = (slice: EndpointSlice, present: boolean) => {
    const service = serviceOf(slice);
    if (service === "") return;
    const namespace = slice.metadata.namespace ?? "";
    const key = keyOf(namespace, service);
    const slices = services.get(key) ?? new Map<string, EndpointSlice>();
    if (present) slices.set(slice.metadata.name ?? "", slice);
    else slices.delete(slice.metadata.name ?? "");
    if (slices.size > 0) services.set(key, slices);
    else services.delete(key);
    for (const listener of listeners) listener(namespace, service);
  };
  lister.subscribe({
    added: (slice) => touch(slice, true),
    updated(slice, old) {
      if (serviceOf(old) !== serviceOf(slice)) touch(old, false);
      touch(slice, true);
    },
    deleted: (slice) => touch(slice, false),
  });

  return {
    of: (namespace, service) => services.get(keyOf(namespace, service))?.values() ?? [],
    changed(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    get synced() {
      return lister.synced;
    },
    ready: () => lister.ready(),
  };
}
