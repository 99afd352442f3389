/** Why a backend could not be reached: a cause to count by, and the text a Go proxy would have given. */

export type DialCause =
  | "Refused"
  | "Timeout"
  | "Unreachable"
  | "NameNotFound"
  | "Reset"
  | "TLSUntrusted"
  | "TLSExpired"
  | "TLSWrongName"
  | "TLSNoSAN"
  | "TLSFailed"
  | "TLSTimeout"
  | "TLSRefusedUs"
  | "HeadersTooLarge"
  | "AddressRefused"
  | "BreakerOpen"
  | "Other";

/** A backend could not be reached or broke off. `message` is upstream's text; `atConnect` says no request byte was sent. */
export class DialError extends Error {
  readonly reason: DialCause;
  readonly atConnect: boolean;

  constructor(reason: DialCause, message: string, atConnect: boolean, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "DialError";
    this.reason = reason;
    this.atConnect = atConnect;
  }
}

const X509 = "tls: failed to verify certificate: x509: ";

/** Errors of verification by OpenSSL's code. */
const UNTRUSTED = new Set([
  "SELF_SIGNED_CERT_IN_CHAIN",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "CERT_UNTRUSTED",
  "CERT_SIGNATURE_FAILURE",
  "INVALID_CA",
  "INVALID_PURPOSE",
]);

/** Alerts with which a backend refuses our certificate. */
const CLIENT_REFUSED =
  /_ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_(REQUIRED|EXPIRED|REVOKED|UNKNOWN)|ACCESS_DENIED)$/;

/** Whether an error is a backend's alert that it does not take our certificate. */
export function refusesClient(error: { readonly code?: string } | Error): boolean {
  return "code" in error && CLIENT_REFUSED.test(String(error.code));
}

interface NodeError {
  readonly code?: string;
  readonly message: string;
  readonly syscall?: string;
  readonly hostname?: string;
  readonly cert?: { readonly valid_from?: string; readonly valid_to?: string };
  readonly errors?: readonly NodeError[];
}

/**
 * Translates an error of a connection or request to `authority`. `now`: milliseconds since the epoch, for certificates out of their time.
 */
export function dialError(error: unknown, authority: string, now: number): DialError {
  if (error instanceof DialError) return error;
  const failure = error as NodeError;
  // Several addresses were tried: the first failure speaks for them.
  if (failure.errors?.[0] !== undefined) return dialError(failure.errors[0], authority, now);
  const code = failure.code ?? "";
  const dial = (reason: DialCause, text: string) =>
    new DialError(reason, `dial tcp ${authority}: ${text}`, true, error);
  const tls = (reason: DialCause, text: string) => new DialError(reason, X509 + text, true, error);
  if (UNTRUSTED.has(code)) return tls("TLSUntrusted", "certificate signed by unknown authority");
  switch (code) {
    case "ECONNREFUSED":
      return dial("Refused", "connect: connection refused");
    case "ETIMEDOUT":
    case "UND_ERR_CONNECT_TIMEOUT":
      return dial("Timeout", "i/o timeout");
    case "EHOSTUNREACH":
      return dial("Unreachable", "connect: no route to host");
    case "ENETUNREACH":
    case "EADDRNOTAVAIL":
      return dial("Unreachable", "connect: network is unreachable");
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return new DialError(
        "NameNotFound",
        `dial tcp: lookup ${failure.hostname ?? authority}: no such host`,
        true,
        error,
      );
    case "CERT_HAS_EXPIRED":
    case "CERT_NOT_YET_VALID":
      return tls(
        "TLSExpired",
        `certificate has expired or is not yet valid: current time ${goTime(now)}${bound(failure, now)}`,
      );
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return tls("TLSWrongName", failure.message);
    case "UND_ERR_HEADERS_OVERFLOW":
      return new DialError(
        "HeadersTooLarge",
        "net/http: server response headers exceeded the limit; aborted",
        false,
        error,
      );
    case "ECONNRESET":
      // Node says so too when the handshake itself was cut off.
      if (/before secure TLS connection was established/.test(failure.message)) {
        return new DialError("TLSFailed", "EOF", true, error);
      }
      return new DialError("Reset", "read tcp: connection reset by peer", false, error);
    case "EPIPE":
      return new DialError("Reset", "write tcp: broken pipe", false, error);
    case "UND_ERR_SOCKET":
      return new DialError("Reset", "EOF", false, error);
    case "EPROTO":
    case "ERR_SSL_WRONG_VERSION_NUMBER":
    case "ERR_SSL_PACKET_LENGTH_TOO_LONG":
      return new DialError("TLSFailed", "tls: first record does not look like a TLS handshake", true, error);
  }
  // In TLS 1.3 the backend judges our certificate after the handshake: that too is before any request was read.
  if (refusesClient(failure)) {
    const alert = /alert [a-z ]+/.exec(failure.message)?.[0].slice("alert ".length);
    return new DialError("TLSRefusedUs", `remote error: tls: ${alert ?? failure.message}`, true, error);
  }
  if (code.startsWith("ERR_SSL_") || code.startsWith("ERR_TLS_")) {
    return new DialError("TLSFailed", `remote error: tls: ${failure.message}`, true, error);
  }
  return new DialError("Other", failure.message || String(error), false, error);
}

/** ` is after …` or ` is before …`, when the certificate is known. */
function bound(failure: NodeError, now: number): string {
  const before = Date.parse(failure.cert?.valid_from ?? "");
  const after = Date.parse(failure.cert?.valid_to ?? "");
  if (after < now) return ` is after ${goTime(after)}`;
  if (before > now) return ` is before ${goTime(before)}`;
  return "";
}

const goTime = (milliseconds: number) => `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
