/** Deletes what has lost its owners: in the background, in the foreground, or not at all when the owner left its dependents as orphans (spec: apiserver 3.7). */
import type { KubeObject, OwnerReference } from "../../api/meta.ts";
import { FINALIZER_FOREGROUND, FINALIZER_ORPHAN } from "../../api/object-meta.ts";
import { hasReason, StatusError } from "../../api/status.ts";
import type { ResourceClient } from "../../client/resource.ts";
import { type Controller, type SyncResult, startSync } from "../controller.ts";
import { isDeletingDependents, type Node, OwnerGraph } from "./graph.ts";
import { Monitors } from "./monitors.ts";

const WORKERS = 20;
/** Copies that are not complete by then are not waited for: what is looked up live decides anyway. */
const FIRST_SYNC = 30_000;
/** What servers offer may change without any object of ours saying so. */
const REDISCOVER = 30_000;
/** Definitions often come in numbers; discovery follows them within a moment. */
const SETTLE = 250;
const REMEMBERED_ABSENT = 500;
const LONGEST_RETRY = 600_000;
const ATTEMPTS = 5;

const DEFINITIONS = "apiextensions.k8s.io";
const API_SERVICES = { group: "apiregistration.k8s.io", version: "v1", resource: "apiservices" };

export const garbageCollection: Controller = async (context) => {
  const { client, signal, log, informers } = context;
  const { clock } = client;
  const events = context.recorder("garbage-collector-controller");
  /** Owners that are known not to exist: a uid never comes back. */
  const absent = new Set<string>();
  /** How often an owner that exists was not yet seen by our copies. */
  const unseen = new Map<string, number>();

  let wake = () => {};

  const graph = new OwnerGraph({
    examine: (node) => queue.add(node.uid),
    orphan: (node) => orphans.add(node.uid),
    gone: (node) => remember(absentKey(node, node.namespace)),
    foreignOwner(node, owner) {
      const { apiVersion, kind, name, uid } = owner;
      const text = `[${apiVersion}/${kind}, namespace: ${node.namespace}, name: ${name}, uid: ${uid}]`;
      const message = `ownerRef ${text} does not exist in namespace "${node.namespace}"`;
      events.record(about(node), "Warning", "OwnerRefInvalidNamespace", message);
    },
  });
  const monitors = new Monitors(client, {
    changed(resource, apiVersion, object, old) {
      graph.observe(resource, apiVersion, object, old);
      // A definition that came or went changes what there is to follow.
      if (resource.group === DEFINITIONS) wake();
    },
    deleted(resource, object) {
      const { uid = "" } = object.metadata;
      unseen.delete(uid);
      graph.remove(uid);
      if (resource.group === DEFINITIONS) wake();
    },
    onError: (error) => log.warn({ controller: "garbage-collection", error: String(error) }, "a watch failed"),
  });

  function remember(key: string): void {
    if (absent.size >= REMEMBERED_ABSENT) absent.delete(absent.values().next().value!);
    absent.add(key);
  }

  const objectsOf = ({ resource, namespace }: Node) => client.resource(resource, namespace || undefined);
  const live = ({ resource, namespace, name }: Node) => client.resource(resource, namespace || undefined).get(name);

  /** The owner as it is now; undefined: there is none of this uid. */
  async function ownerOf(node: Node, reference: OwnerReference): Promise<KubeObject | undefined> {
    const { apiVersion, kind, name, uid } = reference;
    const keys = ["", node.namespace].map((namespace) => JSON.stringify([apiVersion, kind, namespace, name, uid]));
    if (keys.some((key) => absent.has(key))) return undefined;
    const resource = monitors.resourceOf(apiVersion, kind);
    if (resource === undefined)
      throw new Error(`no resource serves ${kind} of ${apiVersion}, the owner of ${print(node)}`);
    if (resource.namespaced && node.namespace === "") throw new ClusterScopedDependent();
    const namespace = resource.namespaced ? node.namespace : "";
    const owner = await client
      .resource(resource, namespace || undefined)
      .get(name)
      .catch(unlessNotFound);
    if (owner?.metadata.uid === uid) return owner;
    remember(JSON.stringify([apiVersion, kind, namespace, name, uid]));
    return undefined;
  }

  async function examine(uid: string): Promise<SyncResult> {
    await ready;
    const node = graph.get(uid);
    if (node === undefined || (node.beingDeleted && !node.deletingDependents)) return undefined;
    try {
      return await attempt(node);
    } catch (error) {
      // What nothing can decide is left alone, as a namespaced owner of something that is in no namespace.
      if (error instanceof ClusterScopedDependent) return undefined;
      throw error;
    }
  }

  async function attempt(node: Node): Promise<SyncResult> {
    if (!node.deletingDependents && node.owners.length === 0) return undefined;
    const latest = await live(node).catch(unlessNotFound);
    if (latest === undefined || latest.metadata.uid !== node.uid) {
      graph.remove(node.uid);
      return undefined;
    }
    if (node.deletingDependents) return finishForeground(node);
    const references = latest.metadata.ownerReferences ?? [];
    if (references.length === 0) return undefined;
    const solid: OwnerReference[] = [];
    const dangling: OwnerReference[] = [];
    const waiting: OwnerReference[] = [];
    for (const reference of references) {
      const owner = await ownerOf(node, reference);
      if (owner === undefined) dangling.push(reference);
      else if (isDeletingDependents(owner)) waiting.push(reference);
      else solid.push(reference);
    }
    if (solid.length > 0) {
      const useless = [...dangling, ...waiting].map((reference) => reference.uid);
      if (useless.length > 0) await removeOwners(objectsOf(node), node, useless);
      return lookAgainForUnseen(node, solid);
    }
    if (waiting.length > 0 && graph.hasDependents(node.uid)) {
      // A dependent that waits as well may wait for this one: a circle has to be broken somewhere.
      if (graph.dependentsOf(node.uid).some((dependent) => dependent.deletingDependents)) {
        await unblockOwners(objectsOf(node), latest);
      }
      await deleteObject(node, latest, "Foreground");
      return undefined;
    }
    const finalizers = latest.metadata.finalizers ?? [];
    const policy = finalizers.includes(FINALIZER_ORPHAN)
      ? "Orphan"
      : finalizers.includes(FINALIZER_FOREGROUND)
        ? "Foreground"
        : "Background";
    await deleteObject(node, latest, policy);
    return undefined;
  }

  /** An owner that lives but was never seen by a copy might go unnoticed: look again until it was. */
  function lookAgainForUnseen(node: Node, solid: readonly OwnerReference[]): SyncResult {
    if (solid.every(({ uid }) => graph.get(uid) !== undefined)) {
      unseen.delete(node.uid);
      return undefined;
    }
    const times = unseen.get(node.uid) ?? 0;
    unseen.set(node.uid, times + 1);
    return { again: Math.min(500 * 2 ** Math.min(times, 20), LONGEST_RETRY) };
  }

  async function deleteObject(
    node: Node,
    latest: KubeObject,
    propagationPolicy: "Orphan" | "Foreground" | "Background",
  ): Promise<void> {
    const { uid = "", resourceVersion = "" } = latest.metadata;
    const preconditions = { uid, resourceVersion };
    const gone = await objectsOf(node)
      .delete(node.name, { propagationPolicy, preconditions })
      .then(
        () => false,
        (error: unknown) => {
          if (hasReason(error, "NotFound")) return true;
          throw error;
        },
      );
    if (gone) graph.remove(node.uid);
  }

  async function finishForeground(node: Node): Promise<undefined> {
    const blocking = graph.blocking(node.uid);
    if (blocking.length === 0) await removeFinalizer(objectsOf(node), node, FINALIZER_FOREGROUND);
    for (const dependent of blocking) if (!dependent.deletingDependents) queue.add(dependent.uid);
    return undefined;
  }

  async function orphan(uid: string): Promise<undefined> {
    await ready;
    const node = graph.get(uid);
    if (node === undefined) return undefined;
    const results = await Promise.allSettled(
      graph
        .dependentsOf(uid)
        .map((dependent) => removeOwners(objectsOf(dependent), dependent, [uid]).catch(unlessNotFound)),
    );
    const failed = results.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    await removeFinalizer(objectsOf(node), node, FINALIZER_ORPHAN);
    return undefined;
  }

  /** Once the copies are complete. */
  let begin = () => {};
  const ready = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const { queue, finished } = startSync("garbage-collection", context, WORKERS, examine);
  const { queue: orphans, finished: orphansFinished } = startSync("garbage-orphans", context, WORKERS, orphan);
  signal.addEventListener("abort", () => begin(), { once: true });

  const refresh = async () => {
    const fresh = await monitors.refresh(signal);
    const deadline = new AbortController();
    const late = clock.sleep(FIRST_SYNC, deadline.signal).catch(() => undefined);
    const stop = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    await Promise.race([late, stop, Promise.all(fresh.map((informer) => informer.ready()))]);
    deadline.abort();
    begin();
  };
  const apiServices = informers.of(API_SERVICES);
  const changed = () => wake();
  await informers.ready(apiServices);
  apiServices.subscribe({ added: changed, updated: changed, deleted: changed });
  while (!signal.aborted) {
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    await refresh().catch((error: unknown) => {
      if (!signal.aborted) log.warn({ controller: "garbage-collection", error: String(error) }, "discovery failed");
    });
    const pause = new AbortController();
    const onAbort = () => pause.abort();
    signal.addEventListener("abort", onAbort, { once: true });
    await Promise.race([woken, clock.sleep(REDISCOVER, pause.signal).catch(() => undefined)]);
    pause.abort();
    signal.removeEventListener("abort", onAbort);
    await clock.sleep(SETTLE, signal).catch(() => undefined);
  }
  await Promise.all([finished, orphansFinished]);
  await monitors.stop();
};

