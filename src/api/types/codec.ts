/** The codec of one built-in kind: bodies in, canonical bytes out, driven by the table of its types. */
import { structShape } from "../apply/struct-shape.ts";
import type { BodyMediaType, Decoded, ObjectCodec } from "../codec.ts";
import { encodeUTF8, JSONSyntaxError, newObject, parseJSON } from "../json/index.ts";
import {
  apiVersionOf,
  type GroupVersion,
  type GroupVersionKind,
  type JSONObject,
  type JSONValue,
  type KubeObject,
  parseAPIVersion,
} from "../meta.ts";
import { badRequest } from "../status.ts";
import { parseYAML, YAMLSyntaxError } from "../yaml.ts";
import { expectKind, recognise, undecodable, unrecognised } from "./body-errors.ts";
import { decodeStruct } from "./decode-json.ts";
import { readMessage } from "./decode-protobuf.ts";
import { encodeObject } from "./encode-json.ts";
import { hasProtobuf } from "./encode-protobuf.ts";
import { type Envelope, encodeEnvelope, encodeMessage, openEnvelope } from "./envelope.ts";
import { Cursor, DecodeError } from "./fault.ts";
import { mergeProblems } from "./problems.ts";
import { strategicMerge } from "./strategic-merge.ts";
import type { Struct } from "./table.ts";

export interface CodecOptions {
  /** Whether a kind exists at all; decides between two texts when a body holds another kind than expected. */
  readonly knows?: (kind: GroupVersionKind) => boolean;
  /** Other group-versions under which the kind may arrive: DeleteOptions comes as `v1`, `apps/v1`, `meta.k8s.io/v1`. */
  readonly accepts?: (version: GroupVersion) => boolean;
}

export interface StructCodec<T extends KubeObject = KubeObject> extends ObjectCodec<T> {
  readonly struct: Struct;
  /** The protobuf message without envelope, to embed in lists; absent where the kind has no protobuf form. */
  encodeMessage?(object: T): Uint8Array;
}

/** A codec for `kind`, whose fields are those of `struct`. */
export function structCodec<T extends KubeObject = KubeObject>(
  kind: GroupVersionKind,
  struct: Struct,
  options: CodecOptions = {},
): StructCodec<T> {
  const apiVersion = apiVersionOf(kind);

  /** Kind and apiVersion come first, and always as this codec has them. */
  const begin = (): JSONObject => {
    const out = newObject();
    out["kind"] = kind.kind;
    out["apiVersion"] = apiVersion;
    return out;
  };
  const end = (out: JSONObject): T => {
    out["kind"] = kind.kind;
    out["apiVersion"] = apiVersion;
    return out as unknown as T;
  };
  const refuse = (error: unknown): never => {
    if (error instanceof DecodeError) throw undecodable(kind, kind, error.message);
    throw error;
  };

  const fromParsed = (value: JSONValue, duplicates: readonly string[], body: Uint8Array | undefined): Decoded<T> => {
    const object = recognise(value, kind, body, options);
    const cursor = new Cursor();
    const out = begin();
    try {
      decodeStruct(struct, object, cursor, out);
    } catch (error) {
      refuse(error);
    }
    if (cursor.error !== undefined) throw undecodable(kind, kind, cursor.error);
    return { object: end(out), problems: mergeProblems(duplicates, cursor.problems) };
  };

  const fromProtobuf = (body: Uint8Array): Decoded<T> => {
    let envelope: Envelope;
    try {
      envelope = openEnvelope(body);
    } catch (error) {
      if (error instanceof DecodeError) throw unrecognised(kind, error.message, body);
      throw error;
    }
    const version = parseAPIVersion(envelope.apiVersion) ?? { group: "", version: envelope.apiVersion };
    expectKind({ ...version, kind: envelope.kind }, kind, options);
    const out = begin();
    try {
      readMessage(struct, envelope.raw, out);
    } catch (error) {
      refuse(error);
    }
    return { object: end(out), problems: [] };
  };

  const codec: StructCodec<T> = {
    kind,
    struct,
    decode(body: Uint8Array, mediaType: BodyMediaType): Decoded<T> {
      if (mediaType === "application/vnd.kubernetes.protobuf") {
        if (hasProtobuf(struct)) return fromProtobuf(body);
        throw badRequest(
          `object *${struct.go} does not implement the protobuf marshalling interface and cannot be decoded from a protobuf message`,
        );
      }
      if (mediaType === "application/yaml") {
        const document = readYAML(kind, body);
        return fromParsed(document.value, document.problems, body);
      }
      let parsed: ReturnType<typeof parseJSON>;
      try {
        parsed = parseJSON(body);
      } catch (error) {
        if (!(error instanceof JSONSyntaxError)) throw error;
        throw unrecognised(kind, `couldn't get version/kind; json parse error: ${error.message}`, body);
      }
      return fromParsed(parsed.value, parsed.problems, body);
    },
    fromValue: (value: JSONValue) => fromParsed(value, [], undefined),
    encode: (object: T, resourceVersion = "") =>
      encodeUTF8(encodeObject(kind, struct, object as unknown as JSONObject, resourceVersion)),
    shape: () => structShape(struct),
    strategicMerge: (original, patch) => strategicMerge(struct, original as unknown as JSONObject, patch),
  };
  if (hasProtobuf(struct)) {
    codec.encodeProtobuf = (object) => encodeEnvelope(kind, struct, object as unknown as JSONObject);
    codec.encodeMessage = (object) => encodeMessage(struct, object as unknown as JSONObject);
  }
  return codec;
}

function readYAML(kind: GroupVersionKind, body: Uint8Array): ReturnType<typeof parseYAML> {
  try {
    return parseYAML(body);
  } catch (error) {
    if (!(error instanceof YAMLSyntaxError)) throw error;
    throw unrecognised(kind, error.message, body);
  }
}
