/** Paths beside the API: health, version, OpenAPI and whatever a process adds. Matched whole or by prefix, never by pattern. */
import { methodNotAllowed } from "../api/status.ts";
import type { Exchange, Handler } from "./exchange.ts";

export class PathTable {
  #exact = new Map<string, Handler>();
  #prefixes: (readonly [prefix: string, handler: Handler])[] = [];

  /** A path ending in "/" also takes all below it; the longest prefix wins. A later handler replaces an earlier one. */
  set(path: string, handler: Handler): void {
    this.#exact.set(path, handler);
    if (!path.endsWith("/") || path === "/") return;
    this.#prefixes = this.#prefixes.filter(([prefix]) => prefix !== path);
    this.#prefixes.push([path, handler]);
    this.#prefixes.sort((a, b) => b[0].length - a[0].length);
  }

  delete(path: string): void {
    this.#exact.delete(path);
    this.#prefixes = this.#prefixes.filter(([prefix]) => prefix !== path);
  }

  find(path: string): Handler | undefined {
    return this.#exact.get(path) ?? this.#prefixes.find(([prefix]) => path.startsWith(prefix))?.[1];
  }

  /** Every path, prefixes without their last slash. */
  list(): string[] {
    return [...this.#exact.keys()].filter((path) => path !== "/").map((path) => path.replace(/\/$/, ""));
  }
}

/** For paths that can only be read: anything but GET and HEAD is 405. */
export function requireRead(exchange: Exchange): void {
  if (exchange.method !== "GET" && exchange.method !== "HEAD") throw methodNotAllowed();
}
