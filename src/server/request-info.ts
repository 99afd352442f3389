/** What a URL asks for, parsed once (spec: apiserver 1.2). What was authorized is exactly what is routed and executed. */

export interface RequestInfo {
  readonly isResourceRequest: boolean;
  /** The decoded URL path. */
  readonly path: string;
  /** get, list, watch, create, update, patch, delete, deletecollection, proxy; for non-resource requests the method in lower case. */
  readonly verb: string;
  /** "api", "apis" or "". */
  readonly apiPrefix: string;
  readonly group: string;
  readonly version: string;
  readonly namespace: string;
  readonly resource: string;
  readonly subresource: string;
  readonly name: string;
  /** Resource, name, sub-resource and what follows. */
  readonly parts: readonly string[];
  /** Raw selectors of list, watch and deletecollection. */
  readonly fieldSelector: string;
  readonly labelSelector: string;
}
