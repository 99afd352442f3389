/** The catalogue of errors a client can see: a `Status` object, and the exception that renders itself as one (spec: apiserver 2.5, 2.6). */
import { type GroupKind, type GroupResource, qualified } from "./meta.ts";

export interface StatusCause {
  reason?: string;
  message?: string;
  field?: string;
}

export interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: StatusCause[];
  retryAfterSeconds?: number;
}

export interface Status {
  kind: "Status";
  apiVersion: "v1";
  metadata: { continue?: string; resourceVersion?: string };
  status?: "Success" | "Failure";
  message?: string;
  reason?: string;
  details?: StatusDetails;
  code?: number;
}

/** One failed field (spec: apiserver 2.6). `message` is the body without the path, exactly as in `causes[].message`. */
export interface FieldError {
  readonly reason:
    | "FieldValueRequired"
    | "FieldValueInvalid"
    | "FieldValueTypeInvalid"
    | "FieldValueDuplicate"
    | "FieldValueNotSupported"
    | "FieldValueForbidden"
    | "FieldValueNotFound"
    | "FieldValueTooLong"
    | "FieldValueTooMany"
    | "FieldValueTooShort"
    | "FieldValueTooFew"
    | "InternalError";
  readonly field: string;
  readonly message: string;
}

/** What a client sees of a failed request. Anything else that is thrown becomes a 500 and is logged for the operator. */
export class StatusError extends Error {
  readonly status: Status;

  constructor(
    code: number,
    reason: string,
    message: string,
    details?: StatusDetails,
    metadata: Status["metadata"] = {},
  ) {
    super(message);
    this.name = "StatusError";
    const status: Status = { kind: "Status", apiVersion: "v1", metadata, status: "Failure", message };
    if (reason !== "") status.reason = reason;
    if (details !== undefined) status.details = details;
    status.code = code;
    this.status = status;
  }

  get code(): number {
    return this.status.code ?? 500;
  }

  get reason(): string {
    return this.status.reason ?? "";
  }
}

/** Whether `error` is a StatusError with this reason. */
export function hasReason(error: unknown, reason: string): error is StatusError {
  return error instanceof StatusError && error.reason === reason;
}

function resourceDetails(gr: GroupResource, name: string): StatusDetails {
  const details: StatusDetails = {};
  if (name !== "") details.name = name;
  if (gr.group !== "") details.group = gr.group;
  if (gr.resource !== "") details.kind = gr.resource;
  return details;
}

const printed = (gr: GroupResource) => qualified(gr.resource, gr.group);

export function notFound(gr: GroupResource, name: string): StatusError {
  return new StatusError(404, "NotFound", `${printed(gr)} "${name}" not found`, resourceDetails(gr, name));
}

/** A known group-version without this resource, or a path nobody serves. */
export function resourceNotFound(): StatusError {
  return new StatusError(404, "NotFound", "the server could not find the requested resource", {});
}

export function alreadyExists(gr: GroupResource, name: string, beingDeleted = false): StatusError {
  const prefix = beingDeleted ? "object is being deleted: " : "";
  return new StatusError(
    409,
    "AlreadyExists",
    `${prefix}${printed(gr)} "${name}" already exists`,
    resourceDetails(gr, name),
  );
}

export function generateNameExhausted(gr: GroupResource, name: string): StatusError {
  return new StatusError(
    409,
    "AlreadyExists",
    `${printed(gr)} "${name}" already exists, the server was not able to generate a unique name for the object`,
    { ...resourceDetails(gr, name), retryAfterSeconds: 1 },
  );
}

export function unauthorized(message = "Unauthorized"): StatusError {
  return new StatusError(401, "Unauthorized", message);
}

export function forbidden(gr: GroupResource, name: string, why: string): StatusError {
  let message: string;
  if (gr.resource === "") message = `forbidden: ${why}`;
  else if (name === "") message = `${printed(gr)} is forbidden: ${why}`;
  else message = `${printed(gr)} "${name}" is forbidden: ${why}`;
  return new StatusError(403, "Forbidden", message, resourceDetails(gr, name));
}

