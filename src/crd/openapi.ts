/** The OpenAPI v3 document of one group-version of custom resources (spec: apiserver 8.13). */
import type { GroupVersion, GroupVersionKind } from "../api/meta.ts";
import { STATUS_VERBS } from "../kinds/define.ts";
import { builtinSchemas, structOf } from "../kinds/tables.ts";
import { type OpenAPIResource, objectSchema, openAPIDocument, schemaNameOf } from "../schema/openapi.ts";
import type { Schema } from "../schema/types.ts";
import { type Digest, parseDefinition } from "./digest.ts";
import { Versions } from "./versions.ts";

export interface PublishedVersion {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}

const SCALE: GroupVersionKind = { group: "autoscaling", version: "v1", kind: "Scale" };
const VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update"];

export function openAPIOf(gv: GroupVersion, published: readonly PublishedVersion[], serverVersion: string): object {
  const { version } = gv;
  const schemas: Record<string, Schema> = {};
  const resources: OpenAPIResource[] = [];
  for (const { digest, bytes } of published) {
    const { acceptedNames: names } = digest;
    const given = digest.versions.find(({ name }) => name === version);
    if (given === undefined) continue;
    const gvk = { ...gv, kind: names.kind };
    const schemaName = schemaNameOf(gvk);
    schemas[schemaName] = objectSchema(gvk, new Versions(parseDefinition(bytes)).schemaOf(version));
    if (given.scale !== undefined) Object.assign(schemas, builtinSchemas([SCALE]));
    resources.push({
      plural: names.plural,
      kind: names.kind,
      namespaced: digest.namespaced,
      verbs: VERBS,
      schemaName,
      subresources: [
        ...(given.hasStatus ? [{ name: "status", verbs: STATUS_VERBS }] : []),
        ...(given.scale === undefined
          ? []
          : [{ name: "scale", verbs: STATUS_VERBS, kind: SCALE, schemaName: structOf(SCALE).model }]),
      ],
    });
  }
  return openAPIDocument({ ...gv, serverVersion, schemas, resources });
}
