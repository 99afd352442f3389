/** Who serves what: claims joined with backends into an immutable snapshot. Discovery, OpenAPI and the proxy read it; nothing else decides. */
import { compareVersions } from "../api/version-order.ts";
import { sendNotFound, sendText } from "./errors.ts";
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
  /** Base64 of the first 8 bytes of SHA-256 over `group/version/kind` as stored; only in the legacy form. */
  readonly storageVersionHash?: string;
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

/** Always served by this process, whoever claims it: claims are made through it. */
export const REGISTRATION_GROUP = "apiregistration.k8s.io";

const REGISTRATION_CLAIM = { groupPriorityMinimum: 20001, versionPriority: 0, service: undefined };

/** Whether requests for this route leave the process. */
export function isRemote(route: Route | undefined): route is Route {
  return route?.claim?.service !== undefined;
}

/** Hands the request to the best backend. A claimed service that nobody can reach yet is 503, as upstream says it. */
export function serveRoute(exchange: Exchange, route: Route): Promise<void> | void {
  const backend = route.backends[0];
  if (backend !== undefined) return backend.serve(exchange);
  if (isRemote(route)) sendText(exchange, 503, "service unavailable");
  else sendNotFound(exchange);
}

/**
 * The two inputs of routing and their join. Each change makes one new snapshot; `batch` makes one for many changes.
 * Listeners run right after the swap, in the order they subscribed. A change costs no more than a copy of the index: routes are joined when
 * somebody asks for them, since a thousand definitions come one by one.
 */
export class RouteTable {
  /** By group-version, as are all indexes below. */
  #claims: ReadonlyMap<string, Claim> = new Map();
  #backends = new Map<string, Backend>();
  #serving = new Map<string, readonly Backend[]>();
  /** The current snapshot reads `#serving`: it must be copied before it changes. */
  #shared = false;
  #complete = false;
  #listeners = new Set<(snapshot: RouteSnapshot) => void>();
  #batching = 0;
  #dirty = false;
  #current: RouteSnapshot = new Joined(new Map(), new Map(), 0, false);

  get current(): RouteSnapshot {
    return this.#current;
  }

  /** Replaces all claims. */
  setClaims(claims: readonly Claim[]): void {
    this.#claims = new Map(claims.map((claim) => [keyOf(claim.group, claim.version), claim]));
    this.#changed();
  }

