/** The fields of a custom resource that lists and watches may select by (spec: apiserver 8.10). */
import type { JSONValue, KubeObject } from "../api/meta.ts";
import type { SelectableField } from "../kinds/generated/types.ts";
import { goFloat } from "./columns.ts";
import { JSONPathError, parseJSONPath } from "./json-path.ts";

/** A field is named by its path without the leading dot; a missing value is "". */
export function selectableFields(
  given: readonly SelectableField[] | undefined,
): Record<string, (object: KubeObject) => string> {
  return Object.fromEntries(
    (given ?? []).map(({ jsonPath }) => {
      const path = parseJSONPath(jsonPath);
      return [jsonPath.replace(/^\./, ""), (object: KubeObject) => text(path, object as unknown as JSONValue)];
    }),
  );
}

function text(path: (root: JSONValue) => JSONValue[], object: JSONValue): string {
  try {
    const [value] = path(object);
    if (value === undefined || value === null) return "";
    return typeof value === "number" ? goFloat(value) : String(value);
  } catch (error) {
    if (error instanceof JSONPathError) return "";
    throw error;
  }
}
