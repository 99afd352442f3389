/** One object on its way out, stored or not: its bytes, its parsed form and what selectors ask, each made only when somebody needs it. */
import { isObject, parseJSON } from "../../api/json/index.ts";
import type { JSONObject, KubeObject } from "../../api/meta.ts";
import type { Entry } from "../../store/state.ts";
import { asBuffer, metadataStart, objectEnd, withoutEmptyVersion } from "./canonical.ts";
import type { Endpoint } from "./endpoint.ts";
import { firstField, unwrap } from "./protobuf.ts";

export interface Item {
  readonly endpoint: Endpoint;
  readonly namespace: string;
  readonly name: string;
  readonly resourceVersion: string;
  /** Canonical JSON with the resourceVersion in place. */
  bytes(): Uint8Array;
  /** Parsed; may be shared, so never change it. */
  object(): KubeObject;
  labels(): Readonly<Record<string, string>>;
  /** The value of a selectable field; "" when unset. */
  field(path: string): string;
  /** The metadata object alone, as JSON. */
  metadata(): Uint8Array;
  /** The protobuf envelope; undefined where the kind has none. */
  protobuf(): Uint8Array | undefined;
  /** The metadata as field 1 of a protobuf message, where the kind's offer has protobuf. */
  metadataMessage(): Uint8Array;
}

type Labels = Readonly<Record<string, string>>;
const NO_LABELS: Labels = Object.freeze(Object.create(null));
const LABELS = Buffer.from('"labels":{');

/** What is remembered with a stored entry. One instance for each entry, made by the writer or by the first reader. */
export class Known {
  labels: Labels | undefined;
  /** Where the metadata object ends in the entry's bytes; 0 when not looked for. */
  metadataEnd = 0;
  /** Selectable fields, for the endpoint that computed them last (two versions of a kind may share entries). */
  fieldsOf: Endpoint | undefined;
  fields: ReadonlyMap<string, string> | undefined;
  /** The generation of the schema under which the bytes are known to be what is served. */
  settled: string | undefined;
}

/** Whether the bytes were found to be what is served under this generation of the schema. */
export function isSettled(entry: Entry, generation: string): boolean {
  return entry.memo instanceof Known && entry.memo.settled === generation;
}

export function settle(entry: Entry, generation: string): void {
  knownFor(entry).settled = generation;
}

/** What a writer knows of the object it stores, so that no reader parses it. */
export function knownOf(endpoint: Endpoint, object: KubeObject): Known {
  const known = new Known();
  known.labels = object.metadata.labels ?? NO_LABELS;
  remember(known, endpoint, object);
  return known;
}

function remember(known: Known, endpoint: Endpoint, object: KubeObject): void {
  if (endpoint.fieldNames.length === 0) return;
  known.fieldsOf = endpoint;
  known.fields = new Map(endpoint.fieldNames.map((name) => [name, endpoint.definition.fields![name]!(object)]));
}

/** What was known of an entry, for the one that says it was deleted: the same object with another resourceVersion. */
export function inheritKnown(entry: Entry, previous: Entry | undefined): void {
  if (entry.memo !== undefined || !(previous?.memo instanceof Known)) return;
  const known = new Known();
  known.labels = previous.memo.labels;
  known.fieldsOf = previous.memo.fieldsOf;
  known.fields = previous.memo.fields;
  entry.memo = known;
}

function knownFor(entry: Entry): Known {
  if (entry.memo instanceof Known) return entry.memo;
  const known = new Known();
  entry.memo = known;
  return known;
}

/** An object in the store. */
export class StoredItem implements Item {
  readonly endpoint: Endpoint;
  readonly entry: Entry;
  readonly #converted: Uint8Array | undefined;
  #object: KubeObject | undefined;

  /** `converted`: canonical JSON in the endpoint's version when the entry holds another one. */
  constructor(endpoint: Endpoint, entry: Entry, converted?: Uint8Array) {
    this.endpoint = endpoint;
    this.entry = entry;
    this.#converted = converted;
  }

  get namespace(): string {
    return this.endpoint.namespaceOf(this.entry.key);
  }

  get name(): string {
    return this.entry.key.slice(this.entry.key.lastIndexOf("/") + 1);
  }

  get resourceVersion(): string {
    return String(this.entry.revision);
  }

  bytes(): Uint8Array {
    return this.#converted ?? this.entry.value;
  }

  object(): KubeObject {
    this.#object ??= this.endpoint.decodeStored(this.bytes());
    return this.#object;
  }

  labels(): Labels {
    const known = knownFor(this.entry);
    known.labels ??= this.#parseLabels();
    return known.labels;
  }

  #parseLabels(): Labels {
    const metadata = asBuffer(this.#storedMetadata());
    if (!metadata.includes(LABELS)) return NO_LABELS;
    this.endpoint.counters.metadataParses++;
    const { value } = parseJSON(metadata);
    const labels = isObject(value) ? value["labels"] : undefined;
    return isObject(labels) ? (labels as JSONObject & Record<string, string>) : NO_LABELS;
  }

