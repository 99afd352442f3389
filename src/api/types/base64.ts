/** Standard base64 to bytes and back; Node 24 does not have it on Uint8Array yet. */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const codes = new Uint8Array(64).map((_, index) => ALPHABET.charCodeAt(index));
const values = new Int8Array(256).fill(-1);
for (let index = 0; index < 64; index++) values[codes[index]!] = index;
const latin1 = new TextDecoder("latin1");

/** With padding. */
export function toBase64(bytes: Uint8Array): string {
  const length = bytes.length;
  const out = new Uint8Array(Math.ceil(length / 3) * 4);
  let at = 0;
  for (let index = 0; index < length; index += 3) {
    const word = (bytes[index]! << 16) | ((bytes[index + 1] ?? 0) << 8) | (bytes[index + 2] ?? 0);
    out[at++] = codes[word >> 18]!;
    out[at++] = codes[(word >> 12) & 63]!;
    out[at++] = index + 1 < length ? codes[(word >> 6) & 63]! : 0x3d;
    out[at++] = index + 2 < length ? codes[word & 63]! : 0x3d;
  }
  return latin1.decode(out);
}

/** The number of bytes of canonical base64 text. */
export function base64Length(text: string): number {
  return (text.length / 4) * 3 - (text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0);
}

/** Writes the bytes of canonical base64 text at `at` and returns how many there were. */
export function writeBase64(text: string, out: Uint8Array, at: number): number {
  const length = base64Length(text);
  const end = at + length;
  for (let index = 0; index < text.length; index += 4) {
    const word =
      (values[text.charCodeAt(index)]! << 18) |
      (values[text.charCodeAt(index + 1)]! << 12) |
      ((values[text.charCodeAt(index + 2)]! & 63) << 6) |
      (values[text.charCodeAt(index + 3)]! & 63);
    out[at++] = word >> 16;
    if (at < end) out[at++] = word >> 8;
    if (at < end) out[at++] = word;
  }
  return length;
}
