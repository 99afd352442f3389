/** Reading identity headers from raw headers: repeated lines stay apart, and bytes beyond ASCII are UTF-8 as Go reads them. */

/** What is needed of an Exchange: name, value, name, value, … as received. */
export type RawHeaders = readonly string[];

/** Node hands header bytes over as latin1; Kubernetes means UTF-8. Text that cannot be latin1 bytes (in-memory transport) is itself. */
export function decodeHeaderText(value: string): string {
  let ascii = true;
  for (let at = 0; at < value.length; at++) {
    const unit = value.charCodeAt(at);
    if (unit > 0xff) return value;
    if (unit > 0x7f) ascii = false;
  }
  return ascii ? value : Buffer.from(value, "latin1").toString("utf8");
}

/** All values of one header, in order. `name` in lower case. */
export function valuesOf(raw: RawHeaders, name: string): string[] {
  const values: string[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const candidate = raw[at]!;
    if (candidate.length === name.length && candidate.toLowerCase() === name)
      values.push(decodeHeaderText(raw[at + 1]!));
  }
  return values;
}

/** The first value of one header, or "". */
export function firstOf(raw: RawHeaders, name: string): string {
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const candidate = raw[at]!;
    if (candidate.length === name.length && candidate.toLowerCase() === name) return decodeHeaderText(raw[at + 1]!);
  }
  return "";
}

/** Headers that start with `prefix` (lower case), as key → values; the key is lower-cased, then percent-decoded, or kept when its escapes are broken. */
export function collectPrefixed(raw: RawHeaders, prefix: string, into: Record<string, string[]>): void {
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at]!.toLowerCase();
    if (!name.startsWith(prefix)) continue;
    const key = unescapeKey(name.slice(prefix.length));
    // The record has no prototype: a key may be any text.
    const values = into[key];
    if (values === undefined) into[key] = [decodeHeaderText(raw[at + 1]!)];
    else values.push(decodeHeaderText(raw[at + 1]!));
  }
}

/** A record that may hold any key. */
export function newExtra(): Record<string, string[]> {
  return Object.create(null) as Record<string, string[]>;
}

function unescapeKey(key: string): string {
  if (!key.includes("%")) return key;
  if (/%(?![0-9a-f]{2})/i.test(key)) return key;
  const bytes = key.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, "latin1").toString("utf8");
}
