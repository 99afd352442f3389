/** 406 for PartialObjectMetadata asked of a list, or its list asked of an object (spec: apiserver 6.2). */
import { StatusError } from "../../api/status.ts";
import type { Endpoint } from "./endpoint.ts";

const refuse = (wanted: string, endpoint: Endpoint, what: string, kind: string) =>
  new StatusError(
    406,
    "NotAcceptable",
    `you requested ${wanted}, but the requested object is ${what} (*${endpoint.definition.version}.${kind})`,
  );

export function notAnObject(endpoint: Endpoint): StatusError {
  return refuse("PartialObjectMetadata", endpoint, "a list", endpoint.definition.listKind);
}

export function notAList(endpoint: Endpoint): StatusError {
  return refuse("PartialObjectMetadataList", endpoint, "not a list", endpoint.definition.kind);
}
