/** Who serves what: claims joined with backends into an immutable snapshot. Discovery, OpenAPI and the proxy read it; nothing else decides. */
import type { Exchange } from "./exchange.ts";

/** One resource in aggregated discovery (spec: aggregation 4.4). */
export interface DiscoveryResource {
  readonly resource: string;
  readonly responseKind: { readonly group: string; readonly version: string; readonly kind: string };
  readonly scope: "Namespaced" | "Cluster";
  readonly singularResource: string;
  readonly verbs: readonly string[];
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly subresources?: readonly {
    readonly subresource: string;
    readonly responseKind: { readonly group: string; readonly version: string; readonly kind: string };
    readonly verbs: readonly string[];
  }[];
}

/** Something that can serve a group-version: built-in kinds, a definition's custom resources, a remote server. */
export interface Backend {
  readonly group: string;
  readonly version: string;
  readonly source: "builtin" | "crd" | "remote";
  /** Answers any request at or below `/apis/<group>/<version>` (core: `/api/v1`). */
  serve(exchange: Exchange): Promise<void> | void;
  /** What it serves, as last known. `fresh: false` shows as `Stale`. */
  discovery(): { readonly resources: readonly DiscoveryResource[]; readonly fresh: boolean };
  /** Its OpenAPI v3 document, if any: a content hash (upper-case hex SHA-512) and how to answer for the body. */
  openapi?(): { readonly hash: string; serve(exchange: Exchange): Promise<void> | void } | undefined;
}

/** What an APIService object asks for. */
export interface Claim {
  /** The APIService's name, `<version>.<group>`. */
  readonly name: string;
  readonly group: string;
  readonly version: string;
  readonly groupPriorityMinimum: number;
  readonly versionPriority: number;
  /** undefined: served by this process. */
  readonly service: { readonly namespace: string; readonly name: string; readonly port: number } | undefined;
}

export interface Route {
  readonly group: string;
  readonly version: string;
  readonly claim: Claim | undefined;
  /** Best first; today the first one serves. */
  readonly backends: readonly Backend[];
}

export interface RouteGroup {
  readonly group: string;
  /** In order of preference (spec: aggregation 4.2). */
  readonly versions: readonly Route[];
}

/** One state of all routes. Never changes; a new one replaces it whole. */
export interface RouteSnapshot {
  readonly generation: number;
  /** False until built-ins, definitions and claims were joined once: a would-be 404 is then a 503 (spec: apiserver 1.1 #3). */
  readonly complete: boolean;
  at(group: string, version: string): Route | undefined;
  /** The order of legacy `/apis`; the core group has the name "". */
  readonly groups: readonly RouteGroup[];
}
