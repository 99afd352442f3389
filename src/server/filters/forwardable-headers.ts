/** The headers of a request that another server may see: nothing that proves or claims an identity (spec: security ). */
import type { Exchange } from "../exchange.ts";

const SECRET = new Set([
  "authorization",
  "proxy-authorization",
  "cookie",
  "x-remote-user",
  "x-remote-uid",
  "x-remote-group",
  "x-forwarded-client-cert",
  "x-client-cert",
  "x-ssl-client-cert",
  "ssl-client-cert",
]);
const SECRET_PREFIXES = ["x-remote-extra-", "impersonate-"];
const BEARER_PROTOCOL = "base64url.bearer.authorization.k8s.io.";

export interface ForwardableOptions {
  /** Further names in lower case, as configured for the front proxy. */
  readonly names?: readonly string[];
  /** Further prefixes in lower case. */
  readonly prefixes?: readonly string[];
  /** For applications behind `pods/proxy` and its like, which have cookies of their own. */
  readonly cookies?: boolean;
}

/** name, value, … in the order and the bytes received. Hop-by-hop headers are still there: they are the proxy's business. */
export function forwardableHeaders(exchange: Exchange, options: ForwardableOptions = {}): string[] {
  const raw = exchange.rawHeaders;
  const kept: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase();
    if (SECRET.has(name) && !(name === "cookie" && options.cookies)) continue;
    if (SECRET_PREFIXES.some((prefix) => name.startsWith(prefix))) continue;
    if (options.names?.includes(name) || options.prefixes?.some((prefix) => name.startsWith(prefix))) continue;
    let value = raw[i + 1]!;
    if (name === "sec-websocket-protocol" && value.includes(BEARER_PROTOCOL)) {
      value = value
        .split(",")
        .map((protocol) => protocol.trim())
        .filter((protocol) => !protocol.startsWith(BEARER_PROTOCOL))
        .join(", ");
      if (value === "") continue;
    }
    kept.push(raw[i]!, value);
  }
  return kept;
}
