/** `/version`: what clients compare before they speak (spec: apiserver 7.5). */
import type { Handler } from "./exchange.ts";
import { requireRead } from "./paths.ts";

export interface VersionInfo {
  readonly major: string;
  readonly minor: string;
  readonly emulationMajor?: string;
  readonly emulationMinor?: string;
  readonly minCompatibilityMajor?: string;
  readonly minCompatibilityMinor?: string;
  /** A semantic version with `v` in front; build metadata may say whose it is: `v1.36.0+tenon`. */
  readonly gitVersion: string;
  readonly gitCommit: string;
  readonly gitTreeState: string;
  /** RFC 3339. */
  readonly buildDate: string;
  readonly goVersion: string;
  readonly compiler: string;
  readonly platform: string;
}

export function serveVersion(version: VersionInfo): Handler {
  // Indented, as upstream's is.
  const body = JSON.stringify(version, undefined, 2);
  return (exchange) => {
    requireRead(exchange);
    exchange.response.send(200, "application/json", body);
  };
}
