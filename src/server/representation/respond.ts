/** Answering with one object or with a list, in the representation that was negotiated (spec: apiserver 6). */
import type { Status } from "../../api/status.ts";
import type { Exchange } from "../exchange.ts";
import {
  ALL_MEDIA_TYPES,
  JSON_TYPE,
  negotiate,
  type Offer,
  PROTOBUF_TYPE,
  type Representation,
  YAML_TYPE,
} from "./accept.ts";
import { PIECE, sendBody } from "./body.ts";
import { asBuffer, indent } from "./canonical.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Item } from "./item.ts";
import { partialMetadata } from "./partial.ts";
import { encodeListMeta, envelope, fieldHeader, type ListHead, unwrap } from "./protobuf.ts";
import { encodeStatus } from "./status.ts";
import { includeObjectOf, listMetaMembers, TABLE_CLOSE, tableOpening, tableRow } from "./table.ts";
import { notAList, notAnObject } from "./transform-errors.ts";
import { yamlFromJSON } from "./yaml.ts";

const COMMA = Buffer.from(",");
const NEWLINE = Buffer.from("\n");

const TEXT_TYPES = [JSON_TYPE, YAML_TYPE] as const;

/** What an endpoint of stored kinds, or one without a table, can be asked for. */
export function offerOf(endpoint: Endpoint, stream = false): Offer {
  const custom = endpoint.definition.metadataMessage !== undefined;
  const hasProtobuf = custom || endpoint.encodeProtobuf !== undefined;
  const createOnly =
    endpoint.virtual !== undefined && endpoint.virtual.get === undefined && endpoint.virtual.list === undefined;
  return {
    mediaTypes: hasProtobuf ? ALL_MEDIA_TYPES : TEXT_TYPES,
    ...(custom && { plain: TEXT_TYPES }),
    table: !createOnly,
    partial: !createOnly,
    stream,
  };
}

/** 406 when the client wants what this endpoint does not have. */
export function negotiateFor(exchange: Exchange, endpoint: Endpoint): Representation {
  return negotiate(exchange, offerOf(endpoint));
}

/** JSON bytes to the negotiated text form. */
function textBody(json: Uint8Array, representation: Representation): Uint8Array[] {
  if (representation.mediaType === YAML_TYPE) return [yamlFromJSON(json)];
  return representation.pretty ? [indent(json)] : [json, NEWLINE];
}

/** One object in the negotiated form, before any framing. */
export function encodeItem(exchange: Exchange, representation: Representation, item: Item, now: number): Uint8Array {
  const { as, asVersion, mediaType } = representation;
  if (as === "Table") {
    const opening = tableOpening(item.endpoint, asVersion, { resourceVersion: item.resourceVersion });
    const row = tableRow(item, includeObjectOf(exchange), asVersion, now);
    return Buffer.concat([Buffer.from(opening), row, Buffer.from(TABLE_CLOSE)]);
  }
  if (as === "PartialObjectMetadataList") throw notAList(item.endpoint);
  if (as === "PartialObjectMetadata") {
    if (mediaType !== PROTOBUF_TYPE) return partialMetadata(item, asVersion);
    return envelope(`meta.k8s.io/${asVersion}`, "PartialObjectMetadata", item.metadataMessage());
  }
  return mediaType === PROTOBUF_TYPE ? item.protobuf()! : item.bytes();
}

export async function sendItem(
  exchange: Exchange,
  representation: Representation,
  status: number,
  item: Item,
  now: number,
): Promise<void> {
  const bytes = encodeItem(exchange, representation, item, now);
  const parts = representation.mediaType === PROTOBUF_TYPE ? [bytes] : textBody(bytes, representation);
  await sendBody(exchange, status, representation.mediaType, parts);
}

/** A list's items, in batches that arrive one after the other. */
export type Batches = AsyncIterable<readonly Item[]> | Iterable<readonly Item[]>;

/** Lists of custom resources are no Go types, and say that nothing follows. */
function listMetaJSON(head: ListHead, untyped: boolean): string {
  const none = untyped && !head.continue ? ',"continue":""' : "";
  return `{${listMetaMembers(head)}${none}}`;
}

type Push = (part: Uint8Array) => void;

