/** No request takes the process with it (spec: apiserver 1.1 #2): what a handler throws becomes an answer. */
import { answerFailure } from "../errors.ts";
import type { Filter } from "../exchange.ts";
import type { Logger } from "../logger.ts";

export function panicRecovery(logger: Logger): Filter {
  return (exchange, next) => {
    try {
      return next(exchange)?.then(undefined, (error: unknown) => answerFailure(exchange, error, logger));
    } catch (error) {
      answerFailure(exchange, error, logger);
    }
  };
}
