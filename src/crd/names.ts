/** Which of a definition's names are free in its group, and whether it has all it asks for (spec: apiserver 8.12 #2). */
import { goQuote } from "../api/go-quote.ts";
import type { CustomResourceDefinitionNames } from "../kinds/generated/types.ts";
import type { WantedCondition } from "./conditions.ts";
import { conditionOf, type Digest } from "./digest.ts";

export interface Naming {
  readonly acceptedNames: CustomResourceDefinitionNames;
  readonly namesAccepted: WantedCondition;
  /** undefined: stays as it is. */
  readonly established: WantedCondition | undefined;
}

/** `group`: all definitions of the group, this one among them. */
export function nameDefinition(definition: Digest, group: Iterable<Digest>): Naming {
  const resources = new Set<string>();
  const kinds = new Set<string>();
  for (const { acceptedNames: accepted } of group) {
    for (const name of [accepted.plural, accepted.singular ?? "", ...(accepted.shortNames ?? [])]) resources.add(name);
    for (const name of [accepted.kind, accepted.listKind ?? ""]) kinds.add(name);
  }
  const { names: wanted, acceptedNames: accepted } = definition;
  let conflict: Pick<WantedCondition, "reason" | "message"> | undefined;
  /** The name there is now: what is asked for unless another definition has it. Of several conflicts the last is told. */
  const claim = (reason: string, asked = "", has = "", taken: ReadonlySet<string> = resources): string => {
    if (asked === has || !taken.has(asked)) return asked;
    conflict = { reason, message: inUse(asked) };
    return has;
  };
  const plural = claim("PluralConflict", wanted.plural, accepted.plural);
  const singular = claim("SingularConflict", wanted.singular, accepted.singular);
  let shortNames = wanted.shortNames ?? [];
  const own = accepted.shortNames ?? [];
  const foreign = shortNames.filter((name) => !own.includes(name) && resources.has(name));
  if (foreign.length > 0) {
    conflict = { reason: "ShortNamesConflict", message: aggregate(foreign.map(inUse)) };
    shortNames = own;
  }
  const kind = claim("KindConflict", wanted.kind, accepted.kind, kinds);
  const listKind = claim("ListKindConflict", wanted.listKind, accepted.listKind, kinds);
  const categories = wanted.categories ?? [];

  const namesAccepted: WantedCondition =
    conflict === undefined
      ? { type: "NamesAccepted", status: "True", reason: "NoConflicts", message: "no conflicts found" }
      : { type: "NamesAccepted", status: "False", ...conflict };
  const before = conditionOf(definition, "Established");
  let established: WantedCondition | undefined;
  if (before?.status !== "True" && conflict === undefined) established = INSTALLING;
  else if (before === undefined) established = NOT_ACCEPTED;
  return {
    acceptedNames: {
      plural,
      ...(singular !== "" && { singular }),
      ...(shortNames.length > 0 && { shortNames }),
      kind,
      ...(listKind !== "" && { listKind }),
      ...(categories.length > 0 && { categories }),
    },
    namesAccepted,
    established,
  };
}

export const INSTALLING: WantedCondition = {
  type: "Established",
  status: "False",
  reason: "Installing",
  message: "the initial names have been accepted",
};

const NOT_ACCEPTED: WantedCondition = {
  type: "Established",
  status: "False",
  reason: "NotAccepted",
  message: "not all names are accepted",
};

const inUse = (name: string) => `${goQuote(name)} is already in use`;

/** As Go prints several errors as one. */
function aggregate(messages: readonly string[]): string {
  const distinct = [...new Set(messages)];
  return distinct.length === 1 ? distinct[0]! : `[${distinct.join(", ")}]`;
}
