/** The rules of ObjectMeta on create and update (spec: apiserver 3.2). */
import {
  append,
  at,
  type FieldError,
  forbiddenField,
  invalidValue,
  Printed,
  required,
  tooLong,
} from "./field-errors.ts";
import { goQuote, isPrintable } from "./go-quote.ts";
import { stringifyJSON } from "./json/encode.ts";
import { encodeUTF8, sortKeys, utf8Length } from "./json/utf8.ts";
import type { ManagedFieldsEntry, ObjectMeta, OwnerReference } from "./meta.ts";
import { dns1123Label, labelValue, qualifiedName } from "./names.ts";
import { MAX_CAUSES } from "./status.ts";

/** Keys and values of all annotations together, in bytes. */
export const MAX_ANNOTATIONS_BYTES = 256 * 1024;
export const FINALIZER_ORPHAN = "orphan";
export const FINALIZER_FOREGROUND = "foregroundDeletion";

export interface ObjectMetaRules {
  readonly namespaced: boolean;
  nameRule(name: string, prefix: boolean): string[];
}

/** Checks the metadata of an object to be created; its name has been generated already. */
export function validateObjectMeta(meta: ObjectMeta, rules: ObjectMetaRules, path = "metadata"): FieldError[] {
  const errors: FieldError[] = [];
  const generateName = meta.generateName ?? "";
  const name = meta.name ?? "";
  if (generateName !== "") {
    for (const message of rules.nameRule(generateName, true)) {
      errors.push(invalidValue(`${path}.generateName`, generateName, message));
    }
  }
  if (name === "") errors.push(required(`${path}.name`, "name or generateName is required"));
  else for (const message of rules.nameRule(name, false)) errors.push(invalidValue(`${path}.name`, name, message));
  const namespace = meta.namespace ?? "";
  if (rules.namespaced) {
    if (namespace === "") errors.push(required(`${path}.namespace`));
    else
      for (const message of dns1123Label(namespace)) errors.push(invalidValue(`${path}.namespace`, namespace, message));
  } else if (namespace !== "") {
    errors.push(forbiddenField(`${path}.namespace`, "not allowed on this type"));
  }
  if ((meta.generation ?? 0) < 0) {
    errors.push(invalidValue(`${path}.generation`, meta.generation, "must be greater than or equal to 0"));
  }
  append(errors, validateLabels(meta.labels, `${path}.labels`));
  append(errors, validateAnnotations(meta.annotations, `${path}.annotations`));
  append(errors, validateOwnerReferences(meta.ownerReferences, `${path}.ownerReferences`));
  append(errors, validateFinalizers(meta.finalizers, `${path}.finalizers`));
  append(errors, validateManagedFields(meta.managedFields, `${path}.managedFields`));
  return errors;
}

/** Checks changed metadata against the stored one. Both have their resourceVersion set. */
export function validateObjectMetaUpdate(meta: ObjectMeta, old: ObjectMeta, path = "metadata"): FieldError[] {
  const errors: FieldError[] = [];
  if (old.deletionTimestamp) {
    const before = new Set(old.finalizers);
    const added = sortKeys([...new Set(meta.finalizers)].filter((name) => !before.has(name)));
    if (added.length > 0) {
      const list = `[]string{${added.map(goQuote).join(", ")}}`;
      const detail = `no new finalizers can be added if the object is being deleted, found new finalizers ${list}`;
      errors.push(forbiddenField(`${path}.finalizers`, detail));
    }
  }
  if (!meta.resourceVersion)
    errors.push(invalidValue(`${path}.resourceVersion`, "", "must be specified for an update"));
  if ((meta.generation ?? 0) < (old.generation ?? 0)) {
    errors.push(invalidValue(`${path}.generation`, meta.generation ?? 0, "must not be decremented"));
  }
  for (const field of ["name", "namespace", "uid"] as const) {
    if ((meta[field] ?? "") !== (old[field] ?? "")) {
      errors.push(invalidValue(`${path}.${field}`, meta[field] ?? "", "field is immutable"));
    }
  }
  for (const field of ["creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] as const) {
    if ((meta[field] ?? null) !== (old[field] ?? null)) {
      const value = meta[field] ?? null;
      // Go prints times and pointers as JSON, whose strings are not escaped the way %q does.
      errors.push(invalidValue(`${path}.${field}`, new Printed(stringifyJSON(value)), "field is immutable"));
    }
  }
  append(errors, validateLabels(meta.labels, `${path}.labels`));
  append(errors, validateAnnotations(meta.annotations, `${path}.annotations`));
  append(errors, validateOwnerReferences(meta.ownerReferences, `${path}.ownerReferences`));
  append(errors, validateManagedFields(meta.managedFields, `${path}.managedFields`));
  return errors;
}

export function validateLabels(labels: Readonly<Record<string, string>> | undefined, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const key of Object.keys(labels ?? {})) {
    if (errors.length > MAX_CAUSES) break;
    for (const message of qualifiedName(key)) errors.push(invalidValue(path, key, message));
    const value = labels![key]!;
    for (const message of labelValue(value)) errors.push(invalidValue(path, value, message));
  }
  return errors;
}

