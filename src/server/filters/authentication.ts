/** Who is asking (spec: apiserver 1.3). Bad credentials are never taken for none. */
import { unauthorized } from "../../api/status.ts";
import type { Exchange, Filter, Handler } from "../exchange.ts";
import { ANONYMOUS, type Authenticator, type UserInfo } from "../identity.ts";
import type { Logger } from "../logger.ts";

export interface AuthenticationOptions {
  readonly authenticator: Authenticator;
  /** Requests without credentials act as `system:anonymous`; otherwise they are 401. Default true. */
  readonly anonymous?: boolean;
  readonly logger: Logger;
}

export function authentication(options: AuthenticationOptions): Filter {
  const { authenticator, logger } = options;
  const anonymous = options.anonymous ?? true;

  const refuse = (exchange: Exchange, error: unknown): never => {
    logger.debug({ code: "authentication-failed", err: error, auditID: exchange.auditID }, "credentials were refused");
    closeAnonymousH2(exchange);
    throw unauthorized();
  };

  const proceed = (exchange: Exchange, user: UserInfo | undefined, next: Handler) => {
    if (user !== undefined) exchange.user = user;
    else if (anonymous) {
      closeAnonymousH2(exchange);
      exchange.user = ANONYMOUS;
    } else refuse(exchange, undefined);
    return next(exchange);
  };

  return (exchange, next) => {
    // The process itself asks: identities of the in-memory transport cannot be forged from outside.
    if (exchange.peer.vouched !== undefined) return proceed(exchange, exchange.peer.vouched, next);
    let answer: UserInfo | undefined | Promise<UserInfo | undefined>;
    try {
      answer = authenticator.authenticate(exchange);
    } catch (error) {
      return refuse(exchange, error);
    }
    if (!(answer instanceof Promise)) return proceed(exchange, answer, next);
    return answer.then(
      (user) => proceed(exchange, user, next),
      (error: unknown) => refuse(exchange, error),
    );
  };
}

/** One request for each connection: what nobody answers for may not multiply on one (spec: security A-16). */
function closeAnonymousH2(exchange: Exchange): void {
  if (exchange.peer.transport === "h2") exchange.response.setHeader("Connection", "close");
}
