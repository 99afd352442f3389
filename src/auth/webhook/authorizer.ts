/** The Webhook mode of authorization: SubjectAccessReviews to a server of the operator's choice (spec: apiserver 10.6). */
import type { Authorizer } from "../../server/authorization.ts";
import { type AccessReviewSpec, type AccessReviewStatus, reviewingAuthorizer } from "../delegated/access-review.ts";
import type { ReviewVersion, Webhook } from "./review.ts";

export interface WebhookAuthorizerOptions {
  readonly version: ReviewVersion;
  /** Milliseconds an Allow counts; upstream's default is 5 min. */
  readonly authorizedTTL: number;
  /** Milliseconds anything else counts; upstream's default is 30 s. */
  readonly unauthorizedTTL: number;
  /** What a webhook that cannot be asked counts as; default NoOpinion: the next authorizer decides, and if none allows, the client gets 500. */
  readonly failurePolicy?: "Deny" | "NoOpinion";
  /** Whether a question is asked at all. */
  matches?(spec: AccessReviewSpec): boolean | Error;
}

const GROUP = "authorization.k8s.io";

export function webhookAuthorizer(webhook: Webhook, options: WebhookAuthorizerOptions): Authorizer {
  const review = { group: GROUP, version: options.version, kind: "SubjectAccessReview", blank: { allowed: false } };
  const ask = async (spec: AccessReviewSpec) =>
    checked(await webhook.ask(review, options.version === "v1" ? spec : asBeta(spec)));
  return reviewingAuthorizer(ask, webhook.clock, {
    allowed: options.authorizedTTL,
    denied: options.unauthorizedTTL,
    failurePolicy: options.failurePolicy ?? "NoOpinion",
    ...(options.matches !== undefined && { matches: options.matches }),
  });
}

/** v1beta1 calls the groups `group`. */
function asBeta({ groups, ...spec }: AccessReviewSpec): object {
  return { ...spec, ...(groups !== undefined && { group: groups }) };
}

/** A status whose fields are not what they should be is no answer: neither yes nor no is read into it. */
function checked(status: object): AccessReviewStatus {
  const types = { allowed: "boolean", denied: "boolean", reason: "string", evaluationError: "string" };
  for (const [field, type] of Object.entries(types)) {
    const value = (status as Record<string, unknown>)[field];
    if (value !== undefined && value !== null && typeof value !== type)
      throw new Error(`the webhook's answer has a status.${field} that is no ${type}`);
  }
  const { allowed, denied, reason } = status as AccessReviewStatus;
  return { allowed: allowed === true, denied: denied === true, reason: reason ?? "" };
}
