/**
 * Deletes what is in a namespace that is being deleted, then lets the namespace go.
 *
 * Upstream stops at any group-version whose discovery fails, because it cannot know whether objects are left behind. This controller
 * remembers what a group-version offered when it last answered: if nothing in it is namespaced and deletable, or its APIService is
 * annotated so, the dead server has nothing to do with the namespace and does not hold it. Any other is named in the conditions.
 */
import { apiVersionOf, type GroupVersion, type KubeObject } from "../api/meta.ts";
import { hasReason, StatusError } from "../api/status.ts";
import { formatTime } from "../api/time.ts";
import type { Client } from "../client/client.ts";
import { type DiscoveredResource, type DiscoveredVersion, RememberedDiscovery } from "../client/discovery.ts";
import { createInformer } from "../client/informer.ts";
import { type Controller, type SyncResult, startSync } from "./controller.ts";
import { type Findings, type NamespaceCondition, updateConditions } from "./namespace-conditions.ts";

const NAMESPACES = { group: "", version: "v1", resource: "namespaces" };
const API_SERVICES = { group: "apiregistration.k8s.io", version: "v1", resource: "apiservices" };
const KUBERNETES = "kubernetes";
/** On an APIService: `"false"` says that its resources need not be deleted with a namespace. */
export const HOLDS_NAMESPACES = "aggregation.tenon.dev/holds-namespaces";

/** How often discovery is read even when no namespace goes, so that what a server offered is known when it dies. */
const REMEMBER_EVERY = 30_000;
/** Between two passes over a namespace whose content is still going. */
const CHECK_AGAIN = 1_000;

type Namespace = KubeObject & {
  spec?: { finalizers?: string[] };
  status?: { phase?: string; conditions?: NamespaceCondition[] };
};

type APIService = KubeObject & {
  spec?: { service?: object | null };
  status?: { conditions?: readonly { type: string; status: string }[] };
};

const nameOf = (apiService: APIService) => apiService.metadata.name ?? "";
/** The name of the APIService that claims a group-version. */
const claimOf = ({ group, version }: GroupVersion) => `${version}.${group}`;
const availabilityOf = (apiService: APIService) =>
  apiService.status?.conditions?.find(({ type }) => type === "Available")?.status;

export const namespaceDeletion: Controller = async (context) => {
  const { client, signal, log } = context;
  const onError = (error: unknown) =>
    log.warn({ controller: "namespace-deletion", error: String(error) }, "a watch failed");
  const namespaces = createInformer<Namespace>(client, client.resource(NAMESPACES), { onError });
  const apiServices = createInformer<APIService>(client, client.resource(API_SERVICES), { onError });
  const discovery = new RememberedDiscovery(client);

  const { queue, finished } = startSync("namespace-deletion", context, 5, async (name) => {
    const namespace = namespaces.get(name);
    if (namespace?.metadata.deletionTimestamp === undefined) return undefined;
    if (!(namespace.spec?.finalizers ?? []).includes(KUBERNETES)) return undefined;
    return deleteContent(client, name, discovery, apiServices.list(), signal);
  });
  const enqueue = (namespace: Namespace) => {
    if (namespace.metadata.deletionTimestamp) queue.add(namespace.metadata.name ?? "");
  };
  namespaces.subscribe({ added: enqueue, updated: enqueue });
  // A claim that changed may be the one that held something.
  const all = () => namespaces.list().forEach(enqueue);
  apiServices.subscribe({ updated: all, deleted: all });

  apiServices.start();
  await apiServices.ready();
  if (!signal.aborted) namespaces.start();
  while (!signal.aborted) {
    await discovery.read(signal).catch(onError);
    await client.clock.sleep(REMEMBER_EVERY, signal).catch(() => {});
  }
  await finished;
  await Promise.all([namespaces.stop(), apiServices.stop()]);
};

