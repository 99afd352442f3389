/** Answers are private and not to be stored unless a handler says otherwise (spec: apiserver 1.1 #9). */
import type { Filter } from "../exchange.ts";

export const cacheControl: Filter = (exchange, next) => {
  exchange.response.setHeader("Cache-Control", "no-cache, private");
  return next(exchange);
};
