/** The codecs of every built-in kind, made from the generated tables on first use. */
import { tables as metricsTables } from "../api/generated/metrics.ts";
import { tables as metaTables } from "../api/generated/tables.ts";
import type { GroupVersionKind, JSONObject, KubeObject } from "../api/meta.ts";
import { type CodecOptions, type StructCodec, structCodec } from "../api/types/codec.ts";
import { openapiSchemas, type SchemaRoot } from "../api/types/openapi.ts";
import { type Struct, Types } from "../api/types/table.ts";
import { tables } from "./generated/tables.ts";

/** All types of all built-in group-versions. */
export const builtinTypes = new Types(metaTables, tables, metricsTables);

const codecs = new Map<string, StructCodec>();
const options: CodecOptions = { knows: (kind) => builtinTypes.kind(kind) !== undefined };

/** The codec of a built-in kind, sub-resource kinds such as Scale and Eviction included. Throws for a kind that no table has. */
export function codecFor<T extends KubeObject = KubeObject>(kind: GroupVersionKind): StructCodec<T> {
  const key = `${kind.group}/${kind.version}/${kind.kind}`;
  let codec = codecs.get(key);
  if (codec === undefined) {
    codec = structCodec({ group: kind.group, version: kind.version, kind: kind.kind }, structOf(kind), options);
    codecs.set(key, codec);
  }
  return codec as unknown as StructCodec<T>;
}

/** The structure of a built-in kind. Throws for a kind that no table has. */
export function structOf(kind: GroupVersionKind): Struct {
  const struct = builtinTypes.kind(kind);
  if (struct === undefined) throw new Error(`no table has ${kind.kind} in ${kind.group}/${kind.version}`);
  return struct;
}

/** The OpenAPI v3 schemas of these kinds and of all that they refer to. Throws for a kind that no table has. */
export function builtinSchemas(kinds: Iterable<GroupVersionKind>): JSONObject {
  const roots = new Map<string, { struct: Struct; kinds: GroupVersionKind[] }>();
  for (const kind of kinds) {
    const struct = structOf(kind);
    const root = roots.get(struct.model) ?? { struct, kinds: [] };
    root.kinds.push(kind);
    roots.set(struct.model, root);
  }
  return openapiSchemas(roots.values() satisfies Iterable<SchemaRoot>);
}
