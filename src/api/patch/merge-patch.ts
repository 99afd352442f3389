/** JSON Merge Patch (RFC 7386) as kube-apiserver applies it. Copy-on-write; iterates, so that depth costs no stack. */
import { copyObject, isObject, newObject } from "../json/object.ts";
import { parseJSON } from "../json/parse.ts";
import type { JSONObject, JSONValue } from "../meta.ts";
import { badRequest } from "../status.ts";

export interface DecodedMergePatch {
  readonly patch: JSONValue;
  readonly problems: readonly string[];
}

/** Reads the body of a merge patch; 400 when it is no JSON object. */
export function decodeMergePatch(body: Uint8Array): DecodedMergePatch {
  let parsed: ReturnType<typeof parseJSON>;
  try {
    parsed = parseJSON(body);
  } catch (error) {
    throw badRequest(`error decoding patch: ${(error as Error).message}`);
  }
  const { value, problems } = parsed;
  // Upstream lets null through its first decoder and refuses it in the second.
  if (value === null) throw badRequest("Invalid JSON Patch");
  if (!isObject(value)) {
    const kind = Array.isArray(value)
      ? "array"
      : typeof value === "bigint"
        ? "number"
        : typeof value === "boolean"
          ? "bool"
          : typeof value;
    throw badRequest(
      `error decoding patch: json: cannot unmarshal ${kind} into Go value of type map[string]interface {}`,
    );
  }
  return { patch: value, problems };
}

/** Members of `patch` replace those of `original`, objects merge, null removes. A new value; both inputs stay untouched, parts may be shared with them. */
export function applyMergePatch(original: JSONValue, patch: JSONValue): JSONValue {
  if (!isObject(patch)) return patch;
  const root = isObject(original) ? copyObject(original) : newObject();
  const work: [JSONObject, JSONObject][] = [[root, patch]];
  for (let next = work.pop(); next !== undefined; next = work.pop()) {
    const [target, changes] = next;
    for (const key of Object.keys(changes)) {
      const change = changes[key]!;
      if (change === null) {
        delete target[key];
      } else if (isObject(change)) {
        const current = Object.hasOwn(target, key) ? target[key] : undefined;
        const merged = isObject(current) ? copyObject(current) : newObject();
        target[key] = merged;
        work.push([merged, change]);
      } else {
        target[key] = change;
      }
    }
  }
  return root;
}
