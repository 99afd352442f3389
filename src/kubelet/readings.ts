/** Answers `/metrics/resource`, compressed for whoever can read it. */
import { gzip } from "node:zlib";
import type { Exchange } from "../server/exchange.ts";
import { requireRead } from "../server/paths.ts";

const TEXT = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

/** Throws for methods that do not read. */
export async function sendReadings(exchange: Exchange, text: string): Promise<void> {
  requireRead(exchange);
  const { response } = exchange;
  if (!/\bgzip\b/.test(exchange.header("accept-encoding") ?? "")) return response.send(200, TEXT, text);
  const body = await new Promise<Buffer>((resolve, reject) => {
    gzip(text, { level: 1 }, (error, result) => (error === null ? resolve(result) : reject(error)));
  });
  response.setHeader("Content-Encoding", "gzip");
  response.send(200, TEXT, body);
}
