/** CustomResourceDefinition: a kind that a client defines (spec: apiserver 8.1). */
import { equalJSON } from "../../api/json/index.ts";
import type { JSONValue } from "../../api/meta.ts";
import { dns1123Subdomain } from "../../api/names.ts";
import { formatTime } from "../../api/time.ts";
import type { ResourceDefinition, Strategy } from "../../server/resource.ts";
import { CREATED_COLUMN, NAME_COLUMN } from "../columns.ts";
import { defineKind, keep, statusSubresource } from "../define.ts";
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionCondition,
  CustomResourceDefinitionStatus,
} from "../generated/types.ts";
import { acceptedNamesErrors } from "./names-rules.ts";
import { definitionFromV1beta1 } from "./stored-v1beta1.ts";

/** Holds a deleted definition until its objects are gone. */
export const CLEANUP_FINALIZER = "customresourcecleanup.apiextensions.k8s.io";
/** The port of a conversion webhook's service when none is given. */
const DEFAULT_WEBHOOK_PORT = 443;

/** The status as encoders want it: what is not omitted when empty is there. */
function statusOf(object: CustomResourceDefinition): CustomResourceDefinitionStatus {
  object.status ??= { conditions: null, acceptedNames: { plural: "", kind: "" }, storedVersions: null };
  object.status.acceptedNames ??= { plural: "", kind: "" };
  return object.status;
}

/** The version objects are stored in, undefined when none is marked. */
export function storageVersion(object: CustomResourceDefinition): string | undefined {
  return object.spec.versions?.find((version) => version.storage)?.name;
}

export function findCondition(
  object: CustomResourceDefinition,
  type: string,
): CustomResourceDefinitionCondition | undefined {
  return object.status?.conditions?.find((condition) => condition.type === type);
}

/** Sets a condition in place; its time moves only when its status changes. `now`: milliseconds. */
export function setCondition(
  object: CustomResourceDefinition,
  condition: Omit<CustomResourceDefinitionCondition, "lastTransitionTime">,
  now: number,
): void {
  const status = statusOf(object);
  status.conditions ??= [];
  const existing = findCondition(object, condition.type);
  if (existing === undefined) {
    status.conditions.push({ ...condition, lastTransitionTime: formatTime(now) });
    return;
  }
  if (existing.status !== condition.status || !existing.lastTransitionTime) {
    existing.lastTransitionTime = formatTime(now);
  }
  existing.status = condition.status;
  existing.reason = condition.reason ?? "";
  existing.message = condition.message ?? "";
}

/** Adds the storage version to the versions objects may be stored in. */
function rememberStorageVersion(object: CustomResourceDefinition): void {
  const version = storageVersion(object);
  const status = statusOf(object);
  if (version === undefined || status.storedVersions?.includes(version)) return;
  status.storedVersions = [...(status.storedVersions ?? []), version];
}

function setDefaults(object: CustomResourceDefinition): void {
  object.spec ??= { group: "", names: { plural: "", kind: "" }, scope: "", versions: null };
  object.spec.names ??= { plural: "", kind: "" };
  const { spec } = object;
  const { names } = spec;
  names.singular ||= (names.kind ?? "").toLowerCase();
  if (names.kind) names.listKind ||= `${names.kind}List`;
  spec.conversion ??= { strategy: "None" };
  const service = spec.conversion.webhook?.clientConfig?.service;
  if (service) service.port ??= DEFAULT_WEBHOOK_PORT;
  if (!object.status?.storedVersions?.length) rememberStorageVersion(object);
}

const strategy: Strategy<CustomResourceDefinition> = {
  allowUnconditionalUpdate: false,
  setDefaults,
  prepareForCreate(object) {
    delete object.status;
    object.metadata.generation = 1;
    rememberStorageVersion(object);
  },
  // Schemas, patterns and expressions are a lot of code that nobody needs before the first definition.
  validateRules: async (object, old, errors, context) =>
    (await import("./definition-rules.ts")).checkDefinition(object, old, errors, context),
  prepareForUpdate(object, old) {
    keep(object, old, "status");
    const generation = old.metadata.generation ?? 0;
    object.metadata.generation = equalJSON(object.spec as unknown as JSONValue, old.spec as unknown as JSONValue)
      ? generation
      : generation + 1;
    rememberStorageVersion(object);
  },
  returnsDeletedObject: true,
  /** The first delete only announces the end: objects of the kind go first (spec: apiserver 8.12, 6). */
  beginDelete(object, context) {
    if (object.metadata.deletionTimestamp) return (object.metadata.finalizers ?? []).length > 0;
    const now = context.clock.now();
    object.metadata.deletionTimestamp = formatTime(now);
    const finalizers = object.metadata.finalizers ?? [];
    if (!finalizers.includes(CLEANUP_FINALIZER)) object.metadata.finalizers = [...finalizers, CLEANUP_FINALIZER];
    setCondition(
      object,
      {
        type: "Terminating",
        status: "True",
        reason: "InstanceDeletionPending",
        message: "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
      },
      now,
    );
    return true;
  },
};

const statusStrategy: Strategy<CustomResourceDefinition> = {
  allowUnconditionalUpdate: false,
  setDefaults,
  prepareForUpdate: (object, old) => keep(object, old, "spec"),
  validateUpdate: acceptedNamesErrors,
};

export function customResourceDefinitions(): ResourceDefinition<CustomResourceDefinition> {
  return defineKind<CustomResourceDefinition>({
    group: "apiextensions.k8s.io",
    version: "v1",
    kind: "CustomResourceDefinition",
    namespaced: false,
    shortNames: ["crd", "crds"],
    categories: ["api-extensions"],
    nameRule: dns1123Subdomain,
    plainFinalizers: true,
    storagePrefix: "/registry/apiextensions.k8s.io/customresourcedefinitions/",
    olderVersions: { "apiextensions.k8s.io/v1beta1": definitionFromV1beta1 },
    strategy,
    subresources: [statusSubresource(statusStrategy)],
    table: {
      columns: [NAME_COLUMN, CREATED_COLUMN],
      cells: (object) => [object.metadata.name ?? "", object.metadata.creationTimestamp ?? null],
    },
  });
}
