import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { type AddressInfo, connect, createServer as createRawServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { afterEach, beforeAll, expect, it } from "vitest";
import { systemClock } from "../api/machine.ts";
import { SimulatedClock } from "../api/simulated.ts";
import type { Exchange } from "../server/exchange.ts";
import {
  headerValues,
  startBackend,
  type TestAuthority,
  type TestCertificate,
  testAuthority,
} from "./backend.test-support.ts";
import { createDialer } from "./dialer.ts";
import { address } from "./resolver.ts";
import { proxyUpgrade, type UpgradeOptions } from "./upgrade.ts";

let authority: TestAuthority;
let serving: TestCertificate;
const open: (() => void)[] = [];
beforeAll(async () => {
  authority = await testAuthority();
  serving = await authority.issue({ names: ["a.b.svc"] });
});
afterEach(() => {
  for (const close of open.splice(0)) close();
});

/** A front server that hands every upgrade to the proxy, and a raw client of it. */
async function front(
  port: number,
  dial: Partial<Pick<UpgradeOptions, "address" | "clock" | "dialer">> = {},
): Promise<{ client: Socket; received: () => string; closed: Promise<unknown> }> {
  const server = createServer();
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    let finished = false;
    const headers = request.rawHeaders;
    const exchange = {
      method: request.method,
      rawHeaders: headers,
      header: (name: string) => headerValues(headers, name)[0],
      user: { name: "anna", uid: "", groups: ["a"], extra: {} },
      auditID: "audit",
      peer: { address: "10.0.0.9" },
      signal: new AbortController().signal,
      response: {
        started: false,
        get finished() {
          return finished;
        },
        setHeader() {},
        send(code: number, _: string, body: string) {
          finished = true;
          socket.end(`HTTP/1.1 ${code} X\r\n\r\n${body}`);
        },
      },
      upgrade: () => ({ socket, head }),
    } as unknown as Exchange; // only what an upgrade touches
    const tls = { serverName: "a.b.svc", caBundle: authority.cert };
    void proxyUpgrade(exchange, {
      clock: systemClock,
      dialer: { lookup: undefined },
      address: address("127.0.0.1", port),
      ...dial,
      tls,
      path: request.url ?? "",
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  open.push(
    () => client.destroy(),
    () => server.close(),
  );
  let text = "";
  client.on("data", (chunk) => {
    text += chunk;
  });
  client.write(
    "GET /apis/g/v1/x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nAuthorization: Bearer s\r\n" +
      "X-Remote-User: admin\r\nSec-WebSocket-Protocol: v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.c2VjcmV0\r\n\r\n",
  );
  return { client, received: () => text, closed: once(client, "close") };
}

it("identity reaches the backend, credentials do not, and bytes flow both ways (case 51)", async () => {
  const backend = await startBackend(serving, () => {});
  open.push(() => void backend.close());
  let raw: readonly string[] = [];
  backend.server.on("upgrade", (request: IncomingMessage, socket: Duplex) => {
    raw = request.rawHeaders;
    socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello");
    socket.on("data", (chunk) => socket.end(`echo ${chunk}`));
  });
  const { client, received, closed } = await front(backend.port);
  while (!received().includes("hello")) await once(client, "data");
  client.write("ping");
  await closed;
  expect(received()).toContain("HTTP/1.1 101 Switching Protocols");
  expect(received()).toContain("echo ping");
  expect(headerValues(raw, "x-remote-user")).toEqual(["anna"]);
  expect(headerValues(raw, "authorization")).toEqual([]);
  expect(headerValues(raw, "sec-websocket-protocol")).toEqual(["v5.channel.k8s.io"]);
  expect(headerValues(raw, "x-forwarded-for")).toEqual(["10.0.0.9"]);
  expect(headerValues(raw, "x-forwarded-uri")).toEqual([]);
});

it("a refusal is passed on and both sides are closed (case 52)", async () => {
  const backend = await startBackend(
    serving,
    (_, response) =>
      void response
        .writeHead(403, { "X-Why": Buffer.from("né").toString("latin1"), "Set-Cookie": "a=b", "X-Remote-User": "root" })
        .end("forbidden"),
  );
  open.push(() => void backend.close());
  const { client, received, closed } = await front(backend.port);
  await once(client, "data");
  client.write("GET /apis/secret HTTP/1.1\r\nHost: h\r\n\r\n");
  await closed;
  expect(received()).toMatch(/^HTTP\/1\.1 403 /);
  expect(received()).toContain("forbidden");
  expect(received()).toContain("X-Why: né\r\n");
  expect(received()).not.toMatch(/set-cookie|x-remote-user/i);
  expect(backend.requests).toEqual(["GET /apis/g/v1/x"]);
});

it("an answer that is neither is a 503 (case 53)", async () => {
  const backend = await startBackend(serving, (_, response) => void response.end("fine"));
  open.push(() => void backend.close());
  const { received, closed } = await front(backend.port);
  await closed;
  expect(received()).toContain("HTTP/1.1 503");
  expect(received()).toContain("invalid upgrade response: status code 200\n");
});

it("nobody there is a 503", async () => {
  const backend = await startBackend(serving, () => {});
  await backend.close();
  const { received, closed } = await front(backend.port);
  await closed;
  expect(received()).toContain(
    `error dialing backend: dial tcp 127.0.0.1:${backend.port}: connect: connection refused`,
  );
});

it("a name that leads back to this host is refused as for any other request", async () => {
  const backend = await startBackend(serving, () => {});
  open.push(() => void backend.close());
  const dialer = createDialer({ clock: systemClock });
  const { received, closed } = await front(backend.port, { dialer, address: address("localhost", backend.port) });
  await closed;
  expect(received()).toContain("HTTP/1.1 503");
  expect(received()).toContain("dial tcp: lookup localhost");
  expect(backend.requests).toEqual([]);
});

it("a backend that accepts connections and says nothing is given up after 30 s", async () => {
  const silent = createRawServer().listen(0, "127.0.0.1");
  await once(silent, "listening");
  open.push(() => silent.close());
  const accepted = once(silent, "connection");
  const { port } = silent.address() as AddressInfo;
  const clock = new SimulatedClock();
  const { received, closed } = await front(port, { clock });
  await accepted;
  await clock.advance(30_000);
  await closed;
  expect(received()).toContain(`error dialing backend: dial tcp 127.0.0.1:${port}: i/o timeout`);
  expect(clock.waiting).toBe(0);
});
