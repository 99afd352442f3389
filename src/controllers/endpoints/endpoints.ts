/** Keeps the EndpointSlices and the Endpoints of every Service with a selector in step with its pods. */
import type { KubeObject } from "../../api/meta.ts";
import { dns1123Subdomain } from "../../api/names.ts";
import { labelSelectorFromLabels } from "../../api/selectors.ts";
import { hasReason, StatusError } from "../../api/status.ts";
import { indexBy } from "../../client/index-by.ts";
import { type Controller, startSync } from "../controller.ts";
import { conditionOf, keyOf, NODES, PODS, type Pod, SERVICES, splitKey } from "../objects.ts";
import { addressTypes, groupsOf, isHeadless, type Service, type Subset, selectsPods, subsetsOf } from "./addresses.ts";
import { canonical, type EndpointSlice, labelsOf, MANAGED_BY, MANAGER, SERVICE_NAME, sliceChanges } from "./slices.ts";

const SLICES = { group: "discovery.k8s.io", version: "v1", resource: "endpointslices" };
const ENDPOINTS = { group: "", version: "v1", resource: "endpoints" };
const ENDPOINTS_MANAGED_BY = "endpoints.kubernetes.io/managed-by";
const ENDPOINTS_MANAGER = "endpoint-controller";
const HEADLESS = "service.kubernetes.io/headless";
const WORKERS = 5;
/** Pods change in crowds: what they change is written once for all that come within this time, or longer for many, milliseconds for each. */
const BATCH = 100;
const BATCH_EACH = 1;
const BATCH_MOST = 1000;

interface Endpoints extends KubeObject {
  subsets?: Subset[];
}

