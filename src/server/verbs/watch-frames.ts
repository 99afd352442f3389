/** Watch events on the wire: framed once for each entry and media type, shared by all watchers (spec: apiserver 4.1). */
import { encodeJSON, quoteJSON } from "../../api/json/index.ts";
import type { KubeObject } from "../../api/meta.ts";
import type { Status } from "../../api/status.ts";
import type { IncludeObject } from "../../api/table.ts";
import { PROTOBUF_TYPE, type Representation } from "../representation/accept.ts";
import { asBuffer } from "../representation/canonical.ts";
import type { Endpoint } from "../representation/endpoint.ts";
import type { Item } from "../representation/item.ts";
import { partialMetadata } from "../representation/partial.ts";
import { envelope, watchFrame } from "../representation/protobuf.ts";
import { encodeStatus } from "../representation/status.ts";
import { TABLE_CLOSE, tableOpening, tableRow } from "../representation/table.ts";

export type EventType = "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";

const CLOSE = Buffer.from("}\n");
const OPEN: Record<EventType, Buffer> = {
  ADDED: Buffer.from('{"type":"ADDED","object":'),
  MODIFIED: Buffer.from('{"type":"MODIFIED","object":'),
  DELETED: Buffer.from('{"type":"DELETED","object":'),
  BOOKMARK: Buffer.from('{"type":"BOOKMARK","object":'),
  ERROR: Buffer.from('{"type":"ERROR","object":'),
};

export const INITIAL_EVENTS_END = "k8s.io/initial-events-end";

/** Frames for one watcher. Only Tables differ between watchers: their first event has the columns, and ages grow. */
export class Frames {
  readonly contentType: string;
  readonly #endpoint: Endpoint;
  readonly #representation: Representation;
  readonly #include: IncludeObject;
  readonly #variant: string;
  #columns = true;

  constructor(endpoint: Endpoint, representation: Representation, include: IncludeObject) {
    this.#endpoint = endpoint;
    this.#representation = representation;
    this.#include = include;
    const { mediaType, as = "", asVersion } = representation;
    this.contentType = mediaType === PROTOBUF_TYPE ? `${PROTOBUF_TYPE};stream=watch` : mediaType;
    this.#variant = endpoint.variant(`watch ${mediaType} ${as} ${as === "" ? "" : asVersion}`);
  }

  /** An event of a stored entry. `owner` and `suffix` say where the frame is cached. */
  shared(type: EventType, item: Item, owner: object, suffix: string, now: number): Uint8Array {
    if (this.#representation.as === "Table") return this.event(type, item, now);
    return this.#endpoint.cache.of(owner, `${this.#variant} ${type}${suffix}`, () => this.event(type, item, now));
  }

  event(type: EventType, item: Item, now: number): Uint8Array {
    this.#endpoint.counters.frames++;
    if (this.#representation.mediaType === PROTOBUF_TYPE) return watchFrame(type, this.#protobuf(item));
    return Buffer.concat([OPEN[type], asBuffer(this.#json(item, now)), CLOSE]);
  }

  #json(item: Item, now: number): Uint8Array {
    const { as, asVersion } = this.#representation;
    if (as === "Table") {
      const opening = this.#tableOpening(item.resourceVersion);
      return Buffer.concat([
        Buffer.from(opening),
        tableRow(item, this.#include, asVersion, now),
        Buffer.from(TABLE_CLOSE),
      ]);
    }
    return as === undefined ? item.bytes() : partialMetadata(item, asVersion);
  }

  #tableOpening(resourceVersion: string): string {
    const columns = this.#columns;
    this.#columns = false;
    return tableOpening(this.#endpoint, this.#representation.asVersion, { resourceVersion }, columns);
  }

  #protobuf(item: Item): Uint8Array {
    const { as, asVersion } = this.#representation;
    if (as === undefined) return item.protobuf()!;
    return envelope(`meta.k8s.io/${asVersion}`, "PartialObjectMetadata", item.metadataMessage());
  }

  /** Tells how far the watcher is; the first one after the initial events says so in an annotation (spec: apiserver 4.3, 4.5). */
  bookmark(resourceVersion: string, initialEventsEnd: boolean): Uint8Array {
    const { as, asVersion, mediaType } = this.#representation;
    const partial = as === "PartialObjectMetadata" || as === "PartialObjectMetadataList";
    const kind = partial ? "PartialObjectMetadata" : this.#endpoint.definition.kind;
    const apiVersion = partial ? `meta.k8s.io/${asVersion}` : this.#endpoint.apiVersion;
    if (mediaType === PROTOBUF_TYPE) {
      const metadata: KubeObject["metadata"] = { resourceVersion };
      if (initialEventsEnd) metadata.annotations = { [INITIAL_EVENTS_END]: "true" };
      const object = { kind: this.#endpoint.definition.kind, apiVersion: this.#endpoint.apiVersion, metadata };
      const encoded = partial
        ? envelope(apiVersion, kind, this.#endpoint.metadataMessage(object))
        : this.#endpoint.encodeProtobuf!(object);
      return watchFrame("BOOKMARK", encoded);
    }
    const annotation = initialEventsEnd ? `,"annotations":{"${INITIAL_EVENTS_END}":"true"}` : "";
    const object =
      as === "Table"
        ? this.#tableOpening(resourceVersion) + TABLE_CLOSE
        : `{"kind":"${kind}","apiVersion":"${apiVersion}","metadata":{"resourceVersion":${quoteJSON(resourceVersion)}${annotation}}}`;
    return Buffer.concat([OPEN.BOOKMARK, Buffer.from(object), CLOSE]);
  }

  /** What went wrong after the stream had begun; the stream ends behind it (spec: apiserver 4.4). */
  error(status: Status): Uint8Array {
    if (this.#representation.mediaType === PROTOBUF_TYPE)
      return watchFrame("ERROR", encodeStatus(status, PROTOBUF_TYPE));
    return Buffer.concat([OPEN.ERROR, encodeJSON(status), CLOSE]);
  }
}
