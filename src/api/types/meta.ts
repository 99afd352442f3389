/** Codecs of the kinds that belong to no group of their own: Status, options, partial objects, lists, discovery documents. */
import { tables } from "../generated/tables.ts";
import type { GroupVersion, GroupVersionKind, ListMeta } from "../meta.ts";
import type { Status } from "../status.ts";
import { type StructCodec, structCodec } from "./codec.ts";
import { encodeEnvelope, encodeList } from "./envelope.ts";
import { type Struct, Types } from "./table.ts";

/** The types of meta.k8s.io/v1 and apidiscovery.k8s.io/v2. */
export const metaTypes = new Types(tables);

const CORE: GroupVersion = { group: "", version: "v1" };
const META: GroupVersion = { group: "meta.k8s.io", version: "v1" };
const DISCOVERY: GroupVersion = { group: "apidiscovery.k8s.io", version: "v2" };

export type MetaKind =
  | "Status"
  | "DeleteOptions"
  | "CreateOptions"
  | "UpdateOptions"
  | "PatchOptions"
  | "ListOptions"
  | "GetOptions"
  | "WatchEvent"
  | "PartialObjectMetadata"
  | "PartialObjectMetadataList"
  | "Table"
  | "TableOptions"
  | "APIGroup"
  | "APIGroupList"
  | "APIResourceList"
  | "APIVersions"
  | "List"
  | "APIGroupDiscovery"
  | "APIGroupDiscoveryList";

/** Kinds that are written as `v1`; the rest of meta.k8s.io is written with its own group. */
const UNVERSIONED = new Set<MetaKind>(["Status", "APIGroup", "APIGroupList", "APIResourceList", "APIVersions", "List"]);
/** Options may name any group-version: clients send `v1`, `meta.k8s.io/v1` or the version of the resource. */
const OPTIONS = /Options$/;

const codecs = new Map<MetaKind, StructCodec>();

function versionOf(kind: MetaKind): GroupVersion {
  if (kind.startsWith("APIGroupDiscovery")) return DISCOVERY;
  return UNVERSIONED.has(kind) ? CORE : META;
}

/** The structure of a kind of meta/v1 or apidiscovery/v2. */
export function metaStruct(kind: MetaKind | "ListMeta" | "ObjectMeta"): Struct {
  return metaTypes.struct(kind.startsWith("APIGroupDiscovery") ? "apidiscovery/v2" : "meta/v1", kind);
}

/** The codec of a meta kind; its objects have no index of names, hence the loose type. */
export function metaCodec(kind: MetaKind): StructCodec {
  let codec = codecs.get(kind);
  if (codec === undefined) {
    codec = structCodec({ ...versionOf(kind), kind }, metaStruct(kind), {
      accepts: OPTIONS.test(kind) ? () => true : (version) => version.version === "v1",
    });
    codecs.set(kind, codec);
  }
  return codec;
}

/** A Status as protobuf. */
export function encodeStatusProtobuf(status: Status): Uint8Array {
  return encodeEnvelope({ ...CORE, kind: "Status" }, metaStruct("Status"), status as never);
}

/** A list of any kind as protobuf, from the messages of its items (StructCodec.encodeMessage, or messageOf a cached envelope). */
export function encodeListProtobuf(
  listKind: GroupVersionKind,
  metadata: ListMeta,
  messages: readonly Uint8Array[],
): Uint8Array {
  return encodeList(listKind, metaStruct("ListMeta"), metadata, messages);
}
