/** DELETE of one object: preconditions, grace, finalizers, and only then removal (spec: apiserver 2.8, 3.7). */
import type { KubeObject } from "../../api/meta.ts";
import { FINALIZER_FOREGROUND, FINALIZER_ORPHAN } from "../../api/object-meta.ts";
import { conflict, hasReason, methodNotAllowed, notFound, type Status } from "../../api/status.ts";
import { formatTime, parseTime } from "../../api/time.ts";
import { type Item, ObjectItem } from "../representation/item.ts";
import { negotiateFor, sendItem, sendSuccess } from "../representation/respond.ts";
import { admissionFor } from "./admission-calls.ts";
import { type Call, contextOf } from "./backend-context.ts";
import { type DeleteOptions, decodeDeleteOptions } from "./delete-options.ts";
import { type Decision, guaranteedUpdate, type UpdateOutcome } from "./guaranteed-update.ts";

/** The early check of upstream's BeforeDelete; it names the kind where others name the resource. */
function checkEarly(call: Call, options: DeleteOptions, object: KubeObject): void {
  const { uid, resourceVersion } = options.preconditions ?? {};
  const { group, kind } = call.endpoint.groupKind;
  const { metadata } = object;
  const refuse = (why: string) => conflict({ group, resource: kind }, metadata.name ?? "", why);
  if (uid !== undefined && uid !== metadata.uid) {
    throw refuse(
      `the UID in the precondition (${uid}) does not match the UID in record (${metadata.uid}). The object might have been deleted and then recreated`,
    );
  }
  if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion) {
    throw refuse(
      `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${metadata.resourceVersion}). The object might have been modified`,
    );
  }
}

/** The finalizers after the propagation policy was applied to them; undefined when they stay as they are. */
function finalizersFor(call: Call, options: DeleteOptions, object: KubeObject): string[] | undefined {
  const current = object.metadata.finalizers ?? [];
  const { orphanDependents, propagationPolicy } = options;
  let policy: string;
  if (orphanDependents !== undefined) policy = orphanDependents ? "Orphan" : "Background";
  else if (propagationPolicy !== undefined) policy = propagationPolicy;
  else {
    const said = current.find((name) => name === FINALIZER_ORPHAN || name === FINALIZER_FOREGROUND);
    if (said === FINALIZER_ORPHAN) policy = "Orphan";
    else if (said === FINALIZER_FOREGROUND) policy = "Foreground";
    else policy = call.endpoint.definition.strategy.defaultPropagationPolicy ?? "Background";
  }
  const wanted = current.filter((name) => name !== FINALIZER_ORPHAN && name !== FINALIZER_FOREGROUND);
  if (policy === "Orphan") wanted.push(FINALIZER_ORPHAN);
  if (policy === "Foreground") wanted.push(FINALIZER_FOREGROUND);
  const same = wanted.length === current.length && wanted.every((name) => current.includes(name));
  return same ? undefined : wanted;
}

type Grace = "none" | "begins" | "pending";

/** Decides about grace and, when it begins or is shortened, sets it (upstream's BeforeDelete). */
function applyGrace(call: Call, options: DeleteOptions, object: KubeObject): Grace {
  const { metadata } = object;
  const { strategy } = call.endpoint.definition;
  const asked =
    options.gracePeriodSeconds !== undefined && options.gracePeriodSeconds < 0 ? 1 : options.gracePeriodSeconds;
  if (strategy.gracePeriodSeconds === undefined) return "none";
  const now = call.backing.clock.now();
  if (metadata.deletionTimestamp) {
    const running = metadata.deletionGracePeriodSeconds ?? 0;
    if (running === 0) return "none";
    if (asked === undefined || asked >= running) return "pending";
    const began = (parseTime(metadata.deletionTimestamp) ?? now) - running * 1000;
    let ends = began + asked * 1000;
    let period = asked;
    if (ends < now) {
      ends = now;
      if (period !== 0) period = 1;
    }
    metadata.deletionTimestamp = formatTime(ends);
    metadata.deletionGracePeriodSeconds = period;
    return "begins";
  }
  const grace = strategy.gracePeriodSeconds(object, asked);
  if (grace === undefined) return "none";
  metadata.deletionTimestamp = formatTime(now + grace * 1000);
  metadata.deletionGracePeriodSeconds = grace;
  if ((metadata.generation ?? 0) > 0) metadata.generation! += 1;
  return "begins";
}

/** Deletion has begun and waits for finalizers. */
function markAsDeleting(object: KubeObject, now: number): void {
  const { metadata } = object;
  if (!metadata.deletionTimestamp && (metadata.generation ?? 0) > 0) metadata.generation! += 1;
  if (!metadata.deletionTimestamp || (parseTime(metadata.deletionTimestamp) ?? 0) > now) {
    metadata.deletionTimestamp = formatTime(now);
  }
  metadata.deletionGracePeriodSeconds = 0;
}

export interface Deletion {
  readonly item: Item;
  /** The object is gone, and not merely on its way. */
  readonly removed: boolean;
  /** Whether the answer is the object even for kinds that answer with a Status: its deletion has begun. */
  readonly showObject: boolean;
}

