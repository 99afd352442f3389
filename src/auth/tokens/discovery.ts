/** How others verify our service-account tokens: the OpenID discovery document and the keys (spec: apiserver 10.2). */
import { createPublicKey, type KeyObject } from "node:crypto";
import type { Handler } from "../../server/exchange.ts";
import { algorithmOf, keyID } from "./service-account-issuer.ts";

export const OPENID_CONFIGURATION_PATH = "/.well-known/openid-configuration";
export const JWKS_PATH = "/openid/v1/jwks";

export interface OpenIDOptions {
  readonly issuer: string;
  readonly keys: readonly KeyObject[];
  /** Where the keys are for others: `https://<address of this server>/openid/v1/jwks`. */
  readonly jwksURI: string;
}

/** Handlers by path. Both are public to `system:service-account-issuer-discovery`. */
export function openIDHandlers(options: OpenIDOptions): ReadonlyMap<string, Handler> {
  const keys = options.keys.map((key) => (key.type === "private" ? createPublicKey(key) : key));
  const configuration = JSON.stringify({
    issuer: options.issuer,
    jwks_uri: options.jwksURI,
    response_types_supported: ["id_token"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: [...new Set(keys.map(algorithmOf))].sort(),
  });
  const set = JSON.stringify({
    keys: keys.map((key) => {
      const { kty, ...parameters } = key.export({ format: "jwk" });
      return { use: "sig", kty, kid: keyID(key), alg: algorithmOf(key), ...parameters };
    }),
  });
  const answer =
    (contentType: string, body: string): Handler =>
    ({ response }) => {
      response.setHeader("Cache-Control", "public, max-age=3600");
      response.send(200, contentType, body);
    };
  return new Map([
    [OPENID_CONFIGURATION_PATH, answer("application/json", configuration)],
    [JWKS_PATH, answer("application/jwk-set+json", set)],
  ]);
}
