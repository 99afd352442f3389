/** Who a request acts for, and the interface of everything that can tell. */
import type { Exchange } from "./exchange.ts";

export interface UserInfo {
  readonly name: string;
  /** "" when unknown. */
  readonly uid: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

/** Answers undefined when the request holds no credentials it knows; throws when it holds bad ones. */
export interface Authenticator {
  authenticate(exchange: Exchange): UserInfo | undefined | Promise<UserInfo | undefined>;
}

/** Checks a bearer token as TokenReview does: undefined when it is not its own; throws when it is and is bad. */
export interface TokenAuthenticator {
  authenticateToken(
    token: string,
    audiences: readonly string[],
  ): Promise<TokenIdentity | undefined> | TokenIdentity | undefined;
}

export interface TokenIdentity {
  readonly user: UserInfo;
  readonly audiences: readonly string[];
}

export const ANONYMOUS: UserInfo = { name: "system:anonymous", uid: "", groups: ["system:unauthenticated"], extra: {} };
export const SYSTEM_MASTERS = "system:masters";
export const SYSTEM_AUTHENTICATED = "system:authenticated";
