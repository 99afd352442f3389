/** The OpenAPI document of a local backend: built when somebody first asks for it, encoded and hashed once. */
import { createHash } from "node:crypto";
import { encodeJSON } from "../../api/json/index.ts";
import { notAcceptable } from "../../api/status.ts";
import type { Exchange } from "../exchange.ts";
import type { Backend } from "../routes.ts";

type Document = NonNullable<ReturnType<NonNullable<Backend["openapi"]>>>;

const JSON_TYPE = "application/json";

/** Answers JSON; a client that wants only protobuf gets 406 and falls back by itself. `bytes` makes the document. */
export function servedDocument(exchange: Exchange, bytes: () => Uint8Array): void {
  const accept = exchange.header("accept") ?? "*/*";
  if (!/(^|,)\s*(\*\/\*|application\/(\*|json))/.test(accept)) throw notAcceptable([JSON_TYPE]);
  exchange.response.send(200, JSON_TYPE, bytes());
}

/** `build` runs at most once. */
export function lazyDocument(build: () => object): () => Document {
  let document: Document | undefined;
  return () => {
    if (document !== undefined) return document;
    const bytes = encodeJSON(build());
    const hash = createHash("sha512").update(bytes).digest("hex").toUpperCase();
    document = { hash, serve: (exchange) => servedDocument(exchange, () => bytes) };
    return document;
  };
}