/** Stores what `mark` writes into the object, and answers with the options that then hold for its deletion. */
async function markFirst(
  call: Call,
  options: DeleteOptions,
  mark: (object: KubeObject) => void,
): Promise<DeleteOptions> {
  const { item } = await guaranteedUpdate(call, { dryRun: false }, async (old) => {
    const object = old!;
    checkEarly(call, options, object);
    mark(object);
    return { action: "store", object };
  });
  const { preconditions } = options;
  if (preconditions?.resourceVersion === undefined) return options;
  const { resourceVersion } = item.object().metadata;
  return { ...options, preconditions: { ...preconditions, ...(resourceVersion && { resourceVersion }) } };
}

/** Deletes the object of the call's name; first `mark` may note in it why. Throws 404, and 409 when a precondition does not hold. */
export async function deleteStored(
  call: Call,
  given: DeleteOptions,
  mark?: (object: KubeObject) => void,
): Promise<Deletion> {
  const marks = mark !== undefined && given.dryRun.length === 0;
  const options = marks ? await markFirst(call, given, mark) : given;
  const { endpoint, backing } = call;
  const { strategy } = endpoint.definition;
  const dryRun = options.dryRun.length > 0;
  const admission = admissionFor(call, "DELETE", dryRun);
  let graceIsOver = false;
  let pending = false;
  const decide = async (object: KubeObject): Promise<Decision> => {
    graceIsOver = false;
    pending = false;
    checkEarly(call, options, object);
    await admission.admit(undefined, object);
    await admission.validate(undefined, object);
    if (strategy.beginDelete?.(object, contextOf(call, dryRun))) {
      object.metadata.deletionTimestamp ??= formatTime(backing.clock.now());
      const finalizers = finalizersFor(call, options, object);
      if (finalizers !== undefined) object.metadata.finalizers = finalizers;
      return { action: "store", object };
    }
    const grace = applyGrace(call, options, object);
    if (grace === "pending") {
      pending = true;
      return { action: "nothing" };
    }
    const finalizers = finalizersFor(call, options, object);
    if (finalizers !== undefined) object.metadata.finalizers = finalizers;
    const held = (object.metadata.finalizers ?? []).length > 0;
    if (grace === "begins") {
      graceIsOver = object.metadata.deletionGracePeriodSeconds === 0 && !held;
      return { action: "store", object };
    }
    if (!held) return { action: "remove" };
    markAsDeleting(object, backing.clock.now());
    return { action: "store", object };
  };
  const first = await guaranteedUpdate(call, { dryRun }, (old) => decide(old!));
  if (!graceIsOver) {
    const removed = first.outcome === "removed";
    return { item: first.item, removed, showObject: !removed && !pending };
  }
  // A grace of zero: others saw the deletion begin, now it happens.
  if (dryRun) return { item: first.item, removed: true, showObject: false };
  let second: UpdateOutcome;
  try {
    const { uid } = options.preconditions ?? {};
    second = await guaranteedUpdate(
      call,
      { dryRun, preconditions: uid === undefined ? undefined : { uid } },
      async () => ({
        action: "remove",
      }),
    );
  } catch (error) {
    if (!hasReason(error, "NotFound")) throw error;
    second = first;
  }
  return { item: second.item, removed: true, showObject: false };
}

/** The Success Status that says what was deleted. */
export function deletedStatus(call: Call, object: KubeObject): Status {
  const { group, resource } = call.endpoint.groupResource;
  const { name, uid } = object.metadata;
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
    details: { ...(name && { name }), ...(group !== "" && { group }), kind: resource, ...(uid && { uid }) },
  };
}

async function deleteVirtual(call: Call, options: DeleteOptions): Promise<Deletion> {
  const { endpoint } = call;
  if (endpoint.virtual?.delete === undefined) throw methodNotAllowed();
  const dryRun = options.dryRun.length > 0;
  const admission = admissionFor(call, "DELETE", dryRun);
  const old = await endpoint.virtual.get?.(contextOf(call, dryRun));
  if (old !== undefined) checkEarly(call, options, old);
  else if (endpoint.virtual.get !== undefined) throw notFound(endpoint.groupResource, call.name);
  await admission.admit(undefined, old);
  await admission.validate(undefined, old);
  const object = await endpoint.virtual.delete(contextOf(call, dryRun));
  const shown = object ?? old ?? { metadata: { name: call.name } };
  return { item: new ObjectItem(endpoint, shown), removed: true, showObject: false };
}

export async function deleteOne(call: Call): Promise<void> {
  const { endpoint, exchange } = call;
  const representation = negotiateFor(exchange, endpoint);
  const options = await decodeDeleteOptions(exchange);
  const { item, removed, showObject } = await (endpoint.virtual === undefined
    ? deleteStored(call, options)
    : deleteVirtual(call, options));
  const code = !removed && options.orphanDependents === false ? 202 : 200;
  if (showObject || endpoint.definition.strategy.returnsDeletedObject) {
    await sendItem(exchange, representation, code, item, call.backing.clock.now());
  } else {
    await sendSuccess(exchange, representation, code, deletedStatus(call, item.object()));
  }
}
