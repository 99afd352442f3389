/** TokenReview and SelfSubjectReview: names, codecs and request rules. Who answers them is the authenticator's business. */
import { pathSegment } from "../../api/names.ts";
import { badRequest, type StatusError } from "../../api/status.ts";
import type { ResourceDefinition } from "../../server/resource.ts";
import { defineKind } from "../define.ts";
import type { SelfSubjectReview, TokenReview } from "../generated/types.ts";

export function tokenReviews(): ResourceDefinition<TokenReview> {
  return defineKind<TokenReview>({ ...VIRTUAL, kind: "TokenReview" });
}

export function selfSubjectReviews(): ResourceDefinition<SelfSubjectReview> {
  return defineKind<SelfSubjectReview>({ ...VIRTUAL, kind: "SelfSubjectReview" });
}

const VIRTUAL = {
  group: "authentication.k8s.io",
  version: "v1",
  namespaced: false,
  verbs: ["create"] as const,
  // Nothing of these is ever stored.
  storagePrefix: "",
  nameRule: pathSegment,
  strategy: {},
};

/** What is wrong with a TokenReview, to be thrown; undefined when nothing is. */
export function tokenReviewError(object: TokenReview): StatusError | undefined {
  return object.spec?.token ? undefined : badRequest("token is required for TokenReview in authentication");
}
