/** One resource of an API: the verbs as typed functions. */
import type { GroupVersionResource, KubeList, KubeObject, ListMeta } from "../api/meta.ts";
import { hasReason, type Status } from "../api/status.ts";
import type { Client, Query } from "./client.ts";
import { type ResourceEvent, type WatchOptions, watchFrom, watchOnce } from "./watch.ts";

export interface GetOptions {
  readonly resourceVersion?: string;
  readonly subresource?: string;
  readonly signal?: AbortSignal;
}

export interface ListOptions {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** The size of a page. */
  readonly limit?: number;
  readonly continue?: string;
  readonly resourceVersion?: string;
  readonly resourceVersionMatch?: "Exact" | "NotOlderThan";
  readonly signal?: AbortSignal;
}

export interface WriteOptions {
  readonly dryRun?: boolean;
  readonly fieldManager?: string;
  readonly fieldValidation?: "Ignore" | "Warn" | "Strict";
  readonly subresource?: string;
  readonly signal?: AbortSignal;
}

export type PatchType = "json" | "merge" | "strategic" | "apply";

export interface PatchOptions extends WriteOptions {
  /** Only for "apply": take fields over from other managers. */
  readonly force?: boolean;
}

export interface DeleteOptions {
  readonly propagationPolicy?: "Orphan" | "Background" | "Foreground";
  readonly gracePeriodSeconds?: number;
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
}

export interface ResourceClient<T extends KubeObject = KubeObject> {
  readonly resource: GroupVersionResource;
  readonly namespace: string | undefined;
  /** The same resource in another namespace. */
  in(namespace: string): ResourceClient<T>;
  get(name: string, options?: GetOptions): Promise<T>;
  /** One page. */
  list(options?: ListOptions): Promise<KubeList<T>>;
  /** Page after page, 500 objects each unless `limit` says otherwise. */
  pages(options?: ListOptions): AsyncGenerator<KubeList<T>, void, undefined>;
  /** Every page in one list; starts over without pages when the continue token expires. */
  listAll(options?: ListOptions): Promise<KubeList<T>>;
  create(object: T, options?: WriteOptions): Promise<T>;
  /** Creates a sub-resource of `name`, such as a binding, an eviction or a token. */
  createSubresource<R extends KubeObject>(
    name: string,
    subresource: string,
    body: KubeObject,
    options?: WriteOptions,
  ): Promise<R>;
  update(object: T, options?: WriteOptions): Promise<T>;
  updateStatus(object: T, options?: WriteOptions): Promise<T>;
  patch(name: string, type: PatchType, patch: unknown, options?: PatchOptions): Promise<T>;
  /** The object while finalizers hold it, a Status when it is gone. */
  delete(name: string, options?: DeleteOptions): Promise<T | Status>;
  deleteCollection(options?: DeleteOptions, which?: ListOptions): Promise<KubeList<T> | Status>;
  /** Changes for as long as the caller listens, over any number of connections; see `watchFrom`. */
  watch(options?: WatchOptions): AsyncGenerator<ResourceEvent<T>, void, undefined>;
  /** One watch connection, until it ends. */
  watchOnce(options?: WatchOptions): AsyncGenerator<ResourceEvent<T>, void, undefined>;
}

const PATCH_TYPES: Record<PatchType, string> = {
  json: "application/json-patch+json",
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
  apply: "application/apply-patch+yaml",
};

const PAGE = 500;

/** `/api/v1/namespaces/<ns>/<resource>` and its kin. Throws a TypeError for a name that is no path segment. */
export function resourcePath(gvr: GroupVersionResource, namespace?: string, name?: string, subresource?: string) {
  const parts = gvr.group === "" ? ["", "api", gvr.version] : ["", "apis", gvr.group, gvr.version];
  if (namespace !== undefined && namespace !== "") parts.push("namespaces", segment("namespace", namespace));
  parts.push(gvr.resource);
  if (name !== undefined) parts.push(segment("name", name));
  if (subresource !== undefined && subresource !== "") parts.push(...subresource.split("/").map(encodeURIComponent));
  return parts.join("/");
}

function segment(what: string, value: string): string {
  if (value === "") throw new TypeError(`resource ${what} may not be empty`);
  if (value === "." || value === ".." || /[/%]/.test(value)) {
    throw new TypeError(
      `invalid resource ${what} ${JSON.stringify(value)}: may not be '.', '..' or contain '/' or '%'`,
    );
  }
  return encodeURIComponent(value).replaceAll("%3A", ":");
}

/** The query of list and watch. */
export function listQuery(options: ListOptions): Record<string, string | number | boolean | undefined> {
  return {
    labelSelector: options.labelSelector,
    fieldSelector: options.fieldSelector,
    limit: options.limit,
    continue: options.continue,
    resourceVersion: options.resourceVersion,
    resourceVersionMatch: options.resourceVersionMatch,
  };
}

const writeQuery = (options: WriteOptions): Query => ({
  dryRun: options.dryRun ? "All" : undefined,
  fieldManager: options.fieldManager,
  fieldValidation: options.fieldValidation,
});

