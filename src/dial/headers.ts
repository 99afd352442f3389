/** Header rules of the aggregation proxy: who the user is, what a hop keeps to itself, what never passes (spec: aggregation 3.3, 3.4). */
import type { UserInfo } from "../server/identity.ts";

/** Headers that belong to one connection (RFC 9110 7.6.1). */
const HOP_BY_HOP = [
  "proxy-connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

/** What proves or claims an identity towards this server, or is written anew (spec: security ). */
const NOT_FORWARDED = [
  "authorization",
  "cookie",
  "x-forwarded-client-cert",
  "x-client-cert",
  "x-ssl-client-cert",
  "ssl-client-cert",
  "host",
  "audit-id",
  // The server has answered it already.
  "expect",
  "content-length",
];

const CORS = [
  "access-control-allow-credentials",
  "access-control-allow-headers",
  "access-control-allow-methods",
  "access-control-allow-origin",
];

/** A backend must not speak to a browser in the name of the whole API. */
const NOT_OURS_TO_SEND = ["set-cookie", "strict-transport-security"];

/** Whether a header claims an identity, in any spelling a backend might fold into the real one. `name` in lower case. */
export function isIdentityHeader(name: string): boolean {
  if (!name.startsWith("x") && !name.startsWith("i")) return false;
  const folded = name.replace(/[_.\s]/g, "-");
  return (
    folded === "x-remote-user" ||
    folded === "x-remote-uid" ||
    folded === "x-remote-group" ||
    folded.startsWith("x-remote-extra-") ||
    folded.startsWith("impersonate-")
  );
}

/** What becomes of a header, by its name. */
type Fate = "pass" | "drop" | "connection" | "own" | "te" | "x-forwarded-for" | "x-forwarded" | "websocket";

/** Decides by name once: the same few dozen names come again and again, spelt the same. */
function fates(special: ReadonlyMap<string, Fate>): (name: string) => Fate {
  const known = new Map<string, Fate>();
  return (name) => {
    let fate = known.get(name);
    if (fate === undefined) {
      const lower = name.toLowerCase();
      fate = isIdentityHeader(lower) ? "drop" : (special.get(lower) ?? "pass");
      // Names are the other side's to choose.
      if (known.size >= 1024 || name.length > 64) return fate;
      known.set(name, fate);
    }
    return fate;
  };
}

const all = (names: readonly string[], fate: Fate) => names.map((name): [string, Fate] => [name, fate]);

const requestFate = fates(
  new Map<string, Fate>([
    ...all(HOP_BY_HOP, "drop"),
    ...all(NOT_FORWARDED, "drop"),
    ["connection", "connection"],
    ["te", "te"],
    ["x-forwarded-for", "x-forwarded-for"],
    ["x-forwarded-uri", "x-forwarded"],
    ["x-forwarded-host", "x-forwarded"],
    ["x-forwarded-proto", "x-forwarded"],
    ["sec-websocket-protocol", "websocket"],
  ]),
);

const responseFate = fates(
  new Map<string, Fate>([
    ...all([...HOP_BY_HOP, "te"], "drop"),
    ...all(CORS, "drop"),
    ...all(NOT_OURS_TO_SEND, "drop"),
    ["connection", "connection"],
    ["audit-id", "own"],
    ["x-kubernetes-pf-flowschema-uid", "own"],
    ["x-kubernetes-pf-prioritylevel-uid", "own"],
  ]),
);

/** The names a `Connection` header lists beside the usual ones; undefined for none. */
function listedNames(value: string, listed: Set<string> | undefined): Set<string> | undefined {
  let names = listed;
  for (const part of value.split(",")) {
    const name = part.trim().toLowerCase();
    if (name === "" || name === "close" || name === "keep-alive" || name === "upgrade") continue;
    names ??= new Set();
    names.add(name);
  }
  return names;
}

/** Without the lines whose name is listed. */
function unlisted(lines: string[], listed: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  for (let index = 0; index < lines.length; index += 2) {
    if (!listed.has(lines[index]!.toLowerCase())) kept.push(lines[index]!, lines[index + 1]!);
  }
  return kept;
}

export interface RequestHeaderOptions {
  readonly raw: readonly string[];
  readonly user: UserInfo;
  readonly auditID: string;
  /** `host:port` of the backend. */
  readonly authority: string;
  readonly clientAddress: string;
  /** The path as it is sent, without the query. */
  readonly path: string;
  /** Names, in lower case, that authentication consumes beside the standard ones; prefixes end in `*`. */
  readonly credentials?: ReadonlySet<string>;
  /** The protocols asked for: `Connection` and `Upgrade` stay, no X-Forwarded-Uri, -Host and -Proto are set (spec: aggregation 3.8). */
  readonly upgrade?: string;
}

/** The header lines for the backend: name, value, … Throws a TypeError when the identity cannot be written into a header. */
export function requestHeaders(options: RequestHeaderOptions): string[] {
  const { raw, authority, credentials, upgrade } = options;
  let out: string[] = [];
  let forwarded = "";
  let trailers = false;
  let listed: Set<string> | undefined;
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index]!;
    const value = raw[index + 1]!;
    switch (requestFate(name)) {
      case "pass":
        if (credentials === undefined || !isCredential(name, credentials)) out.push(name, value);
        break;
      case "connection":
        listed = listedNames(value, listed);
        break;
      case "x-forwarded-for":
        if (value !== "") forwarded = forwarded === "" ? value : `${forwarded}, ${value}`;
        break;
      case "x-forwarded":
        if (upgrade !== undefined) out.push(name, value);
        break;
      case "te":
        trailers ||= /(^|,)\s*trailers\s*(,|;|$)/i.test(value);
        break;
      case "websocket": {
        const rest = value.includes(BEARER_PROTOCOL) ? withoutBearer(value) : value;
        if (rest !== "") out.push(name, rest);
      }
    }
  }
  if (listed !== undefined) out = unlisted(out, listed);
  const { clientAddress, auditID } = options;
  if (clientAddress !== "") forwarded = forwarded === "" ? clientAddress : `${forwarded}, ${clientAddress}`;
  out.push("Host", authority);
  if (trailers) out.push("Te", "trailers");
  if (auditID !== "") out.push("Audit-Id", auditID);
  out.push("X-Forwarded-For", forwarded);
  if (upgrade !== undefined) out.push("Connection", "Upgrade", "Upgrade", upgrade);
  else out.push("X-Forwarded-Uri", options.path, "X-Forwarded-Host", authority, "X-Forwarded-Proto", "https");
  pushIdentity(out, options.user);
  return out;
}

