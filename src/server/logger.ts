/** What the server needs of a logger; pino's loggers are ones. */

type Log = (fields: Record<string, unknown>, message: string) => void;

export interface Logger {
  error: Log;
  warn: Log;
  info: Log;
  debug: Log;
}

const nothing = () => {};
export const SILENT: Logger = { error: nothing, warn: nothing, info: nothing, debug: nothing };
