/** Between bytes and objects: what the server needs from every kind, built-in or not. */
import type { MapShape } from "./apply/shape.ts";
import type { GroupVersionKind, JSONValue, KubeObject } from "./meta.ts";

export type BodyMediaType = "application/json" | "application/yaml" | "application/vnd.kubernetes.protobuf";

export interface Decoded<T = KubeObject> {
  readonly object: T;
  /** `unknown field "spec.foo"`, `duplicate field "spec.replicas"`: at most 100, in document order (spec: apiserver 2.14). */
  readonly problems: readonly string[];
}

/** Encodes and decodes one kind in one version. Decoding never trusts its input; errors are 400 StatusErrors with upstream's texts (spec: apiserver 2.4). */
export interface ObjectCodec<T extends KubeObject = KubeObject> {
  readonly kind: GroupVersionKind;
  /** kind and apiVersion absent from the body default to this codec's. */
  decode(body: Uint8Array, mediaType: BodyMediaType): Decoded<T>;
  /** The same for a value that is already parsed: the result of a patch. Takes ownership of `value`. */
  fromValue(value: JSONValue): Decoded<T>;
  /** Canonical JSON: `kind`, `apiVersion`, `metadata` first, metadata in ObjectMeta's field order with `"resourceVersion":"…"` always present (empty for storage). */
  encode(object: T, resourceVersion?: string): Uint8Array;
  /** The `k8s\0` envelope; absent where the kind has no protobuf form (custom resources). */
  encodeProtobuf?(object: T): Uint8Array;
  /** A strategic merge of `patch` into `original` (a new value; inputs stay untouched); absent where unsupported. */
  strategicMerge?(original: KubeObject, patch: JSONValue): JSONValue;
  /** What server-side apply must know of the kind; absent where it cannot be applied. */
  shape?(): MapShape;
}
