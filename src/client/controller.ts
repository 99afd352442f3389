/** A controller: one function that brings the world in line with an object, called whenever the object or what it owns has changed. */
import { hostname } from "node:os";
import { cloneJSON } from "../api/json/index.ts";
import type { GroupVersionResource, JSONValue, KubeObject } from "../api/meta.ts";
import { hasReason } from "../api/status.ts";
import type { Client } from "./client.ts";
import { indexBy } from "./index-by.ts";
import { createInformer, type Informer } from "./informer.ts";
import { leaderElection } from "./leader.ts";
import type { Lister } from "./lister.ts";
import { controllerOf } from "./owner.ts";
import { createWorkQueue, runWorkers } from "./queue.ts";
import { type EventRecorder, eventRecorder } from "./recorder.ts";

export interface ReconcileContext {
  readonly client: Client;
  /** Events in the controller's name. */
  readonly events: EventRecorder;
  /** What the object owns of a resource named in `owns`, from memory. Never change one of them. */
  owned<O extends KubeObject = KubeObject>(resource: GroupVersionResource): readonly O[];
  /** Aborts when the controller stops or no longer leads. */
  readonly signal: AbortSignal;
}

/** Done; or to be looked at again after some time, milliseconds, whatever happens until then. */
// biome-ignore lint/suspicious/noConfusingVoidType: a function that returns nothing is the usual case
export type ReconcileResult = undefined | void | { readonly again: number };

export interface ControllerOptions<T extends KubeObject> {
  readonly client: Client;
  /** What Events and the Lease call it. */
  readonly name: string;
  readonly resource: GroupVersionResource;
  /** Only in this namespace; default everywhere. */
  readonly namespace?: string;
  /** Resources whose objects have ours as their managing owner: a change of one wakes its owner. */
  readonly owns?: readonly GroupVersionResource[];
  /** Other resources, and which of our objects (`namespace/name`, or `name` for cluster-scoped ones) a change of one concerns. */
  readonly watches?: readonly {
    readonly resource: GroupVersionResource;
    concerns(object: KubeObject): readonly string[];
  }[];
  /** Objects worked on at a time; never the same one twice. Default 2. */
  readonly workers?: number;
  /** Of several processes one works: over a Lease in this namespace. Default: no election. */
  readonly leaderElection?: { readonly namespace: string; readonly identity?: string };
  /** Held on every object until `cleanup` has succeeded. */
  readonly finalizer?: string;
  /**
   * Called with a copy of the object as last seen. Must do nothing when all is well: it is called again and again. What it throws is
   * reported, and it is called again, ever more slowly, up to half a minute.
   */
  reconcile(object: T, context: ReconcileContext): Promise<ReconcileResult> | ReconcileResult;
  /** With `finalizer`: called instead once the object's deletion has begun. */
  cleanup?(object: T, context: ReconcileContext): Promise<ReconcileResult> | ReconcileResult;
  /** Told of what failed and is tried again. Default: a line on standard error. `key` is absent for failures of watches and elections. */
  onError?(error: unknown, key?: string): void;
  /** Ends the controller. */
  readonly signal: AbortSignal;
}

const MAX_DELAY = 30_000;

/**
 * Runs until `signal` aborts; resolves when the work in hand is done, its Events are written and the Lease is given back. Throws a TypeError
 * at once for a `finalizer` without `cleanup`, or the other way round.
 */
