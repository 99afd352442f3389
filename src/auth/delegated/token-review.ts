/** Tokens checked by asking the main API server (spec: aggregation 7.3). */
import type { Client } from "../../client/client.ts";
import type { TokenAuthenticator, TokenIdentity } from "../../server/identity.ts";
import { newExtra } from "./headers.ts";
import { retrying } from "./retry.ts";

interface Review {
  readonly status?: {
    readonly authenticated?: boolean;
    readonly user?: {
      readonly username?: string;
      readonly uid?: string;
      readonly groups?: readonly string[];
      readonly extra?: Readonly<Record<string, readonly string[]>>;
    };
    readonly audiences?: readonly string[];
  };
}

/** Undefined for a token the main server refuses; rejects when it cannot be asked within 10 s. Not cached: see `cachedTokens`. */
export function tokenReviewer(client: Client): TokenAuthenticator {
  return {
    async authenticateToken(token, audiences): Promise<TokenIdentity | undefined> {
      const review = (await retrying(client, (signal) =>
        client.call({
          method: "POST",
          path: "/apis/authentication.k8s.io/v1/tokenreviews",
          body: {
            apiVersion: "authentication.k8s.io/v1",
            kind: "TokenReview",
            spec: { token, ...(audiences.length > 0 && { audiences }) },
          },
          signal,
        }),
      )) as Review;
      const { status } = review;
      if (status?.authenticated !== true || !status.user?.username) return undefined;
      const extra = newExtra();
      for (const [key, values] of Object.entries(status.user.extra ?? {})) extra[key] = [...values];
      return {
        user: {
          name: status.user.username,
          uid: status.user.uid ?? "",
          groups: status.user.groups ?? [],
          extra,
        },
        // A server that knows no audiences names none: the token is for it, and so for its extensions, only when none was asked for.
        audiences: status.audiences ?? [],
      };
    },
  };
}