/** One pass over one namespace. */
async function deleteContent(
  client: Client,
  name: string,
  discovery: RememberedDiscovery,
  apiServices: readonly APIService[],
  signal: AbortSignal,
): Promise<SyncResult> {
  const namespaces = client.resource<Namespace>(NAMESPACES);
  const versions = await discovery.read(signal);
  const named = (keep: (service: APIService) => boolean) => new Set(apiServices.filter(keep).map(nameOf));
  const exempt = named((service) => service.metadata.annotations?.[HOLDS_NAMESPACES] === "false");
  // Discovery is read now and then; that a server does not answer shows here first.
  const down = named((service) => Boolean(service.spec?.service) && availabilityOf(service) === "False");
  const answers = (version: DiscoveredVersion) => version.fresh && !down.has(claimOf(version));
  const deletable = (resource: DiscoveredResource) => resource.namespaced && resource.verbs.includes("delete");
  const holding = versions.filter(
    (version) =>
      !answers(version) && !exempt.has(claimOf(version)) && (!version.known || version.resources.some(deletable)),
  );
  const unreachable = holding.map((version) => ({
    ...version,
    why: `stale GroupVersion discovery: ${apiVersionOf(version)}`,
  }));

  const failures: string[] = [];
  const remaining = new Map<string, number>();
  const finalizers = new Map<string, number>();
  const resources = versions.filter(answers).flatMap((version) => version.resources.filter(deletable));
  const work = async (resource: DiscoveredResource) => {
    try {
      const left = await deleteAll(client, resource, name, signal);
      if (left.length === 0 || exempt.has(claimOf(resource))) return;
      remaining.set(`${resource.resource}.${resource.group}`, left.length);
      for (const object of left) {
        for (const finalizer of object.metadata.finalizers ?? []) {
          finalizers.set(finalizer, (finalizers.get(finalizer) ?? 0) + 1);
        }
      }
    } catch (error) {
      if (signal.aborted) throw error;
      if (!exempt.has(claimOf(resource))) failures.push(`${error instanceof Error ? error.message : error}`);
    }
  };
  // Pods go first: while they run they may need what else is in the namespace.
  const isPods = (resource: DiscoveredResource) => resource.group === "" && resource.resource === "pods";
  await Promise.all(preferred(resources.filter(isPods)).map(work));
  if (remaining.size === 0 && failures.length === 0) {
    await Promise.all(preferred(resources.filter((resource) => !isPods(resource))).map(work));
  }

  const findings: Findings = { unreachable, failures, remaining, finalizers };
  const current = await namespaces.get(name).catch((error: unknown) => {
    if (hasReason(error, "NotFound")) return undefined;
    throw error;
  });
  if (current === undefined) return undefined;
  const conditions = updateConditions(current.status?.conditions ?? [], findings, formatTime(client.clock.now()));
  let latest = current;
  if (conditions !== undefined) {
    latest = await namespaces.updateStatus({ ...current, status: { ...current.status, conditions } });
  }
  if (unreachable.length > 0 || failures.length > 0)
    throw new Error(`namespace ${name} is held: ${describe(findings)}`);
  if (remaining.size > 0) return { again: CHECK_AGAIN };
  const kept = (latest.spec?.finalizers ?? []).filter((finalizer) => finalizer !== KUBERNETES);
  await namespaces.update({ ...latest, spec: { ...latest.spec, finalizers: kept } }, { subresource: "finalize" });
  return undefined;
}

function describe(findings: Findings): string {
  return [
    ...findings.unreachable.map((version) => `${apiVersionOf(version)} does not answer`),
    ...findings.failures,
  ].join("; ");
}

/** One version of each resource: the first, which the server prefers. */
function preferred(resources: readonly DiscoveredResource[]): DiscoveredResource[] {
  const seen = new Map<string, DiscoveredResource>();
  for (const resource of resources) {
    const name = `${resource.resource}.${resource.group}`;
    if (!seen.has(name)) seen.set(name, resource);
  }
  return [...seen.values()];
}

/** Deletes all objects of one resource in the namespace and answers those that are still there, by their metadata. */
async function deleteAll(
  client: Client,
  resource: DiscoveredResource,
  namespace: string,
  signal: AbortSignal,
): Promise<KubeObject[]> {
  const objects = client.resource(resource, namespace);
  const background = { propagationPolicy: "Background", signal } as const;
  if (resource.verbs.includes("deletecollection")) {
    try {
      await objects.deleteCollection(background);
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  } else if (resource.verbs.includes("list")) {
    for (const object of (await objects.listAll({ signal })).items) {
      await objects.delete(object.metadata.name ?? "", background).catch((error: unknown) => {
        if (!isGone(error)) throw error;
      });
    }
  }
  if (!resource.verbs.includes("list")) return [];
  return (await objects.listAll({ signal })).items;
}

/** The object, or the whole resource, is not there (any more). */
function isGone(error: unknown): boolean {
  return error instanceof StatusError && (error.code === 404 || error.code === 405);
}
