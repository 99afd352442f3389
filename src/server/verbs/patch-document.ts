/** The body of a PATCH, by its media type, as a function from the current object to the wanted one (spec: apiserver 5.1, 5.3, 5.4). */
import type { ObjectCodec } from "../../api/codec.ts";
import { invalidValue } from "../../api/field-errors.ts";
import { printGo } from "../../api/go-print.ts";
import { cloneJSON, isObject, JSONSyntaxError, newObject, parseJSON, stringifyJSON } from "../../api/json/index.ts";
import { apiVersionOf, type JSONValue, type KubeObject } from "../../api/meta.ts";
import { applyJSONPatch, decodeJSONPatch } from "../../api/patch/json-patch.ts";
import { applyMergePatch, decodeMergePatch } from "../../api/patch/merge-patch.ts";
import { badRequest, invalid, StatusError, unsupportedMediaType } from "../../api/status.ts";
import type { FieldValidation } from "../write-options.ts";

/** A configuration to apply; not a change to the current object. */
export const APPLY_PATCH = "application/apply-patch+yaml";
const JSON_PATCH = "application/json-patch+json";
const MERGE_PATCH = "application/merge-patch+json";
const STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json";

export type PatchMediaType = typeof JSON_PATCH | typeof MERGE_PATCH | typeof STRATEGIC_MERGE_PATCH;

/** Throws 415 with what this kind can be patched by. `appliable`: configurations are taken here. */
export function patchMediaType(contentType: string | undefined, codec: ObjectCodec): PatchMediaType;
export function patchMediaType(
  contentType: string | undefined,
  codec: ObjectCodec,
  appliable: boolean,
): PatchMediaType | typeof APPLY_PATCH;
export function patchMediaType(
  contentType: string | undefined,
  codec: ObjectCodec,
  appliable = false,
): PatchMediaType | typeof APPLY_PATCH {
  const accepted: (PatchMediaType | typeof APPLY_PATCH)[] = [JSON_PATCH, MERGE_PATCH];
  if (codec.strategicMerge !== undefined) accepted.push(STRATEGIC_MERGE_PATCH);
  if (appliable && codec.shape !== undefined) accepted.push(APPLY_PATCH);
  const bare = (contentType ?? "").split(";", 1)[0]!.trim();
  const found = accepted.find((mediaType) => mediaType === bare);
  if (found === undefined) {
    // Routes of built-in kinds are refused by upstream's router, before any code that knows what would be accepted.
    if (codec.encodeProtobuf !== undefined) {
      throw new StatusError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {});
    }
    throw unsupportedMediaType(accepted);
  }
  return found;
}

interface PatchDocument {
  readonly problems: readonly string[];
  /** May share parts with `original`. */
  apply(original: JSONValue): JSONValue;
  /** What a Strict error shows: the patched object, or for a strategic merge the patch. */
  shown(patched: JSONValue): string;
}

function parsed(body: Uint8Array) {
  try {
    return parseJSON(body);
  } catch (error) {
    if (error instanceof JSONSyntaxError) throw badRequest(`error decoding patch: ${error.message}`);
    throw error;
  }
}

/** Throws 400 for what is no patch. */
function decodePatch(mediaType: PatchMediaType, body: Uint8Array, codec: ObjectCodec): PatchDocument {
  if (mediaType === JSON_PATCH) {
    const { operations, problems } = decodeJSONPatch(body);
    return { problems, apply: (original) => applyJSONPatch(original, operations), shown: stringifyJSON };
  }
  if (mediaType === MERGE_PATCH) {
    const { patch, problems } = decodeMergePatch(body);
    return { problems, apply: (original) => applyMergePatch(original, patch), shown: stringifyJSON };
  }
  const { value: given, problems } = parsed(body);
  const value = given === null ? newObject() : given;
  if (!isObject(value))
    throw badRequest("error decoding patch: json: cannot unmarshal into Go value of type map[string]interface {}");
  return {
    problems,
    apply: (original) => codec.strategicMerge!(original as unknown as KubeObject, value),
    shown: () => printGo(value),
  };
}

const refuse = (shown: string, why: string) =>
  invalid({ group: "", kind: "" }, "", [invalidValue("patch", shown, why)]);

/** What the decoder said without the sentence that names the body. */
function detailOf(error: StatusError): string {
  const { detail } = error as { detail?: unknown };
  return typeof detail === "string" ? detail : error.message;
}

/**
 * Reads the patch once and returns how to apply it, as often as needed. Applying throws 422 when the patch does not fit the object, its result
 * is no such object, or it has problems in Strict mode; `warn` gets the problems in Warn mode.
 */
export function patcherOf(
  mediaType: PatchMediaType,
  body: Uint8Array,
  codec: ObjectCodec,
  validation: FieldValidation,
  warn: (problem: string) => void,
): (current: KubeObject) => KubeObject {
  const patch = decodePatch(mediaType, body, codec);
  const expected = apiVersionOf(codec.kind);
  return (current) => {
    const patched = patch.apply(cloneJSON(current as unknown as JSONValue));
    const { kind, apiVersion } = isObject(patched) ? patched : {};
    if (typeof apiVersion === "string" && apiVersion !== "" && apiVersion !== expected) {
      throw badRequest(
        `the API version in the data (${apiVersion}) does not match the expected API version (${expected})`,
      );
    }
    if (typeof kind === "string" && kind !== "" && kind !== codec.kind.kind) {
      throw badRequest(`the kind in the data (${kind}) does not match the expected kind (${codec.kind.kind})`);
    }
    // Shown only when something is wrong: printing an object is as dear as encoding it.
    const shown = () => patch.shown(patched);
    let decoded: ReturnType<ObjectCodec["fromValue"]>;
    try {
      decoded = codec.fromValue(patched);
    } catch (error) {
      if (error instanceof StatusError && error.code === 400) throw refuse(shown(), detailOf(error));
      throw error;
    }
    const problems = [...patch.problems, ...decoded.problems];
    if (problems.length > 0 && validation === "Strict") {
      throw refuse(shown(), `strict decoding error: ${problems.join(", ")}`);
    }
    if (validation === "Warn") problems.forEach(warn);
    return decoded.object;
  };
}
