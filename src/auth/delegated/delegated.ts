/** Authentication and authorization of an extension server: delegated to the main API server (spec: aggregation 7). */
import { StatusError } from "../../api/status.ts";
import type { Client } from "../../client/client.ts";
import type { Authorizer } from "../../server/authorization.ts";
import type { Authenticator } from "../../server/identity.ts";
import { type AccessReviewOptions, accessReviewer } from "./access-review.ts";
import { alwaysAllowPaths, authorizerUnion, privilegedGroups } from "./authorizers.ts";
import { bearerAuthenticator, webSocketAuthenticator } from "./bearer.ts";
import { clientCertificateAuthenticator } from "./client-certificate.ts";
import { requestHeaderAuthenticator } from "./request-header.ts";
import { cachedTokens } from "./token-cache.ts";
import { tokenReviewer } from "./token-review.ts";
import { type TrustReader, trustReader } from "./trust-reader.ts";
import { authenticatorUnion, type UnionOptions } from "./union.ts";

export interface DelegatedOptions extends UnionOptions, AccessReviewOptions {
  /** Talks to the main API server as this server's own identity. */
  readonly client: Client;
  /** Default `system:masters`. */
  readonly alwaysAllowGroups?: readonly string[];
  /** Default `/healthz`, `/readyz`, `/livez`. */
  readonly alwaysAllowPaths?: readonly string[];
  /** Start although the trust ConfigMap cannot be read. Default false. */
  readonly tolerateLookupFailure?: boolean;
  /** Milliseconds a TokenReview counts; default 10 s. */
  readonly tokenLifetime?: number;
  /** Told of what went wrong in the background. */
  onError?(error: unknown): void;
}

export interface Delegated {
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  readonly trust: TrustReader;
  /** Stops following the ConfigMap. */
  close(): Promise<void>;
}

/** Reads the trust ConfigMap once, then follows it. Rejects when it may not be read, unless told to tolerate that; a missing one is tolerated always. */
export async function delegatedAuth(options: DelegatedOptions): Promise<Delegated> {
  const { client } = options;
  const onError = options.onError ?? (() => {});
  const trust = trustReader(client, onError);
  try {
    await trust.read();
  } catch (error) {
    if (options.tolerateLookupFailure !== true) throw lookupFailure(error);
    onError(error);
  }
  const abort = new AbortController();
  const following = trust.follow(abort.signal);
  const lifetime = options.tokenLifetime ?? 10_000;
  const tokens = cachedTokens(tokenReviewer(client), { clock: client.clock, success: lifetime, failure: lifetime });
  return {
    trust,
    authenticator: authenticatorUnion(
      [
        requestHeaderAuthenticator(trust.requestHeader),
        clientCertificateAuthenticator(trust.clientPool),
        bearerAuthenticator(tokens),
        webSocketAuthenticator(tokens),
      ],
      options,
    ),
    authorizer: authorizerUnion([
      privilegedGroups(options.alwaysAllowGroups),
      alwaysAllowPaths(options.alwaysAllowPaths ?? ["/healthz", "/readyz", "/livez"]),
      accessReviewer(client, options),
    ]),
    async close() {
      abort.abort();
      await following;
    },
  };
}

function lookupFailure(error: unknown): unknown {
  if (!(error instanceof StatusError) || error.code !== 403) return error;
  return new Error(
    `may not read configmap kube-system/extension-apiserver-authentication (${error.message}); allow it with: ` +
      "kubectl create rolebinding -n kube-system <name> --role=extension-apiserver-authentication-reader " +
      "--serviceaccount=<namespace>:<service account>",
    { cause: error },
  );
}
