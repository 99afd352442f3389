/** PriorityLevelConfiguration: how many requests of one level run at once, and how many wait. Stored for servers that ask; nothing here acts on it. */
import { child, forbiddenField, invalidValue, notSupported, required } from "../../api/field-errors.ts";
import { dns1123Subdomain } from "../../api/names.ts";
import type { FieldError } from "../../api/status.ts";
import type { ResourceDefinition, Strategy } from "../../server/resource.ts";
import { AGE_COLUMN, age, column, NAME_COLUMN } from "../columns.ts";
import { defineKind, keep, statusOnly } from "../define.ts";
import type {
  LimitedPriorityLevelConfiguration,
  LimitResponse,
  PriorityLevelConfiguration,
  QueuingConfiguration,
} from "../generated/types.ts";
import { semanticEqual } from "../semantic.ts";
import { conditionErrors, FLOWCONTROL_GROUP } from "./flow-schema.ts";

const MAX_QUEUES = 10_000_000;
/** What one hash has to say which queues a flow is dealt. */
const MAX_HASH_BITS = 60;

function queuingErrors(queuing: QueuingConfiguration, path: string): FieldError[] {
  const { queues, handSize, queueLengthLimit } = queuing;
  const errors: FieldError[] = [];
  const refuse = (field: "queues" | "handSize" | "queueLengthLimit", detail: string) =>
    errors.push(invalidValue(child(path, field), queuing[field], detail));
  if (queueLengthLimit <= 0) refuse("queueLengthLimit", "must be positive");
  if (queues <= 0) refuse("queues", "must be positive");
  else if (queues > MAX_QUEUES) refuse("queues", `must not be greater than ${MAX_QUEUES}`);
  if (handSize <= 0) refuse("handSize", "must be positive");
  else if (handSize > queues) refuse("handSize", `should not be greater than queues (${queues})`);
  else if (Math.ceil(Math.log2(queues) * handSize) > MAX_HASH_BITS) {
    const what = `required entropy bits of deckSize ${queues} and handSize ${handSize}`;
    refuse("handSize", `${what} should not be greater than ${MAX_HASH_BITS}`);
  }
  return errors;
}

function responseErrors({ type = "", queuing }: LimitResponse, path: string): FieldError[] {
  const at = child(path, "queuing");
  if (type === "Reject") {
    if (queuing === undefined) return [];
    return [forbiddenField(at, "must be nil if limited.limitResponse.type is not Limited")];
  }
  if (type === "Queue") {
    if (queuing !== undefined) return queuingErrors(queuing, at);
    return [required(at, "must not be empty if limited.limitResponse.type is Limited")];
  }
  return [type === "" ? required(child(path, "type")) : notSupported(child(path, "type"), type, ["Queue", "Reject"])];
}

function shareErrors(
  limits: { nominalConcurrencyShares?: number | null; lendablePercent?: number },
  path: string,
): FieldError[] {
  const { nominalConcurrencyShares: shares, lendablePercent: lendable } = limits;
  return [
    ...(shares != null && shares < 0
      ? [invalidValue(child(path, "nominalConcurrencyShares"), shares, "must be a non-negative integer")]
      : []),
    ...(lendable !== undefined && (lendable < 0 || lendable > 100)
      ? [invalidValue(child(path, "lendablePercent"), lendable, "must be between 0 and 100, inclusive")]
      : []),
  ];
}

function limitedErrors(limited: LimitedPriorityLevelConfiguration, path: string): FieldError[] {
  const { borrowingLimitPercent: borrowing } = limited;
  const errors = [
    ...responseErrors(limited.limitResponse ?? { type: "" }, child(path, "limitResponse")),
    ...shareErrors(limited, path),
  ];
  if (borrowing !== undefined && borrowing < 0) {
    const detail = "if specified, must be a non-negative integer";
    errors.push(invalidValue(child(path, "borrowingLimitPercent"), borrowing, detail));
  }
  return errors;
}

function validate(object: PriorityLevelConfiguration): FieldError[] {
  const { type = "", limited, exempt } = object.spec;
  const errors: FieldError[] = [];
  if ((object.metadata.name === "exempt") !== (type === "Exempt")) {
    errors.push(invalidValue("spec.type", type, "must be 'Exempt' if and only if `name` is 'exempt'"));
  }
  if (type === "Exempt") {
    if (limited !== undefined) errors.push(forbiddenField("spec.limited", "must be nil if the type is not Limited"));
    if (exempt !== undefined) errors.push(...shareErrors(exempt, "spec.exempt"));
  } else if (type === "Limited") {
    if (exempt !== undefined) errors.push(forbiddenField("spec.exempt", "must be nil if the type is Limited"));
    if (limited === undefined) errors.push(required("spec.limited", "must not be empty when type is Limited"));
    else errors.push(...limitedErrors(limited, "spec.limited"));
  } else errors.push(type === "" ? required("spec.type") : notSupported("spec.type", type, ["Exempt", "Limited"]));
  return [...errors, ...conditionErrors(object.status?.conditions)];
}

const strategy: Strategy<PriorityLevelConfiguration> = {
  setDefaults(object) {
    object.spec ??= { type: "" };
    const { limited, exempt } = object.spec;
    if (exempt !== undefined) {
      exempt.nominalConcurrencyShares ??= 0;
      exempt.lendablePercent ??= 0;
    }
    if (limited === undefined) return;
    limited.nominalConcurrencyShares ??= 30;
    limited.lendablePercent ??= 0;
    limited.limitResponse ??= { type: "" };
    const { queuing } = limited.limitResponse;
    if (queuing === undefined) return;
    queuing.handSize ||= 8;
    queuing.queues ||= 64;
    queuing.queueLengthLimit ||= 50;
  },
  prepareForCreate(object) {
    object.metadata.generation = 1;
    delete object.status;
  },
  prepareForUpdate(object, old) {
    keep(object, old, "status");
    if (!semanticEqual(object.spec, old.spec)) object.metadata.generation = (old.metadata.generation ?? 0) + 1;
  },
  validate,
  validateUpdate: validate,
};

export function priorityLevelConfigurations(): ResourceDefinition<PriorityLevelConfiguration> {
  return defineKind<PriorityLevelConfiguration>({
    group: FLOWCONTROL_GROUP,
    version: "v1",
    kind: "PriorityLevelConfiguration",
    namespaced: false,
    nameRule: dns1123Subdomain,
    strategy,
    subresources: [statusOnly(strategy, ({ status }) => conditionErrors(status?.conditions))],
    table: {
      columns: [
        NAME_COLUMN,
        column("Type", "Limited or Exempt."),
        column("NominalConcurrencyShares", "Its share of the requests that run at once."),
        column("Queues", "Queues of the level."),
        column("HandSize", "Queues a flow is dealt."),
        column("QueueLengthLimit", "Requests that wait in one queue."),
        AGE_COLUMN,
      ],
      cells(object, now) {
        const { type, limited } = object.spec;
        const queuing = limited?.limitResponse?.queuing;
        return [
          object.metadata.name ?? "",
          type,
          limited?.nominalConcurrencyShares ?? "<none>",
          queuing?.queues ?? "<none>",
          queuing?.handSize ?? "<none>",
          queuing?.queueLengthLimit ?? "<none>",
          age(object, now),
        ];
      },
    },
  });
}
