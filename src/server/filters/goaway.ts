/** Asks some HTTP/2 clients to connect anew, so that connections spread over the servers of a cluster (spec: aggregation 8.1). */
import type { Random } from "../../api/clock.ts";
import type { Filter } from "../exchange.ts";

/** `chance`: of one request, 0 to 1. What is in flight on the connection is finished. */
export function goaway(chance: number, random: Random): Filter {
  return (exchange, next) => {
    if (exchange.peer.transport === "h2" && random.number() < chance)
      exchange.response.setHeader("Connection", "close");
    return next(exchange);
  };
}
