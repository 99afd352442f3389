/** Serves a resource whose codec and schemas exist already, where `defineResource` makes them from an author's schema. Not part of the package's face. */
import type { ObjectCodec } from "../api/codec.ts";
import type { KubeObject } from "../api/meta.ts";
import { dns1123Subdomain } from "../api/names.ts";
import type { Schema } from "../schema/types.ts";
import type { ResourceDefinition, TableColumns, VirtualResource } from "../server/resource.ts";
import { type Answer, type Handlers, type Served, verbsOf, virtualResource } from "./resource.ts";

export interface TypedResource<T extends KubeObject> {
  /** Says group, version and kind. */
  readonly codec: ObjectCodec<T>;
  readonly plural: string;
  /** May be "", as in APIs that predate the field. */
  readonly singular: string;
  readonly namespaced: boolean;
  readonly table: TableColumns<T>;
  /** The name of the kind's schema in `schemas`; its list's is the same with `List` behind. */
  readonly schemaName: string;
  readonly schemas: Readonly<Record<string, Schema>>;
}

/** The resource, answered by functions. */
export function serveTyped<T extends KubeObject>(resource: TypedResource<T>, handlers: Handlers<T>): Served {
  const { codec, plural } = resource;
  const { group, version, kind } = codec.kind;
  const definition: ResourceDefinition<T> = {
    group,
    version,
    kind,
    listKind: `${kind}List`,
    plural,
    singular: resource.singular,
    namespaced: resource.namespaced,
    verbs: verbsOf(handlers),
    codec,
    strategy: {},
    nameRule: dns1123Subdomain,
    table: resource.table,
    storagePrefix: `/registry/${group}/${plural}/`,
    schemaName: resource.schemaName,
  };
  const named = (object: Answer<T>): T => ({ ...object, apiVersion: `${group}/${version}`, kind }) as unknown as T;
  return {
    schemas: resource.schemas,
    served: {
      definition: definition as unknown as ResourceDefinition,
      virtual: virtualResource(handlers, named) as unknown as VirtualResource,
    },
  };
}
