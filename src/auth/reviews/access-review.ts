/** Questions to the authorizer as objects: SubjectAccessReview and its three relatives (spec: apiserver 10.5). */
import { badRequest, type FieldError, invalid } from "../../api/status.ts";
import type {
  LabelSelectorAttributes,
  LocalSubjectAccessReview,
  NonResourceAttributes,
  ResourceAttributes,
  SelfSubjectAccessReview,
  SelfSubjectRulesReview,
  SubjectAccessReview,
  SubjectAccessReviewSpec,
} from "../../kinds/generated/types.ts";
import type { AuthorizationAttributes, Authorizer } from "../../server/authorization.ts";
import type { UserInfo } from "../../server/identity.ts";
import type { VirtualResource } from "../../server/resource.ts";
import { newExtra } from "../delegated/headers.ts";

/** Upstream forgets the kind here, hence `.authorization.k8s.io "" is invalid`. */
const NAMELESS = { group: "authorization.k8s.io", kind: "" };

export function subjectAccessReviews(authorizer: Authorizer): VirtualResource<SubjectAccessReview> {
  return {
    async create(_, review) {
      refuse([...specProblems(review.spec, true), ...metadataProblems(review.metadata, false)]);
      return { ...review, status: await decide(authorizer, review.spec, subjectOf(review.spec)) };
    },
  };
}

export function localSubjectAccessReviews(authorizer: Authorizer): VirtualResource<LocalSubjectAccessReview> {
  return {
    async create({ namespace }, review) {
      const problems = [...specProblems(review.spec, true), ...metadataProblems(review.metadata, true)];
      const asked = review.spec?.resourceAttributes;
      if (asked !== undefined && (asked.namespace ?? "") !== namespace)
        problems.push(bad("spec.resourceAttributes.namespace", asked.namespace ?? "", "must match metadata.namespace"));
      if (review.spec?.nonResourceAttributes !== undefined)
        problems.push(
          bad("spec.nonResourceAttributes", review.spec.nonResourceAttributes, "disallowed on this kind of request"),
        );
      refuse(problems);
      return { ...review, status: await decide(authorizer, review.spec, subjectOf(review.spec)) };
    },
  };
}

/** `kubectl auth can-i`. */
export function selfSubjectAccessReviews(authorizer: Authorizer): VirtualResource<SelfSubjectAccessReview> {
  return {
    async create({ user }, review) {
      refuse([...specProblems(review.spec, false), ...metadataProblems(review.metadata, false)]);
      return { ...review, status: await decide(authorizer, review.spec, user) };
    },
  };
}

/** `kubectl auth can-i --list`. */
export function selfSubjectRulesReviews(authorizer: Authorizer): VirtualResource<SelfSubjectRulesReview> {
  return {
    async create({ user }, review) {
      const namespace = review.spec?.namespace ?? "";
      if (namespace === "") throw badRequest("no namespace on request");
      const rules = await authorizer.rulesFor(user, namespace);
      return {
        apiVersion: review.apiVersion,
        kind: review.kind,
        metadata: {},
        spec: {},
        status: {
          resourceRules: rules.resourceRules.map((rule) => ({
            verbs: [...rule.verbs],
            ...(rule.apiGroups.length > 0 && { apiGroups: [...rule.apiGroups] }),
            ...(rule.resources.length > 0 && { resources: [...rule.resources] }),
            ...(rule.resourceNames.length > 0 && { resourceNames: [...rule.resourceNames] }),
          })),
          nonResourceRules: rules.nonResourceRules.map((rule) => ({
            verbs: [...rule.verbs],
            nonResourceURLs: [...rule.nonResourceURLs],
          })),
          incomplete: rules.incomplete,
          ...(rules.evaluationError !== "" && { evaluationError: rules.evaluationError }),
        },
      };
    },
  };
}

type Spec = Pick<SubjectAccessReviewSpec, "resourceAttributes" | "nonResourceAttributes">;

async function decide(authorizer: Authorizer, spec: Spec, user: UserInfo) {
  const { verdict, reason, error } = await authorizer.authorize(attributesOf(spec, user));
  return {
    allowed: verdict === "Allow",
    ...(verdict === "Deny" && { denied: true }),
    ...(reason !== "" && { reason }),
    ...(error !== undefined && { evaluationError: error.message }),
  };
}

