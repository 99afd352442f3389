/** Changing a stored object, whoever says how: PUT, PATCH, `status`, `scale` and `finalize` all come through here (spec: apiserver 2.9). */

import { trackUpdate } from "../../api/apply/field-manager.ts";
import { append, invalidValue } from "../../api/field-errors.ts";
import { goQuote } from "../../api/go-quote.ts";
import { apiVersionOf, type KubeObject } from "../../api/meta.ts";
import { pathSegment } from "../../api/names.ts";
import { validateObjectMeta, validateObjectMetaUpdate } from "../../api/object-meta.ts";
import { conflict, internalError, invalid, methodNotAllowed, notFound, OPTIMISTIC_LOCK } from "../../api/status.ts";
import type { AuthorizationAttributes } from "../authorization.ts";
import { forbiddenStatus } from "../filters/authorization.ts";
import type { Endpoint } from "../representation/endpoint.ts";
import { ObjectItem } from "../representation/item.ts";
import type { Strategy } from "../resource.ts";
import type { WriteOptions } from "../write-options.ts";
import { admissionFor } from "./admission-calls.ts";
import { type Call, contextOf } from "./backend-context.ts";
import { beforeCreate } from "./create.ts";
import { dedupOwnerReferences, ensureNamespace } from "./decode-body.ts";
import {
  checkPreconditions,
  type Decision,
  guaranteedUpdate,
  type Preconditions,
  type UpdateOutcome,
} from "./guaranteed-update.ts";
import { resetFieldsOf } from "./reset-fields.ts";
import { fillSystemFields } from "./system-metadata.ts";

export interface ObjectChange {
  readonly strategy: Strategy;
  readonly options: WriteOptions;
  readonly preconditions?: Preconditions | undefined;
  /** A missing object is created. */
  readonly mayCreate: boolean;
  /** `wanted` has noted who owns what. */
  readonly tracked?: boolean;
  /** The object as it shall be, a new one each time; `old` must stay as it is. */
  wanted(old: KubeObject | undefined): Promise<KubeObject> | KubeObject;
  /** What admission sees when it is not the stored object itself (`scale`). */
  seenByAdmission?(object: KubeObject): KubeObject;
}

const hasText = (text: string | undefined) => text !== undefined && text !== "" && text !== "0";

/** The rule of the resourceVersion: another one than the stored is a conflict; none overwrites where the kind allows it. */
function checkResourceVersion(call: Call, strategy: Strategy, object: KubeObject, old: KubeObject): void {
  const { endpoint, name } = call;
  const given = object.metadata.resourceVersion;
  const { group, resource } = endpoint.groupResource;
  if (!hasText(given)) {
    if (strategy.allowUnconditionalUpdate === false) {
      const error = invalidValue("metadata.resourceVersion", 0, "must be specified for an update");
      throw invalid({ group, kind: resource }, name, [error]);
    }
    object.metadata.resourceVersion = old.metadata.resourceVersion!;
    return;
  }
  if (!/^[0-9]+$/.test(given!)) {
    const detail = `strconv.ParseUint: parsing ${goQuote(given!)}: invalid syntax`;
    throw invalid({ group, kind: resource }, name, [invalidValue("metadata.resourceVersion", given, detail)]);
  }
  if (given !== old.metadata.resourceVersion) throw conflict(endpoint.groupResource, name, OPTIMISTIC_LOCK);
}

function keep<K extends keyof KubeObject["metadata"]>(object: KubeObject, old: KubeObject, field: K): void {
  if (old.metadata[field] === undefined) delete object.metadata[field];
  else object.metadata[field] = old.metadata[field];
}

/** The kind's rules before an update (upstream's BeforeUpdate). Throws 422. */
export async function beforeUpdate(
  call: Call,
  strategy: Strategy,
  object: KubeObject,
  old: KubeObject,
  dryRun: boolean,
): Promise<void> {
  const { endpoint } = call;
  const { metadata } = object;
  const context = contextOf(call, dryRun);
  ensureNamespace(call, object);
  keep(object, old, "generation");
  strategy.prepareForUpdate?.(object, old, context);
  delete metadata.selfLink;
  if (!metadata.uid) keep(object, old, "uid");
  keep(object, old, "creationTimestamp");
  if (old.metadata.deletionTimestamp) keep(object, old, "deletionTimestamp");
  if (old.metadata.deletionGracePeriodSeconds !== undefined)
    metadata.deletionGracePeriodSeconds ??= old.metadata.deletionGracePeriodSeconds;
  const rules = { namespaced: endpoint.definition.namespaced, nameRule: pathSegment };
  const errors = [
    ...validateObjectMeta(metadata, rules),
    ...validateObjectMetaUpdate(metadata, old.metadata),
    ...(strategy.validateUpdate?.(object, old, context) ?? []),
  ];
  append(errors, (await strategy.validateRules?.(object, old, errors, context)) ?? []);
  const seen = new Set<string>();
  const distinct = errors.filter(
    ({ field, message }) => !seen.has(`${field}\0${message}`) && seen.add(`${field}\0${message}`),
  );
  if (distinct.length > 0) throw invalid(endpoint.groupKind, metadata.name ?? "", distinct);
  for (const warning of strategy.warningsOnUpdate?.(object, old) ?? []) call.exchange.warn(warning);
}

/** Whether this update removes the last thing that held a deleted object back. */
function releases(endpoint: Endpoint, object: KubeObject, old: KubeObject): boolean {
  if ((object.metadata.finalizers ?? []).length > 0 || !old.metadata.deletionTimestamp) return false;
  if ((old.metadata.deletionGracePeriodSeconds ?? 0) !== 0) return false;
  return endpoint.definition.strategy.shouldDeleteOnUpdate?.(object, old) ?? true;
}

