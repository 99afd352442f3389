/** `/livez`, `/readyz`, `/healthz` and each check by its name (spec: apiserver 7.6). */
import { goQuote } from "../api/go-quote.ts";
import { sendText } from "./errors.ts";
import type { Exchange, Handler } from "./exchange.ts";
import type { Logger } from "./logger.ts";
import type { PathTable } from "./paths.ts";

type HealthEndpoint = "livez" | "readyz" | "healthz";

export interface HealthCheck {
  /** `etcd`, `poststarthook/start-kube-aggregator-informers`. */
  readonly name: string;
  /** Where it counts; default: everywhere. */
  readonly endpoints?: readonly HealthEndpoint[];
  /** `?exclude=` with this name leaves out all checks of the group. */
  readonly group?: string;
  /** Throws, rejects or answers an Error when unhealthy. The reason goes to the log, and to who asks for this check alone. */
  check(): Error | undefined | Promise<Error | undefined>;
}

export interface HealthOptions {
  stopping(): boolean;
  readonly logger: Logger;
}

const EVERYWHERE: readonly HealthEndpoint[] = ["livez", "readyz", "healthz"];

/** Any method will do, as upstream. `ping` is first everywhere; `readyz` also has `shutdown`, which fails once shutdown began. */
export function installHealth(paths: PathTable, checks: readonly HealthCheck[], options: HealthOptions): void {
  const all: HealthCheck[] = [
    { name: "ping", check: () => undefined },
    { name: "log", check: () => undefined },
    ...checks,
    {
      name: "shutdown",
      endpoints: ["readyz"],
      check: () => (options.stopping() ? new Error("process is shutting down") : undefined),
    },
  ];
  for (const endpoint of EVERYWHERE) {
    const own = all.filter((check) => (check.endpoints ?? EVERYWHERE).includes(endpoint));
    paths.set(`/${endpoint}`, serveAll(endpoint, own, options.logger));
    for (const check of own) paths.set(`/${endpoint}/${check.name}`, serveOne(check));
  }
}

async function failure(check: HealthCheck): Promise<Error | undefined> {
  try {
    return await check.check();
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function serveAll(endpoint: HealthEndpoint, checks: readonly HealthCheck[], logger: Logger): Handler {
  return async (exchange) => {
    const excluded = new Set(exchange.query.getAll("exclude"));
    const unknown = new Set(excluded);
    const failed: { name: string; err: Error }[] = [];
    let report = "";
    for (const check of checks) {
      if (excluded.has(check.name)) {
        unknown.delete(check.name);
        report += `[+]${check.name} excluded: ok\n`;
      } else if (check.group !== undefined && excluded.has(check.group)) {
        unknown.delete(check.group);
        report += `[+]${check.name} excluded with ${check.group}: ok\n`;
      } else {
        const err = await failure(check);
        if (err !== undefined) failed.push({ name: check.name, err });
        report += err === undefined ? `[+]${check.name} ok\n` : `[-]${check.name} failed: reason withheld\n`;
      }
    }
    if (unknown.size > 0) {
      const names = [...unknown].sort().map(goQuote).join(",");
      report += `warn: some health checks cannot be excluded: no matches for ${names}\n`;
    }
    if (failed.length > 0) {
      for (const { name, err } of failed)
        logger.warn({ code: "unhealthy", check: name, endpoint, err }, "a health check failed");
      return sendText(exchange, 500, `${report}${endpoint} check failed`);
    }
    sendHealthy(exchange, exchange.query.has("verbose") ? `${report}${endpoint} check passed\n` : "ok");
  };
}

function serveOne(check: HealthCheck): Handler {
  return async (exchange) => {
    const err = await failure(check);
    if (err === undefined) sendHealthy(exchange, "ok");
    else sendText(exchange, 500, `internal server error: ${err.message}`);
  };
}

function sendHealthy(exchange: Exchange, text: string): void {
  exchange.response.setHeader("X-Content-Type-Options", "nosniff");
  exchange.response.send(200, "text/plain; charset=utf-8", text);
}
