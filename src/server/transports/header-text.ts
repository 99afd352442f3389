/** Header values between JavaScript text and what Node's parsers speak: one character for each byte. */

const PLAIN = /^[\t\x20-\x7e]*$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are exactly what must not reach a header
const UNSENDABLE = /[\x00-\x08\x0a-\x1f\x7f]/g;

/** UTF-8 bytes as a string of bytes; control characters, which could end a header line, are left out. */
export function toWire(value: string): string {
  if (PLAIN.test(value)) return value;
  return Buffer.from(value, "utf8").toString("latin1").replace(UNSENDABLE, "");
}

/** Reads a string of bytes as UTF-8; a byte that is not UTF-8 becomes U+FFFD, as it would in Go's JSON. */
export function fromWire(value: string): string {
  return PLAIN.test(value) ? value : Buffer.from(value, "latin1").toString("utf8");
}
