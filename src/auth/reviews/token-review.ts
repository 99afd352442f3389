/** `tokenreviews` and `selfsubjectreviews`: who a token stands for, and who I am (spec: apiserver 10.2). */
import { badRequest } from "../../api/status.ts";
import type { SelfSubjectReview, TokenReview, UserInfo as WireUser } from "../../kinds/generated/types.ts";
import type { TokenAuthenticator, UserInfo } from "../../server/identity.ts";
import type { VirtualResource } from "../../server/resource.ts";
import { MAX_TOKEN_LENGTH } from "../delegated/bearer.ts";
import { withAuthenticated } from "../delegated/union.ts";

export interface TokenReviewOptions {
  readonly tokens: TokenAuthenticator;
  /** Who this server is; what is asked for when the review names no audiences. */
  readonly audiences: readonly string[];
}

/** A bad token is an answer, not an error: 201 with `authenticated` absent and `error` set. */
export function tokenReviews(options: TokenReviewOptions): VirtualResource<TokenReview> {
  return {
    async create(_, review) {
      const token = review.spec?.token ?? "";
      if (token === "") throw badRequest("token is required for TokenReview in authentication");
      const audiences = review.spec.audiences?.length ? review.spec.audiences : options.audiences;
      try {
        if (token.length > MAX_TOKEN_LENGTH) throw new Error("bearer token too long");
        const identity = await options.tokens.authenticateToken(token, audiences);
        if (identity === undefined) throw new Error("invalid bearer token");
        if (audiences.length > 0 && !identity.audiences.some((audience) => audiences.includes(audience)))
          throw new Error("error validating audience");
        const user = wireUser(withAuthenticated(identity.user));
        return { ...review, status: { authenticated: true, user, audiences: [...identity.audiences] } };
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        // The first part is what upstream's loopback authenticator always adds.
        const full = message === "invalid bearer token" ? message : `[invalid bearer token, ${message}]`;
        return { ...review, status: { user: {}, error: full } };
      }
    },
  };
}

/** `kubectl auth whoami`. */
export const selfSubjectReviews: VirtualResource<SelfSubjectReview> = {
  create(context, review) {
    const creationTimestamp = new Date(context.clock.now()).toISOString().replace(/\.\d+Z$/, "Z");
    return {
      apiVersion: review.apiVersion,
      kind: review.kind,
      metadata: { creationTimestamp },
      status: { userInfo: wireUser(context.user) },
    };
  },
};

/** As in `authentication.k8s.io/v1` UserInfo; what is empty is absent. */
export function wireUser(user: UserInfo): WireUser {
  const extra: [string, string[]][] = Object.entries(user.extra).map(([key, values]) => [key, [...values]]);
  return {
    username: user.name,
    ...(user.uid !== "" && { uid: user.uid }),
    ...(user.groups.length > 0 && { groups: [...user.groups] }),
    // fromEntries defines keys, so that "__proto__" is one like any other.
    ...(extra.length > 0 && { extra: Object.fromEntries(extra) }),
  };
}
