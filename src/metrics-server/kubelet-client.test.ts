import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import { SimulatedClock } from "../api/simulated.ts";
import { type KubeletClientOptions, kubeletClient } from "./kubelet-client.ts";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function against(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  options: Partial<KubeletClientOptions> = {},
) {
  const seen: IncomingMessage[] = [];
  let connections = 0;
  const server = createServer((request, response) => {
    seen.push(request);
    answer(request, response);
  });
  server.on("connection", () => connections++);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const client = kubeletClient({ clock: new SimulatedClock(), ...options });
  closing.push(() => client.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics/resource`;
  const fetch = (signal = new AbortController().signal) => client.fetch(url, signal);
  return { fetch, seen, connections: () => connections };
}

describe("asking a kubelet", () => {
  it("asks for gzip and undoes it", async () => {
    const { fetch, seen } = await against((_, response) =>
      response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync("x 1\n")),
    );
    expect(Buffer.from(await fetch()).toString()).toBe("x 1\n");
    expect(seen[0]?.headers["accept-encoding"]).toBe("gzip");
  });

  it("takes a plain answer, and keeps connections alive", async () => {
    const { fetch, connections } = await against((_, response) => response.end("x 1\n"));
    expect(Buffer.from(await fetch()).toString()).toBe("x 1\n");
    for (let request = 0; request < 9; request++) await fetch();
    // A second one may be opened while the first is being put back.
    expect(connections()).toBeLessThanOrEqual(2);
  });

  it.each([401, 403, 404, 500, 302, 204])("refuses a %i", async (code) => {
    const { fetch, seen } = await against((_, response) => response.writeHead(code, { location: "/elsewhere" }).end());
    await expect(fetch()).rejects.toThrow(`request failed, status: ${code}`);
    expect(seen).toHaveLength(1);
  });

  it("shows its token, read again when it is old", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tenon-token-"));
    closing.push(() => rmSync(folder, { recursive: true }));
    const tokenFile = join(folder, "token");
    writeFileSync(tokenFile, "one\n");
    const clock = new SimulatedClock();
    const { fetch, seen } = await against((_, response) => response.end(), { clock, tokenFile });
    await fetch();
    writeFileSync(tokenFile, "two\n");
    await fetch();
    await clock.advance(60_001);
    await fetch();
    expect(seen.map(({ headers }) => headers.authorization)).toEqual(["Bearer one", "Bearer one", "Bearer two"]);
  });

  it.each([
    ["plain", (response: ServerResponse) => response.end("y".repeat(2000))],
    [
      "packed",
      (response: ServerResponse) =>
        response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync("y".repeat(100_000))),
    ],
  ])("does not swallow more than it should, %s", async (_, answer) => {
    const { fetch } = await against((__, response) => void answer(response), { maxBytes: 1000 });
    await expect(fetch()).rejects.toThrow(RangeError);
  });

  it("gives up with the signal's reason, before the answer or in the middle of it", async () => {
    let begin: () => void = () => {};
    const begun = () =>
      new Promise<void>((resolve) => {
        begin = resolve;
      });
    const { fetch, seen } = await against((_, response) => {
      if (seen.length === 2) response.write("half");
      begin();
    });
    for (let turn = 0; turn < 2; turn++) {
      const abort = new AbortController();
      const started = begun();
      const fetching = fetch(abort.signal);
      await started;
      abort.abort(new Error("no answer within 10000 ms"));
      await expect(fetching).rejects.toThrow("no answer within 10000 ms");
    }
  });
});
