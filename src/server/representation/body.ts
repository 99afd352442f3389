/** A response body on its way out: whole when small, streamed with back-pressure when large, compressed when large and wanted (spec: apiserver 6.4). */
import { pipeline, Readable } from "node:stream";
import { createGzip } from "node:zlib";
import type { Exchange } from "../exchange.ts";

/** Bodies beyond this many bytes are compressed when the client takes gzip. */
export const GZIP_THRESHOLD = 128 * 1024;
/** Bodies beyond this many bytes are streamed. */
const WHOLE = 1024 * 1024;
/** Streamed bodies are written in pieces of about this many bytes. */
export const PIECE = 64 * 1024;

function takesGzip(exchange: Exchange): boolean {
  return (exchange.header("accept-encoding") ?? "").split(",").some((part) => {
    const [coding = "", ...parameters] = part.split(";");
    return coding.trim() === "gzip" && !parameters.some((parameter) => /^\s*q=0(\.0*)?\s*$/.test(parameter));
  });
}

/** Joins small parts into pieces; large parts pass uncopied. */
async function* pieces(parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] = [];
  let size = 0;
  for await (const part of parts) {
    held.push(part);
    size += part.length;
    if (size < PIECE) continue;
    yield held.length === 1 ? part : Buffer.concat(held, size);
    held = [];
    size = 0;
  }
  if (size > 0) yield Buffer.concat(held, size);
}

/** The first bytes, at most a little more than `limit`, and whether that was all. */
async function readAhead(source: AsyncGenerator<Uint8Array>, limit: number) {
  const held: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const { value, done } = await source.next();
    if (done) return { held, size, complete: true };
    held.push(value);
    size += value.length;
    if (size > limit) return { held, size, complete: false };
  }
}

async function* resume(held: readonly Uint8Array[], rest: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* held;
  yield* rest;
}

function sizeOf(parts: readonly Uint8Array[]): number {
  let size = 0;
  for (const part of parts) size += part.length;
  return size;
}

/** Sends `parts` as one body. An error after the first byte cuts the response off. */
export async function sendBody(
  exchange: Exchange,
  status: number,
  contentType: string,
  parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<void> {
  const { response } = exchange;
  // What is here already and fits in one piece needs no stream, and is below every threshold.
  if (Array.isArray(parts)) {
    const size = sizeOf(parts);
    if (size <= PIECE) {
      response.send(status, contentType, parts.length === 1 ? parts[0] : Buffer.concat(parts, size));
      return;
    }
  }
  const source = pieces(parts);
  const compress = status === 200 && takesGzip(exchange);
  const { held, size, complete } = await readAhead(source, compress ? GZIP_THRESHOLD : WHOLE);
  if (complete) {
    response.send(status, contentType, held.length === 1 ? held[0]! : Buffer.concat(held, size));
    return;
  }
  let body: AsyncIterable<Uint8Array> = resume(held, source);
  if (compress) {
    response.setHeader("Content-Encoding", "gzip");
    response.addHeader("Vary", "Accept-Encoding");
    const gzip = createGzip({ level: 1 });
    pipeline(Readable.from(body, { objectMode: true, highWaterMark: 2 }), gzip, () => {});
    body = gzip;
  }
  response.start(status, contentType);
  try {
    for await (const chunk of body) {
      if (!response.write(chunk)) await response.drained();
      if (exchange.signal.aborted) return response.abort();
    }
    response.end();
  } catch (error) {
    response.abort();
    throw error;
  }
}