  field(path: string): string {
    if (path === "metadata.name") return this.name;
    if (path === "metadata.namespace") return this.namespace;
    const known = knownFor(this.entry);
    if (known.fieldsOf !== this.endpoint) remember(known, this.endpoint, this.object());
    return known.fields?.get(path) ?? "";
  }

  metadata(): Uint8Array {
    if (this.#converted === undefined) return this.#storedMetadata();
    const start = metadataStart(this.#converted);
    return this.#converted.subarray(start, objectEnd(this.#converted, start));
  }

  #storedMetadata(): Uint8Array {
    const bytes = this.entry.value;
    const start = metadataStart(bytes);
    const known = knownFor(this.entry);
    if (known.metadataEnd === 0) known.metadataEnd = objectEnd(bytes, start);
    return bytes.subarray(start, known.metadataEnd);
  }

  protobuf(): Uint8Array | undefined {
    const { encodeProtobuf } = this.endpoint;
    if (encodeProtobuf === undefined) return undefined;
    return this.endpoint.cache.of(this.entry, this.endpoint.variant("protobuf"), () => encodeProtobuf(this.object()));
  }

  metadataMessage(): Uint8Array {
    const { endpoint, entry } = this;
    const encoded = this.protobuf();
    if (encoded !== undefined) return firstField(unwrap(encoded));
    return endpoint.cache.of(entry, endpoint.variant("metadata message"), () => {
      endpoint.counters.metadataParses++;
      const metadata = parseJSON(this.metadata()).value as unknown as KubeObject["metadata"];
      return endpoint.metadataMessage({ apiVersion: endpoint.apiVersion, kind: endpoint.definition.kind, metadata });
    });
  }
}

/** Items for entries, converted to the endpoint's version where they are stored in another one. */
export async function storedItems(endpoint: Endpoint, entries: readonly Entry[]): Promise<StoredItem[]> {
  if (endpoint.definition.storage === undefined) return entries.map((entry) => new StoredItem(endpoint, entry));
  const converted = await endpoint.converted(entries);
  return entries.map((entry) => new StoredItem(endpoint, entry, converted?.get(entry)));
}

/** The item of an entry that was just written as `object`. */
export async function writtenItem(endpoint: Endpoint, entry: Entry, object: KubeObject): Promise<StoredItem> {
  const { storage } = endpoint.definition;
  if (storage === undefined) return new StoredItem(endpoint, entry);
  if (storage.generation !== undefined) {
    // What is stored in another version is what that version keeps of the object.
    if (!storage.readsBack && endpoint.isThisVersion(entry.value)) settle(entry, storage.generation);
    return storedItem(endpoint, entry);
  }
  const served = endpoint.encode(object, String(entry.revision));
  endpoint.cache.set(entry, endpoint.variant("json"), served);
  return new StoredItem(endpoint, entry, served);
}

export async function storedItem(endpoint: Endpoint, entry: Entry): Promise<StoredItem> {
  return (await storedItems(endpoint, [entry]))[0]!;
}

/** An object that lives nowhere but in this response: what a function answered, or the result of a dry run. */
export class ObjectItem implements Item {
  readonly endpoint: Endpoint;
  readonly #object: KubeObject;
  #bytes: Uint8Array | undefined;

  /** `bytes`: the object's encoding when it is known already. */
  constructor(endpoint: Endpoint, object: KubeObject, bytes?: Uint8Array) {
    this.endpoint = endpoint;
    this.#object = object;
    this.#bytes = bytes;
  }

  get namespace(): string {
    return this.#object.metadata?.namespace ?? "";
  }

  get name(): string {
    return this.#object.metadata?.name ?? "";
  }

  get resourceVersion(): string {
    return this.#object.metadata?.resourceVersion ?? "";
  }

  bytes(): Uint8Array {
    this.#bytes ??= withoutEmptyVersion(this.endpoint.encode(this.#object, this.resourceVersion));
    return this.#bytes;
  }

  object(): KubeObject {
    return this.#object;
  }

  labels(): Labels {
    return this.#object.metadata?.labels ?? NO_LABELS;
  }

  field(path: string): string {
    if (path === "metadata.name") return this.name;
    if (path === "metadata.namespace") return this.namespace;
    const read = this.endpoint.definition.fields;
    return read !== undefined && Object.hasOwn(read, path) ? read[path]!(this.#object) : "";
  }

  metadata(): Uint8Array {
    const bytes = this.bytes();
    const start = metadataStart(bytes);
    return bytes.subarray(start, objectEnd(bytes, start));
  }

  protobuf(): Uint8Array | undefined {
    return this.endpoint.encodeProtobuf?.(this.#object);
  }

  metadataMessage(): Uint8Array {
    return this.endpoint.metadataMessage(this.#object);
  }
}
