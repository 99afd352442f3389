/** Parses what the request asks for, once, before anybody decides about it. */
import type { Filter } from "../exchange.ts";
import { type RequestInfoOptions, requestInfo } from "../request-info.ts";

export function withRequestInfo(options: RequestInfoOptions): Filter {
  return (exchange, next) => {
    exchange.info = requestInfo(exchange, options);
    return next(exchange);
  };
}
