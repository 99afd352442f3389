/** Who may come in and what they may do: the authenticators and authorizers of the main API server, wired to its own objects. */
import type { Clock, Random } from "../api/clock.ts";
import type { KubeObject } from "../api/meta.ts";
import { alwaysAllow, alwaysDeny, authorizerUnion, privilegedGroups } from "../auth/delegated/authorizers.ts";
import { bearerAuthenticator, webSocketAuthenticator } from "../auth/delegated/bearer.ts";
import { clientCertificateAuthenticator } from "../auth/delegated/client-certificate.ts";
import {
  DEFAULT_IDENTITY_HEADERS,
  type RequestHeaderConfig,
  requestHeaderAuthenticator,
} from "../auth/delegated/request-header.ts";
import { cachedTokens } from "../auth/delegated/token-cache.ts";
import type { RequestHeaderTrust } from "../auth/delegated/trust-config.ts";
import { authenticatorUnion, tokenUnion } from "../auth/delegated/union.ts";
import { FRONT_PROXY_CLIENT_NAME, type PKI } from "../auth/pki/pki.ts";
import { TrustPool } from "../auth/pki/trust-pool.ts";
import { type RBACAuthorizer, rbacAuthorizer } from "../auth/rbac/authorizer.ts";
import { tokenIssuer } from "../auth/tokens/service-account-issuer.ts";
import { serviceAccountTokens } from "../auth/tokens/service-account-tokens.ts";
import { staticTokens } from "../auth/tokens/static-tokens.ts";
import { tokenRequest } from "../auth/tokens/token-request.ts";
import type { Authorizer } from "../server/authorization.ts";
import type { Authenticator, TokenAuthenticator, UserInfo } from "../server/identity.ts";
import type { Logger } from "../server/logger.ts";
import type { RequestContext } from "../server/resource.ts";
import type { Listers } from "./listers.ts";
import type { TrustSources } from "./trust-sources.ts";

export interface IdentityOptions {
  readonly pki: PKI;
  readonly trust: Pick<TrustSources, "clientCA" | "requestHeader">;
  readonly listers: Listers;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Token → user, from a token file. */
  readonly tokens: ReadonlyMap<string, UserInfo> | undefined;
  readonly anonymous: boolean;
  /** Asked about tokens nobody here knows. */
  readonly tokenWebhook: TokenAuthenticator | undefined;
  /** Who decides, in order, after `system:masters`. */
  readonly authorizers: readonly AuthorizationMode[];
  /** Of service-account tokens; also their default audience. */
  readonly issuer: string;
}

/** A mode by upstream's name, an authorizer that was made elsewhere, or one that is yet to be given RBAC. */
export type AuthorizationMode =
  | "RBAC"
  | "AlwaysAllow"
  | "AlwaysDeny"
  | Authorizer
  | { authorizer(rbac: Authorizer): Authorizer };

export interface Identity {
  readonly authenticator: Authenticator;
  /** What TokenReview asks. */
  readonly tokens: TokenAuthenticator;
  readonly authorizer: Authorizer;
  readonly rbac: RBACAuthorizer;
  createToken(context: RequestContext, account: KubeObject, body: KubeObject): Promise<KubeObject>;
}

/** Tokens proved once count for this long, as upstream, so that a busy client is verified once. */
const TOKEN_CACHE = { success: 10_000 };

export function createIdentity(options: IdentityOptions): Identity {
  const { pki, trust, listers, clock, random, logger, issuer } = options;
  const clients = derived(trust.clientCA, (bundle) => new TrustPool(bundle, clock));
  const frontProxies = derived(
    trust.requestHeader,
    ({ ca, ...headers }): RequestHeaderConfig => ({ ...headers, pool: new TrustPool(ca, clock) }),
  );
  const audiences = [issuer];
  const bound = {
    secrets: listers.of("", "secrets"),
    pods: listers.of("", "pods"),
    nodes: listers.of("", "nodes"),
  };
  const serviceAccounts = serviceAccountTokens({
    issuers: [issuer],
    keys: pki.serviceAccountPublicKeys,
    audiences,
    clock,
    serviceAccounts: listers.of("", "serviceaccounts"),
    ...bound,
  });
  // Local first, then remote.
  const kinds = [
    ...(options.tokens === undefined ? [] : [staticTokens(options.tokens)]),
    serviceAccounts,
    ...(options.tokenWebhook === undefined ? [] : [options.tokenWebhook]),
  ];
  const tokens = cachedTokens(tokenUnion(kinds), { clock, ...TOKEN_CACHE });
  const authenticator = authenticatorUnion(
    [
      requestHeaderAuthenticator(frontProxies),
      clientCertificateAuthenticator(clients),
      bearerAuthenticator(tokens, audiences),
      webSocketAuthenticator(tokens, audiences),
    ],
    {
      anonymous: options.anonymous,
      onFailure: (exchange, errors) =>
        logger.info(
          { code: "unauthenticated", auditID: exchange.auditID, errors: errors.map(String) },
          "credentials refused",
        ),
    },
  );
  const rbac = rbacAuthorizer({
    roles: listers.of("rbac.authorization.k8s.io", "roles"),
    roleBindings: listers.of("rbac.authorization.k8s.io", "rolebindings"),
    clusterRoles: listers.of("rbac.authorization.k8s.io", "clusterroles"),
    clusterRoleBindings: listers.of("rbac.authorization.k8s.io", "clusterrolebindings"),
  });
  return {
    authenticator,
    tokens,
    authorizer: authorizerUnion([privilegedGroups(), ...options.authorizers.map((mode) => authorizerOf(mode, rbac))]),
    rbac,
    createToken: tokenRequest({
      issuer: tokenIssuer({ issuer, key: pki.serviceAccountKey, clock, random }),
      audiences,
      ...bound,
    }),
  };
}

/** Made anew when its source says something else: connections are then verified once more, so that an authority that is gone counts no longer. */
function derived<T, R>(source: () => T, make: (value: T) => R): () => R {
  let from = source();
  let made = make(from);
  return () => {
    const now = source();
    if (now !== from) {
      made = make(now);
      from = now;
    }
    return made;
  };
}

/** Of a control plane that makes its own front proxy. */
export const OWN_FRONT_PROXY: Omit<RequestHeaderTrust, "ca"> = {
  allowedNames: [FRONT_PROXY_CLIENT_NAME],
  ...DEFAULT_IDENTITY_HEADERS,
};

function authorizerOf(mode: AuthorizationMode, rbac: Authorizer): Authorizer {
  switch (mode) {
    case "RBAC":
      return rbac;
    case "AlwaysAllow":
      return alwaysAllow;
    case "AlwaysDeny":
      return alwaysDeny;
    default:
      return "authorizer" in mode ? mode.authorizer(rbac) : mode;
  }
}
