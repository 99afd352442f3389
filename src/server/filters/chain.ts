/** Filters folded into one handler, once, when the server is made. */
import type { Exchange, Filter, Handler } from "../exchange.ts";

/** The first filter is the outermost; absent ones leave no trace. */
export function chain(filters: readonly (Filter | undefined)[], handler: Handler): Handler {
  return filters.reduceRight<Handler>((next, filter) => {
    if (filter === undefined) return next;
    return (exchange: Exchange) => filter(exchange, next);
  }, handler);
}

/** Runs `after` when `running` is over, however it ends. Nothing is allocated for a handler that answered at once. */
function finallyDo(running: Promise<void> | undefined | void, after: () => void): Promise<void> | void {
  if (running === undefined) return after();
  return running.then(after, (error: unknown) => {
    after();
    throw error;
  });
}

/** Calls `next` and then `after`, also when `next` throws. */
export function callThen(exchange: Exchange, next: Handler, after: () => void): Promise<void> | void {
  let running: Promise<void> | void;
  try {
    running = next(exchange);
  } catch (error) {
    after();
    throw error;
  }
  return finallyDo(running, after);
}
