/** CustomResourceDefinitions become resources: routes, discovery and documents follow the stored definitions, and their status says what became of them. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { GroupVersion } from "../api/meta.ts";
import { hasReason } from "../api/status.ts";
import { formatTime } from "../api/time.ts";
import { createWorkQueue, type ResourceClient, runWorkers } from "../client/index.ts";
import { CLEANUP_FINALIZER } from "../kinds/apiextensions/custom-resource-definition.ts";
import type { RouteTable } from "../server/routes.ts";
import { groupVersionBackend } from "./backend.ts";
import { Catalog } from "./catalog.ts";
import { type Conditions, withCondition } from "./conditions.ts";
import { type Digest, isServing, isTrue } from "./digest.ts";
import type { Store } from "./instances.ts";
import { sameNames, wantedStatus } from "./reconcile.ts";
import { type Common, CompiledForms, Serving } from "./serving.ts";
import { isTerminating, terminate } from "./termination.ts";

/** The stored definitions, as canonical JSON by name. */
export interface DefinitionSource {
  get(name: string): Uint8Array | undefined;
  /** What is there now. */
  list(): Iterable<readonly [name: string, bytes: Uint8Array]>;
  /** Calls for everything that happens after `list`, in order; undefined means gone. Returns how to stop. */
  follow(changed: (name: string, bytes: Uint8Array | undefined) => void): () => void;
}

/** Keeps the APIService objects of what definitions serve. */
export interface Registration {
  always(groupVersion: GroupVersion): unknown;
  never(groupVersion: GroupVersion): unknown;
}

export interface DefinitionsOptions {
  readonly source: DefinitionSource;
  readonly common: Common & { readonly state: Store };
  readonly routes: RouteTable;
  readonly registration: Registration;
  /** Definitions, as one who may do everything. */
  readonly client: ResourceClient;
  /** Shown in OpenAPI documents. */
  readonly serverVersion: string;
  onError(error: unknown, name: string): void;
}

export interface Definitions {
  stop(): Promise<void>;
}

/** Bytes of definitions whose compiled forms are kept. */
const COMPILED = 16 * 1024 * 1024;
/** Definitions whose objects are deleted at the same time. */
const TERMINATIONS = 5;
/** Milliseconds of reading definitions before other work gets its turn. */
const TURN = 20;

const keyOf = ({ group, version }: GroupVersion) => `crd/${group}/${version}`;