export async function runController<T extends KubeObject>(options: ControllerOptions<T>): Promise<void> {
  const { client, name, signal, finalizer } = options;
  if ((finalizer === undefined) !== (options.cleanup === undefined)) {
    throw new TypeError("finalizer and cleanup belong together: the one names what the other undoes");
  }
  const report =
    options.onError ?? ((error, key) => console.error(`${name}${key === undefined ? "" : ` ${key}`}: ${error}`));
  const informers = new Map<string, Informer>();
  const follow = <O extends KubeObject>(resource: GroupVersionResource): Lister<O> => {
    const key = JSON.stringify(resource);
    let informer = informers.get(key);
    if (informer === undefined) {
      informer = createInformer(client, client.resource(resource, options.namespace), {
        onError: (error) => report(error),
      });
      informers.set(key, informer);
      informer.start();
    }
    return informer as unknown as Lister<O>;
  };

  const objects = follow<T>(options.resource);
  const dependents = new Map(
    (options.owns ?? []).map((resource) => {
      const lister = follow(resource);
      const byOwner = indexBy(lister, (object) => {
        const uid = controllerOf(object)?.uid;
        return uid === undefined ? [] : [uid];
      });
      return [JSON.stringify(resource), { lister, byOwner }] as const;
    }),
  );
  const others = (options.watches ?? []).map((watched) => ({ ...watched, lister: follow(watched.resource) }));
  const events = eventRecorder(client, name, (error) => report(error));

  /** One object, from what is known of it. */
  async function sync(key: string, term: AbortSignal): Promise<ReconcileResult> {
    const [namespace, own] = splitKey(key);
    const known = objects.get(own, namespace);
    if (known === undefined) return undefined;
    let object = cloneJSON(known as unknown as JSONValue) as unknown as T;
    const context: ReconcileContext = {
      client,
      events,
      signal: term,
      owned: <O extends KubeObject>(resource: GroupVersionResource) => {
        const found = dependents.get(JSON.stringify(resource));
        if (found === undefined) throw new TypeError(`${resource.resource} is not among what ${name} owns`);
        return found.byOwner.get(object.metadata.uid ?? "") as unknown as readonly O[];
      },
    };
    const held = finalizer !== undefined && (object.metadata.finalizers ?? []).includes(finalizer);
    const place = client.resource<T>(options.resource, namespace === "" ? undefined : namespace);
    if (object.metadata.deletionTimestamp) {
      if (!held) return undefined;
      const result = await options.cleanup!(object, context);
      if (result !== undefined) return result;
      await place.patch(
        own,
        "merge",
        holding(
          object,
          (object.metadata.finalizers ?? []).filter((one) => one !== finalizer),
        ),
      );
      return undefined;
    }
    if (finalizer !== undefined && !held) {
      object = await place.patch(own, "merge", holding(object, [...(object.metadata.finalizers ?? []), finalizer]));
    }
    return options.reconcile(object, context);
  }

  /** Works until `term` ends. Everything there is comes in first: who led before may have left it half done. */
  async function work(term: AbortSignal): Promise<void> {
    const queue = createWorkQueue({ clock: client.clock, maxDelay: MAX_DELAY });
    const stop = () => queue.shutDown();
    if (term.aborted) return;
    term.addEventListener("abort", stop, { once: true });
    const synced = Promise.all([...informers.values()].map((informer) => informer.ready()));
    await Promise.race([synced, new Promise((resolve) => term.addEventListener("abort", resolve, { once: true }))]);
    if (term.aborted) return;

    const ownersOf = (object: KubeObject) => {
      const owner = controllerOf(object);
      if (owner === undefined) return [];
      const places = [...new Set([object.metadata.namespace ?? "", ""])];
      const own = places.filter((namespace) => objects.get(owner.name, namespace)?.metadata.uid === owner.uid);
      return own.map((namespace) => joinKey(namespace, owner.name));
    };
    const wake = (lister: Lister, keysOf: (object: KubeObject) => readonly string[]) => {
      const tell = (...seen: KubeObject[]) => {
        for (const key of new Set(seen.flatMap(keysOf))) queue.add(key);
      };
      // What an object was may have concerned another one than what it is.
      return lister.subscribe({ added: tell, updated: tell, deleted: tell });
    };
    const subscriptions = [
      wake(objects as unknown as Lister, (object) => [keyOf(object)]),
      ...[...dependents.values()].map(({ lister }) => wake(lister, ownersOf)),
      ...others.map(({ lister, concerns }) => wake(lister, concerns)),
    ];
    await runWorkers(
      queue,
      options.workers ?? 2,
      async (key) => {
        const result = await sync(key, term);
        if (result) queue.addAfter(key, result.again);
      },
      (error, key) => {
        // After a conflict somebody else was faster, and what they wrote is on its way here.
        if (!term.aborted && !hasReason(error, "Conflict")) report(error, key);
      },
    );
    for (const unsubscribe of subscriptions) unsubscribe();
  }

  try {
    if (options.leaderElection === undefined) await work(signal);
    else await lead(options, report, work);
  } finally {
    await Promise.all([...informers.values()].map((informer) => informer.stop()));
    await events.written();
  }
}

/** Works while it leads; a term that was lost is waited out before the next begins. */
async function lead<T extends KubeObject>(
  { client, name, signal, leaderElection: election }: ControllerOptions<T>,
  report: (error: unknown) => void,
  work: (term: AbortSignal) => Promise<void>,
): Promise<void> {
  let working = Promise.resolve();
  const elected = leaderElection({
    client,
    namespace: election!.namespace,
    name,
    identity: election!.identity ?? `${hostname()}_${client.random.uuid()}`,
    onLeading(term) {
      working = working.then(() => work(term)).catch(report);
      return working;
    },
    onError: report,
  });
  elected.start();
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  await elected.stop();
}

/** Finalizers as a patch that fails when somebody else changed the object in between. */
function holding({ metadata }: KubeObject, finalizers: readonly string[]): object {
  return { metadata: { uid: metadata.uid, resourceVersion: metadata.resourceVersion, finalizers } };
}

const joinKey = (namespace: string, name: string) => (namespace === "" ? name : `${namespace}/${name}`);
const keyOf = ({ metadata }: KubeObject) => joinKey(metadata.namespace ?? "", metadata.name ?? "");

function splitKey(key: string): readonly [namespace: string, name: string] {
  const slash = key.indexOf("/");
  return [key.slice(0, Math.max(0, slash)), key.slice(slash + 1)];
}
