/** The Table transform: one row of cells for each object, as `kubectl get` shows them (spec: apiserver 6.2). */
import { goQuote } from "../../api/go-quote.ts";
import { encodeJSON, quoteJSON } from "../../api/json/index.ts";
import { badRequest } from "../../api/status.ts";
import type { IncludeObject } from "../../api/table.ts";
import type { Exchange } from "../exchange.ts";
import type { TableColumns } from "../resource.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Item } from "./item.ts";
import { partialMetadata } from "./partial.ts";
import type { ListHead } from "./protobuf.ts";

/** Name and age: what a kind without columns of its own shows. */
const DEFAULT_COLUMNS: TableColumns = {
  columns: [
    { name: "Name", type: "string", format: "name", description: "Name of the object." },
    {
      name: "Created At",
      type: "date",
      description:
        "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata",
    },
  ],
  cells: (object) => [object.metadata.name ?? "", object.metadata.creationTimestamp ?? "<unknown>"],
};

/** `?includeObject=`; throws 400 for another value. */
export function includeObjectOf(exchange: Exchange): IncludeObject {
  const asked = exchange.query.get("includeObject") ?? "";
  if (asked === "") return "Metadata";
  if (asked === "None" || asked === "Metadata" || asked === "Object") return asked;
  const why = "must be 'Metadata', 'Object', 'None', or empty";
  throw badRequest(`Unable to convert to Table as requested: includeObject: Invalid value: ${goQuote(asked)}: ${why}`);
}

/** The members of a ListMeta. What functions answer may have no resourceVersion; as in Go an empty one is left out. */
export function listMetaMembers(head: ListHead): string {
  const members: string[] = [];
  if (head.resourceVersion !== "") members.push(`"resourceVersion":${quoteJSON(head.resourceVersion)}`);
  if (head.continue) members.push(`"continue":${quoteJSON(head.continue)}`);
  if (head.remainingItemCount !== undefined) members.push(`"remainingItemCount":${head.remainingItemCount}`);
  return members.join(",");
}

/** What comes before the rows; without column definitions in all but the first event of a watch. */
export function tableOpening(endpoint: Endpoint, version: "v1" | "v1beta1", head: ListHead, columns = true): string {
  const table = endpoint.definition.table ?? DEFAULT_COLUMNS;
  const definitions = table.columns
    .map(
      ({ name, type, format = "", description = "", priority = 0 }) =>
        `{"name":${quoteJSON(name)},"type":${quoteJSON(type)},"format":${quoteJSON(format)},"description":${quoteJSON(description)},"priority":${priority}}`,
    )
    .join(",");
  const shown = columns ? `[${definitions}]` : "null";
  return `{"kind":"Table","apiVersion":"meta.k8s.io/${version}","metadata":{${listMetaMembers(head)}},"columnDefinitions":${shown},"rows":[`;
}

export const TABLE_CLOSE = "]}";

/** One row. `now`: milliseconds, for ages. */
export function tableRow(item: Item, include: IncludeObject, version: "v1" | "v1beta1", now: number): Buffer {
  const table = item.endpoint.definition.table ?? DEFAULT_COLUMNS;
  const object = item.object();
  const parts: Uint8Array[] = [Buffer.from('{"cells":'), encodeJSON(table.cells(object, now))];
  const conditions = table.conditions?.(object) ?? [];
  if (conditions.length > 0) parts.push(Buffer.from(',"conditions":'), encodeJSON(conditions));
  parts.push(Buffer.from(',"object":'));
  if (include === "None") parts.push(Buffer.from("null"));
  else parts.push(include === "Object" ? item.bytes() : partialMetadata(item, version));
  parts.push(Buffer.from("}"));
  return Buffer.concat(parts);
}
