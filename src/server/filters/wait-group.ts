/** Knows what is running, refuses newcomers once shutdown began, and says when the last one left (spec: apiserver 1.1 #11). */
import { serviceUnavailable } from "../../api/status.ts";
import type { Exchange, Filter } from "../exchange.ts";
import { isLongRunning, type RequestInfo } from "../request-info.ts";
import { callThen } from "./chain.ts";

const EXEMPT = ["/readyz", "/livez", "/healthz", "/metrics"];

export class WaitGroup {
  #draining = false;
  #short = 0;
  #long = new Set<Exchange>();
  #waiting: (() => void)[] = [];

  /** Requests that must end before the server may go. */
  get active(): number {
    return this.#short;
  }

  /** Watches, logs, exec sessions: they are told to end. */
  get longRunning(): ReadonlySet<Exchange> {
    return this.#long;
  }

  get draining(): boolean {
    return this.#draining;
  }

  readonly filter: Filter = (exchange, next) => {
    if (isLongRunning(exchange.info)) {
      if (this.#draining) throw shuttingDown();
      this.#long.add(exchange);
      return callThen(exchange, next, () => this.#left(exchange));
    }
    if (this.#draining && !exempt(exchange.info)) throw shuttingDown();
    this.#short++;
    return callThen(exchange, next, () => this.#left(undefined));
  };

  /** Refuses what comes from now on. */
  drain(): void {
    this.#draining = true;
  }

  /** Resolves when nothing is running, short or long. */
  idle(): Promise<void> {
    if (this.#short === 0 && this.#long.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #left(exchange: Exchange | undefined): void {
    if (exchange === undefined) this.#short--;
    else this.#long.delete(exchange);
    if (this.#short > 0 || this.#long.size > 0) return;
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

const shuttingDown = () => serviceUnavailable("apiserver is shutting down", 1);

function exempt(info: RequestInfo): boolean {
  return !info.isResourceRequest && EXEMPT.some((path) => info.path === path || info.path.startsWith(`${path}/`));
}
