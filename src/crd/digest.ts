/** What is kept of a CustomResourceDefinition while nobody uses its resource: all but its schemas, columns and selectable fields. */
import { createHash } from "node:crypto";
import { parseJSON } from "../api/json/index.ts";
import { APPROVED_ANNOTATION } from "../kinds/apiextensions/approval.ts";
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionCondition,
  CustomResourceDefinitionNames,
  CustomResourceSubresourceScale,
} from "../kinds/generated/types.ts";
import { asBuffer, metadataStart, objectEnd } from "../server/representation/canonical.ts";

export type ConditionType =
  | "Established"
  | "NamesAccepted"
  | "NonStructuralSchema"
  | "Terminating"
  | "KubernetesAPIApprovalPolicyConformant";

export interface VersionDigest {
  readonly name: string;
  readonly served: boolean;
  readonly storage: boolean;
  readonly deprecated: boolean;
  /** undefined: the usual words. */
  readonly deprecationWarning: string | undefined;
  readonly hasStatus: boolean;
  readonly scale: CustomResourceSubresourceScale | undefined;
}

export interface Digest {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation: number;
  readonly group: string;
  readonly namespaced: boolean;
  /** What its author asks for. */
  readonly names: CustomResourceDefinitionNames;
  /** What it got. */
  readonly acceptedNames: CustomResourceDefinitionNames;
  readonly conditions: readonly CustomResourceDefinitionCondition[];
  readonly versions: readonly VersionDigest[];
  readonly storageVersion: string;
  readonly deleting: boolean;
  readonly finalizers: readonly string[];
  readonly approval: string;
  /** PEM, base64, of the conversion webhook. */
  readonly conversionBundle: string | undefined;
  /** Names the spec: two with the same one serve alike. */
  readonly specHash: string;
  /** How many bytes its schemas take when they are read. */
  readonly size: number;
}

const SPEC = Buffer.from('"spec":{');

/** SHA-256 of the spec's bytes in canonical JSON, where it follows the metadata. */
function hashSpec(bytes: Uint8Array): string {
  const buffer = asBuffer(bytes);
  const start = buffer.indexOf(SPEC, objectEnd(buffer, Math.max(0, metadataStart(buffer))));
  const spec = start < 0 ? buffer : buffer.subarray(start, objectEnd(buffer, start + SPEC.length - 1));
  return createHash("sha256").update(spec).digest("base64");
}

/** `bytes`: canonical JSON as stored. */
export function digestOf(bytes: Uint8Array): Digest {
  const definition = parseDefinition(bytes);
  const { metadata, spec, status } = definition;
  const versions = (spec.versions ?? []).map((version): VersionDigest => {
    const { scale } = version.subresources ?? {};
    return {
      name: version.name,
      served: version.served,
      storage: version.storage,
      deprecated: version.deprecated ?? false,
      deprecationWarning: version.deprecationWarning,
      hasStatus: version.subresources?.status != null,
      scale: scale ?? undefined,
    };
  });
  return {
    name: metadata.name ?? "",
    uid: metadata.uid ?? "",
    resourceVersion: metadata.resourceVersion ?? "",
    generation: metadata.generation ?? 0,
    group: spec.group,
    namespaced: spec.scope === "Namespaced",
    names: spec.names,
    acceptedNames: status?.acceptedNames ?? { plural: "", kind: "" },
    conditions: status?.conditions ?? [],
    versions,
    storageVersion: versions.find(({ storage }) => storage)?.name ?? "",
    deleting: Boolean(metadata.deletionTimestamp),
    finalizers: metadata.finalizers ?? [],
    approval: metadata.annotations?.[APPROVED_ANNOTATION] ?? "",
    conversionBundle: spec.conversion?.webhook?.clientConfig?.caBundle,
    specHash: hashSpec(bytes),
    size: bytes.length,
  };
}

export function parseDefinition(bytes: Uint8Array): CustomResourceDefinition {
  return parseJSON(bytes).value as unknown as CustomResourceDefinition;
}

export function conditionOf(
  definition: Pick<Digest, "conditions">,
  type: ConditionType,
): CustomResourceDefinitionCondition | undefined {
  return definition.conditions.find((condition) => condition.type === type);
}

export function isTrue(definition: Pick<Digest, "conditions">, type: ConditionType): boolean {
  return conditionOf(definition, type)?.status === "True";
}

/** Whether requests are answered: a definition that lost a name later goes on with what it had (spec: apiserver 8.12 #4). */
export function isServing(definition: Digest): boolean {
  return isTrue(definition, "NamesAccepted") || isTrue(definition, "Established");
}
