/** What a resource is to the server: its names, codec, rules and columns, and what answers its verbs. */
import type { ReplicasPaths } from "../api/apply/scale-owners.ts";
import type { Clock, Random } from "../api/clock.ts";
import type { ObjectCodec } from "../api/codec.ts";
import type { GroupVersionKind, JSONObject, JSONValue, KubeList, KubeObject, ObjectMeta } from "../api/meta.ts";
import type { FieldError } from "../api/status.ts";
import type { UserInfo } from "./identity.ts";

export type Verb = "create" | "delete" | "deletecollection" | "get" | "list" | "patch" | "update" | "watch";

/** What strategies and virtual resources may know of the request. */
export interface RequestContext {
  readonly user: UserInfo;
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
  readonly dryRun: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  warn(text: string): void;
}

/** The rules of one kind around a write; upstream's words (spec: apiserver 2.3, 2.9). All functions are pure but for the object they are given. */
export interface Strategy<T extends KubeObject = KubeObject> {
  /** Fills declared defaults. Runs after every decode and every patch. */
  setDefaults?(object: T): void;
  /** Wipes what a client may not set (status), sets generation. System metadata is the server's. */
  prepareForCreate?(object: T, context: RequestContext): void;
  /** Beside the ObjectMeta rules, which the server checks with `nameRule`. */
  validate?(object: T, context: RequestContext): FieldError[];
  /** What takes long to check, in slices; awaited behind the other checks of a create (no `old`) or an update, whose errors it is told. */
  validateRules?(
    object: T,
    old: T | undefined,
    errors: readonly FieldError[],
    context: RequestContext,
  ): Promise<FieldError[]> | undefined;
  warningsOnCreate?(object: T): string[];
  prepareForUpdate?(object: T, old: T, context: RequestContext): void;
  validateUpdate?(object: T, old: T, context: RequestContext): FieldError[];
  warningsOnUpdate?(object: T, old: T): string[];
  /** Fields that writes through here never change, so that nobody comes to own them. Default: `status` of the object, `spec` through `status`. */
  readonly resetFields?: readonly (readonly string[])[];
  /** PUT to a missing object creates it. */
  readonly allowCreateOnUpdate?: boolean;
  /** PUT without resourceVersion overwrites; default true. */
  readonly allowUnconditionalUpdate?: boolean;
  /** DELETE answers with the object and not with a Status. */
  readonly returnsDeletedObject?: boolean;
  /** Seconds of grace for a delete; undefined: the kind is removed at once (spec: apiserver 2.8). */
  gracePeriodSeconds?(object: T, asked: number | undefined): number | undefined;
  /** What happens to dependents when a delete does not say; default Background (spec: apiserver 3.7). */
  readonly defaultPropagationPolicy?: "Background" | "Orphan";
  /** A delete that must not remove yet changes the object here (namespaces: phase Terminating) and answers true. */
  beginDelete?(object: T, context: RequestContext): boolean;
  /** An update after which the object must go (namespaces: no finalizers left). Default: deletion began and no finalizer is left. */
  shouldDeleteOnUpdate?(object: T, old: T): boolean;
}

export interface Column {
  readonly name: string;
  readonly type: "string" | "integer" | "number" | "boolean" | "date";
  readonly format?: string;
  readonly description?: string;
  readonly priority?: number;
}

export type Cell = string | number | boolean | null;

export interface TableColumns<T extends KubeObject = KubeObject> {
  readonly columns: readonly Column[];
  /** One cell for each column; ages are printed against `now` (milliseconds). */
  cells(object: T, now: number): Cell[];
  /** Conditions of the row (`Completed` pods). */
  conditions?(object: T): readonly { type: string; status: string; reason?: string; message?: string }[];
}

