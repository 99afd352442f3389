/** APIService: the claim of a server on one group-version (spec: aggregation 1). */
import { invalidValue, notSupported, required } from "../../api/field-errors.ts";
import { goQuote } from "../../api/go-quote.ts";
import { dns1035Label, dns1123Subdomain, pathSegment, portNumber } from "../../api/names.ts";
import type { FieldError } from "../../api/status.ts";
import { formatTime } from "../../api/time.ts";
import type { ResourceDefinition, Strategy } from "../../server/resource.ts";
import { AGE_COLUMN, age, column, NAME_COLUMN } from "../columns.ts";
import { base64Length } from "../core/config-map.ts";
import { defineKind, keep, keepMeta, statusSubresource } from "../define.ts";
import type { APIService, APIServiceCondition } from "../generated/types.ts";

export const AVAILABLE = "Available";

/** What the port of a service is when none is given. */
export const DEFAULT_SERVICE_PORT = 443;

/** The condition of a claim that this server itself answers (spec: aggregation 1.5). `now`: milliseconds. */
export function localCondition(now: number): APIServiceCondition {
  return {
    type: AVAILABLE,
    status: "True",
    lastTransitionTime: formatTime(now),
    reason: "Local",
    message: "Local APIServices are always available",
  };
}

/** Sets a condition in place; its time moves only when its status changes (spec: aggregation 1.5). */
export function setCondition(object: APIService, condition: APIServiceCondition): void {
  object.status ??= {};
  object.status.conditions ??= [];
  const existing = object.status.conditions.find((candidate) => candidate.type === condition.type);
  if (existing === undefined) object.status.conditions.push({ ...condition });
  else {
    if (existing.status !== condition.status) {
      existing.status = condition.status;
      existing.lastTransitionTime = condition.lastTransitionTime ?? null;
    }
    existing.reason = condition.reason ?? "";
    existing.message = condition.message ?? "";
  }
}

/** Whether the condition is present and exactly True. */
export function isAvailable(object: APIService): boolean {
  return object.status?.conditions?.find((condition) => condition.type === AVAILABLE)?.status === "True";
}

/** The rules of aggregation 1.3, in their order. */
export function validateAPIService(object: APIService): FieldError[] {
  const errors: FieldError[] = [];
  const { group = "", version = "", service, caBundle = "", insecureSkipTLSVerify = false } = object.spec;
  const name = object.metadata.name ?? "";
  const expected = `${version}.${group}`;
  // A name that is no path segment was refused by the name rule already.
  if (name !== "" && pathSegment(name).length === 0 && name !== expected) {
    const detail = `must be \`spec.version+"."+spec.group\`: ${goQuote(expected)}`;
    errors.push(invalidValue("metadata.name", name, detail));
  }
  if (group === "" && version !== "v1") {
    errors.push(required("spec.group", "only v1 may have an empty group and it better be legacy kube"));
  }
  if (group !== "") {
    for (const message of dns1123Subdomain(group)) errors.push(invalidValue("spec.group", group, message));
  }
  for (const message of dns1035Label(version)) errors.push(invalidValue("spec.version", version, message));
  const groupPriority = object.spec.groupPriorityMinimum ?? 0;
  if (groupPriority <= 0 || groupPriority > 20_000) {
    errors.push(invalidValue("spec.groupPriorityMinimum", groupPriority, "must be positive and less than 20000"));
  }
  const versionPriority = object.spec.versionPriority ?? 0;
  if (versionPriority <= 0 || versionPriority > 1000) {
    errors.push(invalidValue("spec.versionPriority", versionPriority, "must be positive and less than 1000"));
  }
  if (!service) {
    if (caBundle !== "") {
      const size = `${base64Length(caBundle)} bytes`;
      errors.push(invalidValue("spec.caBundle", size, "local APIServices may not have a caBundle"));
    }
    if (insecureSkipTLSVerify) {
      errors.push(
        invalidValue("spec.insecureSkipTLSVerify", true, "local APIServices may not have insecureSkipTLSVerify"),
      );
    }
    return errors;
  }
  if (!service.namespace) errors.push(required("spec.service.namespace"));
  if (!service.name) errors.push(required("spec.service.name"));
  const port = service.port ?? 0;
  const portMessages = portNumber(port);
  if (portMessages.length > 0) {
    errors.push(invalidValue("spec.service.port", port, `port is not valid: ${portMessages.join(", ")}`));
  }
  if (insecureSkipTLSVerify && caBundle !== "") {
    errors.push(invalidValue("spec.insecureSkipTLSVerify", true, "may not be true if caBundle is present"));
  }
  return errors;
}

const CONDITION_STATUSES = ["True", "False", "Unknown"];

function validateStatus(object: APIService): FieldError[] {
  return (object.status?.conditions ?? []).flatMap((condition, index) =>
    CONDITION_STATUSES.includes(condition.status)
      ? []
      : [notSupported(`status.conditions[${index}].status`, condition.status ?? "", CONDITION_STATUSES)],
  );
}

function setDefaults(object: APIService): void {
  object.spec ??= { groupPriorityMinimum: 0, versionPriority: 0 };
  const { service } = object.spec;
  if (service) service.port ??= DEFAULT_SERVICE_PORT;
}

const strategy: Strategy<APIService> = {
  allowUnconditionalUpdate: false,
  setDefaults,
  prepareForCreate(object, context) {
    object.status = {};
    if (!object.spec.service) setCondition(object, localCondition(context.clock.now()));
  },
  validate: validateAPIService,
  prepareForUpdate: (object, old) => keep(object, old, "status"),
  validateUpdate: validateAPIService,
};

const statusStrategy: Strategy<APIService> = {
  allowUnconditionalUpdate: false,
  setDefaults,
  prepareForUpdate(object, old) {
    keep(object, old, "spec");
    for (const field of ["labels", "annotations", "finalizers", "ownerReferences"] as const) {
      keepMeta(object, old, field);
    }
  },
  validateUpdate: validateStatus,
};

function availableCell(object: APIService): string {
  const condition = object.status?.conditions?.find((candidate) => candidate.type === AVAILABLE);
  if (condition === undefined) return "Unknown";
  return condition.status === "True" ? "True" : `${condition.status} (${condition.reason ?? ""})`;
}

export function apiServices(): ResourceDefinition<APIService> {
  return defineKind<APIService>({
    group: "apiregistration.k8s.io",
    version: "v1",
    kind: "APIService",
    namespaced: false,
    categories: ["api-extensions"],
    nameRule: pathSegment,
    plainFinalizers: true,
    storagePrefix: "/registry/apiregistration.k8s.io/apiservices/",
    strategy,
    subresources: [statusSubresource(statusStrategy)],
    table: {
      columns: [
        NAME_COLUMN,
        column("Service", "The service that answers, or Local."),
        column("Available", "Whether it can be reached, and the reason when not."),
        AGE_COLUMN,
      ],
      cells(object, now) {
        const { service } = object.spec;
        const where = service ? `${service.namespace ?? ""}/${service.name ?? ""}` : "Local";
        return [object.metadata.name ?? "", where, availableCell(object), age(object, now)];
      },
    },
  });
}
