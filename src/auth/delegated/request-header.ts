/** Identity asserted by a front proxy: headers count only behind a certificate of the front-proxy authority (spec: aggregation 7.3). */
import type { Exchange } from "../../server/exchange.ts";
import type { UserInfo } from "../../server/identity.ts";
import { CertificateError, parseSubject, type TrustPool, type Verdict } from "../pki/index.ts";
import { collectPrefixed, firstOf, newExtra, type RawHeaders, valuesOf } from "./headers.ts";
import type { Answer, AuthenticationMethod } from "./union.ts";

export interface RequestHeaderConfig {
  readonly pool: TrustPool;
  /** Common names of front proxies; empty: any. */
  readonly allowedNames: readonly string[];
  readonly usernameHeaders: readonly string[];
  readonly uidHeaders: readonly string[];
  readonly groupHeaders: readonly string[];
  readonly extraHeaderPrefixes: readonly string[];
}

export const DEFAULT_IDENTITY_HEADERS = {
  usernameHeaders: ["X-Remote-User"],
  uidHeaders: ["X-Remote-Uid"],
  groupHeaders: ["X-Remote-Group"],
  extraHeaderPrefixes: ["X-Remote-Extra-"],
} as const;

/** `config` is asked for each request, so that a rotated authority counts at once; undefined switches the method off. */
export function requestHeaderAuthenticator(config: () => RequestHeaderConfig | undefined): AuthenticationMethod {
  return {
    authenticate(exchange) {
      const current = config();
      if (current === undefined || exchange.peer.certificates.length === 0) return undefined;
      const verified = current.pool.verify(exchange.peer);
      if (verified instanceof Promise) return verified.then((chain) => userBehind(chain, exchange, current));
      return userBehind(verified, exchange, current);
    },
  };
}

function userBehind(chain: Verdict, exchange: Exchange, config: RequestHeaderConfig): Answer {
  if (chain === undefined || chain instanceof Error) return chain;
  if (config.allowedNames.length > 0) {
    const { commonName } = parseSubject(chain.leaf);
    if (!config.allowedNames.includes(commonName))
      throw new CertificateError(`subject with cn=${commonName} is not in the allowed list`);
  }
  return userFromHeaders(exchange.rawHeaders, config);
}

/** The user the headers name, undefined without a name. Call it only for a verified front proxy. */
export function userFromHeaders(raw: RawHeaders, config: Omit<RequestHeaderConfig, "pool">): UserInfo | undefined {
  const name = firstNonEmpty(raw, config.usernameHeaders);
  if (name === "") return undefined;
  const groups = config.groupHeaders
    .flatMap((header) => valuesOf(raw, header.toLowerCase()))
    .filter((group) => group !== "");
  const extra = newExtra();
  for (const prefix of config.extraHeaderPrefixes) collectPrefixed(raw, prefix.toLowerCase(), extra);
  return { name, uid: firstNonEmpty(raw, config.uidHeaders), groups, extra };
}

function firstNonEmpty(raw: RawHeaders, names: readonly string[]): string {
  for (const name of names) {
    const value = firstOf(raw, name.toLowerCase());
    if (value !== "") return value;
  }
  return "";
}
