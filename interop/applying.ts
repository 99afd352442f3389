/** Requests of managers that apply and update, and who owns what afterwards. */
import type { Target } from "./target.ts";

/** Both name the manager; `more` is the rest of the query. */
export function applying(target: Target) {
  return {
    apply: (path: string, manager: string, body: unknown, more = "") =>
      target.call("PATCH", `${path}?fieldManager=${manager}${more}`, {
        contentType: "application/apply-patch+yaml",
        body,
      }),
    merge: (path: string, body: unknown, manager = "updater") =>
      target.call("PATCH", `${path}?fieldManager=${manager}`, { contentType: "application/merge-patch+json", body }),
  };
}

interface Entry {
  manager: string;
  operation: string;
  subresource?: string;
  fieldsV1: unknown;
}

/** Owner by owner: `manager operation [subresource]` and what it owns. */
// biome-ignore lint/suspicious/noExplicitAny: whatever the server answered
export const owners = (answer: { json: any }) =>
  Object.fromEntries(
    (answer.json.metadata.managedFields as Entry[]).map(({ manager, operation, subresource, fieldsV1 }) => [
      [manager, operation, ...(subresource === undefined ? [] : [subresource])].join(" "),
      fieldsV1,
    ]),
  );
