/** One resource of one group-version, bound to what answers it: its names, keys, codecs and counters. */
import type { ObjectCodec } from "../../api/codec.ts";
import { parseJSON } from "../../api/json/index.ts";
import { apiVersionOf, type GroupKind, type GroupResource, type KubeObject } from "../../api/meta.ts";
import { StatusError } from "../../api/status.ts";
import type { Entry } from "../../store/state.ts";
import type { ResourceDefinition, Subresource, Verb, VirtualResource } from "../resource.ts";
import type { ByteCache } from "./byte-cache.ts";
import { asBuffer, sameButResourceVersion } from "./canonical.ts";
import type { Counters } from "./counters.ts";
import { isSettled, settle } from "./item.ts";
import { firstField, unwrap } from "./protobuf.ts";

const BRACE = Buffer.from("{");

export class Endpoint {
  readonly definition: ResourceDefinition;
  /** Set when functions and not the store answer. */
  readonly virtual: VirtualResource | undefined;
  readonly apiVersion: string;
  readonly groupResource: GroupResource;
  readonly groupKind: GroupKind;
  readonly fieldNames: readonly string[];
  readonly subresources: ReadonlyMap<string, Subresource>;
  readonly counters: Counters;
  readonly cache: ByteCache;
  readonly encodeProtobuf: ((object: KubeObject) => Uint8Array) | undefined;
  /** How the stored bytes of this version begin. */
  readonly #opening: Buffer;

  constructor(
    definition: ResourceDefinition,
    virtual: VirtualResource | undefined,
    cache: ByteCache,
    counters: Counters,
  ) {
    this.definition = definition;
    this.virtual = virtual;
    this.cache = cache;
    this.counters = counters;
    this.apiVersion = apiVersionOf(definition);
    this.groupResource = { group: definition.group, resource: definition.plural };
    this.groupKind = { group: definition.group, kind: definition.kind };
    this.fieldNames = Object.keys(definition.fields ?? {});
    this.subresources = new Map((definition.subresources ?? []).map((sub) => [sub.name, sub]));
    this.encodeProtobuf = definition.codec.encodeProtobuf?.bind(definition.codec);
    this.#opening = Buffer.from(`{"kind":"${definition.kind}","apiVersion":"${this.apiVersion}",`);
  }

  allows(verb: Verb): boolean {
    return this.definition.verbs.includes(verb);
  }

  /** Everything under this prefix is of this resource, in this namespace when one is given. */
  prefix(namespace: string): string {
    const { storagePrefix, namespaced } = this.definition;
    return namespaced && namespace !== "" ? `${storagePrefix}${namespace}/` : storagePrefix;
  }

  key(namespace: string, name: string): string {
    return this.prefix(namespace) + name;
  }

  namespaceOf(key: string): string {
    if (!this.definition.namespaced) return "";
    const start = this.definition.storagePrefix.length;
    const end = key.indexOf("/", start);
    return end < 0 ? "" : key.slice(start, end);
  }

  /** The name under which an encoding of this version is cached. */
  variant(form: string): string {
    const generation = this.definition.storage?.generation;
    return generation === undefined ? `${this.apiVersion} ${form}` : `${this.apiVersion} ${generation} ${form}`;
  }

  isThisVersion(bytes: Uint8Array): boolean {
    const { length } = this.#opening;
    return bytes.length >= length && asBuffer(bytes).compare(this.#opening, 0, length, 0, length) === 0;
  }

  /** Whether the stored bytes are what is served, as far as is known. */
  #isAsServed(entry: Entry): boolean {
    const generation = this.definition.storage?.generation;
    return this.isThisVersion(entry.value) && (generation === undefined || isSettled(entry, generation));
  }

  /** Canonical JSON in this version of those entries that are stored in another one or another form, converted in one batch; undefined when all are as wanted. */
  async converted(entries: readonly Entry[]): Promise<ReadonlyMap<Entry, Uint8Array> | undefined> {
    const { storage } = this.definition;
    if (storage === undefined) return undefined;
    const result = new Map<Entry, Uint8Array>();
    const others: Entry[] = [];
    for (const entry of entries) {
      if (this.#isAsServed(entry)) continue;
      const cached = this.cache.get(entry, this.variant("json"));
      if (cached === undefined) others.push(entry);
      else result.set(entry, cached);
    }
    if (others.length > 0) {
      const objects = await storage.fromStored(
        others.map((entry) => {
          this.counters.decodes++;
          return storage.codec.decode(entry.value, "application/json").object;
        }),
      );
      others.forEach((entry, index) => {
        const bytes = this.encode(objects[index]!, String(entry.revision));
        if (storage.generation !== undefined && sameButResourceVersion(bytes, entry.value)) {
          settle(entry, storage.generation);
          return;
        }
        this.cache.set(entry, this.variant("json"), bytes);
        result.set(entry, bytes);
      });
    }
    return result;
  }

  /**
   * An object's bytes as an item of a list. Upstream's typed lists leave out the kind and apiVersion of their items; lists of custom resources do
   * not. What is typed has a protobuf form.
   */
  putListItem(bytes: Uint8Array, push: (part: Uint8Array) => void): void {
    if (this.encodeProtobuf === undefined || !this.isThisVersion(bytes)) {
      push(bytes);
    } else {
      push(BRACE);
      push(bytes.subarray(this.#opening.length));
    }
  }

  /** The metadata as field 1 of a protobuf message; only for kinds whose offer has protobuf. */
  metadataMessage(object: KubeObject): Uint8Array {
    if (this.encodeProtobuf !== undefined) return firstField(unwrap(this.encodeProtobuf(object)));
    return this.definition.metadataMessage!(object.metadata);
  }

  /** A custom resource: what is known of its objects is a schema and no Go type. */
  get unstructured(): boolean {
    return this.definition.metadataMessage !== undefined && this.encodeProtobuf === undefined;
  }

  decodeStored(bytes: Uint8Array): KubeObject {
    this.counters.decodes++;
    try {
      // What was made by `fromStored` is as it is served: the schema of this version adds nothing to it.
      if (this.definition.storage?.generation !== undefined) return parseJSON(bytes).value as unknown as KubeObject;
      return this.definition.codec.decode(bytes, "application/json").object;
    } catch (error) {
      throw new StatusError(500, "InternalError", `Internal error occurred: stored object is unreadable: ${error}`);
    }
  }

  encode(object: KubeObject, resourceVersion: string, codec: ObjectCodec = this.definition.codec): Uint8Array {
    this.counters.encodes++;
    return codec.encode(object, resourceVersion);
  }

  /** The bytes to store: of this version, or of the one that is kept. */
  async encodeForStorage(object: KubeObject): Promise<Uint8Array> {
    const { storage } = this.definition;
    if (storage === undefined) return this.encode(object, "");
    return this.encode(await storage.toStored(object), "", storage.codec);
  }
}
