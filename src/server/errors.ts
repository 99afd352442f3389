/** How failures are answered: a `Status` for API clients, plain text where upstream answers plain text, a coded line for the operator. */
import { internalError, StatusError, serviceUnavailable, timeout } from "../api/status.ts";
import { StoreError } from "../store/errors.ts";
import type { Exchange } from "./exchange.ts";
import type { Logger } from "./logger.ts";
import { sendStatus as sendNegotiated } from "./representation/status.ts";
import { RequestCancelled } from "./transports/served-exchange.ts";

const PANIC_TEXT = "This request caused apiserver to panic. Look in the logs for details.";

/** Plain text as Go's http.Error writes it: a newline at the end, and no sniffing. */
export function sendText(exchange: Exchange, status: number, text: string): void {
  exchange.response.setHeader("X-Content-Type-Options", "nosniff");
  exchange.response.send(status, "text/plain; charset=utf-8", `${text}\n`);
}

/** Nobody serves this path (spec: apiserver 2.2). */
export function sendNotFound(exchange: Exchange): void {
  sendText(exchange, 404, "404 page not found");
}

/** Answers with the error's Status in the media type the client accepts. */
export function sendError(exchange: Exchange, error: StatusError): void {
  sendNegotiated(exchange, error.status);
}

/**
 * Answers for whatever was thrown. StatusErrors are shown; of the store's errors the operator reads all, the client that something is
 * wrong; anything else is a defect: the operator reads it under the code `request-panic` with the audit id, the client sees a 500
 * without details. A response that had begun is cut off.
 */
export function answerFailure(exchange: Exchange, error: unknown, logger: Logger): void {
  const { response } = exchange;
  if (response.finished) {
    if (!(error instanceof StatusError) && !(error instanceof RequestCancelled) && !isAbort(error))
      report(exchange, error, logger);
    return;
  }
  const cancelled = error instanceof RequestCancelled || (isAbort(error) && exchange.signal.aborted);
  if (!cancelled && !(error instanceof StatusError)) report(exchange, error, logger);
  if (cancelled || response.started) response.abort();
  else sendError(exchange, shown(error));
}

function shown(error: unknown): StatusError {
  if (error instanceof StatusError) return error;
  if (!(error instanceof StoreError)) return new StatusError(500, "InternalError", PANIC_TEXT);
  // A write that failed may be on the disk all the same: it is not for the client to send again unseen.
  if (error.code === "STORE_WRITE") return internalError("the store could not make the write durable");
  if (error.code === "STORE_TIMEOUT") return timeout("request did not complete within requested timeout");
  // Upstream shows etcd's words as they are, and no reason.
  if (error.code === "STORE_REFUSED") return new StatusError(500, "", error.said);
  return serviceUnavailable("the store is not available");
}

const isAbort = (error: unknown) => error instanceof Error && error.name === "AbortError";

function report(exchange: Exchange, error: unknown, logger: Logger): void {
  const code = error instanceof StoreError ? "store" : "request-panic";
  logger.error(
    {
      code,
      err: error,
      auditID: exchange.auditID,
      method: exchange.method,
      target: exchange.target.slice(0, 2048),
    },
    "a request failed with an error that is no Status",
  );
}
