/** The codec of one built-in kind: bodies in, canonical bytes out, driven by the table of its types. */
import type { BodyMediaType, Decoded, ObjectCodec } from "../codec.ts";
import { encodeUTF8, JSONSyntaxError, parseJSON } from "../json/index.ts";
import { apiVersionOf, type GroupVersionKind, type JSONObject, type JSONValue, type KubeObject } from "../meta.ts";
import { badRequest } from "../status.ts";
import { recognise, undecodable, unrecognised } from "./body-errors.ts";
import { decodeStruct } from "./decode-json.ts";
import { encodeObject } from "./encode-json.ts";
import { Cursor, DecodeError } from "./fault.ts";
import { mergeProblems } from "./problems.ts";
import type { Struct } from "./table.ts";

export interface CodecOptions {
  /** Reads a YAML body. Absent: YAML is refused. */
  readonly parseYAML?: (body: Uint8Array) => { readonly value: JSONValue; readonly problems: readonly string[] };
  /** Whether a kind exists at all; decides between two texts when a body holds another kind than expected. */
  readonly knows?: (kind: GroupVersionKind) => boolean;
}

/** A codec for `kind`, whose fields are those of `struct`. */
export function structCodec<T extends KubeObject = KubeObject>(
  kind: GroupVersionKind,
  struct: Struct,
  options: CodecOptions = {},
): ObjectCodec<T> {
  const apiVersion = apiVersionOf(kind);

  const fromParsed = (value: JSONValue, duplicates: readonly string[], body: Uint8Array | undefined): Decoded<T> => {
    const object = recognise(value, kind, body, options.knows);
    const cursor = new Cursor();
    const decoded = decodeWhole(object, cursor);
    decoded["kind"] = kind.kind;
    decoded["apiVersion"] = apiVersion;
    return { object: decoded as unknown as T, problems: mergeProblems(duplicates, cursor.problems) };
  };

  const decodeWhole = (object: JSONObject, cursor: Cursor): JSONObject => {
    let decoded: JSONObject;
    try {
      decoded = decodeStruct(struct, object, cursor);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      throw undecodable(kind, kind, error.message);
    }
    if (cursor.error !== undefined) throw undecodable(kind, kind, cursor.error);
    return decoded;
  };

  return {
    kind,
    decode(body: Uint8Array, mediaType: BodyMediaType): Decoded<T> {
      if (mediaType === "application/vnd.kubernetes.protobuf")
        throw badRequest("protobuf bodies are not supported yet");
      if (mediaType === "application/yaml") {
        if (options.parseYAML === undefined) throw badRequest("YAML bodies are not supported here");
        const parsed = options.parseYAML(body);
        return fromParsed(parsed.value, parsed.problems, body);
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
  };
}
