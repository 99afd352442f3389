/** Header rules of the aggregation proxy: who the user is, what a hop keeps to itself, what never passes (spec: aggregation 3.3, 3.4). */
import type { UserInfo } from "../server/identity.ts";

/** Headers that belong to one connection (RFC 9110 7.6.1). */
const HOP_BY_HOP = new Set([
  "connection",
  "proxy-connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

const CORS = new Set([
  "access-control-allow-credentials",
  "access-control-allow-headers",
  "access-control-allow-methods",
  "access-control-allow-origin",
]);

/** A backend must not speak to a browser in the name of the whole API. */
const NOT_OURS_TO_SEND = new Set(["set-cookie", "strict-transport-security"]);

/** Whether a header claims an identity, in any spelling a backend might fold into the real one. `name` in lower case. */
export function isIdentityHeader(name: string): boolean {
  if (!name.startsWith("x") && !name.startsWith("i")) return false;
  const folded = name.replaceAll("_", "-");
  return (
    folded === "x-remote-user" ||
    folded === "x-remote-uid" ||
    folded === "x-remote-group" ||
    folded.startsWith("x-remote-extra-") ||
    folded.startsWith("impersonate-")
  );
}

/** Names listed in the `Connection` headers of a flat name, value, … list. */
function connectionNames(raw: readonly string[]): Set<string> {
  const names = new Set<string>();
  for (let index = 0; index < raw.length; index += 2) {
    if (raw[index]!.toLowerCase() !== "connection") continue;
    for (const name of raw[index + 1]!.split(",")) names.add(name.trim().toLowerCase());
  }
  return names;
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
  /** Names, in lower case, that authentication consumes beside the standard ones. */
  readonly credentials?: ReadonlySet<string>;
  /** For an upgrade: `Connection` and `Upgrade` stay, no X-Forwarded-Uri, -Host and -Proto (spec: aggregation 3.8). */
  readonly upgrade?: boolean;
}

/** The header lines for the backend: name, value, … Throws a TypeError when the identity cannot be written into a header. */
export function requestHeaders(options: RequestHeaderOptions): string[] {
  const { raw, authority } = options;
  const listed = connectionNames(raw);
  const out: string[] = ["Host", authority];
  const forwarded: string[] = [];
  let trailers = false;
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index]!;
    const value = raw[index + 1]!;
    const lower = name.toLowerCase();
    switch (lower) {
      case "host":
      case "authorization":
      case "audit-id":
      // The server has answered it already, and the client library refuses it.
      case "expect":
      case "content-length":
        continue;
      case "x-forwarded-for":
        forwarded.push(value);
        continue;
      case "x-forwarded-uri":
      case "x-forwarded-host":
      case "x-forwarded-proto":
        if (options.upgrade) out.push(name, value);
        continue;
      case "te":
        trailers ||= /(^|,)\s*trailers\s*(,|;|$)/i.test(value);
        continue;
      case "sec-websocket-protocol": {
        const rest = withoutBearer(value);
        if (rest !== "") out.push(name, rest);
        continue;
      }
    }
    if (HOP_BY_HOP.has(lower) || listed.has(lower)) continue;
    if (isIdentityHeader(lower) || options.credentials?.has(lower)) continue;
    out.push(name, value);
  }
  if (trailers) out.push("Te", "trailers");
  if (options.auditID !== "") out.push("Audit-Id", options.auditID);
  out.push("X-Forwarded-For", [...forwarded, options.clientAddress].filter((part) => part !== "").join(", "));
  if (!options.upgrade) {
    out.push("X-Forwarded-Uri", options.path, "X-Forwarded-Host", authority, "X-Forwarded-Proto", "https");
  }
  pushIdentity(out, options.user);
  return out;
}

/** A WebSocket client may carry its bearer token as a sub-protocol: it is a credential like `Authorization`. */
function withoutBearer(value: string): string {
  return value
    .split(",")
    .map((part) => part.trim())
    .filter((part) => !part.startsWith("base64url.bearer.authorization.k8s.io."))
    .join(", ");
}

/** Appends the lines that tell a backend who the user is. */
export function pushIdentity(out: string[], user: Pick<UserInfo, "name" | "groups"> & Partial<UserInfo>): void {
  out.push("X-Remote-User", headerValue("X-Remote-User", user.name));
  if (user.uid) out.push("X-Remote-Uid", headerValue("X-Remote-Uid", user.uid));
  for (const group of user.groups) out.push("X-Remote-Group", headerValue("X-Remote-Group", group));
  for (const [key, values] of Object.entries(user.extra ?? {})) {
    const name = `X-Remote-Extra-${escapeHeaderKey(key)}`;
    for (const value of values) out.push(name, headerValue(name, value));
  }
}

/** UTF-8 as a string of bytes. A control character would be another header: such a user reaches no backend. */
function headerValue(name: string, value: string): string {
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

/** Calls `add` for each response header of the backend that may pass. `own`: names this server has set and keeps to itself. */
export function responseHeaders(
  raw: readonly (readonly [name: string, value: string])[],
  own: (lowerName: string) => boolean,
  add: (name: string, value: string) => void,
): void {
  const flat = raw.flat();
  const listed = connectionNames(flat);
  for (const [name, value] of raw) {
    const lower = name.toLowerCase();
    if (HOP_BY_HOP.has(lower) || listed.has(lower) || CORS.has(lower) || NOT_OURS_TO_SEND.has(lower)) continue;
    if (isIdentityHeader(lower)) continue;
    if ((lower === "audit-id" || lower.startsWith("x-kubernetes-pf-")) && own(lower)) continue;
    add(name, value);
  }
}
