/** A Status on the wire, in the media type that was negotiated (spec: apiserver 2.5). */
import type { BodyMediaType } from "../../api/codec.ts";
import { encodeJSON } from "../../api/json/index.ts";
import type { Status } from "../../api/status.ts";
import { StatusError } from "../../api/status.ts";
import type { Exchange } from "../exchange.ts";
import { JSON_TYPE, negotiateStatus, PROTOBUF_TYPE, YAML_TYPE } from "./accept.ts";
import { indent } from "./canonical.ts";
import { envelope } from "./protobuf.ts";
import { encodeStatusMessage } from "./status-protobuf.ts";
import { yamlFromJSON } from "./yaml.ts";

const NEWLINE = Buffer.from("\n");

/** The bytes of a Status; JSON ends in a newline unless it is indented, as upstream's does. */
export function encodeStatus(status: Status, mediaType: BodyMediaType = JSON_TYPE, pretty = false): Uint8Array {
  if (mediaType === PROTOBUF_TYPE) return envelope("v1", "Status", encodeStatusMessage(status));
  const json = encodeJSON(status);
  if (mediaType === YAML_TYPE) return yamlFromJSON(json);
  return pretty ? indent(json) : Buffer.concat([json, NEWLINE]);
}

/** What a client is shown of anything that was thrown: a StatusError's own Status; anything else is a 500 with an empty reason. */
export function statusOf(error: unknown): Status {
  if (error instanceof StatusError) return error.status;
  const message = error instanceof Error ? error.message : String(error);
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, code: 500 };
}

/** Answers with a Status, in the media type the client accepts; `Retry-After` follows `details.retryAfterSeconds`. Call it only before the response started. */
export function sendStatus(exchange: Exchange, status: Status): void {
  const { mediaType, pretty } = negotiateStatus(exchange);
  const retry = status.details?.retryAfterSeconds;
  if (retry !== undefined && retry > 0) exchange.response.setHeader("Retry-After", String(retry));
  exchange.response.send(status.code ?? 200, mediaType, encodeStatus(status, mediaType, pretty));
}