function deleteBody(options: DeleteOptions): object | undefined {
  const { propagationPolicy, gracePeriodSeconds, preconditions, dryRun } = options;
  if (propagationPolicy === undefined && gracePeriodSeconds === undefined && preconditions === undefined && !dryRun) {
    return undefined;
  }
  return {
    kind: "DeleteOptions",
    apiVersion: "v1",
    ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds }),
    ...(preconditions !== undefined && { preconditions }),
    ...(propagationPolicy !== undefined && { propagationPolicy }),
    ...(dryRun && { dryRun: ["All"] }),
  };
}

const nameOf = (object: KubeObject): string => object.metadata?.name ?? "";

export function resourceClient<T extends KubeObject>(
  client: Client,
  gvr: GroupVersionResource,
  namespace?: string,
): ResourceClient<T> {
  const about = (name?: string) => ({
    resource: { group: gvr.group, resource: gvr.resource },
    ...(name !== undefined && { name }),
  });
  const abort = (signal: AbortSignal | undefined) => (signal === undefined ? {} : { signal });

  /** Objects of namespaced resources go to the namespace they name. */
  const placeOf = (object: KubeObject) => namespace ?? object.metadata?.namespace;

  async function send<R>(
    method: string,
    path: string,
    name: string | undefined,
    options: { query?: Query; body?: unknown; contentType?: string; signal?: AbortSignal | undefined },
  ): Promise<R> {
    const answer = await client.call({
      method,
      path,
      about: about(name),
      ...(options.query !== undefined && { query: options.query }),
      ...(options.body !== undefined && { body: options.body }),
      ...(options.contentType !== undefined && { contentType: options.contentType }),
      ...abort(options.signal),
    });
    return answer as R;
  }

  const resource: ResourceClient<T> = {
    resource: gvr,
    namespace,
    in: (other) => resourceClient<T>(client, gvr, other),
    get: (name, options = {}) =>
      send("GET", resourcePath(gvr, namespace, name, options.subresource), name, {
        query: { resourceVersion: options.resourceVersion },
        signal: options.signal,
      }),
    async list(options = {}) {
      const list = await send<KubeList<T>>("GET", resourcePath(gvr, namespace), undefined, {
        query: listQuery(options),
        signal: options.signal,
      });
      return withItemKinds(list);
    },
    async *pages(options = {}) {
      let page = await resource.list({ limit: PAGE, ...options });
      yield page;
      while (page.metadata.continue) {
        // A continue token carries its own revision: the server refuses both.
        const { resourceVersion: _, resourceVersionMatch: __, ...rest } = options;
        page = await resource.list({ limit: PAGE, ...rest, continue: page.metadata.continue });
        yield page;
      }
    },
    async listAll(options = {}) {
      const items: T[] = [];
      let last: KubeList<T> | undefined;
      try {
        for await (const page of resource.pages(options)) {
          for (const item of page.items) items.push(item);
          last = page;
        }
      } catch (error) {
        if (last === undefined || !hasReason(error, "Expired")) throw error;
        const { limit: _, ...whole } = options;
        return await resource.list(whole);
      }
      const metadata: ListMeta = { ...last!.metadata };
      delete metadata.continue;
      delete metadata.remainingItemCount;
      return { ...last!, metadata, items };
    },
    create: (object, options = {}) =>
      send(
        "POST",
        resourcePath(gvr, placeOf(object), options.subresource && nameOf(object), options.subresource),
        nameOf(object),
        {
          query: writeQuery(options),
          body: object,
          signal: options.signal,
        },
      ),
    createSubresource: (name, subresource, body, options = {}) =>
      send("POST", resourcePath(gvr, namespace, name, subresource), name, {
        query: writeQuery(options),
        body,
        signal: options.signal,
      }),
    update: (object, options = {}) =>
      send("PUT", resourcePath(gvr, placeOf(object), nameOf(object), options.subresource), nameOf(object), {
        query: writeQuery(options),
        body: object,
        signal: options.signal,
      }),
    updateStatus: (object, options = {}) => resource.update(object, { ...options, subresource: "status" }),
    patch: (name, type, patch, options = {}) =>
      send("PATCH", resourcePath(gvr, namespace, name, options.subresource), name, {
        query: { ...writeQuery(options), force: options.force ? true : undefined },
        body: patch,
        contentType: PATCH_TYPES[type],
        signal: options.signal,
      }),
    delete: (name, options = {}) =>
      send("DELETE", resourcePath(gvr, namespace, name), name, { body: deleteBody(options), signal: options.signal }),
    deleteCollection: (options = {}, which = {}) =>
      send("DELETE", resourcePath(gvr, namespace), undefined, {
        query: listQuery(which),
        body: deleteBody(options),
        signal: options.signal,
      }),
    watch: (options = {}) => watchFrom(client, resource, options),
    watchOnce: (options = {}) => watchOnce(client, resource, options),
  };
  return resource;
}

/** Items of typed lists carry no kind of their own; it is read off the list, as client-go does. */
function withItemKinds<T extends KubeObject>(list: KubeList<T>): KubeList<T> {
  list.metadata ??= {};
  list.items ??= [];
  if (list.kind === undefined || list.kind === "List" || !list.kind.endsWith("List")) return list;
  const kind = list.kind.slice(0, -"List".length);
  for (const item of list.items as KubeObject[]) {
    item.kind ??= kind;
    item.apiVersion ??= list.apiVersion;
  }
  return list;
}
