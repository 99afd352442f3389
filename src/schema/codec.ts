/** The codec of a kind that a schema describes: resources of extension servers and of CustomResourceDefinitions. */
import type { BodyMediaType, Decoded, ObjectCodec } from "../api/codec.ts";
import { invalidValue } from "../api/field-errors.ts";
import { stringifySorted } from "../api/json/canonical.ts";
import { encodeCanonical, isObject, JSONSyntaxError, type Parsed, parseJSON } from "../api/json/index.ts";
import { apiVersionOf, type GroupVersionKind, type JSONObject, type JSONValue, type KubeObject } from "../api/meta.ts";
import { invalid, unsupportedMediaType } from "../api/status.ts";
import { recognise, undecodable, unrecognised } from "../api/types/body-errors.ts";
import { Cursor, DecodeError } from "../api/types/fault.ts";
import { mergeProblems } from "../api/types/problems.ts";
import { parseYAML, YAMLSyntaxError } from "../api/yaml.ts";
import { decodeObjectMeta } from "./embedded.ts";
import { CoercionError } from "./normalize.ts";
import { resourceShape } from "./shape.ts";
import { compileSchema, type StructuralSchema } from "./structural.ts";
import type { Schema } from "./types.ts";

export interface StructuralCodec<T extends KubeObject = KubeObject> extends ObjectCodec<T> {
  readonly structure: StructuralSchema;
}

export interface StructuralCodecOptions {
  /** Refuse bodies that do not name their kind, as upstream does for custom resources. */
  readonly requireKind?: boolean;
}

/** A codec for `kind`. The schema describes the whole object; apiVersion, kind and metadata need not be in it. */
export function structuralCodec<T extends KubeObject = KubeObject>(
  kind: GroupVersionKind,
  schema: Schema,
  options: StructuralCodecOptions = {},
): StructuralCodec<T> {
  const structure = compileSchema(schema);
  const apiVersion = apiVersionOf(kind);

  const decodeValue = (value: JSONValue, duplicates: readonly string[], body: Uint8Array | undefined): Decoded<T> => {
    if (options.requireKind && isObject(value)) insistOnKind(value, kind, body);
    const object: JSONObject = recognise(value, kind, body, {});
    const cursor = new Cursor();
    try {
      object["metadata"] = decodeObjectMeta(object["metadata"], cursor) as JSONObject;
    } catch (error) {
      if (error instanceof DecodeError) throw undecodable(kind, kind, error.message);
      throw error;
    }
    object["kind"] = kind.kind;
    object["apiVersion"] = apiVersion;
    let unknown: string[];
    try {
      unknown = structure.normalize(object).map((path) => `unknown field "${path}"`);
    } catch (error) {
      if (error instanceof CoercionError) throw undecodable(kind, kind, error.message);
      throw error;
    }
    return {
      object: object as unknown as T,
      problems: mergeProblems(duplicates, [...cursor.problems, ...unknown]),
    };
  };

  return {
    kind,
    structure,
    decode(body, mediaType) {
      const { value, problems } = read(body, mediaType, kind);
      return decodeValue(value, problems, body);
    },
    fromValue: (value) => decodeValue(value, [], undefined),
    shape: () => resourceShape(schema),
    encode: (object, resourceVersion) => encodeCanonical(object, resourceVersion),
  };
}

/** Custom resources are no Go types: a kind must be named, and a wrong one is found only when the object is validated. */
function insistOnKind(value: JSONObject, expected: GroupVersionKind, body: Uint8Array | undefined): void {
  const { kind } = value;
  if (!kind) throw unrecognised(expected, `Object 'Kind' is missing in '${stringifySorted(value)}'`, body);
  if (kind === expected.kind || typeof kind !== "string" || value["apiVersion"] !== apiVersionOf(expected)) return;
  const metadata = isObject(value["metadata"]) ? value["metadata"] : {};
  const name = typeof metadata["name"] === "string" ? metadata["name"] : "";
  throw invalid({ group: expected.group, kind }, name, [invalidValue("kind", kind, `must be ${expected.kind}`)]);
}

function read(body: Uint8Array, mediaType: BodyMediaType, kind: GroupVersionKind): Parsed {
  try {
    if (mediaType === "application/json") return parseJSON(body);
    if (mediaType === "application/yaml") return parseYAML(body);
  } catch (error) {
    if (error instanceof JSONSyntaxError) {
      throw unrecognised(kind, `couldn't get version/kind; json parse error: ${error.message}`, body);
    }
    if (error instanceof YAMLSyntaxError) {
      throw unrecognised(
        kind,
        `couldn't get version/kind; json parse error: error converting YAML to JSON: ${error.message}`,
        body,
      );
    }
    throw error;
  }
  throw unsupportedMediaType(["application/json", "application/yaml"]);
}
