/** What PartialObjectMetadata asked of a list gets, or its list asked of an object: 406 in most cases (spec: apiserver 6.2). */
import { StatusError } from "../../api/status.ts";
import type { Endpoint } from "./endpoint.ts";

const refuse = (wanted: string, what: string, goType: string) =>
  new StatusError(406, "NotAcceptable", `you requested ${wanted}, but the requested object is ${what} (*${goType})`);

export function notAnObject(endpoint: Endpoint): StatusError {
  const { version, listKind } = endpoint.definition;
  const goType = endpoint.unstructured ? "unstructured.UnstructuredList" : `${version}.${listKind}`;
  return refuse("PartialObjectMetadata", "a list", goType);
}

export function notAList(endpoint: Endpoint): StatusError {
  if (endpoint.unstructured) return new StatusError(500, "", "content is not a list");
  const { version, kind } = endpoint.definition;
  return refuse("PartialObjectMetadataList", "not a list", `${version}.${kind}`);
}
