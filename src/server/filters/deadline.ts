/** No request runs forever (spec: apiserver 1.1 #12 and #13, 1.9): 504 while nothing was sent, a broken connection after. */
import type { Clock } from "../../api/clock.ts";
import { badRequest, timeout } from "../../api/status.ts";
import { parseGoDuration } from "../../api/time.ts";
import { sendError } from "../errors.ts";
import type { Exchange, Filter } from "../exchange.ts";
import { isLongRunning, type RequestInfo } from "../request-info.ts";
import { RequestCancelled, ServedExchange } from "../transports/served-exchange.ts";

export interface DeadlineOptions {
  readonly clock: Clock;
  /** Milliseconds for any request that is not long-running. Default 60 s. */
  readonly requestTimeout?: number;
  /** Milliseconds for writes to our own resources. Default 34 s. */
  readonly writeTimeout?: number;
  /** Requests to other servers get `requestTimeout` whatever they do. */
  isRemote?(group: string, version: string): boolean;
}

const WRITES = new Set(["create", "update", "patch", "delete", "deletecollection"]);

export function deadline(options: DeadlineOptions): Filter {
  const requestTimeout = options.requestTimeout ?? 60_000;
  const writeTimeout = options.writeTimeout ?? 34_000;
  const { clock } = options;

  const isOwnWrite = (info: RequestInfo) =>
    info.isResourceRequest && WRITES.has(info.verb) && options.isRemote?.(info.group, info.version) !== true;

  return (exchange, next) => {
    const { info } = exchange;
    if (isLongRunning(info)) return next(exchange);
    const asked = exchange.rawQuery === "" ? undefined : askedTimeout(exchange);
    let limit = asked !== undefined && asked > 0 && asked < requestTimeout ? asked : requestTimeout;
    let text = "request did not complete within the allotted timeout";
    if (limit > writeTimeout && isOwnWrite(info)) {
      limit = writeTimeout;
      text = "request did not complete within requested timeout - context deadline exceeded";
    }
    const running = next(exchange);
    if (running === undefined) return;
    return new Promise<void>((resolve, reject) => {
      const timer = clock.after(limit, () => {
        if (exchange instanceof ServedExchange) exchange.cancel("deadline");
        if (exchange.response.started) exchange.response.abort();
        else sendError(exchange, timeout(text));
        resolve();
      });
      running.then(
        () => {
          timer.cancel();
          resolve();
        },
        (error: unknown) => {
          timer.cancel();
          // What the handler throws because its deadline passed was answered above.
          if (error instanceof RequestCancelled && exchange.response.finished) resolve();
          else reject(error);
        },
      );
    });
  };
}

/** `?timeout=` in milliseconds; 400 when it is no Go duration. */
function askedTimeout(exchange: Exchange): number | undefined {
  const text = exchange.query.get("timeout");
  if (text === null || text === "") return undefined;
  try {
    return parseGoDuration(text);
  } catch (error) {
    throw badRequest(
      `invalid timeout specified in the request URL - ${error instanceof Error ? error.message : error}`,
    );
  }
}
