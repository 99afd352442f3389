/** Label and field selectors of one request, ready to be asked about items (spec: apiserver 2.13). */
import { type FieldSelector, parseFieldSelector, unsupportedField } from "../../api/field-selector.ts";
import { goQuote } from "../../api/go-quote.ts";
import { type LabelSelector, parseLabelSelector } from "../../api/label-selector.ts";
import { badRequest } from "../../api/status.ts";
import type { Endpoint } from "../representation/endpoint.ts";
import type { Item } from "../representation/item.ts";

export interface Selection {
  /** Everything matches. */
  readonly empty: boolean;
  /** The only name that can match, when the field selector says so. */
  readonly name: string | undefined;
  /** The only namespace that can match, when the field selector says so. */
  readonly namespace: string | undefined;
  matches(item: Item): boolean;
}

export const EVERYTHING: Selection = { empty: true, name: undefined, namespace: undefined, matches: () => true };

function supported(endpoint: Endpoint, field: string): boolean {
  if (field === "metadata.name") return true;
  if (field === "metadata.namespace") return endpoint.definition.namespaced || hasOnlyCommonFields(endpoint);
  return endpoint.fieldNames.includes(field);
}

/** Built-in kinds without selectable fields of their own share two, namespaced or not, and refuse others in other words. */
function hasOnlyCommonFields(endpoint: Endpoint): boolean {
  return endpoint.encodeProtobuf !== undefined && endpoint.fieldNames.length === 0;
}

function refusal(endpoint: Endpoint, field: string): Error {
  if (!hasOnlyCommonFields(endpoint)) return unsupportedField(field);
  return badRequest(`${goQuote(field)} is not a known field selector: only "metadata.name", "metadata.namespace"`);
}

/** Throws 400 for selectors that cannot be parsed and for fields the resource does not select by. `name`: from the URL, for a watch of one object. */
export function selectionOf(endpoint: Endpoint, labelSelector: string, fieldSelector: string, name = ""): Selection {
  const labels: LabelSelector | undefined = labelSelector === "" ? undefined : parseLabelSelector(labelSelector);
  let fields: FieldSelector | undefined = fieldSelector === "" ? undefined : parseFieldSelector(fieldSelector);
  for (const { field } of fields?.requirements ?? []) if (!supported(endpoint, field)) throw refusal(endpoint, field);
  if (name !== "") {
    if (fields === undefined || fields.empty) fields = parseFieldSelector(`metadata.name=${name}`);
    else if (fields.exact("metadata.name") !== name) {
      throw badRequest("fieldSelector metadata.name doesn't match requested name");
    }
  }
  const noLabels = labels === undefined || labels.empty;
  const noFields = fields === undefined || fields.empty;
  if (noLabels && noFields) return EVERYTHING;
  return {
    empty: false,
    name: fields?.exact("metadata.name"),
    namespace: fields?.exact("metadata.namespace"),
    matches: (item) =>
      (noFields || fields!.matches((field) => item.field(field))) && (noLabels || labels!.matches(item.labels())),
  };
}
