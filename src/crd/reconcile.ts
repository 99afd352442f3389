/** What a definition's status should say: its names, whether it is established, approved, structural (spec: apiserver 8.12). */
import { X509Certificate } from "node:crypto";
import type { CustomResourceDefinitionNames } from "../kinds/generated/types.ts";
import { approvalOf } from "./approval.ts";
import { type Conditions, type WantedCondition, withCondition } from "./conditions.ts";
import type { Digest } from "./digest.ts";
import { nameDefinition } from "./names.ts";

export interface WantedStatus {
  readonly acceptedNames: CustomResourceDefinitionNames;
  readonly conditions: Conditions;
}

/**
 * undefined: it says all that already. Upstream takes several writes to get there, one for each controller; the last of them says the same.
 * `group`: all definitions of the group; `now`: RFC 3339.
 */
export function wantedStatus(definition: Digest, group: Iterable<Digest>, now: string): WantedStatus | undefined {
  let { acceptedNames } = definition;
  let conditions: Conditions = definition.conditions;
  const set = (wanted: WantedCondition | undefined) => {
    if (wanted !== undefined) conditions = withCondition(conditions, wanted, now);
  };
  if (!sameNames(definition.names, acceptedNames)) {
    const naming = nameDefinition(definition, group);
    if (!sameNames(naming.acceptedNames, acceptedNames)) acceptedNames = naming.acceptedNames;
    set(naming.namesAccepted);
    set(naming.established);
  }
  const has = (type: string) => conditions.some((condition) => condition.type === type && condition.status === "True");
  if (has("NamesAccepted") && !has("Established")) set(establishing(definition));
  set(approvalOf(definition.group, definition.approval));
  if (acceptedNames === definition.acceptedNames && conditions === definition.conditions) return undefined;
  return { acceptedNames, conditions };
}

function establishing({ conversionBundle }: Digest): WantedCondition {
  if (conversionBundle && !holdsCertificates(conversionBundle)) {
    return {
      type: "Established",
      status: "False",
      reason: "InvalidCABundle",
      message: "The conversion webhook CABundle is invalid",
    };
  }
  return {
    type: "Established",
    status: "True",
    reason: "InitialNamesAccepted",
    message: "the initial names have been accepted",
  };
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

function holdsCertificates(base64: string): boolean {
  const blocks = Buffer.from(base64, "base64").toString("latin1").match(CERTIFICATE) ?? [];
  try {
    for (const block of blocks) new X509Certificate(block);
  } catch {
    return false;
  }
  return blocks.length > 0;
}

const same = (a: readonly string[] = [], b: readonly string[] = []) =>
  a.length === b.length && a.every((name, index) => name === b[index]);

export function sameNames(a: CustomResourceDefinitionNames, b: CustomResourceDefinitionNames): boolean {
  return (
    a.plural === b.plural &&
    (a.singular ?? "") === (b.singular ?? "") &&
    a.kind === b.kind &&
    (a.listKind ?? "") === (b.listKind ?? "") &&
    same(a.shortNames, b.shortNames) &&
    same(a.categories, b.categories)
  );
}
