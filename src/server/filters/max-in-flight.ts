/** At most so many requests at once, counted apart for reads and writes (spec: apiserver 1.6). */
import { sendText } from "../errors.ts";
import type { Exchange, Filter, Handler } from "../exchange.ts";
import { SYSTEM_MASTERS } from "../identity.ts";
import { isLongRunning } from "../request-info.ts";
import { callThen } from "./chain.ts";

export interface MaxInFlightOptions {
  /** Default 400; 0 is no limit. */
  readonly reading?: number;
  /** Default 200; 0 is no limit. */
  readonly writing?: number;
}

export interface InFlight {
  readonly reading: number;
  readonly writing: number;
}

/** Counts by verb; long-running requests and `system:masters` are never refused. */
export function maxInFlight(options: MaxInFlightOptions = {}): { filter: Filter; current(): InFlight } {
  const limits = { reading: options.reading ?? 400, writing: options.writing ?? 200 };
  const current = { reading: 0, writing: 0 };

  const run = (exchange: Exchange, next: Handler, kind: keyof InFlight) => {
    current[kind]++;
    return callThen(exchange, next, () => {
      current[kind]--;
    });
  };

  return {
    current: () => ({ ...current }),
    filter(exchange, next) {
      const { info } = exchange;
      if (isLongRunning(info)) return next(exchange);
      const kind = info.verb === "get" || info.verb === "list" || info.verb === "watch" ? "reading" : "writing";
      const limit = limits[kind];
      if (limit > 0 && current[kind] >= limit && !exchange.user.groups.includes(SYSTEM_MASTERS)) {
        exchange.response.setHeader("Retry-After", "1");
        sendText(exchange, 429, "Too many requests, please try again later.");
        return;
      }
      return run(exchange, next, kind);
    },
  };
}