export function conflict(gr: GroupResource, name: string, why: string): StatusError {
  return new StatusError(
    409,
    "Conflict",
    `Operation cannot be fulfilled on ${printed(gr)} "${name}": ${why}`,
    resourceDetails(gr, name),
  );
}

export const OPTIMISTIC_LOCK =
  "the object has been modified; please apply your changes to the latest version and try again";

export function gone(message: string): StatusError {
  return new StatusError(410, "Gone", message);
}

export function expired(message: string, continueToken?: string): StatusError {
  return new StatusError(
    410,
    "Expired",
    message,
    undefined,
    continueToken === undefined ? {} : { continue: continueToken },
  );
}

/** One body can be wrong in a million places; telling of each would make the answer hundreds of times as large as the request. */
export const MAX_CAUSES = 1_000;

/** 422 with one cause for each field error; duplicates are removed (spec: apiserver 2.6). */
export function invalid(gk: GroupKind, name: string, errors: readonly FieldError[]): StatusError {
  const seen = new Set<string>();
  const causes: StatusCause[] = [];
  for (const error of errors.length > MAX_CAUSES ? errors.slice(0, MAX_CAUSES) : errors) {
    seen.add(`${error.field}: ${error.message}`);
    causes.push({ reason: error.reason, message: error.message, field: error.field });
  }
  const lines = [...seen];
  if (errors.length > MAX_CAUSES) lines.push("and more");
  const aggregate = lines.length === 1 ? lines[0] : `[${lines.join(", ")}]`;
  const details: StatusDetails = {};
  if (name !== "") details.name = name;
  if (gk.group !== "") details.group = gk.group;
  if (gk.kind !== "") details.kind = gk.kind;
  if (causes.length > 0) details.causes = causes;
  return new StatusError(422, "Invalid", `${qualified(gk.kind, gk.group)} "${name}" is invalid: ${aggregate}`, details);
}

export function badRequest(message: string): StatusError {
  return new StatusError(400, "BadRequest", message);
}

/** `retryAfterSeconds` also becomes the `Retry-After` header. */
export function tooManyRequests(message: string, retryAfterSeconds: number): StatusError {
  return new StatusError(429, "TooManyRequests", message, { retryAfterSeconds });
}

export function serviceUnavailable(message: string, retryAfterSeconds?: number): StatusError {
  return new StatusError(503, "ServiceUnavailable", message, retryAfterSeconds ? { retryAfterSeconds } : undefined);
}

export function methodNotSupported(gr: GroupResource, verb: string): StatusError {
  return new StatusError(405, "MethodNotAllowed", `${verb} is not supported on resources of kind "${printed(gr)}"`, {
    ...(gr.group !== "" && { group: gr.group }),
    kind: gr.resource,
  });
}

/** The HTTP method exists on no route of this path. */
export function methodNotAllowed(): StatusError {
  return new StatusError(
    405,
    "MethodNotAllowed",
    "the server does not allow this method on the requested resource",
    {},
  );
}

export function internalError(cause: string): StatusError {
  return new StatusError(500, "InternalError", `Internal error occurred: ${cause}`, { causes: [{ message: cause }] });
}

export function timeout(message: string, retryAfterSeconds?: number): StatusError {
  return new StatusError(504, "Timeout", `Timeout: ${message}`, retryAfterSeconds ? { retryAfterSeconds } : undefined);
}

/** A read asked for a revision that has not happened (spec: apiserver 2.11). */
export function tooLargeResourceVersion(asked: number | bigint | string, current: number): StatusError {
  return new StatusError(504, "Timeout", `Timeout: Too large resource version: ${asked}, current: ${current}`, {
    causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
    retryAfterSeconds: 1,
  });
}

export function requestEntityTooLarge(text: string): StatusError {
  return new StatusError(413, "RequestEntityTooLarge", `Request entity too large: ${text}`);
}

export function notAcceptable(accepted: readonly string[]): StatusError {
  return new StatusError(406, "NotAcceptable", `only the following media types are accepted: ${accepted.join(", ")}`);
}

export function unsupportedMediaType(accepted: readonly string[]): StatusError {
  return new StatusError(
    415,
    "UnsupportedMediaType",
    `the body of the request was in an unknown format - accepted media types include: ${accepted.join(", ")}`,
  );
}
