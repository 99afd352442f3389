/** One version of a definition as a resource the server can serve (spec: apiserver 8). */
import { cloneJSON } from "../api/json/index.ts";
import type { JSONObject, JSONValue, KubeObject, ObjectMeta } from "../api/meta.ts";
import { dns1123Subdomain } from "../api/names.ts";
import { encodeMessage } from "../api/types/envelope.ts";
import { metaStruct } from "../api/types/meta.ts";
import { compareVersions } from "../api/version-order.ts";
import { ALL_VERBS, statusSubresource } from "../kinds/define.ts";
import type { CustomResourceDefinition } from "../kinds/generated/types.ts";
import { structuralCodec } from "../schema/codec.ts";
import { schemaNameOf } from "../schema/openapi.ts";
import type { ResourceDefinition } from "../server/resource.ts";
import { columnsOf } from "./columns.ts";
import type { Digest } from "./digest.ts";
import { replicasPathsOf, scaleSubresource } from "./scale.ts";
import { selectableFields } from "./selectable-fields.ts";
import { customResourceStatusStrategy, customResourceStrategy } from "./strategy.ts";
import { Versions } from "./versions.ts";

/** Where the objects are; always ends in "/" (spec: apiserver 11.1). */
export function storagePrefixOf({ group, acceptedNames }: Digest): string {
  return `/registry/${group}/${acceptedNames.plural}/`;
}

/** PartialObjectMetadata has no other field. */
const metadataMessage = (metadata: ObjectMeta) =>
  encodeMessage(metaStruct("PartialObjectMetadata"), { metadata: metadata as unknown as JSONObject });

/** Compiles: to be kept while it is in use. Throws when the schema cannot be compiled. */
export function customResource(
  digest: Digest,
  definition: CustomResourceDefinition,
  version: string,
): ResourceDefinition {
  const { group, acceptedNames: names, storageVersion } = digest;
  const versions = new Versions(definition);
  const given = versions.get(version);
  const codec = structuralCodec({ group, version, kind: names.kind }, versions.schemaOf(version), {
    requireKind: true,
  });
  versions.adopt(version, codec.structure);
  const { scale } = given.subresources ?? {};
  const rules = {
    structure: codec.structure,
    hasStatus: given.subresources?.status != null,
    scale: scale ?? undefined,
  };
  const strategy = customResourceStrategy(rules);
  const deprecation = deprecationOf(digest, version);
  return {
    group,
    version,
    kind: names.kind,
    listKind: names.listKind ?? `${names.kind}List`,
    plural: names.plural,
    singular: names.singular ?? names.kind.toLowerCase(),
    namespaced: digest.namespaced,
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    verbs: ALL_VERBS,
    codec,
    metadataMessage,
    strategy,
    nameRule: dns1123Subdomain,
    table: columnsOf(given.additionalPrinterColumns),
    fields: selectableFields(given.selectableFields),
    subresources: [
      ...(rules.hasStatus ? [statusSubresource(customResourceStatusStrategy(rules))] : []),
      ...(scale ? [scaleSubresource(scale, strategy, replicasPathsOf(digest))] : []),
    ],
    storagePrefix: storagePrefixOf(digest),
    storage: {
      codec: versions.storageCodec(storageVersion),
      generation: digest.specHash,
      // A create loses its status, and the schema may give it another.
      readsBack: rules.hasStatus && versions.schemaOf(version).properties?.["status"]?.default !== undefined,
      fromStored: (objects) => objects.map((object) => versions.convert(object, version)),
      toStored: (object) =>
        version === storageVersion
          ? object
          : versions.convert(cloneJSON(object as unknown as JSONValue) as unknown as KubeObject, storageVersion),
    },
    schemaName: schemaNameOf({ group, version, kind: names.kind }),
    ...(deprecation !== undefined && { deprecation }),
  };
}

/** The warning of a deprecated version; it names the best version that is not. */
export function deprecationOf({ group, names, versions }: Digest, version: string): string | undefined {
  const given = versions.find(({ name }) => name === version);
  if (given === undefined || !given.deprecated) return undefined;
  if (given.deprecationWarning !== undefined) return given.deprecationWarning;
  const [better] = versions
    .filter(({ name, served, deprecated }) => served && !deprecated && compareVersions(name, version) < 0)
    .map(({ name }) => name)
    .sort(compareVersions);
  const warning = `${group}/${version} ${names.kind} is deprecated`;
  return better === undefined ? warning : `${warning}; use ${group}/${better} ${names.kind}`;
}
