/** YAML responses, made from JSON bytes: rare enough to parse them once more (spec: apiserver 6.4). */
import { encodeUTF8, parseJSON } from "../../api/json/index.ts";
import { stringifyYAML } from "../../api/yaml.ts";

export function yamlFromJSON(bytes: Uint8Array): Uint8Array {
  return encodeUTF8(stringifyYAML(parseJSON(bytes).value));
}