export const endpoints: Controller = async (context) => {
  const { client, informers } = context;
  const services = informers.of<Service>(SERVICES);
  const pods = informers.of<Pod>(PODS);
  const nodes = informers.of(NODES);
  const slices = informers.of<EndpointSlice>(SLICES, { labelSelector: `${MANAGED_BY}=${MANAGER}` });
  const older = informers.of<Endpoints>(ENDPOINTS);
  await informers.ready(services, pods, nodes, slices, older);
  const podsIn = indexBy(pods, ({ metadata }) => [metadata.namespace ?? ""]);
  const servicesIn = indexBy(services, (service) => (selectsPods(service) ? [service.metadata.namespace ?? ""] : []));
  const slicesOf = indexBy(slices, ({ metadata }) => [
    `${metadata.namespace ?? ""}/${metadata.labels?.[SERVICE_NAME] ?? ""}`,
  ]);
  /** Services with a pod whose node is not there (yet). */
  const missingNodes = new Set<string>();
  /** How many pods each Service had when it was last looked at. */
  const sizes = new Map<string, number>();

  async function sync(key: string): Promise<undefined> {
    const { namespace, name } = splitKey(key);
    const service = services.get(name, namespace);
    missingNodes.delete(key);
    if (service === undefined) {
      sizes.delete(key);
      await Promise.all(slicesOf.get(key).map((slice) => removeSlice(namespace, slice)));
      const left = older.get(name, namespace);
      if (left?.metadata.labels?.[ENDPOINTS_MANAGED_BY] === ENDPOINTS_MANAGER) {
        await client.resource(ENDPOINTS, namespace).delete(name).catch(unlessNotFound);
      }
      return undefined;
    }
    if (!selectsPods(service) || service.metadata.deletionTimestamp) return undefined;
    const selector = labelSelectorFromLabels(service.spec?.selector ?? {});
    const selected = podsIn.get(namespace).filter((pod) => selector.matches(pod.metadata.labels));
    sizes.set(key, selected.length);
    if (selected.some((pod) => nodes.get(pod.spec?.nodeName ?? "") === undefined)) missingNodes.add(key);
    await Promise.all([syncSlices(key, service, selected), syncOlder(service, selected)]);
    return undefined;
  }

  async function syncSlices(key: string, service: Service, selected: readonly Pod[]): Promise<void> {
    const { namespace = "", name = "", uid = "" } = service.metadata;
    const resource = client.resource<EndpointSlice>(SLICES, namespace);
    const types = addressTypes(service);
    const existing = slicesOf.get(key).filter((slice) => !slice.metadata.deletionTimestamp);
    const foreign = existing.filter(({ addressType }) => !types.includes(addressType));
    const prefix = `${name}-`;
    const writes: Promise<unknown>[] = foreign.map((slice) => removeSlice(namespace, slice));
    for (const addressType of types) {
      const groups = groupsOf(service, selected, addressType, (node) => nodes.get(node));
      const own = existing.filter((slice) => slice.addressType === addressType);
      const { create, update, remove } = sliceChanges(service, own, groups);
      for (const { ports, endpoints } of create) {
        const slice: EndpointSlice = {
          metadata: {
            generateName: dns1123Subdomain(prefix, true).length === 0 ? prefix : name,
            namespace,
            labels: labelsOf(service),
            ownerReferences: [
              { apiVersion: "v1", kind: "Service", name, uid, controller: true, blockOwnerDeletion: true },
            ],
          },
          addressType,
          endpoints: endpoints.length > 0 ? [...endpoints] : null,
          ports: ports.length > 0 ? [...ports] : null,
        };
        writes.push(resource.create(slice).catch(unlessEnding));
      }
      for (const slice of update) writes.push(resource.update(slice));
      for (const slice of remove) writes.push(removeSlice(namespace, slice));
    }
    await settled(writes);
  }

  async function syncOlder(service: Service, selected: readonly Pod[]): Promise<void> {
    const { namespace = "", name = "" } = service.metadata;
    const subsets = subsetsOf(service, selected);
    const labels = {
      ...service.metadata.labels,
      ...(isHeadless(service) && { [HEADLESS]: "" }),
      [ENDPOINTS_MANAGED_BY]: ENDPOINTS_MANAGER,
    };
    const resource = client.resource<Endpoints>(ENDPOINTS, namespace);
    const found = older.get(name, namespace);
    if (found === undefined) {
      const fresh = { metadata: { name, namespace, labels }, subsets };
      await resource.create(fresh).catch(unlessEnding);
      return;
    }
    const same = canonical(found.subsets ?? []) === canonical(subsets);
    if (same && canonical(found.metadata.labels ?? {}) === canonical(labels)) return;
    await resource.update({ ...found, metadata: { ...found.metadata, labels }, subsets });
  }

  async function removeSlice(namespace: string, slice: EndpointSlice): Promise<void> {
    await client
      .resource(SLICES, namespace)
      .delete(slice.metadata.name ?? "")
      .catch(unlessNotFound);
  }

  const { queue, finished } = startSync("endpoints", context, WORKERS, sync);
  const enqueue = (service: Service) => queue.add(keyOf(service));
  const enqueueFor = (pod: Pod) => {
    const { namespace = "", labels = {} } = pod.metadata;
    for (const service of servicesIn.get(namespace)) {
      const wanted = Object.entries(service.spec?.selector ?? {});
      if (wanted.every(([name, value]) => Object.hasOwn(labels, name) && labels[name] === value)) {
        const key = keyOf(service);
        queue.addAfter(key, Math.min(BATCH_MOST, Math.max(BATCH, (sizes.get(key) ?? 0) * BATCH_EACH)));
      }
    }
  };
  services.subscribe({ added: enqueue, updated: enqueue, deleted: enqueue });
  pods.subscribe({
    added: enqueueFor,
    updated(pod, old) {
      if (reached(pod) === reached(old)) return;
      enqueueFor(old);
      enqueueFor(pod);
    },
    deleted: enqueueFor,
  });
  nodes.subscribe({
    added() {
      for (const key of missingNodes) queue.add(key);
    },
  });
  // What somebody else changed or took away comes back.
  const ofSlice = (slice: EndpointSlice) =>
    queue.addAfter(`${slice.metadata.namespace ?? ""}/${slice.metadata.labels?.[SERVICE_NAME] ?? ""}`, BATCH);
  slices.subscribe({ updated: ofSlice, deleted: ofSlice });
  const ofOlder = (one: Endpoints) => {
    const service = services.get(one.metadata.name ?? "", one.metadata.namespace);
    if (service !== undefined && selectsPods(service)) queue.addAfter(keyOf(service), BATCH);
  };
  older.subscribe({ updated: ofOlder, deleted: ofOlder });
  await finished;
};

/** What of a pod decides whether and where it is reached. */
function reached({ metadata, spec, status }: Pod): string {
  return JSON.stringify([
    metadata.labels,
    Boolean(metadata.deletionTimestamp),
    spec?.nodeName,
    status?.phase,
    status?.podIP,
    status?.podIPs,
    conditionOf(status?.conditions, "Ready")?.status,
  ]);
}

/** All of them are tried; the first failure is thrown. */
async function settled(writes: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(writes)).find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

function unlessNotFound(error: unknown): undefined {
  if (hasReason(error, "NotFound")) return undefined;
  throw error;
}

/** A namespace that is going takes nothing new. */
function unlessEnding(error: unknown): undefined {
  const causes = error instanceof StatusError ? (error.status.details?.causes ?? []) : [];
  if (causes.some(({ reason }) => reason === "NamespaceTerminating") || hasReason(error, "NotFound")) return undefined;
  throw error;
}
