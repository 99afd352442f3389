/** Tokens nobody here knows, checked by TokenReviews to a server of the operator's choice (spec: apiserver 10.1). */
import type { TokenAuthenticator, TokenIdentity, UserInfo } from "../../server/identity.ts";
import { newExtra } from "../delegated/headers.ts";
import { cachedTokens } from "../delegated/token-cache.ts";
import type { ReviewVersion, Webhook } from "./review.ts";

export interface WebhookTokenOptions {
  readonly version: ReviewVersion;
  /** Milliseconds an answer counts, whichever it is; upstream's default is 2 min. Failures are not remembered. */
  readonly cacheTTL: number;
  /** Whom a token is for when the webhook names no audiences. */
  readonly implicitAudiences: readonly string[];
}

const GROUP = "authentication.k8s.io";

/** Rejects when the webhook cannot be asked, and with its own words when it says what is wrong with a token. */
export function webhookTokens(webhook: Webhook, options: WebhookTokenOptions): TokenAuthenticator {
  const review = { group: GROUP, version: options.version, kind: "TokenReview", blank: { user: {} } };
  const source: TokenAuthenticator = {
    async authenticateToken(token, audiences): Promise<TokenIdentity | undefined> {
      const answer = await webhook.ask(review, { token, ...(audiences.length > 0 && { audiences }) });
      const status = answer as Record<string, unknown>;
      let granted: readonly string[] = [];
      if (audiences.length > 0) {
        const named = texts(status["audiences"], "audiences");
        const got = named.length > 0 ? named : options.implicitAudiences;
        granted = audiences.filter((audience) => got.includes(audience));
        if (granted.length === 0) return undefined;
      }
      if (status["authenticated"] !== true) {
        if (typeof status["error"] === "string" && status["error"] !== "") throw new Error(status["error"]);
        return undefined;
      }
      return { user: userOf(status["user"]), audiences: granted };
    },
  };
  const { cacheTTL } = options;
  return cachedTokens(source, { clock: webhook.clock, success: cacheTTL, failure: cacheTTL });
}

/** Throws for a user without a name: nobody may be somebody. */
function userOf(value: unknown): UserInfo {
  const user = typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  const { username, uid, extra: given } = user;
  if (typeof username !== "string" || username === "")
    throw new Error("the webhook's answer has a user without a name");
  if (uid !== undefined && typeof uid !== "string") throw new Error("the webhook's answer has a uid that is no string");
  const extra = newExtra();
  if (given !== undefined && given !== null) {
    if (typeof given !== "object" || Array.isArray(given))
      throw new Error("the webhook's answer has an extra that is no map");
    for (const [key, values] of Object.entries(given)) extra[key] = texts(values, `extra ${key}`);
  }
  return { name: username, uid: uid ?? "", groups: texts(user["groups"], "groups"), extra };
}

function texts(value: unknown, what: string): string[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || value.some((one) => typeof one !== "string"))
    throw new Error(`the webhook's answer has ${what} that are no list of strings`);
  return value as string[];
}
