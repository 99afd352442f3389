/** Keeps the `Local` APIServices of what this process serves: built-ins once at the start, definitions always (spec: aggregation 6). */
import type { Clock } from "../api/clock.ts";
import { equalJSON } from "../api/json/index.ts";
import type { GroupVersion } from "../api/meta.ts";
import { hasReason } from "../api/status.ts";
import { createWorkQueue, type Lister, type ResourceClient, runWorkers } from "../client/index.ts";
import type { APIService, APIServiceSpec } from "../kinds/generated/types.ts";
import { availableCondition, nameOf } from "./api-service.ts";

export const AUTOMANAGED = "kube-aggregator.kubernetes.io/automanaged";

export interface Priority {
  readonly group: number;
  readonly version: number;
}

/** Priorities of definitions: all the same, so their versions sort by name. */
export const DEFINITION_PRIORITY: Priority = { group: 1000, version: 100 };

export interface RegistrationOptions {
  readonly clock: Clock;
  readonly apiServices: Lister<APIService>;
  readonly client: ResourceClient<APIService>;
  onError?(error: unknown, name: string): void;
}

export interface Registration {
  /** Built-ins: registered once, at the start. Call before `start`. */
  onStart(groupVersion: GroupVersion, priority: Priority): void;
  /** Definitions: restored whenever they differ. */
  always(groupVersion: GroupVersion, priority?: Priority): void;
  /** No definition serves it any more. */
  never(groupVersion: GroupVersion): void;
  /** Begins; call it once every definition of the first pass is known, or theirs would be deleted. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Built-ins that were not seen available yet; each one counts only once (`autoregister-completion`). */
  missing(): readonly string[];
}

interface Desired {
  readonly mode: "onstart" | "true";
  readonly object: APIService;
}

const WORKERS = 5;

export function autoRegistration(options: RegistrationOptions): Registration {
  const { apiServices, client } = options;
  const queue = createWorkQueue({ clock: options.clock });
  const desired = new Map<string, Desired>();
  const awaited = new Set<string>();
  /** Names whose sync has ended without error once. */
  const settled = new Set<string>();
  const atStart = new Set<string>();
  let unsubscribe: (() => void) | undefined;
  let loops: Promise<void> = Promise.resolve();

  const nameFor = ({ group, version }: GroupVersion) => `${version}.${group}`;

  function want(mode: Desired["mode"], groupVersion: GroupVersion, priority: Priority): string {
    const { group, version } = groupVersion;
    const name = nameFor(groupVersion);
    const spec: APIServiceSpec = {
      ...(group !== "" && { group }),
      version,
      groupPriorityMinimum: priority.group,
      versionPriority: priority.version,
    };
    const object: APIService = {
      apiVersion: "apiregistration.k8s.io/v1",
      kind: "APIService",
      metadata: { name, labels: { [AUTOMANAGED]: mode } },
      spec,
    };
    desired.set(name, { mode, object });
    return name;
  }

  /** The decision table of spec: aggregation 6.2, in its order. */
  async function decide(name: string): Promise<void> {
    const current = apiServices.get(name);
    const wanted = desired.get(name);
    if (current === undefined && wanted === undefined) return;
    if (wanted?.mode === "onstart" && settled.has(name)) return;
    if (current === undefined) {
      await client.create(wanted!.object).catch(unless("AlreadyExists"));
      return;
    }
    const label = current.metadata.labels?.[AUTOMANAGED];
    if (label !== "onstart" && label !== "true") return;
    if (label === "onstart" && (!atStart.has(name) || settled.has(name))) return;
    if (wanted === undefined) {
      const uid = current.metadata.uid;
      await client
        .delete(name, uid === undefined ? {} : { preconditions: { uid } })
        .catch(unless("NotFound", "Conflict"));
      return;
    }
    if (sameSpec(current.spec, wanted.object.spec)) return;
    await client.update({ ...current, spec: wanted.object.spec }).catch(unless("NotFound", "Conflict"));
  }

  async function sync(name: string): Promise<void> {
    await decide(name);
    settled.add(name);
  }

  const observe = (apiService: APIService) => {
    const name = nameOf(apiService);
    if (availableCondition(apiService)?.status === "True") awaited.delete(name);
    queue.add(name);
  };

  return {
    onStart(groupVersion, priority) {
      awaited.add(want("onstart", groupVersion, priority));
    },
    always(groupVersion, priority = DEFINITION_PRIORITY) {
      queue.add(want("true", groupVersion, priority));
    },
    never(groupVersion) {
      const name = nameFor(groupVersion);
      if (desired.get(name)?.mode !== "true") return;
      desired.delete(name);
      queue.add(name);
    },
    missing: () => [...awaited].sort(),
    async start() {
      await apiServices.ready();
      for (const apiService of apiServices.list()) atStart.add(nameOf(apiService));
      unsubscribe = apiServices.subscribe({
        added: observe,
        updated: observe,
        deleted: (apiService) => queue.add(nameOf(apiService)),
      });
      for (const name of desired.keys()) queue.add(name);
      loops = runWorkers(queue, WORKERS, sync, options.onError ?? (() => {}));
    },
    async stop() {
      unsubscribe?.();
      queue.shutDown();
      await loops;
    },
  };
}

/** Swallows StatusErrors with these reasons. */
function unless(...reasons: string[]): (error: unknown) => void {
  return (error) => {
    if (!reasons.some((reason) => hasReason(error, reason))) throw error;
  };
}

/** Absent, null and empty are the same, as in Go. */
function sameSpec(a: APIServiceSpec, b: APIServiceSpec): boolean {
  const present = (spec: APIServiceSpec) =>
    Object.fromEntries(
      Object.entries(spec).filter(
        ([, value]) => value !== undefined && value !== null && value !== "" && value !== false,
      ),
    );
  return equalJSON(present(a), present(b));
}
