/** Keys ordered by their UTF-8 bytes, compared as strings: what every engine and every continue token agrees on. */

/** Code units from here on are surrogates or above them: the only place where UTF-16 order differs from byte order. */
const UNUSUAL = /[\ud800-\uffff]/;

/**
 * A string whose order by `<` is the order of `key`'s UTF-8 bytes; `key` itself unless it holds characters above U+D7FF.
 * Works code unit by code unit, so a prefix of a key becomes a prefix of its order key.
 */
export function orderKey(key: string): string {
  return UNUSUAL.test(key) ? permute(key) : key;
}

/** Negative, zero or positive as `a` is before, at or after `b` in byte order. */
export function compareKeys(a: string, b: string): number {
  const x = orderKey(a);
  const y = orderKey(b);
  return x < y ? -1 : x > y ? 1 : 0;
}

/** The first order key after all that start with `prefix` (an order key); undefined when there is none. */
export function afterPrefix(prefix: string): string | undefined {
  for (let end = prefix.length; end > 0; end--) {
    const unit = prefix.charCodeAt(end - 1);
    if (unit < 0xffff) return prefix.slice(0, end - 1) + String.fromCharCode(unit + 1);
  }
  return undefined;
}

/** Surrogates (characters above U+FFFF) move behind U+E000..U+FFFF, where their bytes are. */
function permute(key: string): string {
  let out = "";
  for (let index = 0; index < key.length; index++) {
    const unit = key.charCodeAt(index);
    if (unit < 0xd800) out += key[index];
    else out += String.fromCharCode(unit < 0xe000 ? unit + 0x2000 : unit - 0x800);
  }
  return out;
}
