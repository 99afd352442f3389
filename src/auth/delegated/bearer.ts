/** Bearer tokens, from `Authorization` and from the WebSocket sub-protocol that browsers use instead. */
import type { Exchange } from "../../server/exchange.ts";
import type { Authenticator, TokenAuthenticator, UserInfo } from "../../server/identity.ts";

export const BEARER_PROTOCOL_PREFIX = "base64url.bearer.authorization.k8s.io.";

/** The token in `Authorization: Bearer …`; undefined when there is none. As upstream reads it: the text between the first and the second space. */
export function bearerToken(exchange: Pick<Exchange, "header">): string | undefined {
  const header = exchange.header("authorization")?.trim();
  if (header === undefined || header === "") return undefined;
  const [scheme, token] = header.split(" ", 2);
  if (scheme?.toLowerCase() !== "bearer" || token === undefined || token === "") return undefined;
  return token;
}

/** The token in `Sec-WebSocket-Protocol` of a WebSocket request. Throws when it is malformed, repeated, or no other protocol is offered. */
export function webSocketToken(exchange: Pick<Exchange, "header" | "headers">): string | undefined {
  const upgrade = exchange.header("upgrade")?.trim().toLowerCase() === "websocket";
  const connection = exchange.headers("connection").some((value) => /(^|,)\s*upgrade\s*(,|$)/i.test(value));
  if (!upgrade || !connection) return undefined;
  let token: string | undefined;
  let others = 0;
  for (const value of exchange.headers("sec-websocket-protocol")) {
    for (const part of value.split(",")) {
      const protocol = part.trim();
      if (!protocol.startsWith(BEARER_PROTOCOL_PREFIX)) {
        others++;
        continue;
      }
      if (token !== undefined) throw new Error("multiple base64.bearer.authorization tokens specified");
      token = decodeToken(protocol.slice(BEARER_PROTOCOL_PREFIX.length));
    }
  }
  if (token !== undefined && others === 0) throw new Error("missing additional subprotocol");
  return token;
}

function decodeToken(encoded: string): string {
  if (!/^[A-Za-z0-9_-]+$/.test(encoded) || encoded.length % 4 === 1)
    throw new Error("invalid base64.bearer.authorization token encoding");
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.from(encoded, "base64url"));
  } catch {
    throw new Error("invalid base64.bearer.authorization token encoding");
  }
}

/** The longest token looked at; more is refused before any work is done on it. */
export const MAX_TOKEN_LENGTH = 64 * 1024;

/** `audiences`: who this server is; a token that names audiences must name one of them. */
export function bearerAuthenticator(tokens: TokenAuthenticator, audiences: readonly string[] = []): Authenticator {
  return fromToken(bearerToken, tokens, audiences);
}

export function webSocketAuthenticator(tokens: TokenAuthenticator, audiences: readonly string[] = []): Authenticator {
  return fromToken(webSocketToken, tokens, audiences);
}

function fromToken(
  find: (exchange: Exchange) => string | undefined,
  tokens: TokenAuthenticator,
  audiences: readonly string[],
): Authenticator {
  return {
    async authenticate(exchange): Promise<UserInfo | undefined> {
      const token = find(exchange);
      if (token === undefined) return undefined;
      if (token.length > MAX_TOKEN_LENGTH) throw new Error("bearer token too long");
      const identity = await tokens.authenticateToken(token, audiences);
      if (identity === undefined) throw new Error("invalid bearer token");
      if (
        audiences.length > 0 &&
        identity.audiences.length > 0 &&
        !identity.audiences.some((audience) => audiences.includes(audience))
      )
        throw new Error(
          `unable to match the audience: ${JSON.stringify(audiences)}, ${JSON.stringify(identity.audiences)}`,
        );
      return identity.user;
    },
  };
}
