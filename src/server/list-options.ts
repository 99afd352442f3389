/** The options of LIST, WATCH and DELETECOLLECTION: decoding and validation with upstream's texts (spec: apiserver 2.7, 2.11, 4.2). */
import { forbiddenField, notSupported } from "../api/field-errors.ts";
import { type FieldError, invalid } from "../api/status.ts";
import { booleanParameter, integerParameter, textParameter } from "./query-values.ts";
import type { ListQuery } from "./resource.ts";

export interface ListOptions extends ListQuery {
  readonly watch: boolean;
  readonly allowWatchBookmarks: boolean;
  readonly sendInitialEvents: boolean | undefined;
  /** Seconds; 0 when unset. */
  readonly timeoutSeconds: number;
}

function validateList(options: ListOptions): FieldError[] {
  const errors: FieldError[] = [];
  const match = options.resourceVersionMatch;
  if (match !== "") {
    const forbid = (detail: string) => errors.push(forbiddenField("resourceVersionMatch", detail));
    if (options.resourceVersion === "") forbid("resourceVersionMatch is forbidden unless resourceVersion is provided");
    if (options.continue !== "") forbid("resourceVersionMatch is forbidden when continue is provided");
    if (match !== "Exact" && match !== "NotOlderThan") {
      errors.push(notSupported("resourceVersionMatch", match, ["Exact", "NotOlderThan", ""]));
    }
    if (match === "Exact" && options.resourceVersion === "0") {
      forbid('resourceVersionMatch "exact" is forbidden for resourceVersion "0"');
    }
  }
  if (options.sendInitialEvents !== undefined) {
    errors.push(forbiddenField("sendInitialEvents", "sendInitialEvents is forbidden for list"));
  }
  return errors;
}

function validateWatch(options: ListOptions): FieldError[] {
  const errors: FieldError[] = [];
  const match = options.resourceVersionMatch;
  const forbid = (detail: string) => errors.push(forbiddenField("resourceVersionMatch", detail));
  if (options.sendInitialEvents !== undefined && match !== "NotOlderThan") {
    forbid("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
  }
  if (match !== "") {
    if (options.sendInitialEvents === undefined) {
      forbid("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
    }
    if (match !== "NotOlderThan") errors.push(notSupported("resourceVersionMatch", match, ["NotOlderThan"]));
    if (options.continue !== "") forbid("resourceVersionMatch is forbidden when continue is provided");
  }
  return errors;
}

/** Throws 400 for what cannot be read, 422 for what must not be combined. `watch`: the path or the query asks for one. */
export function decodeListOptions(query: URLSearchParams, watch: boolean): ListOptions {
  const options: ListOptions = {
    labelSelector: textParameter(query, "labelSelector"),
    fieldSelector: textParameter(query, "fieldSelector"),
    limit: integerParameter(query, "limit") ?? 0,
    continue: textParameter(query, "continue"),
    resourceVersion: textParameter(query, "resourceVersion"),
    resourceVersionMatch: textParameter(query, "resourceVersionMatch"),
    watch,
    allowWatchBookmarks: booleanParameter(query, "allowWatchBookmarks") ?? false,
    sendInitialEvents: booleanParameter(query, "sendInitialEvents"),
    timeoutSeconds: Math.max(0, integerParameter(query, "timeoutSeconds") ?? 0),
  };
  const errors = watch ? validateWatch(options) : validateList(options);
  if (errors.length > 0) throw invalid({ group: "meta.k8s.io", kind: "ListOptions" }, "", errors);
  return options;
}