function subjectOf(spec: SubjectAccessReviewSpec): UserInfo {
  const extra = newExtra();
  for (const [key, values] of Object.entries(spec.extra ?? {})) extra[key] = values ?? [];
  return { name: spec.user ?? "", uid: spec.uid ?? "", groups: spec.groups ?? [], extra };
}

/** What a review's spec asks of an authorizer. */
export function attributesOf(spec: Spec, user: UserInfo): AuthorizationAttributes {
  const resource: ResourceAttributes | undefined = spec.resourceAttributes;
  const path: NonResourceAttributes | undefined = spec.nonResourceAttributes;
  return {
    user,
    verb: resource?.verb ?? path?.verb ?? "",
    isResourceRequest: resource !== undefined,
    group: resource?.group ?? "",
    version: resource === undefined ? "" : resource.version || "*",
    resource: resource?.resource ?? "",
    subresource: resource?.subresource ?? "",
    namespace: resource?.namespace ?? "",
    name: resource?.name ?? "",
    path: path?.path ?? "",
    ...(resource?.fieldSelector !== undefined && { fieldSelector: printSelector(resource.fieldSelector) }),
    ...(resource?.labelSelector !== undefined && { labelSelector: printSelector(resource.labelSelector) }),
  };
}

function printSelector(selector: LabelSelectorAttributes): string {
  if (selector.rawSelector) return selector.rawSelector;
  const parts = (selector.requirements ?? []).map(({ key, operator, values }) => {
    if (operator === "Exists") return key;
    if (operator === "DoesNotExist") return `!${key}`;
    return `${key} ${operator === "NotIn" ? "notin" : "in"} (${(values ?? []).join(",")})`;
  });
  return parts.join(",");
}

function specProblems(spec: SubjectAccessReviewSpec | undefined, needsSubject: boolean): FieldError[] {
  const problems: FieldError[] = [];
  const { resourceAttributes: resource, nonResourceAttributes: path } = spec ?? {};
  if (resource !== undefined && path !== undefined)
    problems.push(
      bad("spec.nonResourceAttributes", path, "cannot be specified in combination with resourceAttributes"),
    );
  if (resource === undefined && path === undefined)
    problems.push(
      bad(
        "spec.resourceAttributes",
        null,
        "exactly one of nonResourceAttributes or resourceAttributes must be specified",
      ),
    );
  if (needsSubject && !spec?.user && !spec?.groups?.length)
    problems.push(bad("spec.user", "", "at least one of user or group must be specified"));
  for (const name of ["fieldSelector", "labelSelector"] as const) {
    const selector = resource?.[name];
    if (selector === undefined) continue;
    const field = `spec.resourceAttributes.${name}`;
    const count = selector.requirements?.length ?? 0;
    if (selector.rawSelector && count > 0)
      problems.push(
        bad(`${field}.rawSelector`, selector.rawSelector, "may not specified at the same time as requirements"),
      );
    if (!selector.rawSelector && count === 0)
      problems.push({
        reason: "FieldValueRequired",
        field: `${field}.requirements`,
        message: `Required value: when ${field} is specified, requirements or rawSelector is required`,
      });
  }
  return problems;
}

function metadataProblems(metadata: object | undefined, mayHaveNamespace: boolean): FieldError[] {
  const meaningful = Object.entries(metadata ?? {}).some(
    ([key, value]) =>
      value !== undefined &&
      value !== null &&
      value !== "" &&
      key !== "managedFields" &&
      !(mayHaveNamespace && key === "namespace"),
  );
  if (!meaningful) return [];
  return [bad("metadata", metadata, mayHaveNamespace ? "must be empty except for namespace" : "must be empty")];
}

function bad(field: string, value: unknown, detail: string): FieldError {
  return { reason: "FieldValueInvalid", field, message: `Invalid value: ${JSON.stringify(value)}: ${detail}` };
}

function refuse(problems: readonly FieldError[]): void {
  if (problems.length > 0) throw invalid(NAMELESS, "", problems);
}
