/** OpenAPI v3 of the built-in kinds, from their tables. */
import type { GroupVersion, GroupVersionKind } from "../api/meta.ts";
import { builtinSchemas, builtinTypes, structOf } from "../kinds/tables.ts";
import { openAPIDocument } from "../schema/openapi.ts";
import type { Schema } from "../schema/types.ts";
import type { ResourceDefinition } from "../server/resource.ts";

/** The document of one group-version; its schemas are those of its kinds, their lists and the kinds of their sub-resources. */
export function builtinDocument(
  gv: GroupVersion,
  definitions: readonly ResourceDefinition[],
  serverVersion: string,
): object {
  const kinds = definitions.flatMap(({ group, version, kind, listKind, subresources = [] }): GroupVersionKind[] => {
    const list = { group, version, kind: listKind };
    const others = subresources.flatMap((subresource) => (subresource.kind === undefined ? [] : [subresource.kind]));
    return [{ group, version, kind }, ...(builtinTypes.kind(list) === undefined ? [] : [list]), ...others];
  });
  return openAPIDocument({
    ...gv,
    serverVersion,
    schemas: builtinSchemas(kinds) as Record<string, Schema>,
    resources: definitions.map((definition) => ({
      plural: definition.plural,
      kind: definition.kind,
      namespaced: definition.namespaced,
      verbs: definition.verbs,
      strategicMerge: definition.codec.strategicMerge !== undefined,
      schemaName: structOf(definition).model,
      subresources: (definition.subresources ?? []).map(({ name, verbs, kind }) => ({
        name,
        verbs,
        ...(kind !== undefined && { kind, schemaName: structOf(kind).model }),
      })),
    })),
  });
}