/** `put` hands the bytes of one item to its second argument. Items are joined here, since a turn of a generator costs more than copying one. */
async function* jsonList(opening: string, batches: Batches, close: string, put: (item: Item, push: Push) => void) {
  let held: Uint8Array[] = [];
  let size = 0;
  const push: Push = (part) => {
    held.push(part);
    size += part.length;
  };
  push(Buffer.from(opening));
  let first = true;
  for await (const batch of batches) {
    for (const item of batch) {
      if (!first) push(COMMA);
      first = false;
      put(item, push);
      if (size < PIECE) continue;
      yield Buffer.concat(held, size);
      held = [];
      size = 0;
    }
  }
  push(Buffer.from(close));
  yield Buffer.concat(held, size);
}

/** The fields of a list message; v1beta1 of meta.k8s.io has them the other way round. */
const LIST_FIELDS = { metadata: 1, items: 2 };
const PARTIAL_LIST_FIELDS = { v1: LIST_FIELDS, v1beta1: { metadata: 2, items: 1 } };

/** A list message needs its length before its bytes, so the items are encoded (and cached) before the first is sent. */
async function protobufList(
  apiVersion: string,
  kind: string,
  head: ListHead,
  batches: Batches,
  fields: typeof LIST_FIELDS,
  messageOf: (item: Item) => Uint8Array,
): Promise<Uint8Array[]> {
  const metadata = encodeListMeta(head);
  const raw: Uint8Array[] = [fieldHeader(fields.metadata, metadata.length), metadata];
  for await (const batch of batches) {
    for (const item of batch) {
      const message = messageOf(item);
      raw.push(fieldHeader(fields.items, message.length), message);
    }
  }
  return [envelope(apiVersion, kind, Buffer.concat(raw))];
}

function listParts(
  exchange: Exchange,
  representation: Representation,
  endpoint: Endpoint,
  head: ListHead,
  batches: Batches,
  now: number,
): AsyncIterable<Uint8Array> | Promise<Uint8Array[]> {
  const { as, asVersion, mediaType } = representation;
  const { definition, apiVersion } = endpoint;
  if (as === "PartialObjectMetadata") throw notAnObject(endpoint);
  if (as === "Table") {
    const include = includeObjectOf(exchange);
    const opening = tableOpening(endpoint, asVersion, head);
    return jsonList(opening, batches, TABLE_CLOSE, (item, push) => push(tableRow(item, include, asVersion, now)));
  }
  const partial = as === "PartialObjectMetadataList";
  const untyped = !partial && definition.storage?.generation !== undefined;
  const kind = partial ? "PartialObjectMetadataList" : definition.listKind;
  const version = partial ? `meta.k8s.io/${asVersion}` : apiVersion;
  if (mediaType === PROTOBUF_TYPE) {
    if (partial) {
      return protobufList(version, kind, head, batches, PARTIAL_LIST_FIELDS[asVersion], (item) =>
        item.metadataMessage(),
      );
    }
    return protobufList(version, kind, head, batches, LIST_FIELDS, (item) => unwrap(item.protobuf()!));
  }
  const opening = `{"kind":"${kind}","apiVersion":"${version}","metadata":${listMetaJSON(head, untyped)},"items":[`;
  return jsonList(
    opening,
    batches,
    "]}",
    partial
      ? (item, push) => push(partialMetadata(item, asVersion))
      : (item, push) => endpoint.putListItem(item.bytes(), push),
  );
}

async function* withNewline(parts: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* parts;
  yield NEWLINE;
}

export async function sendList(
  exchange: Exchange,
  representation: Representation,
  endpoint: Endpoint,
  head: ListHead,
  batches: Batches,
  now: number,
): Promise<void> {
  const parts = await listParts(exchange, representation, endpoint, head, batches, now);
  if (representation.mediaType === PROTOBUF_TYPE) return sendBody(exchange, 200, PROTOBUF_TYPE, parts);
  if (representation.mediaType === JSON_TYPE && !representation.pretty) {
    return sendBody(exchange, 200, JSON_TYPE, withNewline(parts as AsyncIterable<Uint8Array>));
  }
  const whole: Uint8Array[] = [];
  for await (const part of parts) whole.push(part);
  return sendBody(exchange, 200, representation.mediaType, textBody(asBuffer(Buffer.concat(whole)), representation));
}

/** A Status that is an answer and not an error; no transform applies to it. */
export async function sendSuccess(
  exchange: Exchange,
  representation: Representation,
  code: number,
  status: Status,
): Promise<void> {
  const { mediaType, pretty } = representation;
  exchange.response.send(code, mediaType, encodeStatus(status, mediaType, pretty));
}