async function authorizeCreate(call: Call): Promise<void> {
  const { authorizer } = call.backing;
  if (authorizer === undefined) {
    throw internalError("no authorizer provided, unable to authorize a create on update");
  }
  const { definition } = call.endpoint;
  const attributes: AuthorizationAttributes = {
    user: call.exchange.user,
    verb: "create",
    isResourceRequest: true,
    group: definition.group,
    version: definition.version,
    resource: definition.plural,
    subresource: call.subresource,
    namespace: call.namespace,
    name: call.name,
    path: call.exchange.info.path,
  };
  const decision = await authorizer.authorize(attributes);
  if (decision.verdict === "Allow") return;
  if (decision.error !== undefined) throw internalError(decision.error.message);
  throw forbiddenStatus(attributes, decision.reason);
}

function trackManagers(call: Call, change: ObjectChange, object: KubeObject, old: KubeObject | undefined): void {
  if (change.tracked === true) return;
  if (old === undefined) {
    delete object.metadata.managedFields;
    return;
  }
  const { codec } = call.endpoint.definition;
  if (codec.shape === undefined) {
    // Nobody can tell what changed, so the field stays what it was.
    if (old.metadata.managedFields === undefined) delete object.metadata.managedFields;
    else object.metadata.managedFields = old.metadata.managedFields;
    return;
  }
  if (old.metadata.managedFields === undefined && object.metadata.managedFields === undefined) return;
  const write = {
    shape: codec.shape(),
    apiVersion: apiVersionOf(codec.kind),
    subresource: call.subresource,
    manager: change.options.fieldManager,
    now: call.backing.clock.now(),
    ignored: resetFieldsOf(call, change.strategy),
  };
  trackUpdate(write, object, old);
}

/** Creates what a PUT did not find, where the kind allows it. */
async function decideCreate(call: Call, change: ObjectChange): Promise<Decision> {
  const { dryRun } = change.options;
  const object = await change.wanted(undefined);
  dedupOwnerReferences(call, object);
  trackManagers(call, change, object, undefined);
  const admission = admissionFor(call, "CREATE", dryRun);
  await admission.admit(object, undefined);
  dedupOwnerReferences(call, object, true);
  fillSystemFields(object.metadata, call.backing.clock, call.backing.random);
  await beforeCreate(call, change.strategy, object, dryRun);
  await authorizeCreate(call);
  await admission.validate(object, undefined);
  return { action: "store", object };
}

async function decideUpdate(call: Call, change: ObjectChange, old: KubeObject): Promise<Decision> {
  const { dryRun } = change.options;
  const { strategy, seenByAdmission = (seen: KubeObject) => seen } = change;
  const object = await change.wanted(old);
  dedupOwnerReferences(call, object);
  trackManagers(call, change, object, old);
  const admission = admissionFor(call, "UPDATE", dryRun);
  await admission.admit(seenByAdmission(object), seenByAdmission(old));
  dedupOwnerReferences(call, object, true);
  checkResourceVersion(call, strategy, object, old);
  await beforeUpdate(call, strategy, object, old, dryRun);
  await admission.validate(seenByAdmission(object), seenByAdmission(old));
  if (releases(call.endpoint, object, old)) return { action: "remove", object };
  return { action: "store", object };
}

/** Applies `change` to the object of the call's name, in the store or through the functions that serve it. */
export async function updateObject(call: Call, change: ObjectChange): Promise<UpdateOutcome> {
  const { endpoint } = call;
  if (endpoint.virtual !== undefined) return updateVirtual(call, change);
  const { preconditions, mayCreate, options } = change;
  return guaranteedUpdate(call, { dryRun: options.dryRun, preconditions, mayCreate }, (old) =>
    old === undefined ? decideCreate(call, change) : decideUpdate(call, change, old),
  );
}

async function updateVirtual(call: Call, change: ObjectChange): Promise<UpdateOutcome> {
  const { endpoint } = call;
  const { virtual } = endpoint;
  const { dryRun } = change.options;
  if (virtual?.update === undefined) throw methodNotAllowed();
  const context = contextOf(call, dryRun);
  const old = await virtual.get?.(context);
  if (old === undefined && !change.mayCreate) throw notFound(endpoint.groupResource, call.name);
  checkPreconditions(call, change.preconditions, old);
  if (old === undefined) {
    const decision = await decideCreate(call, change);
    if (decision.action !== "store") throw notFound(endpoint.groupResource, call.name);
    return {
      item: new ObjectItem(endpoint, await virtual.update(context, decision.object, undefined)),
      outcome: "created",
    };
  }
  const object = await change.wanted(old);
  const admission = admissionFor(call, "UPDATE", dryRun);
  await admission.admit(object, old);
  if (old.metadata.resourceVersion) checkResourceVersion(call, change.strategy, object, old);
  // Functions answer with what they have: what they leave out of metadata is not held against the client.
  change.strategy.prepareForUpdate?.(object, old, context);
  const errors = change.strategy.validateUpdate?.(object, old, context) ?? [];
  append(errors, (await change.strategy.validateRules?.(object, old, errors, context)) ?? []);
  if (errors.length > 0) throw invalid(endpoint.groupKind, call.name, errors);
  await admission.validate(object, old);
  return { item: new ObjectItem(endpoint, await virtual.update(context, object, old)), outcome: "stored" };
}
