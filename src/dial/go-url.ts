/** Paths and queries as Go's net/url would write them, on bytes: what a Go proxy sends is what backends expect. */

/** What Go leaves unescaped in a path beside letters and digits. */
const PATH_SAFE = new Set([..."-_.~$&+,/:;=@"].map((char) => char.charCodeAt(0)));
const QUERY_SAFE = new Set([..."-_.~"].map((char) => char.charCodeAt(0)));

/** One character for each byte of the text's UTF-8; text that already is a string of bytes stays. */
function byteString(text: string): string {
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) > 0xff) return Buffer.from(text, "utf8").toString("latin1");
  }
  return text;
}

/** Percent-decodes a string of bytes; undefined when an escape is broken. */
function unescapeBytes(text: string, plus: boolean): string | undefined {
  if (!text.includes("%") && !(plus && text.includes("+"))) return text;
  let out = "";
  for (let index = 0; index < text.length; index++) {
    const char = text[index]!;
    if (char === "+" && plus) out += " ";
    else if (char !== "%") out += char;
    else {
      const hex = text.slice(index + 1, index + 3);
      if (!/^[0-9A-Fa-f]{2}$/.test(hex)) return undefined;
      out += String.fromCharCode(Number.parseInt(hex, 16));
      index += 2;
    }
  }
  return out;
}

function escapeBytes(bytes: string, safe: ReadonlySet<number>, space: string): string {
  let out = "";
  for (let index = 0; index < bytes.length; index++) {
    const code = bytes.charCodeAt(index);
    const letter = (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
    if (letter || safe.has(code)) out += bytes[index];
    else if (code === 0x20) out += space;
    else out += `%${code.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return out;
}

/** What every path but a few consists of, and queries of one pair or none: nothing would change in them. */
const PLAIN_PATH = /^[-\w.~$&+,/:;=@]*$/;
const PLAIN_PAIR = /^([-\w.~]+=[-\w.~]*)?$/;

/** A raw path decoded and escaped anew in Go's canonical way: `%2F` becomes `/`. Undefined when an escape is broken (spec: aggregation 3.3). */
export function canonicalPath(rawPath: string): string | undefined {
  if (PLAIN_PATH.test(rawPath)) return rawPath;
  const decoded = unescapeBytes(byteString(rawPath), false);
  return decoded === undefined ? undefined : escapeBytes(decoded, PATH_SAFE, "%20");
}

/** A raw query parsed and encoded anew: keys in byte order, broken pairs and pairs with `;` dropped (spec: aggregation 3.3). */
export function canonicalQuery(rawQuery: string): string {
  if (PLAIN_PAIR.test(rawQuery)) return rawQuery;
  const pairs: [key: string, value: string][] = [];
  for (const pair of byteString(rawQuery).split("&")) {
    if (pair === "" || pair.includes(";")) continue;
    const equals = pair.indexOf("=");
    const key = unescapeBytes(equals < 0 ? pair : pair.slice(0, equals), true);
    const value = unescapeBytes(equals < 0 ? "" : pair.slice(equals + 1), true);
    if (key !== undefined && value !== undefined) pairs.push([key, value]);
  }
  // The sort is stable: values of one key keep their order.
  pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return pairs
    .map(([key, value]) => `${escapeBytes(key, QUERY_SAFE, "+")}=${escapeBytes(value, QUERY_SAFE, "+")}`)
    .join("&");
}
