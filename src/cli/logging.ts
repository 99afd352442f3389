/** The operator's log: one JSON line per event on standard error. */
import { pino } from "pino";
import type { Logger } from "../server/logger.ts";

export const LOG_LEVELS = ["error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export function createLogger(part: string, level: LogLevel): Logger {
  return pino(
    { level, base: { part }, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 2, sync: true }),
  );
}
