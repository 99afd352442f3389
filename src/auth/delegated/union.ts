/** The authenticators of a server as one: each is tried in order, and who fails at one is never taken for nobody (spec: apiserver 10.1). */
import { unauthorized } from "../../api/status.ts";
import type { Exchange } from "../../server/exchange.ts";
import {
  ANONYMOUS,
  type Authenticator,
  SYSTEM_AUTHENTICATED,
  type TokenAuthenticator,
  type TokenIdentity,
  type UserInfo,
} from "../../server/identity.ts";

export interface UnionOptions {
  /** Whether a request without credentials is `system:anonymous`. Default true. */
  readonly anonymous?: boolean | ((exchange: Exchange) => boolean);
  /** Told why a request was refused; a client only ever sees 401 Unauthorized. */
  readonly onFailure?: (exchange: Exchange, errors: readonly unknown[]) => void;
}

/** One way to tell who asks. Bad credentials are an Error, answered or thrown: where they are common, answering is the cheaper. */
export interface AuthenticationMethod {
  authenticate(exchange: Exchange): Answer | Promise<Answer>;
}

export type Answer = UserInfo | Error | undefined;

/**
 * The first success wins; errors are collected, and when one method failed and none succeeded the request is refused with 401
 * and never anonymous. An identity the process vouches for (in-memory transport) needs no method. Rejects with StatusError 401.
 */
export function authenticatorUnion(
  methods: readonly AuthenticationMethod[],
  options: UnionOptions = {},
): Authenticator {
  const anonymous = options.anonymous ?? true;
  return {
    async authenticate(exchange) {
      if (exchange.peer.vouched !== undefined) return withAuthenticated(exchange.peer.vouched);
      const errors: unknown[] = [];
      for (const method of methods) {
        try {
          const answer = method.authenticate(exchange);
          const user = answer instanceof Promise ? await answer : answer;
          if (user instanceof Error) errors.push(user);
          else if (user !== undefined) return withAuthenticated(user);
        } catch (error) {
          errors.push(error);
        }
      }
      if (errors.length === 0 && (typeof anonymous === "function" ? anonymous(exchange) : anonymous)) return ANONYMOUS;
      options.onFailure?.(exchange, errors);
      throw unauthorized();
    },
  };
}

/** Everybody who is somebody is in `system:authenticated`, unless said to be in `system:unauthenticated`. */
export function withAuthenticated(user: UserInfo): UserInfo {
  if (user.groups.includes(SYSTEM_AUTHENTICATED) || user.groups.includes("system:unauthenticated")) return user;
  return { ...user, groups: [...user.groups, SYSTEM_AUTHENTICATED] };
}

/** Several kinds of tokens as one. Rejects with the first error when one failed and none succeeded. */
export function tokenUnion(kinds: readonly TokenAuthenticator[]): TokenAuthenticator {
  return {
    async authenticateToken(token, audiences): Promise<TokenIdentity | undefined> {
      const errors: unknown[] = [];
      for (const kind of kinds) {
        try {
          const identity = await kind.authenticateToken(token, audiences);
          if (identity !== undefined) return identity;
        } catch (error) {
          errors.push(error);
        }
      }
      if (errors.length === 0) return undefined;
      if (errors.length === 1) throw errors[0];
      throw new AggregateError(
        errors,
        `[${errors.map((error) => (error instanceof Error ? error.message : String(error))).join(", ")}]`,
      );
    },
  };
}
