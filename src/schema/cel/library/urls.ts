/** Kubernetes' library of URLs, split as Go's `net/url` splits them. */
import { goQuote } from "../../../api/go-quote.ts";
import { declare, type Overload } from "../check/declarations.ts";
import { CelError } from "../values/errors.ts";
import { ListValue } from "../values/list.ts";
import { LiteralMap } from "../values/map.ts";
import { Opaque, type Value } from "../values/value.ts";

const TYPE = "kubernetes.URL";

class URLValue extends Opaque {
  readonly typeName = TYPE;
  readonly text: string;
  readonly scheme: string;
  readonly host: string;
  readonly path: string;
  readonly query: string;
  constructor(text: string, parts: { scheme: string; host: string; path: string; query: string }) {
    super();
    this.text = text;
    this.scheme = parts.scheme;
    this.host = parts.host;
    this.path = parts.path;
    this.query = parts.query;
  }
  equals(other: Opaque): boolean {
    return other instanceof URLValue && other.text === this.text;
  }
}

/** A URL with a scheme, or an absolute path. The fragment is taken off, which upstream's check leaves on. */
function parse(text: string): URLValue | CelError {
  const checked = split(text, text, true);
  if (typeof checked === "string")
    return new CelError(`URL parse error during conversion from string: parse ${goQuote(text)}: ${checked}`);
  const hash = text.indexOf("#");
  const plain = split(hash === -1 ? text : text.slice(0, hash), text, false);
  return typeof plain === "string" ? checked : plain;
}

/** What is wrong, when a text is no URL of a request. */
export function requestURIError(text: string): string | undefined {
  const parsed = split(text, text, true);
  return typeof parsed === "string" ? `parse ${goQuote(text)}: ${parsed}` : undefined;
}

/** `request`: as the target of a request, where two slashes begin a path like one. */
function split(text: string, whole: string, request: boolean): URLValue | string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  if (/[\x00-\x1f\x7f]/.test(text)) return "net/url: invalid control character in URL";
  if (text === "") return "empty url";
  if (text === "*") return new URLValue(whole, { scheme: "", host: "", path: "*", query: "" });
  if (text.startsWith(":")) return "missing protocol scheme";
  const match = /^([a-zA-Z][a-zA-Z0-9+.-]*):/.exec(text);
  const scheme = match === null ? "" : match[1]!.toLowerCase();
  let rest = match === null ? text : text.slice(match[0].length);
  const mark = rest.indexOf("?");
  const query = mark === -1 ? "" : rest.slice(mark + 1);
  if (mark !== -1) rest = rest.slice(0, mark);
  if (!rest.startsWith("/")) {
    // `mailto:x` has no path of its own.
    return scheme === "" ? "invalid URI for request" : new URLValue(whole, { scheme, host: "", path: "", query });
  }
  let host = "";
  if (rest.startsWith("//") && (scheme !== "" || (!request && !rest.startsWith("///")))) {
    const end = rest.indexOf("/", 2);
    const authority = end === -1 ? rest.slice(2) : rest.slice(2, end);
    rest = end === -1 ? "" : rest.slice(end);
    const wrong = checkAuthority(authority);
    if (wrong !== undefined) return wrong;
    host = unescapeHost(authority.slice(authority.lastIndexOf("@") + 1));
  }
  const bad = /%(?![0-9a-fA-F]{2}).{0,2}/.exec(rest);
  if (bad !== null) return `invalid URL escape ${goQuote(bad[0])}`;
  return new URLValue(whole, { scheme, host, path: escapePath(rest), query });
}

function unescapeHost(host: string): string {
  return host.replace(/%25/g, "%");
}

function checkAuthority(authority: string): string | undefined {
  const at = authority.lastIndexOf("@");
  const host = authority.slice(at + 1);
  if (at !== -1 && /[^A-Za-z0-9\-._:~!$&'()*+,;=%@]/.test(authority.slice(0, at))) return "net/url: invalid userinfo";
  if (host.startsWith("[")) {
    const close = host.lastIndexOf("]");
    if (close === -1) return "missing ']' in host";
    const port = host.slice(close + 1);
    if (!/^(:[0-9]*)?$/.test(port)) return `invalid port ${goQuote(port)} after host`;
    return undefined;
  }
  const colon = host.lastIndexOf(":");
  if (colon !== -1 && !/^:[0-9]*$/.test(host.slice(colon)))
    return `invalid port ${goQuote(host.slice(colon))} after host`;
  const odd = /[ "<>\\^`{|}]/.exec(host);
  return odd === null ? undefined : `invalid character ${goQuote(odd[0])} in host name`;
}

/** Characters a path may not have are escaped; what is escaped already stays as it was written. */
function escapePath(path: string): string {
  return path.replace(/[^A-Za-z0-9\-._~!$&'()*+,;=:@/[\]%]/gu, (character) =>
    [...new TextEncoder().encode(character)]
      .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`)
      .join(""),
  );
}

function hostname(host: string): string {
  if (host.startsWith("[")) return host.slice(1, host.lastIndexOf("]"));
  const colon = host.lastIndexOf(":");
  return colon === -1 ? host : host.slice(0, colon);
}

function port(host: string): string {
  const colon = host.lastIndexOf(":");
  return colon === -1 || colon < host.lastIndexOf("]") ? "" : host.slice(colon + 1);
}

function unescapeQuery(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return undefined;
  }
}

function query(text: string): Value {
  const values = new Map<string, Value[]>();
  for (const pair of text.split("&")) {
    if (pair === "" || pair.includes(";")) continue;
    const equals = pair.indexOf("=");
    const key = unescapeQuery(equals === -1 ? pair : pair.slice(0, equals));
    const value = unescapeQuery(equals === -1 ? "" : pair.slice(equals + 1));
    if (key === undefined || value === undefined) continue;
    const list = values.get(key);
    if (list === undefined) values.set(key, [value]);
    else list.push(value);
  }
  return LiteralMap.of([...values].map(([key, list]): [Value, Value] => [key, new ListValue(list)]));
}

export const URL_FUNCTIONS: readonly Overload[] = [
  declare(`url: (string) ${TYPE} @string_to_url`, parse),
  declare("isURL: (string) bool @is_url_string", (text: string) => requestURIError(text) === undefined),
  declare(`getScheme: ${TYPE}.() string @url_get_scheme`, (url: URLValue) => url.scheme),
  declare(`getHost: ${TYPE}.() string @url_get_host`, (url: URLValue) => url.host),
  declare(`getHostname: ${TYPE}.() string @url_get_hostname`, (url: URLValue) => hostname(url.host)),
  declare(`getPort: ${TYPE}.() string @url_get_port`, (url: URLValue) => port(url.host)),
  declare(`getEscapedPath: ${TYPE}.() string @url_get_escaped_path`, (url: URLValue) => url.path),
  declare(`getQuery: ${TYPE}.() map(string, list(string)) @url_get_query`, (url: URLValue) => query(url.query)),
];