/** A sub-resource whose body is the resource itself (`status`, `finalize`) or another kind (`scale`, `token`, `binding`). */
export interface Subresource<T extends KubeObject = KubeObject> {
  readonly name: string;
  readonly verbs: readonly Verb[];
  /** The kind on the wire when it is not the parent's; discovery then names it. */
  readonly kind?: GroupVersionKind;
  readonly codec?: ObjectCodec;
  /** The columns of a kind of its own. */
  readonly table?: TableColumns;
  /** For a sub-resource that stores the parent: the rules of writing through it. */
  readonly strategy?: Strategy<T>;
  /** For another kind read from and written into the parent (`scale`). */
  readonly projection?: {
    read(parent: T): KubeObject;
    /** What a GET answers, when that is not simply what is read; may throw. */
    get?(parent: T): KubeObject;
    /** Changes `parent` in place. */
    write(parent: T, body: KubeObject): FieldError[];
    /** Where the parent keeps the one field that is owned here; without it nobody can apply. */
    readonly replicas?: ReplicasPaths;
  };
  /** For a create-only sub-resource that stores nothing itself (`token`). */
  create?(context: RequestContext, parent: T, body: KubeObject): Promise<KubeObject> | KubeObject;
  /**
   * For a create-only sub-resource that changes the parent (`binding`): the parent as it shall be, a new object. A uid and a
   * resourceVersion in the body are preconditions. Answered with Success.
   */
  change?(context: RequestContext, parent: T, body: KubeObject): T;
  /** For a create-only sub-resource that deletes the parent (`eviction`). Answered with Success. */
  readonly deletion?: {
    /** The DeleteOptions in the body. */
    options(body: KubeObject): JSONValue | undefined;
    /** Writes into the parent, before it goes, why it does. `now`: milliseconds. */
    mark?(parent: T, now: number): void;
  };
}

export interface ResourceDefinition<T extends KubeObject = KubeObject> {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly listKind: string;
  readonly plural: string;
  readonly singular: string;
  readonly namespaced: boolean;
  readonly shortNames?: readonly string[];
  /** Every request for it is warned with this. */
  readonly deprecation?: string;
  readonly categories?: readonly string[];
  readonly verbs: readonly Verb[];
  readonly codec: ObjectCodec<T>;
  /**
   * Custom resources: the metadata as field 1 of a protobuf message. PartialObjectMetadata of such a kind goes out as protobuf, the objects
   * themselves never do.
   */
  metadataMessage?(metadata: ObjectMeta): Uint8Array;
  readonly strategy: Strategy<T>;
  /** Messages for a bad name; empty when good (spec: apiserver 3.3). `prefix`: checking a generateName. */
  nameRule(name: string, prefix: boolean): string[];
  readonly table?: TableColumns<T>;
  /** Selectable fields beside metadata.name and metadata.namespace. */
  readonly fields?: Readonly<Record<string, (object: T) => string>>;
  readonly subresources?: readonly Subresource<T>[];
  /** Where its objects live in the store; always ends in "/" (spec: apiserver 11.1), e.g. `/registry/services/specs/`. */
  readonly storagePrefix: string;
  /** When its objects are stored in another version than this one: that version's codec, and the conversions, in batches (a webhook may do them). */
  readonly storage?: {
    readonly codec: ObjectCodec;
    fromStored(objects: KubeObject[]): Promise<KubeObject[]> | KubeObject[];
    toStored(object: T): Promise<KubeObject> | KubeObject;
    /**
     * Names the schema of today, for kinds whose schema changes while objects are stored (custom resources): what is stored, in this version
     * too, is read through `codec` and `fromStored` once under each, and what was derived under another is forgotten.
     */
    readonly generation?: string;
    /** The rules of writing may leave out what the schema defaults: what was written is read back before it is answered. Default false. */
    readonly readsBack?: boolean;
  };
  /** How to read what others stored as JSON in an older version, by its apiVersion: the value in this one. May change what it is given. */
  readonly olderVersions?: Readonly<Record<string, (stored: JSONObject) => JSONObject>>;
  /** Seconds after which a stored object vanishes (Events). */
  readonly ttlSeconds?: number;
  /** The names of component schemas and how to get them; see `schema/openapi.ts`. */
  readonly schemaName?: string;
}

export interface ListQuery {
  readonly labelSelector: string;
  readonly fieldSelector: string;
  readonly limit: number;
  readonly continue: string;
  readonly resourceVersion: string;
  readonly resourceVersionMatch: string;
}

export type WatchEvent =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: KubeObject }
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string; readonly initialEventsEnd?: boolean };

/** A resource that is answered by functions and not by the store: review kinds, metrics, an extension author's own data. */
export interface VirtualResource<T extends KubeObject = KubeObject> {
  get?(context: RequestContext): Promise<T | undefined> | T | undefined;
  /** The answer may be unfiltered: label and field selectors, limit and continue are applied by the server. */
  list?(context: RequestContext, query: ListQuery): Promise<KubeList<T> | T[]> | KubeList<T> | T[];
  watch?(context: RequestContext, query: ListQuery): AsyncIterable<WatchEvent>;
  create?(context: RequestContext, object: T): Promise<T> | T;
  update?(context: RequestContext, object: T, old: T | undefined): Promise<T> | T;
  delete?(context: RequestContext): Promise<T | undefined> | T | undefined;
}
