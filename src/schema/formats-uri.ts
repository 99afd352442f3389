/** The formats uri and email: what Go's url.ParseRequestURI and mail.ParseAddress accept. */
import { ipAddress, ipv6 } from "./formats-net.ts";

const HOST = /^(?:[a-zA-Z0-9\-._~!$&'()*+,;=:[\]<>"]|[\u0080-\u{10ffff}])*$/u;

/** An absolute path, or a scheme with anything behind it. */
export function requestURI(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: Go refuses exactly these
  if (text === "" || /[\u0000-\u001f\u007f]/.test(text)) return false;
  if (text === "*") return true;
  const scheme = /^([a-zA-Z][a-zA-Z0-9+.-]*):/.exec(text);
  if (scheme === null && text.startsWith(":")) return false;
  let rest = scheme === null ? text : text.slice(scheme[0].length);
  const query = rest.indexOf("?");
  if (query >= 0) rest = rest.slice(0, query);
  if (!rest.startsWith("/")) return scheme !== null;
  if (scheme !== null && rest.startsWith("//")) {
    const end = rest.indexOf("/", 2);
    const authority = end < 0 ? rest.slice(2) : rest.slice(2, end);
    if (!validAuthority(scheme[1]!.toLowerCase(), authority)) return false;
    rest = end < 0 ? "" : rest.slice(end);
  }
  return escapesAreHex(rest);
}

function escapesAreHex(text: string): boolean {
  return !/%(?![0-9a-fA-F]{2})/.test(text);
}

function validAuthority(scheme: string, authority: string): boolean {
  const at = authority.lastIndexOf("@");
  if (at >= 0) {
    const user = authority.slice(0, at);
    if (!/^[a-zA-Z0-9\-._:~!$&'()*+,;=%@]*$/.test(user) || !escapesAreHex(user)) return false;
  }
  const host = authority.slice(at + 1);
  if (host.startsWith("[")) {
    const close = host.lastIndexOf("]");
    if (close < 0 || host.lastIndexOf("[") > 0 || !validPort(host.slice(close + 1))) return false;
    const [address, zone] = split(host.slice(1, close), "%25");
    return ipv6(address) && (zone === undefined || (zone !== "" && validZone(zone)));
  }
  // Other schemes may list hosts, each with its port: the last one counts.
  const colon = scheme === "http" || scheme === "https" ? host.indexOf(":") : host.lastIndexOf(":");
  const name = colon < 0 ? host : host.slice(0, colon);
  if (!validPort(host.slice(name.length))) return false;
  // In a host only the percent sign and bytes beyond ASCII may be escaped.
  return !name.includes("[") && HOST.test(name.replaceAll(/%(?:25|[89a-fA-F][0-9a-fA-F])/g, ""));
}

/** What may stand in a host may be escaped here, and a blank. */
function validZone(zone: string): boolean {
  const plain = zone.replaceAll(/%([0-9a-fA-F]{2})/g, (_, hex: string) => {
    const code = Number.parseInt(hex, 16);
    return hex === "25" || hex === "20" ? "" : String.fromCharCode(code);
  });
  return HOST.test(plain);
}

function split(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}

function validPort(text: string): boolean {
  return text === "" || /^:[0-9]*$/.test(text);
}

const ATOM = /[a-zA-Z0-9!#$%&'*+\-/=?^_`{|}~\u0080-\u{10ffff}]/u;

/** One address, with or without a name before it in words or quotes (RFC 5322). */
export function email(text: string): boolean {
  return new Address(text).read();
}

class Address {
  #rest: string;

  constructor(text: string) {
    this.#rest = text;
  }

  read(): boolean {
    this.#blanks();
    const start = this.#rest;
    // An address by itself, then perhaps a comment.
    if (this.#spec() && this.#space() && this.#rest === "") return true;
    this.#rest = start;
    if (!this.#rest.startsWith("<") && !this.#phrase()) return false;
    if (!this.#space() || !this.#rest.startsWith("<")) return false;
    this.#rest = this.#rest.slice(1);
    if (!this.#spec() || !this.#rest.startsWith(">")) return false;
    this.#rest = this.#rest.slice(1);
    return this.#space() && this.#rest === "";
  }

  /** White space and comments; false for a comment that does not end. */
  #space(): boolean {
    for (;;) {
      this.#blanks();
      if (!this.#rest.startsWith("(")) return true;
      let depth = 0;
      let index = 0;
      for (; index < this.#rest.length; index++) {
        const character = this.#rest[index];
        if (character === "\\") index++;
        else if (character === "(") depth++;
        else if (character === ")" && --depth === 0) break;
      }
      if (index >= this.#rest.length) return false;
      this.#rest = this.#rest.slice(index + 1);
    }
  }

  #blanks(): void {
    this.#rest = this.#rest.replace(/^[ \t]+/, "");
  }

  #spec(): boolean {
    this.#blanks();
    const quoted = this.#rest.startsWith('"');
    if (this.#rest.startsWith('""')) return false;
    if (!(quoted ? this.#quoted() : this.#atom(true)) || !this.#rest.startsWith("@")) return false;
    this.#rest = this.#rest.slice(1);
    this.#blanks();
    if (this.#rest.startsWith("[")) {
      const close = this.#rest.indexOf("]");
      if (close < 0 || !ipAddress(this.#rest.slice(1, close))) return false;
      this.#rest = this.#rest.slice(close + 1);
      return true;
    }
    return this.#atom(true);
  }

  /** Characters of an atom; `strict`: dots only between others. */
  #atom(strict: boolean): boolean {
    let end = 0;
    while (end < this.#rest.length) {
      const character = String.fromCodePoint(this.#rest.codePointAt(end)!);
      if (character !== "." && !ATOM.test(character)) break;
      end += character.length;
    }
    const atom = this.#rest.slice(0, end);
    if (atom === "" || (strict && (atom.startsWith(".") || atom.endsWith(".") || atom.includes("..")))) return false;
    this.#rest = this.#rest.slice(end);
    return true;
  }

  #quoted(): boolean {
    for (let index = 1; index < this.#rest.length; index++) {
      const character = this.#rest[index]!;
      if (character === '"') {
        this.#rest = this.#rest.slice(index + 1);
        return true;
      }
      const next = character === "\\" ? (this.#rest[++index] ?? "") : character;
      if (next !== "\t" && (next < " " || next === "\u007f")) return false;
    }
    return false;
  }

  #phrase(): boolean {
    let words = 0;
    for (;;) {
      if (words === 0) this.#blanks();
      else if (!this.#space()) return false;
      if (this.#rest === "" || this.#rest.startsWith("<")) return words > 0;
      const word = this.#rest.startsWith('"') ? this.#quoted() : this.#atom(false);
      if (!word) return words > 0;
      words++;
    }
  }
}
