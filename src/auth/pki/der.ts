/** A writer of DER (ITU-T X.690): just enough to spell certificates. There is deliberately no reader here. */

const bytesOf = (text: string) => new TextEncoder().encode(text);

/** Tag, length, content. */
export function tlv(tag: number, ...content: readonly Uint8Array[]): Uint8Array {
  const length = content.reduce((sum, part) => sum + part.length, 0);
  const head = length < 0x80 ? [tag, length] : [tag, 0, ...bigEndian(length)];
  if (length >= 0x80) head[1] = 0x80 | (head.length - 2);
  const out = new Uint8Array(head.length + length);
  out.set(head);
  let at = head.length;
  for (const part of content) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function bigEndian(value: number): number[] {
  const out: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) out.unshift(rest % 256);
  return out;
}

export const sequence = (...items: readonly Uint8Array[]) => tlv(0x30, ...items);
export const setOf = (...items: readonly Uint8Array[]) => tlv(0x31, ...items);
export const octetString = (content: Uint8Array) => tlv(0x04, content);
export const boolean = (value: boolean) => tlv(0x01, Uint8Array.of(value ? 0xff : 0));
export const nothing = () => tlv(0x05);
export const utf8String = (text: string) => tlv(0x0c, bytesOf(text));
/** `[number] EXPLICIT`. */
export const explicit = (number: number, ...content: readonly Uint8Array[]) => tlv(0xa0 | number, ...content);
/** `[number] IMPLICIT` of a primitive type. */
export const implicit = (number: number, content: Uint8Array) => tlv(0x80 | number, content);

/** PrintableString where the alphabet allows it, else UTF8String: the choice Go makes, so that names compare byte for byte. */
export function directoryString(text: string): Uint8Array {
  return /^[A-Za-z0-9 '()+,\-./:=?]+$/.test(text) ? tlv(0x13, bytesOf(text)) : utf8String(text);
}

/** A non-negative integer from its big-endian bytes, shortest form. */
export function unsigned(bytes: Uint8Array): Uint8Array {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const trimmed = bytes.subarray(start);
  if (trimmed.length === 0) return tlv(0x02, Uint8Array.of(0));
  return trimmed[0]! & 0x80 ? tlv(0x02, Uint8Array.of(0), trimmed) : tlv(0x02, trimmed);
}

export const integer = (value: number) => unsigned(Uint8Array.from(bigEndian(value)));

export function bitString(content: Uint8Array, unusedBits = 0): Uint8Array {
  return tlv(0x03, Uint8Array.of(unusedBits), content);
}

/** Named bits, numbered from the left, without trailing zeros, as DER wants them. */
export function namedBits(bits: readonly number[]): Uint8Array {
  if (bits.length === 0) return bitString(new Uint8Array(0));
  const highest = Math.max(...bits);
  const content = new Uint8Array(Math.floor(highest / 8) + 1);
  for (const bit of bits) content[bit >> 3]! |= 0x80 >> (bit & 7);
  return bitString(content, 7 - (highest & 7));
}

/** An object identifier in dotted form. */
export function oid(dotted: string): Uint8Array {
  const arcs = dotted.split(".").map(Number);
  const out: number[] = [];
  for (const arc of [arcs[0]! * 40 + arcs[1]!, ...arcs.slice(2)]) {
    const groups = [arc % 128];
    for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) groups.unshift(0x80 | (rest % 128));
    out.push(...groups);
  }
  return tlv(0x06, Uint8Array.from(out));
}

/** UTCTime before 2050, GeneralizedTime from then on (RFC 5280, 4.1.2.5); whole seconds. */
export function time(milliseconds: number): Uint8Array {
  const digits = new Date(milliseconds)
    .toISOString()
    .replace(/\.\d+Z$/, "Z")
    .replace(/[-:T]/g, "");
  return Number(digits.slice(0, 4)) < 2050 ? tlv(0x17, bytesOf(digits.slice(2))) : tlv(0x18, bytesOf(digits));
}

/** `-----BEGIN label-----`, 64 columns. */
export function pem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