/** A cluster-scoped object whose owner would be in a namespace. */
class ClusterScopedDependent extends Error {}

const print = ({ resource, namespace, name }: Node) =>
  `${resource.kind} ${namespace === "" ? "" : `${namespace}/`}${name}`;

function absentKey(node: Node, namespace: string): string {
  return JSON.stringify([node.apiVersion, node.resource.kind, namespace, node.name, node.uid]);
}

function about({ apiVersion, resource, namespace, name, uid }: Node): KubeObject {
  return { apiVersion, kind: resource.kind, metadata: { name, namespace, uid } };
}

function unlessNotFound(error: unknown): undefined {
  if (hasReason(error, "NotFound")) return undefined;
  throw error;
}

const unsupported = (error: unknown) => error instanceof StatusError && error.code === 415;

/** Takes owners out of an object's list. Resources without strategic merge get the whole list, of the version that was read. */
async function removeOwners(objects: ResourceClient, { name, uid }: Node, owners: readonly string[]): Promise<void> {
  try {
    const ownerReferences = owners.map((owner) => ({ $patch: "delete", uid: owner }));
    await objects.patch(name, "strategic", { metadata: { uid, ownerReferences } });
  } catch (error) {
    if (!unsupported(error)) throw error;
    await rewrite(objects, name, uid, ({ ownerReferences = [] }) => ({
      ownerReferences: ownerReferences.filter((reference) => !owners.includes(reference.uid)),
    }));
  }
}

