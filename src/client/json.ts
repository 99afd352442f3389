/** The one place where the client turns bytes into values and back. */
import { parseJSON, stringifyJSON } from "../api/json/index.ts";
import type { JSONValue } from "../api/meta.ts";

/** Parses JSON; throws when it is none. Integers beyond 2^53 arrive exact. */
export function parseBody(bytes: Uint8Array): JSONValue {
  return parseJSON(bytes).value;
}

export function encodeBody(value: unknown): string {
  return stringifyJSON(value);
}

/** Collects a body, refusing more than `limit` bytes without reading further. */
export async function collect(body: AsyncIterable<Uint8Array>, limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > limit) throw new BodyTooLarge(limit);
    chunks.push(chunk);
  }
  if (chunks.length === 1) return chunks[0]!;
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}

/** A response body went past the limit its reader had set. */
export class BodyTooLarge extends Error {
  readonly limit: number;

  constructor(limit: number) {
    super(`response body exceeds ${limit} bytes`);
    this.name = "BodyTooLarge";
    this.limit = limit;
  }
}
