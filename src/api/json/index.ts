/** JSON as Kubernetes speaks it: Go-exact in both directions, safe against any key, canonical where bytes are compared. */

export {
  encodeCanonical,
  OBJECT_META_FIELDS,
  stringifyCanonical,
  stringifyObjectMeta,
  stringifySorted,
} from "./canonical.ts";
export { encodeJSON, formatNumber, quoteJSON, stringifyJSON } from "./encode.ts";
export { cloneJSON, copyObject, equalJSON, isObject, newObject, own } from "./object.ts";
export { JSONSyntaxError, MAX_DEPTH, MAX_PROBLEMS, type Parsed, parseJSON, parseJSONText } from "./parse.ts";
export { blankRevision, findMetadata, findSlot, type Slot, slotValue, spliceRevision } from "./slot.ts";
export { compareUTF8, decodeUTF8, encodeUTF8, sortKeys, utf8Length } from "./utf8.ts";
