/** The one encoding of an object of no built-in kind: `kind`, `apiVersion`, `metadata` first, metadata in ObjectMeta's order with the resourceVersion slot, all else sorted by bytes. */
import type { JSONObject, KubeObject } from "../meta.ts";
import { formatNumber, memberPrefix, quoteJSON, RECURSION, writeDeep } from "./encode.ts";
import { isObject } from "./object.ts";
import { encodeUTF8, sortKeys } from "./utf8.ts";

/** The fields of Go's ObjectMeta, in its order. */
export const OBJECT_META_FIELDS = [
  "name",
  "generateName",
  "namespace",
  "selfLink",
  "uid",
  "resourceVersion",
  "generation",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
  "labels",
  "annotations",
  "ownerReferences",
  "finalizers",
  "managedFields",
] as const;
const OWNER_REFERENCE_FIELDS = ["apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"];
const MANAGED_FIELDS_FIELDS = ["manager", "operation", "apiVersion", "time", "fieldsType", "fieldsV1", "subresource"];

/** Keys sorted by bytes at every level, as Go prints maps. */
export function stringifySorted(value: unknown): string {
  return sorted(value, 0);
}

function sorted(value: unknown, depth: number): string {
  switch (typeof value) {
    case "string":
      return quoteJSON(value);
    case "number":
      return formatNumber(value);
    case "boolean":
      return value ? "true" : "false";
    case "bigint":
      return `${value}`;
    case "object": {
      if (value === null) return "null";
      if (depth > RECURSION) return writeDeep(value, (object) => sortKeys(Object.keys(object)));
      if (Array.isArray(value)) {
        if (value.length === 0) return "[]";
        let text = `[${sorted(value[0], depth + 1)}`;
        for (let index = 1; index < value.length; index++) text += `,${sorted(value[index], depth + 1)}`;
        return `${text}]`;
      }
      return sortedMembers(value as JSONObject, "", depth);
    }
    default:
      return "null";
  }
}

/** `before`: members already written, each but the first preceded by a comma, or "". */
function sortedMembers(object: JSONObject, before: string, depth: number, skip?: ReadonlySet<string>): string {
  let text = before === "" ? "{" : `{${before}`;
  let first = before === "";
  for (const key of sortKeys(Object.keys(object))) {
    const member = object[key];
    if (member === undefined || skip?.has(key)) continue;
    text += (first ? memberPrefix(key) : `,${memberPrefix(key)}`) + sorted(member, depth + 1);
    first = false;
  }
  return `${text}}`;
}

/** Known fields in order, then whatever else there is (fields a newer Kubernetes added). */
function ordered(object: JSONObject, fields: readonly string[]): string {
  let text = "";
  let seen = 0;
  for (const field of fields) {
    const member = object[field];
    if (member === undefined) continue;
    seen++;
    text += `${text === "" ? "" : ","}"${field}":${stringifySorted(member)}`;
  }
  if (seen === Object.keys(object).length) return `{${text}}`;
  return sortedMembers(object, text, 0, new Set(fields));
}

/** An ObjectMeta in canonical form; its slot holds `resourceVersion`. Absent, null and empty fields are left out but for the slot. */
export function stringifyObjectMeta(meta: JSONObject, resourceVersion: string): string {
  let text = "";
  for (const field of OBJECT_META_FIELDS) {
    if (field === "resourceVersion") {
      text += `${text === "" ? "" : ","}"resourceVersion":${quoteJSON(resourceVersion)}`;
      continue;
    }
    const member = meta[field];
    if (member === undefined || member === null || member === "" || member === 0) {
      // A pointer in Go: its zero is a value.
      if (field !== "deletionGracePeriodSeconds" || member !== 0) continue;
    }
    let printed: string;
    if (Array.isArray(member)) {
      if (member.length === 0) continue;
      if (field === "ownerReferences") printed = list(member, OWNER_REFERENCE_FIELDS);
      else if (field === "managedFields") printed = list(member, MANAGED_FIELDS_FIELDS);
      else printed = stringifySorted(member);
    } else {
      if (typeof member === "object" && Object.keys(member!).length === 0) continue;
      printed = stringifySorted(member);
    }
    text += `${text === "" ? "" : ","}"${field}":${printed}`;
  }
  return `{${text}}`;
}

function list(items: readonly unknown[], fields: readonly string[]): string {
  return `[${items.map((item) => (isObject(item) ? ordered(item, fields) : stringifySorted(item))).join(",")}]`;
}

const FIRST: ReadonlySet<string> = new Set(["kind", "apiVersion", "metadata"]);

/** The text behind `encodeCanonical`. */
export function stringifyCanonical(object: KubeObject, resourceVersion = ""): string {
  const head = `"kind":${quoteJSON(object.kind ?? "")},"apiVersion":${quoteJSON(object.apiVersion ?? "")}`;
  const metadata = stringifyObjectMeta((object.metadata ?? {}) as JSONObject, resourceVersion);
  return sortedMembers(object as JSONObject, `${head},"metadata":${metadata}`, 0, FIRST);
}

/** Canonical bytes; see `ObjectCodec.encode`. `resourceVersion` defaults to none: the form that is stored. */
export function encodeCanonical(object: KubeObject, resourceVersion = ""): Uint8Array {
  return encodeUTF8(stringifyCanonical(object, resourceVersion));
}
