/** What an extension server needs to know who asks and what they may; imports no kinds. */
export { type AccessReviewOptions, accessReviewer } from "./access-review.ts";
export { alwaysAllow, alwaysAllowPaths, authorizerUnion, privilegedGroups } from "./authorizers.ts";
export { bearerAuthenticator, webSocketAuthenticator } from "./bearer.ts";
export { clientCertificateAuthenticator } from "./client-certificate.ts";
export { type Delegated, type DelegatedOptions, delegatedAuth } from "./delegated.ts";
export { DEFAULT_IDENTITY_HEADERS, type RequestHeaderConfig, requestHeaderAuthenticator } from "./request-header.ts";
export { cachedTokens } from "./token-cache.ts";
export { tokenReviewer } from "./token-review.ts";
export * from "./trust-config.ts";
export { type TrustReader, trustReader } from "./trust-reader.ts";
export { authenticatorUnion, tokenUnion, type UnionOptions } from "./union.ts";
