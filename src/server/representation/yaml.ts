/** YAML responses, made from JSON bytes: rare enough to parse them once more (spec: apiserver 6.4). */
import { dump } from "js-yaml";
import { parseJSON } from "../../api/json/index.ts";

export function yamlFromJSON(bytes: Uint8Array): Uint8Array {
  return Buffer.from(dump(parseJSON(bytes).value, { lineWidth: -1, noRefs: true, sortKeys: true }));
}