/** Resolves when all definitions of now are served; from then on follows them. */
export async function serveDefinitions(options: DefinitionsOptions): Promise<Definitions> {
  const { source, common, routes, registration, client, serverVersion, onError } = options;
  const { clock, state } = common;
  const catalog = new Catalog();
  const compiled = new CompiledForms(COMPILED);
  const servings = new Map<string, Serving>();
  const statuses = createWorkQueue({ clock });
  const terminations = createWorkQueue({ clock });
  const stopping = new AbortController();

  /** Notes a change; answers the group-versions that are served otherwise than before. */
  function note(name: string, bytes: Uint8Array | undefined): GroupVersion[] {
    let known: ReturnType<Catalog["note"]>;
    try {
      known = catalog.note(name, bytes);
    } catch (error) {
      // Bytes nobody can read serve nothing, and keep nothing else from being served.
      onError(error, name);
      known = catalog.note(name, undefined);
    }
    const { before, now } = known;
    const serving = servings.get(name);
    const goesOn = serving !== undefined && now !== undefined && isServing(now) && serving.fits(now);
    if (goesOn) serving.digest = now;
    else {
      if (serving !== undefined) {
        servings.delete(name);
        compiled.drop(serving);
        serving.retire();
      }
      if (now !== undefined && isServing(now)) servings.set(name, new Serving(now));
    }
    register(before, now);
    if (now === undefined || before === undefined || !sameNames(before.acceptedNames, now.acceptedNames)) {
      const one = before ?? now;
      if (one !== undefined) releaseNames(one);
    }
    if (now !== undefined) {
      statuses.add(name);
      if (isTerminating(now)) terminations.add(name);
    }
    if (goesOn && shownAs(before) === shownAs(now)) return [];
    return groupVersionsOf(before, now);
  }

  /** Others of the group may have what they ask for now. */
  function releaseNames({ name, group }: Digest): void {
    for (const other of catalog.ofGroup(group)) {
      if (other.name !== name && !sameNames(other.names, other.acceptedNames)) statuses.add(other.name);
    }
  }

  function register(before: Digest | undefined, now: Digest | undefined): void {
    for (const groupVersion of groupVersionsOf(before, now)) {
      const { group, version } = groupVersion;
      const served = Iterator.from(catalog.ofGroup(group)).some(({ versions }) =>
        versions.some((one) => one.name === version && one.served),
      );
      if (!served) registration.never(groupVersion);
      else if (!before?.versions.some((one) => one.name === version && one.served)) registration.always(groupVersion);
    }
  }

  function route({ group, version }: GroupVersion): void {
    const members = new Map<string, Serving>();
    for (const { name } of catalog.ofGroup(group)) {
      const serving = servings.get(name);
      if (serving?.digest.versions.some((one) => one.name === version && one.served)) {
        members.set(serving.digest.acceptedNames.plural, serving);
      }
    }
    const key = keyOf({ group, version });
    if (members.size === 0) {
      routes.removeBackend(key);
      return;
    }
    const read = (name: string) => source.get(name);
    routes.setBackend(key, groupVersionBackend({ group, version, members, common, compiled, serverVersion, read }));
  }

  /** False when somebody else wrote first, or nothing is there: what happened then is told. */
  async function write(digest: Digest, change: { metadata?: object; status?: object }): Promise<boolean> {
    const metadata = { ...change.metadata, resourceVersion: digest.resourceVersion };
    try {
      await client.patch(digest.name, "merge", { ...change, metadata }, { subresource: "status" });
      return true;
    } catch (error) {
      if (hasReason(error, "Conflict") || hasReason(error, "NotFound")) return false;
      throw error;
    }
  }

  async function reconcile(name: string): Promise<void> {
    const digest = catalog.get(name);
    if (digest === undefined) return;
    const wanted = wantedStatus(digest, catalog.ofGroup(digest.group), formatTime(clock.now()));
    if (wanted === undefined) return;
    const { singular, shortNames, listKind, categories, ...names } = wanted.acceptedNames;
    const acceptedNames = {
      ...names,
      // A merge keeps what it does not name.
      singular: singular ?? null,
      shortNames: shortNames ?? null,
      listKind: listKind ?? null,
      categories: categories ?? null,
    };
    await write(digest, { status: { acceptedNames, conditions: wanted.conditions } });
  }

  async function end(name: string): Promise<void> {
    const definition = catalog.get(name);
    if (definition === undefined || !isTerminating(definition)) return;
    await terminate(definition, {
      state,
      clock,
      signal: stopping.signal,
      async write(condition, release = false) {
        const digest = catalog.get(name);
        if (digest === undefined || digest.uid !== definition.uid) return false;
        const conditions: Conditions = withCondition(digest.conditions, condition, formatTime(clock.now()));
        if (conditions === digest.conditions && !release) return true;
        const finalizers = digest.finalizers.filter((finalizer) => finalizer !== CLEANUP_FINALIZER);
        return write(digest, { ...(release && { metadata: { finalizers } }), status: { conditions } });
      },
    });
  }

  const touched = new Map<string, GroupVersion>();
  let since = clock.monotonic();
  for (const [name, bytes] of source.list()) {
    for (const groupVersion of note(name, bytes)) touched.set(keyOf(groupVersion), groupVersion);
    if (clock.monotonic() - since < TURN) continue;
    await nextTurn();
    since = clock.monotonic();
  }
  routes.batch(() => touched.forEach(route));
  const unfollow = source.follow((name, bytes) => {
    const changed = note(name, bytes);
    if (changed.length > 0) routes.batch(() => changed.forEach(route));
  });
  const failed = (error: unknown, name: string) => {
    if (!stopping.signal.aborted) onError(error, name);
  };
  const loops = Promise.all([
    // One at a time: two definitions that want the same name must not both find it free.
    runWorkers(statuses, 1, reconcile, failed),
    runWorkers(terminations, TERMINATIONS, end, failed),
  ]);
  return {
    async stop() {
      unfollow();
      stopping.abort(new Error("the server stops"));
      statuses.shutDown();
      terminations.shutDown();
      await loops;
    },
  };
}

/** What routes, discovery and documents say of it beyond its spec and names. */
function shownAs(digest: Digest | undefined): string {
  return digest === undefined ? "" : `${isTrue(digest, "Established")} ${isTrue(digest, "Terminating")}`;
}

function groupVersionsOf(...digests: (Digest | undefined)[]): GroupVersion[] {
  const found = new Map<string, GroupVersion>();
  for (const digest of digests) {
    for (const { name: version } of digest?.versions ?? []) {
      const groupVersion = { group: digest!.group, version };
      found.set(keyOf(groupVersion), groupVersion);
    }
  }
  return [...found.values()];
}
