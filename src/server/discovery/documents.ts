/** The discovery documents, made of routes and of what backends say they serve (spec: apiserver 7.1, aggregation 4.4). Field order is Go's. */
import {
  aggregatedOrder,
  type Backend,
  type DiscoveryResource,
  type Route,
  type RouteGroup,
  type RouteSnapshot,
} from "../routes.ts";

const groupVersion = (route: Route) => (route.group === "" ? route.version : `${route.group}/${route.version}`);
const versionEntry = (route: Route) => ({ groupVersion: groupVersion(route), version: route.version });

export function apiVersions(core: RouteGroup, serverAddress: string) {
  return {
    kind: "APIVersions",
    versions: core.versions.map((route) => route.version),
    serverAddressByClientCIDRs: [{ clientCIDR: "0.0.0.0/0", serverAddress }],
  };
}

function groupEntry({ group, versions }: RouteGroup) {
  return { name: group, versions: versions.map(versionEntry), preferredVersion: versionEntry(versions[0]!) };
}

export function apiGroup(group: RouteGroup) {
  return { kind: "APIGroup", apiVersion: "v1", ...groupEntry(group) };
}

export function apiGroupList(snapshot: RouteSnapshot) {
  const groups = snapshot.groups.filter(({ group }) => group !== "").map(groupEntry);
  return { kind: "APIGroupList", apiVersion: "v1", groups };
}

/** One APIResource for each resource and each sub-resource, sorted as upstream's walk over its paths gives them. */
export function apiResourceList(backend: Backend) {
  const resources = sorted(backend.discovery().resources).flatMap((resource) => {
    const namespaced = resource.scope === "Namespaced";
    const main = {
      name: resource.resource,
      singularName: resource.singularResource,
      namespaced,
      ...foreign(resource.responseKind, backend),
      kind: resource.responseKind.kind,
      verbs: resource.verbs,
      ...(resource.shortNames?.length && { shortNames: resource.shortNames }),
      ...(resource.categories?.length && { categories: resource.categories }),
      ...(resource.storageVersionHash !== undefined && { storageVersionHash: resource.storageVersionHash }),
    };
    const subresources = subresourcesOf(backend, resource).map((sub) => ({
      name: `${resource.resource}/${sub.subresource}`,
      singularName: "",
      namespaced,
      ...foreign(sub.responseKind, backend),
      kind: sub.responseKind.kind,
      verbs: sub.verbs,
    }));
    return resource.verbs.length > 0 ? [main, ...subresources] : subresources;
  });
  return {
    kind: "APIResourceList",
    ...(backend.group !== "" && { apiVersion: "v1" }),
    groupVersion: backend.group === "" ? backend.version : `${backend.group}/${backend.version}`,
    resources,
  };
}

/** The group-version of a kind is named only where it is not the list's own. */
function foreign(kind: DiscoveryResource["responseKind"], backend: Backend) {
  if (kind.group === backend.group && kind.version === backend.version) return {};
  return { ...(kind.group !== "" && { group: kind.group }), ...(kind.version !== "" && { version: kind.version }) };
}

/** Built-in kinds have theirs sorted; what others say stands as they say it. */
function subresourcesOf(backend: Backend | undefined, { subresources = [] }: DiscoveryResource) {
  if (backend?.source !== "builtin") return subresources;
  return [...subresources].sort((a, b) => (a.subresource < b.subresource ? -1 : 1));
}

const sorted = (resources: readonly DiscoveryResource[]) =>
  [...resources].sort((a, b) => (a.resource < b.resource ? -1 : a.resource > b.resource ? 1 : 0));

/** `core`: the document of `/api`; otherwise the one of `/apis`. */
export function apiGroupDiscoveryList(snapshot: RouteSnapshot, core: boolean) {
  const items = aggregatedOrder(snapshot)
    .filter(({ group }) => (group === "") === core)
    .map(({ group, versions }) => ({
      metadata: core ? {} : { name: group },
      versions: versions.map(versionDiscovery),
    }));
  return { kind: "APIGroupDiscoveryList", apiVersion: "apidiscovery.k8s.io/v2", metadata: {}, items };
}

function versionDiscovery(route: Route) {
  const backend = route.backends[0];
  const served = backend?.discovery() ?? { resources: [], fresh: false };
  const remote = backend?.source === "remote";
  const resources = remote ? served.resources : sorted(served.resources);
  // As upstream prints its own kinds: without the group-version they share with the list.
  const own = backend?.source === "builtin" ? backend : undefined;
  return {
    version: route.version,
    ...(resources.length > 0 && { resources: resources.map((resource) => resourceDiscovery(resource, backend, own)) }),
    freshness: served.fresh ? "Current" : "Stale",
  };
}

function resourceDiscovery(resource: DiscoveryResource, backend: Backend | undefined, own: Backend | undefined) {
  const gvk = ({ group, version, kind }: DiscoveryResource["responseKind"]) =>
    group === own?.group && version === own.version ? { group: "", version: "", kind } : { group, version, kind };
  const subresources = subresourcesOf(backend, resource);
  return {
    resource: resource.resource,
    responseKind: gvk(resource.responseKind),
    scope: resource.scope,
    singularResource: resource.singularResource,
    verbs: resource.verbs,
    ...(resource.shortNames?.length && { shortNames: resource.shortNames }),
    ...(resource.categories?.length && { categories: resource.categories }),
    ...(subresources.length > 0 && {
      subresources: subresources.map((sub) => ({
        subresource: sub.subresource,
        responseKind: gvk(sub.responseKind),
        verbs: sub.verbs,
      })),
    }),
  };
}
