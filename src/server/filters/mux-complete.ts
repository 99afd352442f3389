/** Until all routes were joined once, nothing is said to be missing (spec: apiserver 1.1 #3): garbage collection would believe it. */
import { serviceUnavailable } from "../../api/status.ts";
import type { Exchange, Filter } from "../exchange.ts";

const TEXT = "the request has been made before all known HTTP paths have been installed, please try again";

export interface MuxComplete {
  readonly filter: Filter;
  /** Throws a 503 when the request arrived before the routes were complete; call it before any 404 for an unknown path. */
  check(exchange: Exchange): void;
}

export function muxComplete(isComplete: () => boolean): MuxComplete {
  const early = new WeakSet<Exchange>();
  return {
    filter(exchange, next) {
      if (!isComplete()) early.add(exchange);
      return next(exchange);
    },
    check(exchange) {
      if (early.has(exchange)) throw serviceUnavailable(TEXT, 5);
    },
  };
}
