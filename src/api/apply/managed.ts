/** `metadata.managedFields` read and written: who owns which fields, in which version, since when (spec: apiserver 5.5). */
import { isObject } from "../json/object.ts";
import type { ManagedFieldsEntry } from "../meta.ts";
import { parseTime } from "../time.ts";
import { type FieldSet, fromFieldsV1, ManagedFieldsError } from "./field-set.ts";

export { ManagedFieldsError } from "./field-set.ts";

/** Who: appliers are the same in every version, updaters are not. */
export interface ManagerName {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly apiVersion: string;
  readonly subresource: string;
}

export interface Owner extends ManagerName {
  readonly fields: FieldSet;
  /** RFC 3339, seconds. */
  readonly time: string | undefined;
}

export type Owners = ReadonlyMap<string, Owner>;

export function keyOf({ manager, operation, apiVersion, subresource }: ManagerName): string {
  return JSON.stringify([operation, manager, operation === "Apply" ? "" : apiVersion, subresource]);
}

/** Throws a ManagedFieldsError for entries that no server writes. */
export function decodeManaged(entries: readonly ManagedFieldsEntry[] | undefined): Owners {
  const owners = new Map<string, Owner>();
  for (const [index, entry] of (entries ?? []).entries()) {
    const { manager = "", operation, apiVersion, fieldsType, subresource = "", time } = entry;
    if (operation !== "Apply" && operation !== "Update")
      throw new ManagedFieldsError("operation must be `Apply` or `Update`");
    if (!apiVersion) throw new ManagedFieldsError("apiVersion must not be empty");
    if (!fieldsType) throw new ManagedFieldsError(`missing fieldsType in managed fields entry ${index}`);
    if (fieldsType !== "FieldsV1")
      throw new ManagedFieldsError(`invalid fieldsType ${JSON.stringify(fieldsType)} in managed fields entry ${index}`);
    const name: ManagerName = { manager, operation, apiVersion, subresource };
    owners.set(keyOf(name), { ...name, fields: fromFieldsV1(entry.fieldsV1), time: time ?? undefined });
  }
  return owners;
}

const seconds = ({ time }: Owner) => (time === undefined ? 0 : Math.floor((parseTime(time) ?? 0) / 1000));
const text = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

/** Appliers first, then by time, name, version and sub-resource; undefined when nobody owns anything. */
export function encodeManaged(owners: Owners): ManagedFieldsEntry[] | undefined {
  if (owners.size === 0) return undefined;
  const sorted = [...owners.values()].sort(
    (a, b) =>
      text(a.operation, b.operation) ||
      seconds(a) - seconds(b) ||
      text(a.manager, b.manager) ||
      text(a.apiVersion, b.apiVersion) ||
      text(a.subresource, b.subresource),
  );
  return sorted.map(({ manager, operation, apiVersion, time, fields, subresource }) => ({
    ...(manager !== "" && { manager }),
    operation,
    apiVersion,
    ...(time !== undefined && { time }),
    fieldsType: "FieldsV1",
    fieldsV1: fields.toFieldsV1(),
    ...(subresource !== "" && { subresource }),
  }));
}

/** A client that writes `[]` or `[{}]` wants everybody forgotten. */
export function isReset(entries: readonly ManagedFieldsEntry[] | undefined | null): boolean {
  if (!Array.isArray(entries)) return false;
  return entries.length === 0 || (entries.length === 1 && isObject(entries[0]) && Object.keys(entries[0]).length === 0);
}

/** Whether the same managers own the same fields, whenever they did. */
export function sameOwners(a: Owners, b: Owners): boolean {
  if (a.size !== b.size) return false;
  for (const [key, owner] of a) {
    const other = b.get(key);
    if (other === undefined || other.apiVersion !== owner.apiVersion || !owner.fields.equals(other.fields))
      return false;
  }
  return true;
}
