/** A CustomResourceDefinition as every kube-apiserver stores it to this day, in v1beta1: what that version says once for all versions, v1 says for each. */
import { isObject, newObject } from "../../api/json/index.ts";
import type { JSONObject, JSONValue } from "../../api/meta.ts";

/** The same definition in v1. Takes ownership of `stored`; what is no part of v1beta1 stays for the codec to refuse or drop. */
export function definitionFromV1beta1(stored: JSONObject): JSONObject {
  const { spec } = stored;
  stored["apiVersion"] = "apiextensions.k8s.io/v1";
  if (!isObject(spec)) return stored;
  const {
    version,
    validation,
    subresources,
    additionalPrinterColumns,
    selectableFields,
    preserveUnknownFields,
    conversion,
    versions,
    ...rest
  } = spec;
  const given = Array.isArray(versions) ? versions : [];
  const only: JSONObject = { name: version ?? "", served: true, storage: true };
  const each = given.length > 0 ? given.map((one) => (isObject(one) ? one : newObject())) : [only];
  for (const one of each) {
    if (one["schema"] === undefined && validation !== undefined) one["schema"] = validation;
    if (one["subresources"] === undefined && subresources !== undefined) one["subresources"] = subresources;
    if (one["selectableFields"] === undefined && selectableFields !== undefined)
      one["selectableFields"] = selectableFields;
    const columns = one["additionalPrinterColumns"] ?? additionalPrinterColumns;
    if (Array.isArray(columns)) one["additionalPrinterColumns"] = columns.map(column);
  }
  stored["spec"] = {
    ...rest,
    versions: each,
    // Absent it was true once.
    ...(preserveUnknownFields !== false && { preserveUnknownFields: true }),
    ...(isObject(conversion) && { conversion: conversionOf(conversion) }),
  };
  return stored;
}

function column(value: JSONValue): JSONValue {
  if (!isObject(value)) return value;
  const { JSONPath, ...rest } = value;
  return JSONPath === undefined ? rest : { ...rest, jsonPath: JSONPath };
}

function conversionOf(conversion: JSONObject): JSONObject {
  const { webhookClientConfig, conversionReviewVersions, ...rest } = conversion;
  if (webhookClientConfig === undefined && rest["strategy"] !== "Webhook") return rest;
  return {
    ...rest,
    webhook: {
      ...(webhookClientConfig !== undefined && { clientConfig: webhookClientConfig }),
      ...(conversionReviewVersions !== undefined && { conversionReviewVersions }),
    },
  };
}
