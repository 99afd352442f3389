/** Authorization by asking somebody else, in SubjectAccessReviews: the main API server (spec: aggregation 7.4), or a webhook. */
import { createHash } from "node:crypto";
import type { Clock } from "../../api/clock.ts";
import { parseFieldSelector, parseLabelSelector } from "../../api/selectors.ts";
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
  /** What a question that could not be asked counts as, beside its error; default NoOpinion. */
  readonly failurePolicy?: "Deny" | "NoOpinion";
  /** Whether to ask at all: false is no opinion, an Error counts as a question that could not be asked. */
  matches?(spec: AccessReviewSpec): boolean | Error;
}

export interface AccessReviewSpec {
  readonly user: string;
  readonly uid?: string;
  readonly groups?: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
  readonly resourceAttributes?: object;
  readonly nonResourceAttributes?: object;
}

export interface AccessReviewStatus {
  readonly allowed?: boolean;
  readonly denied?: boolean;
  readonly reason?: string;
}

/** Asks one question; rejects when there is no answer. */
export type AskAccess = (spec: AccessReviewSpec) => Promise<AccessReviewStatus>;

/** What a requester chose may be this long together, or the question is not remembered: nobody fills the cache with long names. */
const MAX_CONTROLLED = 10_000;
/** Longer questions are remembered by their hash, longer reasons not at all: the cache is bounded in bytes too. */
const MAX_KEY = 512;
const MAX_REASON = 10_000;

const UNASKED: AuthorizationDecision = { verdict: "NoOpinion", reason: "" };

/** The main API server as authorizer. A failed question is an error in the decision (a 500 for the client). */
export function accessReviewer(client: Client, options: AccessReviewOptions = {}): Authorizer {
  const ask: AskAccess = async (spec) => {
    const review = (await retrying(client, (signal) =>
      client.call({
        method: "POST",
        path: "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        body: { apiVersion: "authorization.k8s.io/v1", kind: "SubjectAccessReview", spec },
        signal,
      }),
    )) as { status?: AccessReviewStatus };
    return review.status ?? {};
  };
  return reviewingAuthorizer(ask, client.clock, options);
}

/** An authorizer that asks `ask`. Answers are remembered, failures are not; concurrent equal questions are one. */
export function reviewingAuthorizer(ask: AskAccess, clock: Clock, options: AccessReviewOptions = {}): Authorizer {
  const cache = new ExpiringCache<AuthorizationDecision>(clock, options.capacity ?? 8192);
  const running = new Map<string, Promise<AuthorizationDecision>>();

  const failed = (error: Error): AuthorizationDecision => ({
    verdict: options.failurePolicy ?? "NoOpinion",
    reason: "",
    error,
  });

  async function decide(key: string, spec: AccessReviewSpec, remember: boolean): Promise<AuthorizationDecision> {
    let status: AccessReviewStatus;
    try {
      status = await ask(spec);
    } catch (error) {
      return failed(error instanceof Error ? error : new Error(String(error)));
    }
    const decision = decisionOf(status);
    // As upstream: the lifetime goes by `allowed` alone.
    const lifetime = status.allowed === true ? (options.allowed ?? 10_000) : (options.denied ?? 10_000);
    if (remember && decision.reason.length < MAX_REASON) cache.set(key, decision, lifetime);
    return decision;
  }

  return {
    async authorize(attributes) {
      const spec = specOf(attributes);
      const matches = options.matches?.(spec) ?? true;
      if (matches !== true) return matches === false ? UNASKED : failed(matches);
      const text = JSON.stringify(spec);
      const key = text.length <= MAX_KEY ? text : createHash("sha256").update(text).digest("base64");
      const known = cache.get(key);
      if (known !== undefined) return known;
      const shared = running.get(key) ?? decide(key, spec, mayRemember(attributes)).finally(() => running.delete(key));
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

function decisionOf({ allowed, denied, reason = "" }: AccessReviewStatus): AuthorizationDecision {
  if (allowed === true && denied === true) {
    const error = new Error("webhook subject access review returned both allow and deny response");
    return { verdict: "Deny", reason, error };
  }
  return { verdict: denied === true ? "Deny" : allowed === true ? "Allow" : "NoOpinion", reason };
}

function mayRemember(asked: AuthorizationAttributes): boolean {
  const { namespace, verb, group, version, resource, subresource, name, path } = asked;
  const chosen = [namespace, verb, group, version, resource, subresource, name, path];
  return chosen.reduce((sum, text) => sum + Buffer.byteLength(text), 0) < MAX_CONTROLLED;
}

function specOf(attributes: AuthorizationAttributes): AccessReviewSpec {
  const { user, verb } = attributes;
  const given = (fields: Readonly<Record<string, string | undefined>>) =>
    Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== ""));
  const extra = Object.entries(user.extra);
  const fields = fieldRequirements(attributes.fieldSelector);
  const labels = labelRequirements(attributes.labelSelector);
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
            ...(fields.length > 0 && { fieldSelector: { requirements: fields } }),
            ...(labels.length > 0 && { labelSelector: { requirements: labels } }),
          },
        }
      : { nonResourceAttributes: given({ path: attributes.path, verb }) }),
  };
}

interface Requirement {
  readonly key: string;
  readonly operator: string;
  readonly values?: readonly string[];
}

/** A selector that cannot be read narrows nothing; the request itself will be refused for it (as upstream). */
function fieldRequirements(text: string | undefined): Requirement[] {
  if (!text) return [];
  try {
    return parseFieldSelector(text).requirements.map(({ field, operator, value }) => ({
      key: field,
      operator: operator === "!=" ? "NotIn" : "In",
      values: [value],
    }));
  } catch {
    return [];
  }
}

const LABEL_OPERATORS = new Map([
  ["=", "In"],
  ["==", "In"],
  ["in", "In"],
  ["!=", "NotIn"],
  ["notin", "NotIn"],
  ["exists", "Exists"],
  ["!", "DoesNotExist"],
]);

function labelRequirements(text: string | undefined): Requirement[] {
  if (!text) return [];
  try {
    return parseLabelSelector(text).requirements.flatMap(({ key, operator, values }) => {
      const meaning = LABEL_OPERATORS.get(operator);
      // Requirements hold together: one that has no word in a review only makes the question broader.
      if (meaning === undefined) return [];
      return [{ key, operator: meaning, ...(values.length > 0 && { values }) }];
    });
  } catch {
    return [];
  }
}
