/** The body of a POST or PUT as an object: size, media type, unknown fields, and whether it is what the URL names (spec: apiserver 2.3, 2.4, 2.14). */
import type { BodyMediaType, ObjectCodec } from "../../api/codec.ts";
import { apiVersionOf, type KubeObject, type OwnerReference } from "../../api/meta.ts";
import { badRequest } from "../../api/status.ts";
import type { Exchange } from "../exchange.ts";
import { ALL_MEDIA_TYPES, bodyMediaType } from "../representation/accept.ts";
import type { FieldValidation } from "../write-options.ts";
import type { Call } from "./backend-context.ts";

/** Bytes of a request body. */
export const BODY_LIMIT = 3 * 1024 * 1024;

/** Throws 415 before the body is read. */
export function inputMediaType(exchange: Exchange, codec: ObjectCodec): BodyMediaType {
  const accepted = codec.encodeProtobuf === undefined ? ALL_MEDIA_TYPES.slice(0, 2) : ALL_MEDIA_TYPES;
  return bodyMediaType(exchange, accepted);
}

/** Throws 400 for what cannot be decoded or, in Strict mode, has problems; in Warn mode they become warnings. */
export function decodeBody(
  call: Call,
  codec: ObjectCodec,
  body: Uint8Array,
  mediaType: BodyMediaType,
  validation: FieldValidation,
): KubeObject {
  const { kind } = codec;
  call.endpoint.counters.decodes++;
  const { object, problems } = codec.decode(body, mediaType);
  const expected = apiVersionOf(kind);
  if (object.apiVersion !== undefined && object.apiVersion !== "" && object.apiVersion !== expected) {
    throw badRequest(
      `the API version in the data (${object.apiVersion}) does not match the expected API version (${expected})`,
    );
  }
  if (problems.length > 0 && validation === "Strict") {
    throw badRequest(
      `${kind.kind} in version "${kind.version}" cannot be handled as a ${kind.kind}: strict decoding error: ${problems.join(", ")}`,
    );
  }
  if (validation === "Warn") for (const problem of problems) call.exchange.warn(problem);
  return object;
}

/** Gives the object the namespace of the URL; throws 400 when it has another one. */
export function ensureNamespace(call: Call, object: KubeObject): void {
  const wanted = call.endpoint.definition.namespaced ? call.namespace : "";
  const { metadata } = object;
  if ((metadata.namespace ?? "") === wanted) return;
  if (metadata.namespace && wanted !== "") {
    throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
  }
  if (wanted === "") delete metadata.namespace;
  else metadata.namespace = wanted;
}

/** Throws 400 when the object's name is not the one in the URL. */
export function ensureName(call: Call, object: KubeObject): void {
  const name = object.metadata.name ?? "";
  if (name === "") throw badRequest("name must be provided");
  if (name !== call.name) {
    throw badRequest(`the name of the object (${name}) does not match the name on the URL (${call.name})`);
  }
}

/** Removes repeated owners, with a warning (spec: apiserver 2.15). */
export function dedupOwnerReferences(call: Call, object: KubeObject, afterAdmission = false): void {
  const owners = object.metadata.ownerReferences;
  if (owners === undefined || owners === null || owners.length < 2) return;
  const seen = new Set<string>();
  const repeated = new Set<string>();
  const kept: OwnerReference[] = [];
  for (const owner of owners) {
    const identity = JSON.stringify([
      owner.apiVersion,
      owner.kind,
      owner.name,
      owner.uid,
      owner.controller ?? null,
      owner.blockOwnerDeletion ?? null,
    ]);
    if (seen.has(identity)) repeated.add(owner.uid);
    else kept.push(owner);
    seen.add(identity);
  }
  if (repeated.size === 0) return;
  object.metadata.ownerReferences = kept;
  const uids = [...repeated].join(", ");
  call.exchange.warn(
    afterAdmission
      ? `.metadata.ownerReferences contains duplicate entries after mutating admission happens; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: ${uids}`
      : `.metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: ${uids}`,
  );
}
