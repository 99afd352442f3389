/** Strings as sequences of code points; strings without surrogates, nearly all, are handled by unit. */

const SURROGATE = /[\ud800-\udfff]/;

/** How many code points. */
export function codePoints(text: string): number {
  if (!SURROGATE.test(text)) return text.length;
  let count = text.length;
  for (let i = 0; i + 1 < text.length; i++) {
    if (isPair(text, i)) {
      count--;
      i++;
    }
  }
  return count;
}

function isPair(text: string, i: number): boolean {
  return (text.charCodeAt(i) & 0xfc00) === 0xd800 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00;
}

/** Characters that can be indexed: the string itself when each unit is one. */
export function characters(text: string): string | string[] {
  return SURROGATE.test(text) ? [...text] : text;
}

/** The characters from `start` to `end`. */
export function slice(text: string | string[], start: number, end: number): string {
  return typeof text === "string" ? text.slice(start, end) : text.slice(start, end).join("");
}

/** By code point, which is the order of their UTF-8. */
export function compareStrings(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

/** Surrogates stand for what is above all other units. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

/** How many bytes the UTF-8 of `text` has. */
export function utf8Size(text: string): number {
  let size = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) size++;
    else if (unit < 0x800) size += 2;
    else if (isPair(text, i)) {
      size += 4;
      i++;
    } else size += 3;
  }
  return size;
}
