/** IP addresses and networks, as Go's `net/netip` parses and prints them. */

/** 4 bytes or 16. */
export type Address = Uint8Array;

export class AddressError extends Error {}

/** Throws an `AddressError` with Go's text. */
export function parseAddress(text: string): Address {
  const wrong = (why: string, at = ""): AddressError =>
    new AddressError(`ParseAddr(${JSON.stringify(text)}): ${why}${at === "" ? "" : ` (at ${JSON.stringify(at)})`}`);
  for (const c of text) {
    if (c === ".") return parseV4(text, wrong);
    if (c === ":") return parseV6(text, wrong);
    if (c === "%") throw wrong("missing IPv6 address");
  }
  throw wrong("unable to parse IP");
}

type Wrong = (why: string, at?: string) => AddressError;

function parseV4(text: string, wrong: Wrong): Address {
  const parts = text.split(".");
  const bytes: number[] = [];
  for (const [i, part] of parts.entries()) {
    if (/[^0-9]/.test(part)) throw wrong("unexpected character", text.slice(text.search(/[^0-9.]/)));
    if (part === "") throw wrong("IPv4 field must have at least one digit", parts.slice(i).join("."));
    if (part.length > 1 && part.startsWith("0")) throw wrong("IPv4 field has octet with leading zero");
    if (Number(part) > 255) throw wrong("IPv4 field has value >255");
    bytes.push(Number(part));
  }
  if (bytes.length < 4) throw wrong("IPv4 address too short");
  if (bytes.length > 4) throw wrong("IPv4 address too long");
  return Uint8Array.from(bytes);
}

function parseV6(text: string, wrong: Wrong): Address {
  const percent = text.indexOf("%");
  if (percent !== -1)
    throw wrong(percent === text.length - 1 ? "zone must be a non-empty string" : "with zone value is not allowed");
  const halves = text.split("::");
  if (halves.length > 2) throw wrong("multiple :: in address", text.slice(text.lastIndexOf("::")));
  const head = groups(halves[0]!, halves.length === 1, wrong);
  const tail = halves.length === 2 ? groups(halves[1]!, true, wrong) : [];
  const missing = 16 - head.length - tail.length;
  if (halves.length === 1 && missing > 0) throw wrong("address string too short");
  if (missing < 0) throw wrong("trailing garbage after address");
  if (halves.length === 2 && missing === 0) throw wrong("the :: must expand to at least one field of zeros");
  return Uint8Array.from([...head, ...new Array<number>(missing).fill(0), ...tail]);
}

/** The bytes of groups between colons; the last may be an IPv4 address. */
function groups(text: string, last: boolean, wrong: Wrong): number[] {
  if (text === "") return [];
  const parts = text.split(":");
  const bytes: number[] = [];
  for (const [i, part] of parts.entries()) {
    if (part.includes(".") && last && i === parts.length - 1) {
      bytes.push(...parseV4(part, wrong));
      continue;
    }
    if (part === "")
      throw wrong("each colon-separated field must have at least one digit", parts.slice(i).join(":") || ":");
    if (!/^[0-9a-fA-F]+$/.test(part)) throw wrong("unexpected character", parts.slice(i).join(":"));
    if (part.length > 4) throw wrong("each group must have 4 or less digits", parts.slice(i).join(":"));
    const value = Number.parseInt(part, 16);
    bytes.push(value >> 8, value & 0xff);
  }
  return bytes;
}

/** `::ffff:1.2.3.4` */
export function isV4InV6(address: Address): boolean {
  return (
    address.length === 16 &&
    address.subarray(0, 10).every((byte) => byte === 0) &&
    address[10] === 255 &&
    address[11] === 255
  );
}

/** The canonical form: the longest run of two zero groups or more is `::`. */
export function formatAddress(address: Address): string {
  if (address.length === 4) return address.join(".");
  if (isV4InV6(address)) return `::ffff:${address.subarray(12).join(".")}`;
  const words = Array.from({ length: 8 }, (_, i) => (address[2 * i]! << 8) | address[2 * i + 1]!);
  let start = -1;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && words[end] === 0) end++;
    if (end - i > length) {
      start = i;
      length = end - i;
    }
    i = Math.max(i, end - 1);
  }
  const hex = (part: number[]): string => part.map((word) => word.toString(16)).join(":");
  return start === -1 ? hex(words) : `${hex(words.slice(0, start))}::${hex(words.slice(start + length))}`;
}

export interface Network {
  readonly address: Address;
  readonly bits: number;
}

/** Throws an `AddressError` with Go's text. */
export function parseNetwork(text: string): Network {
  const wrong = (why: string): AddressError => new AddressError(`netip.ParsePrefix(${JSON.stringify(text)}): ${why}`);
  const slash = text.lastIndexOf("/");
  if (slash === -1) throw wrong("no '/'");
  if (text.slice(0, slash).includes("%")) throw wrong("IPv6 zones cannot be present in a prefix");
  let address: Address;
  try {
    address = parseAddress(text.slice(0, slash));
  } catch (error) {
    throw error instanceof AddressError ? wrong(error.message) : error;
  }
  const bits = text.slice(slash + 1);
  if (!/^[0-9]+$/.test(bits) || (bits.length > 1 && bits.startsWith("0")))
    throw wrong(`bad bits after slash: ${JSON.stringify(bits)}`);
  if (Number(bits) > address.length * 8) throw wrong("prefix length out of range");
  return { address, bits: Number(bits) };
}

/** The address with all bits behind the prefix zero. */
export function mask(address: Address, bits: number): Address {
  return address.map((byte, i) => {
    const kept = Math.min(8, Math.max(0, bits - 8 * i));
    return byte & (0xff << (8 - kept));
  });
}

export function inNetwork(network: Network, address: Address): boolean {
  if (network.address.length !== address.length) return false;
  return Buffer.compare(mask(network.address, network.bits), mask(address, network.bits)) === 0;
}
