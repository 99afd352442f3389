/** The four questions of authorization.k8s.io: names, codecs and request rules (spec: apiserver 10.5). Who answers them is the authorizer's business. */
import { invalidValue, Printed, required } from "../../api/field-errors.ts";
import { stringifyJSON } from "../../api/json/encode.ts";
import { pathSegment } from "../../api/names.ts";
import { badRequest, type FieldError, invalid, type StatusError } from "../../api/status.ts";
import type { ResourceDefinition } from "../../server/resource.ts";
import { defineKind } from "../define.ts";
import type {
  LocalSubjectAccessReview,
  ResourceAttributes,
  SelfSubjectAccessReview,
  SelfSubjectRulesReview,
  SubjectAccessReview,
  SubjectAccessReviewSpec,
} from "../generated/types.ts";
import { semanticEqual } from "../semantic.ts";

const VIRTUAL = {
  group: "authorization.k8s.io",
  version: "v1",
  verbs: ["create"] as const,
  // Nothing of these is ever stored.
  storagePrefix: "",
  nameRule: pathSegment,
};

/** Metadata of a review must be empty, but for what the server itself keeps there. */
function metadataErrors(
  object: SubjectAccessReview | LocalSubjectAccessReview | SelfSubjectAccessReview,
  local: boolean,
) {
  const { managedFields: _, namespace, ...rest } = object.metadata ?? {};
  const given = local ? rest : { ...rest, namespace };
  if (semanticEqual(given, {})) return [];
  const printed = new Printed(stringifyJSON((object.metadata ?? {}) as never));
  return [invalidValue("metadata", printed, local ? "must be empty except for namespace" : "must be empty")];
}

function selectorErrors(attributes: ResourceAttributes | undefined): FieldError[] {
  const errors: FieldError[] = [];
  for (const name of ["fieldSelector", "labelSelector"] as const) {
    const selector = attributes?.[name];
    if (!selector) continue;
    const path = `spec.resourceAttributes.${name}`;
    const raw = selector.rawSelector ?? "";
    const count = (selector.requirements ?? []).length;
    if (raw !== "" && count > 0) {
      errors.push(invalidValue(`${path}.rawSelector`, raw, "may not specified at the same time as requirements"));
    }
    if (raw === "" && count === 0) {
      const detail = `when ${path} is specified, requirements or rawSelector is required`;
      errors.push(required(`${path}.requirements`, detail));
    }
  }
  return errors;
}

type Spec = Partial<SubjectAccessReviewSpec>;

function attributeErrors(spec: Spec, self: boolean): FieldError[] {
  const errors: FieldError[] = [];
  const { resourceAttributes, nonResourceAttributes } = spec;
  if (resourceAttributes && nonResourceAttributes) {
    const { path = "", verb = "" } = nonResourceAttributes;
    const printed = new Printed(stringifyJSON({ Path: path, Verb: verb }));
    const detail = "cannot be specified in combination with resourceAttributes";
    errors.push(invalidValue("spec.nonResourceAttributes", printed, detail));
  }
  if (!resourceAttributes && !nonResourceAttributes) {
    const detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
    errors.push(invalidValue("spec.resourceAttributes", null, detail));
  }
  if (!self && !spec.user && (spec.groups ?? []).length === 0) {
    errors.push(invalidValue("spec.user", "", "at least one of user or group must be specified"));
  }
  return [...errors, ...selectorErrors(resourceAttributes)];
}

export function validateSubjectAccessReview(object: SubjectAccessReview): FieldError[] {
  return [...attributeErrors(object.spec ?? {}, false), ...metadataErrors(object, false)];
}

export function validateSelfSubjectAccessReview(object: SelfSubjectAccessReview): FieldError[] {
  return [...attributeErrors(object.spec ?? {}, true), ...metadataErrors(object, false)];
}

export function validateLocalSubjectAccessReview(object: LocalSubjectAccessReview): FieldError[] {
  const errors = [...attributeErrors(object.spec ?? {}, false), ...metadataErrors(object, true)];
  const { resourceAttributes, nonResourceAttributes } = object.spec ?? {};
  const namespace = resourceAttributes?.namespace ?? "";
  if (resourceAttributes && namespace !== (object.metadata?.namespace ?? "")) {
    errors.push(invalidValue("spec.resourceAttributes.namespace", namespace, "must match metadata.namespace"));
  }
  if (nonResourceAttributes) {
    const { path = "", verb = "" } = nonResourceAttributes;
    const printed = new Printed(stringifyJSON({ Path: path, Verb: verb }));
    errors.push(invalidValue("spec.nonResourceAttributes", printed, "disallowed on this kind of request"));
  }
  return errors;
}

/** What is wrong with a SelfSubjectRulesReview, to be thrown; undefined when nothing is. */
export function rulesReviewError(object: SelfSubjectRulesReview): StatusError | undefined {
  return object.spec?.namespace ? undefined : badRequest("no namespace on request");
}

/** These reviews refuse without naming their kind. */
function refusing<T>(validate: (object: T) => FieldError[]) {
  return (object: T): FieldError[] => {
    const errors = validate(object);
    if (errors.length > 0) throw invalid({ group: VIRTUAL.group, kind: "" }, "", errors);
    return errors;
  };
}

export function subjectAccessReviews(): ResourceDefinition<SubjectAccessReview> {
  return defineKind<SubjectAccessReview>({
    ...VIRTUAL,
    kind: "SubjectAccessReview",
    namespaced: false,
    strategy: { validate: refusing(validateSubjectAccessReview) },
  });
}

export function localSubjectAccessReviews(): ResourceDefinition<LocalSubjectAccessReview> {
  return defineKind<LocalSubjectAccessReview>({
    ...VIRTUAL,
    kind: "LocalSubjectAccessReview",
    namespaced: true,
    strategy: { validate: refusing(validateLocalSubjectAccessReview) },
  });
}

export function selfSubjectAccessReviews(): ResourceDefinition<SelfSubjectAccessReview> {
  return defineKind<SelfSubjectAccessReview>({
    ...VIRTUAL,
    kind: "SelfSubjectAccessReview",
    namespaced: false,
    strategy: { validate: refusing(validateSelfSubjectAccessReview) },
  });
}

export function selfSubjectRulesReviews(): ResourceDefinition<SelfSubjectRulesReview> {
  return defineKind<SelfSubjectRulesReview>({
    ...VIRTUAL,
    kind: "SelfSubjectRulesReview",
    namespaced: false,
    strategy: {},
  });
}
