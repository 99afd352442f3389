/** Every response names its request (spec: apiserver 1.1 #1). */
import type { Filter } from "../exchange.ts";

export const auditID: Filter = (exchange, next) => {
  exchange.response.setHeader("Audit-Id", exchange.auditID);
  return next(exchange);
};
