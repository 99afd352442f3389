/** Writes and their managers as kube-apiserver chains them: from whole objects with `managedFields` to whole objects with `managedFields` (spec: apiserver 5.5). */

import { stringifySorted } from "../json/canonical.ts";
import { cloneJSON, copyObject, isObject } from "../json/object.ts";
import { parseJSONText } from "../json/parse.ts";
import type { JSONObject, KubeObject, ManagedFieldsEntry } from "../meta.ts";
import { formatTime } from "../time.ts";
import { compare } from "./compare.ts";
import { conflictError } from "./conflict.ts";
import { EMPTY, type FieldSet, FieldSetBuilder } from "./field-set.ts";
import { fieldsOf } from "./fields-of.ts";
import {
  decodeManaged,
  encodeManaged,
  isReset,
  ManagedFieldsError,
  type ManagerName,
  type Owners,
  sameOwners,
} from "./managed.ts";
import { afterUpdate, applied, Conflicts, type Write } from "./owners.ts";
import { ElementError, type MapShape } from "./shape.ts";

/** Owns what was there before anybody applied. */
const BEFORE_FIRST_APPLY = "before-first-apply";
/** kubectl's own record of what it applied, from the days when the client did it. */
const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";
/** Upstream's bound on all annotations of an object. */
const ANNOTATIONS_LIMIT = 256 * 1024;

export interface ManagedWrite {
  readonly shape: MapShape;
  readonly apiVersion: string;
  readonly subresource: string;
  readonly manager: string;
  /** Milliseconds. */
  readonly now: number;
  /** Fields that this endpoint resets. */
  readonly ignored: FieldSet;
}

function writeOf(write: ManagedWrite, operation: "Apply" | "Update", manager = write.manager): Write {
  const { shape, apiVersion, subresource, ignored } = write;
  const name: ManagerName = { manager: manager === "" ? "unknown" : manager, operation, apiVersion, subresource };
  return { shape, ignored, manager: name, now: formatTime(write.now) };
}

/** The object without `managedFields`; shares everything else. */
function bare(object: KubeObject): JSONObject {
  const { metadata, ...rest } = object;
  const { managedFields: _, ...meta } = metadata;
  return { ...rest, metadata: meta as JSONObject };
}

/** undefined for entries that no server writes. */
export function decoded(entries: readonly ManagedFieldsEntry[] | undefined): Owners | undefined {
  try {
    return decodeManaged(entries);
  } catch (error) {
    if (error instanceof ManagedFieldsError) return undefined;
    throw error;
  }
}

function setOwners(object: KubeObject, owners: Owners): void {
  const entries = encodeManaged(owners);
  if (entries === undefined) delete object.metadata.managedFields;
  else object.metadata.managedFields = entries;
}

/** The owners a write starts from: those the client wrote down, else those of the stored object. */
function startingOwners(write: ManagedWrite, object: KubeObject, old: KubeObject): Owners {
  const stored = () => decoded(old.metadata.managedFields) ?? new Map();
  if (write.subresource !== "") return stored();
  const { managedFields } = object.metadata;
  if (isReset(managedFields)) return new Map();
  const given = decoded(managedFields);
  return given === undefined || given.size === 0 ? stored() : given;
}

/**
 * Notes in `object` who changed what against `old`. An object that was never applied has no owners and gets none; whoever applies to it first
 * finds all of it owned by `before-first-apply`.
 */
export function trackUpdate(write: ManagedWrite, object: KubeObject, old: KubeObject): void {
  const owners = startingOwners(write, object, old);
  if (owners.size === 0) {
    delete object.metadata.managedFields;
    return;
  }
  try {
    const after = afterUpdate(writeOf(write, "Update"), bare(old), bare(object), owners);
    // Times alone are no change.
    const before = decoded(old.metadata.managedFields);
    if (before !== undefined && sameOwners(before, after)) object.metadata.managedFields = old.metadata.managedFields!;
    else setOwners(object, after);
  } catch (error) {
    if (!(error instanceof ElementError)) throw error;
    // Elements that cannot be told apart: nobody can say who owns them.
    delete object.metadata.managedFields;
  }
}