async function unblockOwners(objects: ResourceClient, latest: KubeObject): Promise<void> {
  const { name = "", uid = "" } = latest.metadata;
  await rewrite(objects, name, uid, ({ ownerReferences = [] }) => ({
    ownerReferences: ownerReferences.map((reference) => ({ ...reference, blockOwnerDeletion: false })),
  }));
}

async function removeFinalizer(objects: ResourceClient, { name, uid }: Node, finalizer: string): Promise<void> {
  await rewrite(objects, name, uid, ({ finalizers = [] }) =>
    finalizers.includes(finalizer) ? { finalizers: finalizers.filter((one) => one !== finalizer) } : undefined,
  );
}

/** Changes metadata by a merge patch of the version it was read at; over again when somebody else was faster. An object that is gone is left so. */
async function rewrite(
  objects: ResourceClient,
  name: string,
  uid: string,
  change: (metadata: KubeObject["metadata"]) => KubeObject["metadata"] | undefined,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const object = await objects.get(name).catch(unlessNotFound);
    if (object === undefined || object.metadata.uid !== uid) return;
    const changed = change(object.metadata);
    if (changed === undefined) return;
    const { resourceVersion } = object.metadata;
    try {
      await objects.patch(name, "merge", { metadata: { ...changed, ...(resourceVersion && { resourceVersion }) } });
      return;
    } catch (error) {
      if (hasReason(error, "NotFound")) return;
      if (!hasReason(error, "Conflict") || attempt === ATTEMPTS) throw error;
    }
  }
}
