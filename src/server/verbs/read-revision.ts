/** The `resourceVersion` parameter of a read, refused in three ways as upstream does (spec: apiserver 2.11). */
import { goQuote } from "../../api/go-quote.ts";
import { parseResourceVersion } from "../../api/resource-version.ts";
import { badRequest, StatusError } from "../../api/status.ts";

/** undefined for none, 0 for any. A bad one is 400 for a list and, with no reason at all, 500 for a get and a watch. */
export function readRevision(text: string, verb: "get" | "list" | "watch"): number | undefined {
  try {
    return parseResourceVersion(text);
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    const why = /^[0-9]+$/.test(text) ? "value out of range" : "invalid syntax";
    const message = `resourceVersion: Invalid value: ${goQuote(text)}: strconv.ParseUint: parsing ${goQuote(text)}: ${why}`;
    throw verb === "list" ? badRequest(`invalid resource version: ${message}`) : new StatusError(500, "", message);
  }
}