/** Whom an apply meets: those noted in the object, or, before the first, one owner of all that is there. Throws a ManagedFieldsError. */
export function ownersOf(write: ManagedWrite, live: KubeObject): Owners {
  const owners = decodeManaged(live.metadata.managedFields);
  if (owners.size > 0) return owners;
  const current = bare(live);
  return afterUpdate(writeOf(write, "Update", BEFORE_FIRST_APPLY), empty(current), current, owners);
}

export interface ApplyOutcome {
  /** As applied, without defaults; undefined when the live object has all of it already. */
  readonly object: JSONObject | undefined;
  /** For `metadata.managedFields` of the result. */
  readonly owners: Owners;
}

/** Applies `config` to `live`. Throws 409 with a cause for each field that another manager owns with another value, unless `force`. */
export function applyConfiguration(
  write: ManagedWrite,
  live: KubeObject,
  config: JSONObject,
  force: boolean,
): ApplyOutcome {
  const current = bare(live);
  const outcome = attempt(write, current, config, ownersOf(write, live), force);
  if (write.manager === "kubectl") rewriteLastApplied(outcome.object ?? current, config);
  return outcome;
}

const empty = ({ apiVersion, kind }: JSONObject): JSONObject => ({
  apiVersion: apiVersion!,
  kind: kind!,
  metadata: {},
});

function attempt(
  write: ManagedWrite,
  live: JSONObject,
  config: JSONObject,
  owners: Owners,
  force: boolean,
): ApplyOutcome {
  const run = (forced: boolean) => {
    const { object, owners: after } = applied(writeOf(write, "Apply"), live, config, owners, forced);
    return { object: object as JSONObject | undefined, owners: after };
  };
  try {
    return run(force);
  } catch (error) {
    if (!(error instanceof Conflicts)) throw error;
    const allowed = write.manager === "kubectl" ? allowedByLastApplied(write, live) : EMPTY;
    const left = error.conflicts.filter(({ path }) => !allowed.has(path));
    if (left.length > 0) throw conflictError(new Conflicts(left));
    return run(true);
  }
}

/** What kubectl applied from the client and nobody changed since is kubectl's, whoever is said to own it. */
function allowedByLastApplied({ shape, apiVersion }: ManagedWrite, live: JSONObject): FieldSet {
  const text = annotationsOf(live)?.[LAST_APPLIED];
  if (typeof text !== "string" || text === "") return EMPTY;
  try {
    const { value } = parseJSONText(text);
    if (!isObject(value) || value["apiVersion"] !== apiVersion) return EMPTY;
    const { added, modified, removed } = compare(shape, value, live);
    return fieldsOf(shape, value).difference(modified).difference(added).difference(removed);
  } catch {
    return EMPTY;
  }
}

function annotationsOf(object: JSONObject): JSONObject | undefined {
  const metadata = object["metadata"];
  const annotations = isObject(metadata) ? metadata["annotations"] : undefined;
  return isObject(annotations) ? annotations : undefined;
}

/** kubectl's annotation follows what kubectl applies, so that the client may apply again; one that no longer fits goes. */
function rewriteLastApplied(object: JSONObject, config: JSONObject): void {
  const annotations = annotationsOf(object);
  const held = annotations?.[LAST_APPLIED];
  if (annotations === undefined || typeof held !== "string" || held === "") return;
  const record = cloneJSON(config) as JSONObject;
  const own = annotationsOf(record);
  if (own !== undefined) delete own[LAST_APPLIED];
  const rewritten = copyObject(annotations);
  rewritten[LAST_APPLIED] = `${stringifySorted(record)}\n`;
  const size = Object.entries(rewritten).reduce((sum, [key, value]) => sum + key.length + String(value).length, 0);
  if (size > ANNOTATIONS_LIMIT) delete rewritten[LAST_APPLIED];
  const metadata = copyObject(object["metadata"] as JSONObject);
  metadata["annotations"] = rewritten;
  object["metadata"] = metadata;
}

/** Every field of `names` and all below. */
export function wholeFields(...names: readonly (readonly string[])[]): FieldSet {
  const builder = new FieldSetBuilder();
  for (const name of names) builder.addPath(name.map((part) => `f:${part}`));
  return builder.done();
}
