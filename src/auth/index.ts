/** Who asks, what they may, and the keys that prove it. */
export * from "./delegated/index.ts";
export { impersonationFilter, isImpersonationHeader } from "./impersonation.ts";
export * from "./pki/index.ts";
export { type RBACAuthorizer, type RBACListers, type RuleResolver, rbacAuthorizer } from "./rbac/authorizer.ts";
export { checkBinding, checkEscalation, type EscalationContext, mayOverrideBuiltIn } from "./rbac/escalation.ts";
export { defaultPolicy, reconcilePolicy } from "./rbac/policy.ts";
export * from "./reviews/access-review.ts";
export { selfSubjectReviews, tokenReviews, wireUser } from "./reviews/token-review.ts";
export { JWKS_PATH, OPENID_CONFIGURATION_PATH, openIDHandlers } from "./tokens/discovery.ts";
export { type TokenIssuer, tokenIssuer } from "./tokens/service-account-issuer.ts";
export { serviceAccountTokens, serviceAccountUser } from "./tokens/service-account-tokens.ts";
export { parseTokenFile, staticTokens } from "./tokens/static-tokens.ts";
export { tokenRequest } from "./tokens/token-request.ts";
export { keepTrustPublished, publishTrust } from "./trust-publisher.ts";
