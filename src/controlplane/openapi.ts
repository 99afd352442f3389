/** OpenAPI v3 of the built-in kinds, from their tables. */
import type { GroupVersion } from "../api/meta.ts";
import { openAPIDocument } from "../schema/openapi.ts";
import type { Schema } from "../schema/types.ts";
import type { ResourceDefinition } from "../server/resource.ts";

/** Filled in when the tables can print schemas. */
export function builtinDocument(
  gv: GroupVersion,
  definitions: readonly ResourceDefinition[],
  serverVersion: string,
): object {
  const schemas: Record<string, Schema> = {};
  return openAPIDocument({
    ...gv,
    serverVersion,
    schemas,
    resources: definitions.map((definition) => ({
      plural: definition.plural,
      kind: definition.kind,
      namespaced: definition.namespaced,
      verbs: definition.verbs,
      schemaName: definition.schemaName ?? definition.kind,
      subresources: (definition.subresources ?? []).map(({ name, verbs, kind }) => ({ name, verbs, kind })),
    })),
  });
}
