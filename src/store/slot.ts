/** The resourceVersion slot of stored bytes, as far as the store must know it: unlike `api/json/slot.ts` it meets bytes of others and must leave them alone, without throwing. */

const SLOT = Buffer.from('"resourceVersion":"');
const BRACE = 0x7b;
const QUOTE = 0x22;

/** The slot's content is `value[start..end)`. undefined: not JSON of ours, to be kept as it is. */
export function findSlot(value: Uint8Array): { readonly start: number; readonly end: number } | undefined {
  if (value[0] !== BRACE) return undefined;
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const at = bytes.indexOf(SLOT);
  if (at < 0) return undefined;
  const start = at + SLOT.length;
  let end = start;
  while (end < value.length && value[end]! >= 0x30 && value[end]! <= 0x39) end++;
  return value[end] === QUOTE ? { start, end } : undefined;
}
