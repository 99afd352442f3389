/** Authorization by asking the main API server (spec: aggregation 7.4). */
import type { Client } from "../../client/client.ts";
import type { AuthorizationAttributes, AuthorizationDecision, Authorizer } from "../../server/authorization.ts";
import { ExpiringCache } from "./cache.ts";
import { retrying } from "./retry.ts";

export interface AccessReviewOptions {
  /** Milliseconds an Allow counts; default 10 s. */
  readonly allowed?: number;
  /** Milliseconds a refusal counts; default 10 s. */
  readonly denied?: number;
  /** Entries; default 8192. */
  readonly capacity?: number;
}

/** Questions longer than this are not remembered, so that nobody fills the cache with one. */
const MAX_KEY = 10_000;

/** A failed question is an error in the decision (a 500 for the client), and is not remembered. Concurrent equal questions are one. */
export function accessReviewer(client: Client, options: AccessReviewOptions = {}): Authorizer {
  const cache = new ExpiringCache<AuthorizationDecision>(client.clock, options.capacity ?? 8192);
  const running = new Map<string, Promise<AuthorizationDecision>>();

  async function ask(key: string, spec: object): Promise<AuthorizationDecision> {
    try {
      const review = (await retrying(client, (signal) =>
        client.call({
          method: "POST",
          path: "/apis/authorization.k8s.io/v1/subjectaccessreviews",
          body: { apiVersion: "authorization.k8s.io/v1", kind: "SubjectAccessReview", spec },
          signal,
        }),
      )) as { status?: { allowed?: boolean; denied?: boolean; reason?: string } };
      const { status = {} } = review;
      const verdict = status.denied === true ? "Deny" : status.allowed === true ? "Allow" : "NoOpinion";
      const decision = { verdict, reason: status.reason ?? "" } as const;
      const lifetime = verdict === "Allow" ? (options.allowed ?? 10_000) : (options.denied ?? 10_000);
      if (key.length < MAX_KEY) cache.set(key, decision, lifetime);
      return decision;
    } catch (error) {
      return { verdict: "NoOpinion", reason: "", error: error instanceof Error ? error : new Error(String(error)) };
    }
  }

  return {
    async authorize(attributes) {
      const spec = specOf(attributes);
      const key = JSON.stringify(spec);
      const known = cache.get(key);
      if (known !== undefined) return known;
      const shared = running.get(key) ?? ask(key, spec).finally(() => running.delete(key));
      running.set(key, shared);
      return shared;
    },
    rulesFor: () => ({
      resourceRules: [],
      nonResourceRules: [],
      incomplete: true,
      evaluationError: "webhook authorizer does not support user rule resolution",
    }),
  };
}

function specOf(attributes: AuthorizationAttributes): object {
  const { user, verb } = attributes;
  const given = (fields: Readonly<Record<string, string | undefined>>) =>
    Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== ""));
  const extra = Object.entries(user.extra);
  return {
    user: user.name,
    ...(user.uid !== "" && { uid: user.uid }),
    ...(user.groups.length > 0 && { groups: user.groups }),
    ...(extra.length > 0 && { extra: Object.fromEntries(extra) }),
    ...(attributes.isResourceRequest
      ? {
          resourceAttributes: {
            ...given({
              namespace: attributes.namespace,
              verb,
              group: attributes.group,
              version: attributes.version,
              resource: attributes.resource,
              subresource: attributes.subresource,
              name: attributes.name,
            }),
            ...(attributes.fieldSelector && { fieldSelector: { rawSelector: attributes.fieldSelector } }),
            ...(attributes.labelSelector && { labelSelector: { rawSelector: attributes.labelSelector } }),
          },
        }
      : { nonResourceAttributes: given({ path: attributes.path, verb }) }),
  };
}