export function validateAnnotations(
  annotations: Readonly<Record<string, string>> | undefined,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  let bytes = 0;
  for (const key of Object.keys(annotations ?? {})) {
    for (const message of qualifiedName(key.toLowerCase())) errors.push(invalidValue(path, key, message));
    bytes += utf8Length(key) + utf8Length(annotations![key]!);
  }
  if (bytes > MAX_ANNOTATIONS_BYTES) errors.push(tooLong(path, MAX_ANNOTATIONS_BYTES));
  return errors;
}

/** References are printed in the order of Go's struct. */
function printOwner(owner: OwnerReference): string {
  const { apiVersion, kind, name, uid, controller, blockOwnerDeletion } = owner;
  return stringifyJSON({
    apiVersion: apiVersion ?? "",
    kind: kind ?? "",
    name: name ?? "",
    uid: uid ?? "",
    controller: controller ?? undefined,
    blockOwnerDeletion: blockOwnerDeletion ?? undefined,
  });
}

export function validateOwnerReferences(owners: readonly OwnerReference[] | undefined, path: string): FieldError[] {
  const errors: FieldError[] = [];
  let controller = "";
  for (const owner of owners ?? []) {
    const apiVersion = owner.apiVersion ?? "";
    const slashes = apiVersion.split("/").length - 1;
    // As Go's ParseGroupVersion: "" and "/" have no version, two slashes do not parse at all.
    const version = slashes > 1 ? "" : apiVersion.slice(apiVersion.indexOf("/") + 1);
    if (version === "") errors.push(invalidValue(`${path}.apiVersion`, apiVersion, "version must not be empty"));
    for (const field of ["kind", "name", "uid"] as const) {
      if (!owner[field]) errors.push(invalidValue(`${path}.${field}`, owner[field] ?? "", "must not be empty"));
    }
    if (apiVersion === "v1" && owner.kind === "Event") {
      const detail = "/v1, Kind=Event is disallowed from being an owner";
      errors.push(invalidValue(path, new Printed(printOwner(owner)), detail));
    }
    if (owner.controller === true) {
      const current = `${owner.kind}/${owner.name}`;
      if (controller !== "") {
        const printed = new Printed(`[${owners!.map(printOwner).join(",")}]`);
        const detail = `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${current}`;
        errors.push(invalidValue(path, printed, detail));
      } else controller = current;
    }
  }
  return errors;
}

export function validateFinalizers(finalizers: readonly string[] | undefined, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const names = finalizers ?? [];
  for (const name of names) {
    if (errors.length > MAX_CAUSES) break;
    for (const message of qualifiedName(name)) errors.push(invalidValue(path, name, message));
  }
  if (names.includes(FINALIZER_ORPHAN) && names.includes(FINALIZER_FOREGROUND)) {
    const detail = `finalizer ${FINALIZER_ORPHAN} and ${FINALIZER_FOREGROUND} cannot be both set`;
    errors.push(invalidValue(path, names, detail));
  }
  return errors;
}

const STANDARD_FINALIZERS = new Set(["kubernetes", FINALIZER_ORPHAN, FINALIZER_FOREGROUND]);

/** Built-in kinds also refuse finalizers that are neither standard nor carry a domain. */
export function validateBuiltinFinalizers(
  finalizers: readonly string[] | undefined,
  path = "metadata.finalizers",
): FieldError[] {
  const errors: FieldError[] = [];
  for (const name of finalizers ?? []) {
    if (!name.includes("/") && !STANDARD_FINALIZERS.has(name)) {
      errors.push(invalidValue(path, name, "name is neither a standard finalizer name nor is it fully qualified"));
    }
  }
  return errors;
}

export function validateManagedFields(entries: readonly ManagedFieldsEntry[] | undefined, path: string): FieldError[] {
  const errors: FieldError[] = [];
  (entries ?? []).forEach((entry, index) => {
    const base = at(path, index);
    const operation = entry.operation ?? "";
    if (operation !== "Apply" && operation !== "Update") {
      errors.push(invalidValue(`${base}.operation`, operation, "must be `Apply` or `Update`"));
    }
    if (entry.fieldsType && entry.fieldsType !== "FieldsV1") {
      errors.push(invalidValue(`${base}.fieldsType`, entry.fieldsType, "must be `FieldsV1`"));
    }
    errors.push(...validateFieldManager(entry.manager ?? "", `${base}.manager`));
    if (utf8Length(entry.subresource ?? "") > 256) errors.push(tooLong(`${base}.subresource`, 256));
  });
  return errors;
}

/** A field manager: at most 128 bytes, all printable. */
export function validateFieldManager(manager: string, path = "fieldManager"): FieldError[] {
  const errors: FieldError[] = [];
  if (utf8Length(manager) > 128) errors.push(tooLong(path, 128));
  let position = 0;
  for (const character of manager) {
    if (!isPrintable(character)) {
      const point = character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0");
      errors.push(invalidValue(path, manager, `invalid character U+${point} (at position ${position})`));
    }
    position += encodeUTF8(character).length;
  }
  return errors;
}
