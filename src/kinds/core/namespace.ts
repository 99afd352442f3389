/** Namespace: a scope for names, whose deletion has two steps (spec: apiserver 3.6). */
import { invalidValue } from "../../api/field-errors.ts";
import { dns1123Label, qualifiedName } from "../../api/names.ts";
import { validateBuiltinFinalizers } from "../../api/object-meta.ts";
import type { FieldError } from "../../api/status.ts";
import { formatTime } from "../../api/time.ts";
import type { ResourceDefinition, Strategy } from "../../server/resource.ts";
import { AGE_COLUMN, age, column, NAME_COLUMN } from "../columns.ts";
import { defineKind, keep, STATUS_VERBS, statusSubresource } from "../define.ts";
import type { Namespace } from "../generated/types.ts";
import { deepCopy } from "../semantic.ts";

/** The finalizer whose owner empties the namespace. */
export const KUBERNETES_FINALIZER = "kubernetes";
/** The label every namespace carries. */
export const NAME_LABEL = "kubernetes.io/metadata.name";

function setDefaults(object: Namespace): void {
  const name = object.metadata.name ?? "";
  // A name that is still to be generated gets its label in prepareForCreate.
  if (name !== "") labelWithName(object, name);
  object.spec ??= {};
  object.status ??= {};
  object.status.phase ||= "Active";
}

function labelWithName(object: Namespace, name: string): void {
  object.metadata.labels ??= {};
  object.metadata.labels[NAME_LABEL] = name;
}

function finalizerErrors(names: readonly string[] | undefined, path: (index: number) => string): FieldError[] {
  return (names ?? []).flatMap((name, index) => [
    ...qualifiedName(name).map((message) => invalidValue(path(index), name, message)),
    ...validateBuiltinFinalizers([name], path(index)),
  ]);
}

function validate(object: Namespace): FieldError[] {
  return finalizerErrors(object.spec?.finalizers, () => "spec.finalizers");
}

const strategy: Strategy<Namespace> = {
  returnsDeletedObject: true,
  setDefaults,
  prepareForCreate(object) {
    labelWithName(object, object.metadata.name ?? "");
    object.status = { phase: "Active" };
    const finalizers = object.spec?.finalizers ?? [];
    object.spec = { ...object.spec, finalizers };
    if (!finalizers.includes(KUBERNETES_FINALIZER)) finalizers.push(KUBERNETES_FINALIZER);
  },
  validate,
  prepareForUpdate(object, old) {
    keep(object, old, "status");
    object.spec ??= {};
    if (old.spec?.finalizers === undefined) delete object.spec.finalizers;
    else object.spec.finalizers = deepCopy(old.spec.finalizers);
  },
  validateUpdate: validate,
  /** The first delete only starts the end: phase Terminating, and the finalizers in the spec hold the object. */
  beginDelete(object, context) {
    if (!object.metadata.deletionTimestamp) {
      object.metadata.deletionTimestamp = formatTime(context.clock.now());
      object.status = { ...object.status, phase: "Terminating" };
      return true;
    }
    return (object.spec?.finalizers ?? []).length > 0;
  },
  shouldDeleteOnUpdate(object) {
    const { deletionTimestamp, deletionGracePeriodSeconds, finalizers } = object.metadata;
    return (
      (object.spec?.finalizers ?? []).length === 0 &&
      Boolean(deletionTimestamp) &&
      (finalizers ?? []).length === 0 &&
      (deletionGracePeriodSeconds ?? 0) === 0
    );
  },
};

const statusStrategy: Strategy<Namespace> = {
  setDefaults,
  prepareForUpdate: (object, old) => keep(object, old, "spec"),
  validateUpdate(object) {
    const phase = object.status?.phase ?? "";
    const deleted = Boolean(object.metadata.deletionTimestamp);
    if (phase === (deleted ? "Terminating" : "Active")) return [];
    const detail = deleted
      ? "may only be 'Terminating' if `deletionTimestamp` is not empty"
      : "may only be 'Active' if `deletionTimestamp` is empty";
    return [invalidValue("status.Phase", phase, detail)];
  },
  ...(strategy.shouldDeleteOnUpdate && { shouldDeleteOnUpdate: strategy.shouldDeleteOnUpdate }),
};

const finalizeStrategy: Strategy<Namespace> = {
  setDefaults,
  prepareForUpdate: (object, old) => keep(object, old, "status"),
  validateUpdate: (object) => finalizerErrors(object.spec?.finalizers, (index) => `spec.finalizers[${index}]`),
  ...(strategy.shouldDeleteOnUpdate && { shouldDeleteOnUpdate: strategy.shouldDeleteOnUpdate }),
};

export function namespaces(): ResourceDefinition<Namespace> {
  return defineKind<Namespace>({
    group: "",
    version: "v1",
    kind: "Namespace",
    namespaced: false,
    shortNames: ["ns"],
    verbs: ["create", "delete", "get", "list", "patch", "update", "watch"],
    nameRule: dns1123Label,
    strategy,
    fields: {
      "status.phase": (object) => object.status?.phase ?? "",
      name: (object) => object.metadata.name ?? "",
    },
    subresources: [
      { name: "finalize", verbs: ["update"], strategy: finalizeStrategy },
      { ...statusSubresource(statusStrategy), verbs: STATUS_VERBS },
    ],
    table: {
      columns: [NAME_COLUMN, column("Status", "The phase of the namespace."), AGE_COLUMN],
      cells: (object, now) => [object.metadata.name ?? "", object.status?.phase ?? "", age(object, now)],
    },
  });
}
