/** A client whose objects are metadata and nothing else: a pod of several kilobytes becomes its names and labels. */
import type { CallOptions, Client } from "./client.ts";
import { resourceClient } from "./resource.ts";

/** Asks for PartialObjectMetadata in every read; writes go through unchanged. */
export function metadataOnly(client: Client): Client {
  const asking = (call: CallOptions, kind: string): CallOptions =>
    call.method === "GET"
      ? { ...call, headers: { ...call.headers, accept: `application/json;as=${kind};g=meta.k8s.io;v=v1` } }
      : call;
  const narrow: Client = {
    ...client,
    resource: (resource, namespace) => resourceClient(narrow, resource, namespace),
    call: (call) => client.call(asking(call, "PartialObjectMetadataList")),
    stream: (call) => client.stream(asking(call, "PartialObjectMetadata")),
  };
  return narrow;
}