  /** `key` names the source: a second backend under the same key replaces the first, under another key it stands behind it. */
  setBackend(key: string, backend: Backend): void {
    const old = this.#backends.get(key);
    this.#backends.set(key, backend);
    const where = keyOf(backend.group, backend.version);
    const list = this.#own().get(where) ?? [];
    if (old !== undefined && keyOf(old.group, old.version) === where) {
      this.#serving.set(
        where,
        list.map((one) => (one === old ? backend : one)),
      );
    } else {
      if (old !== undefined) this.#forget(old);
      this.#serving.set(where, [...list, backend]);
    }
    this.#changed();
  }

  removeBackend(key: string): void {
    const old = this.#backends.get(key);
    if (old === undefined) return;
    this.#backends.delete(key);
    this.#forget(old);
    this.#changed();
  }

  /** Says that built-ins, definitions and claims are all here: a path nobody serves is now a 404. */
  complete(): void {
    if (this.#complete) return;
    this.#complete = true;
    this.#changed();
  }

  /** Tells listeners that a backend's discovery or OpenAPI changed though the routes did not. */
  touch(): void {
    this.#changed();
  }

  batch(changes: () => void): void {
    this.#batching++;
    try {
      changes();
    } finally {
      this.#batching--;
      if (this.#batching === 0 && this.#dirty) this.#changed();
    }
  }

  /** Returns how to stop. */
  subscribe(listener: (snapshot: RouteSnapshot) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #own(): Map<string, readonly Backend[]> {
    if (this.#shared) this.#serving = new Map(this.#serving);
    this.#shared = false;
    return this.#serving;
  }

  #forget(backend: Backend): void {
    const where = keyOf(backend.group, backend.version);
    const rest = (this.#own().get(where) ?? []).filter((one) => one !== backend);
    if (rest.length > 0) this.#serving.set(where, rest);
    else this.#serving.delete(where);
  }

  #changed(): void {
    this.#dirty = true;
    if (this.#batching > 0) return;
    this.#dirty = false;
    this.#shared = true;
    this.#current = new Joined(this.#claims, this.#serving, this.#current.generation + 1, this.#complete);
    for (const listener of [...this.#listeners]) listener(this.#current);
  }
}

const keyOf = (group: string, version: string) => `${group}/${version}`;

/** Claims and backends of one moment, which nobody changes any more; each route is joined once, when it is first asked for. */
class Joined implements RouteSnapshot {
  readonly generation: number;
  readonly complete: boolean;
  readonly #claims: ReadonlyMap<string, Claim>;
  readonly #serving: ReadonlyMap<string, readonly Backend[]>;
  readonly #routes = new Map<string, Route>();
  #groups: readonly RouteGroup[] | undefined;

  constructor(
    claims: ReadonlyMap<string, Claim>,
    serving: ReadonlyMap<string, readonly Backend[]>,
    generation: number,
    complete: boolean,
  ) {
    this.#claims = claims;
    this.#serving = serving;
    this.generation = generation;
    this.complete = complete;
  }

  at(group: string, version: string): Route | undefined {
    const key = keyOf(group, version);
    let route = this.#routes.get(key);
    if (route === undefined) {
      route = this.#join(group, version);
      // What nobody serves may be asked for under any name.
      if (route !== undefined) this.#routes.set(key, route);
    }
    return route;
  }

  get groups(): readonly RouteGroup[] {
    this.#groups ??= legacyOrder(this.#claimed());
    return this.#groups;
  }

  #claimed(): ClaimedRoute[] {
    const claims = [...this.#claims.values()].filter(({ group }) => group !== REGISTRATION_GROUP);
    const own = [...this.#serving.values()].flatMap(([first]) => (first?.group === REGISTRATION_GROUP ? [first] : []));
    return [...claims, ...own].map(({ group, version }) => this.at(group, version)!).filter(isClaimed);
  }

  #join(group: string, version: string): Route | undefined {
    const key = keyOf(group, version);
    const pick = (remote: boolean) =>
      (this.#serving.get(key) ?? [])
        .filter((backend) => (backend.source === "remote") === remote)
        .sort((a, b) => RANK[a.source] - RANK[b.source]);
    const claim = group === REGISTRATION_GROUP ? undefined : this.#claims.get(key);
    if (claim !== undefined) return { group, version, claim, backends: pick(claim.service !== undefined) };
    const local = pick(false);
    if (local.length === 0) return undefined;
    const own =
      group === REGISTRATION_GROUP ? { ...REGISTRATION_CLAIM, name: `${version}.${group}`, group, version } : undefined;
    return { group, version, claim: own, backends: local };
  }
}

const RANK = { remote: 0, builtin: 1, crd: 2 };

type ClaimedRoute = Route & { readonly claim: Claim };
const isClaimed = (route: Route): route is ClaimedRoute => route.claim !== undefined;

/** Version priority descending, then v2, v1, v1beta1, … (spec: aggregation 4.2 #3). */
const byVersion = (a: ClaimedRoute, b: ClaimedRoute) =>
  b.claim.versionPriority - a.claim.versionPriority || compareVersions(a.version, b.version);

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

/** A group takes the place of its first member by (priority descending, claim name ascending) (spec: aggregation 4.2). */
function legacyOrder(routes: readonly ClaimedRoute[]): RouteGroup[] {
  const sorted = [...routes].sort(
    (a, b) => b.claim.groupPriorityMinimum - a.claim.groupPriorityMinimum || compare(a.claim.name, b.claim.name),
  );
  return grouped(sorted);
}

/** The order of aggregated discovery: ties between groups go by group name, not claim name (spec: aggregation 4.5). */
export function aggregatedOrder(snapshot: RouteSnapshot): readonly RouteGroup[] {
  const priority = (group: RouteGroup) =>
    group.versions.reduce((most, { claim }) => Math.max(most, claim?.groupPriorityMinimum ?? 0), 0);
  return [...snapshot.groups].sort((a, b) => priority(b) - priority(a) || compare(a.group, b.group));
}

function grouped(routes: readonly ClaimedRoute[]): RouteGroup[] {
  const groups = new Map<string, ClaimedRoute[]>();
  for (const route of routes) {
    const versions = groups.get(route.group);
    if (versions === undefined) groups.set(route.group, [route]);
    else versions.push(route);
  }
  return [...groups].map(([group, versions]) => ({ group, versions: versions.sort(byVersion) }));
}
