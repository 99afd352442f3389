/** From a failed response to a StatusError: the server's own Status when it sent one, else what client-go says for the code. */
import { type GroupResource, qualified } from "../api/meta.ts";
import { type Status, type StatusDetails, StatusError } from "../api/status.ts";
import { parseBody } from "./json.ts";

export interface FailedRequest {
  readonly method: string;
  /** Absent for requests that are not about a resource. */
  readonly resource?: GroupResource;
  readonly name?: string;
}

/** How much of a plain-text body is kept, in characters. */
const MAX_TEXT = 2048;

/** reason and message for codes whose body explains nothing. */
const GENERIC: Record<number, readonly [reason: string, message: string]> = {
  400: ["BadRequest", "the server rejected our request for an unknown reason"],
  401: ["Unauthorized", "the server has asked for the client to provide credentials"],
  404: ["NotFound", "the server could not find the requested resource"],
  405: ["MethodNotAllowed", "the server does not allow this method on the requested resource"],
  409: ["Conflict", "the server reported a conflict"],
  422: ["Invalid", "the server rejected our request due to an error in our request"],
  429: ["TooManyRequests", "the server has received too many requests and has asked us to try again later"],
  503: ["ServiceUnavailable", "the server is currently unable to handle the request"],
  504: [
    "Timeout",
    "the server was unable to return a response in the time allotted, but may still be processing the request",
  ],
};

/** Whether a parsed body is a `Status` of v1. */
export function isStatus(value: unknown): value is Status {
  if (typeof value !== "object" || value === null) return false;
  const { kind, apiVersion } = value as { kind?: unknown; apiVersion?: unknown };
  return kind === "Status" && apiVersion === "v1";
}

/** The exception for a Status that arrived over the wire, `fallbackCode` when it names no code. */
export function errorOfStatus(status: Status, fallbackCode: number): StatusError {
  return new StatusError(
    typeof status.code === "number" && status.code > 0 ? status.code : fallbackCode,
    typeof status.reason === "string" ? status.reason : "",
    typeof status.message === "string" ? status.message : "",
    typeof status.details === "object" && status.details !== null ? status.details : undefined,
    status.metadata ?? {},
  );
}

/** Seconds of a numeric `Retry-After` header; undefined when absent or not a number. */
export function retryAfterSeconds(headers: Readonly<Record<string, string>>): number | undefined {
  const value = headers["retry-after"];
  return value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : undefined;
}

/** The StatusError of a response with a code of 400 and above. */
export function errorOfResponse(
  code: number,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
  request: FailedRequest,
): StatusError {
  const contentType = headers["content-type"] ?? "";
  if (!contentType.startsWith("text/")) {
    try {
      const value = parseBody(body);
      if (isStatus(value) && value.status !== "Success") return errorOfStatus(value, code);
    } catch {
      // Not JSON: described by its code below.
    }
  }
  const text =
    contentType === "" || contentType.startsWith("text/")
      ? new TextDecoder().decode(body.subarray(0, MAX_TEXT)).trim()
      : "unknown";
  return genericError(code, text, request, retryAfterSeconds(headers));
}

function genericError(code: number, text: string, request: FailedRequest, retryAfter: number | undefined): StatusError {
  let [reason, message] = GENERIC[code] ?? [
    "",
    `the server responded with the status code ${code} but did not return more information`,
  ];
  if (code === 409 && request.method === "POST") reason = "AlreadyExists";
  else if (code === 403) [reason, message] = ["Forbidden", text];
  else if (code === 415) [reason, message] = ["UnsupportedMediaType", text];
  else if (code === 406) {
    reason = "NotAcceptable";
    const explained = text !== "" && text !== "unknown";
    message = explained ? text : "the server was unable to respond with a content type that the client supports";
  } else if (code >= 500 && GENERIC[code] === undefined) {
    reason = "InternalError";
    message = `an error on the server (${JSON.stringify(text)}) has prevented the request from succeeding`;
  }
  const details: StatusDetails = {};
  if (request.resource !== undefined) {
    const { group, resource } = request.resource;
    const name = request.name ? ` ${request.name}` : "";
    message += ` (${request.method.toLowerCase()} ${qualified(resource, group)}${name})`;
    if (request.name) details.name = request.name;
    if (group !== "") details.group = group;
    details.kind = resource;
  }
  details.causes = [{ reason: "UnexpectedServerResponse", message: text }];
  if (retryAfter !== undefined) details.retryAfterSeconds = retryAfter;
  return new StatusError(code, reason, message, details);
}