function isCredential(name: string, credentials: ReadonlySet<string>): boolean {
  const lower = name.toLowerCase();
  if (credentials.has(lower)) return true;
  for (const one of credentials) if (one.endsWith("*") && lower.startsWith(one.slice(0, -1))) return true;
  return false;
}

const BEARER_PROTOCOL = "base64url.bearer.authorization.k8s.io.";

/** A WebSocket client may carry its bearer token as a sub-protocol: it is a credential like `Authorization`. */
function withoutBearer(value: string): string {
  return value
    .split(",")
    .map((part) => part.trim())
    .filter((part) => !part.startsWith(BEARER_PROTOCOL))
    .join(", ");
}

/** Users are one object for each connection or token: their lines are written once. */
const identities = new WeakMap<object, readonly string[]>();

/** Appends the lines that tell a backend who the user is. Throws a TypeError when they cannot be written into a header. */
export function pushIdentity(out: string[], user: Identity): void {
  let lines = identities.get(user);
  if (lines === undefined) {
    lines = identityLines(user);
    identities.set(user, lines);
  }
  for (const part of lines) out.push(part);
}

type Identity = Readonly<Pick<UserInfo, "name" | "groups"> & Partial<UserInfo>>;

function identityLines(user: Identity): string[] {
  const out: string[] = [];
  out.push("X-Remote-User", headerValue("X-Remote-User", user.name));
  if (user.uid) out.push("X-Remote-Uid", headerValue("X-Remote-Uid", user.uid));
  for (const group of user.groups) out.push("X-Remote-Group", headerValue("X-Remote-Group", group));
  for (const [key, values] of Object.entries(user.extra ?? {})) {
    const name = `X-Remote-Extra-${escapeHeaderKey(key)}`;
    for (const value of values) out.push(name, headerValue(name, value));
  }
  return out;
}

/** UTF-8 as a string of bytes. A control character would be another header: such a user reaches no backend. */
function headerValue(name: string, value: string): string {
  if (/^[\x20-\x7e]*$/.test(value)) return value;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: exactly what is refused
  if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(value)) {
    throw new TypeError(`net/http: invalid header field value for ${JSON.stringify(name)}`);
  }
  return Buffer.from(value, "utf8").toString("latin1");
}

/** Percent-encodes every byte that is no token character, and `%` itself. */
export function escapeHeaderKey(key: string): string {
  let out = "";
  for (const byte of Buffer.from(key, "utf8")) {
    const char = String.fromCharCode(byte);
    out += /^[!#$&'*+\-.^_`|~0-9A-Za-z]$/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return out;
}

/** Calls `add` for each response header of the backend that may pass. `raw`: name, value, … `own`: names this server has set and keeps to itself. */
export function responseHeaders(
  raw: readonly string[],
  own: (lowerName: string) => boolean,
  add: (name: string, value: string) => void,
): void {
  let listed: Set<string> | undefined;
  for (let index = 0; index < raw.length; index += 2) {
    if (responseFate(raw[index]!) === "connection") listed = listedNames(raw[index + 1]!, listed);
  }
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index]!;
    const fate = responseFate(name);
    if (fate !== "pass" && fate !== "own") continue;
    if (listed?.has(name.toLowerCase())) continue;
    if (fate === "own" && own(name.toLowerCase())) continue;
    add(name, raw[index + 1]!);
  }
}
