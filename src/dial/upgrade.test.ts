import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { type AddressInfo, createServer as createRawServer, type Server as RawServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { connect, createServer as createTLSServer, type Server as TLSServer, type TLSSocket } from "node:tls";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Clock } from "../api/clock.ts";
import { systemClock, systemRandom } from "../api/machine.ts";
import { SimulatedClock } from "../api/simulated.ts";
import type { Exchange } from "../server/exchange.ts";
import { SILENT } from "../server/logger.ts";
import { requestInfo } from "../server/request-info.ts";
import { Listener } from "../server/transports/listener.ts";
import { RequestCancelled, ServedExchange } from "../server/transports/served-exchange.ts";
import {
  headerValues,
  startBackend,
  type TestAuthority,
  type TestCertificate,
  testAuthority,
} from "./backend.test-support.ts";
import { Breaker } from "./breaker.ts";
import { Bulkhead } from "./bulkhead.ts";
import { createDialer } from "./dialer.ts";
import { createProxy } from "./proxy.ts";
import { type Address, address } from "./resolver.ts";

const NAME = "a.b.svc";
const EXEC = "/apis/g/v1/namespaces/n/things/x/exec";

let authority: TestAuthority;
let serving: TestCertificate;
const open: (() => undefined | Promise<unknown>)[] = [];
beforeAll(async () => {
  authority = await testAuthority();
  serving = await authority.issue({ names: [NAME, "localhost"] });
});
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

interface FrontOptions {
  readonly clock?: Clock;
  readonly resolve?: () => Address;
  readonly allowLoopbackEndpoints?: boolean;
  readonly bulkhead?: Bulkhead;
  readonly breaker?: Breaker;
  readonly user?: string;
}

interface Front {
  readonly exchanges: ServedExchange[];
  readonly errors: Error[];
  readonly outcomes: unknown[];
  /** A connection that has sent these lines and an empty one. */
  send(lines?: readonly string[]): Promise<Client>;
}

interface Client {
  readonly socket: TLSSocket;
  received(): string;
  readonly closed: Promise<unknown>;
  /** Resolves when the text was received. */
  until(text: string): Promise<void>;
}

const ASK = [
  `GET ${EXEC}?command=ls HTTP/1.1`,
  "Host: h",
  "Connection: keep-alive, Upgrade",
  "Upgrade: websocket",
  "Authorization: Bearer s",
  "Cookie: session=1",
  "X-Remote-User: admin",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Protocol: v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.c2VjcmV0",
];

/** The real listener in front of the proxy, and clients of it that send what they like. */
async function front(port: number, options: FrontOptions = {}): Promise<Front> {
  const clock = options.clock ?? systemClock;
  const dialer = createDialer({ clock, allowLoopbackEndpoints: options.allowLoopbackEndpoints ?? true });
  const front: Omit<Front, "send"> = { exchanges: [], errors: [], outcomes: [] };
  const proxy = createProxy({
    clock,
    dialer,
    breaker: options.breaker ?? new Breaker({ clock }),
    onError: (_, error) => front.errors.push(error),
  });
  const target = {
    resolve: options.resolve ?? (() => address("127.0.0.1", port)),
    tls: { serverName: NAME, caBundle: authority.cert },
    bulkhead: options.bulkhead ?? new Bulkhead(),
  };
  const handle = async (exchange: Exchange) => {
    if (exchange instanceof ServedExchange) front.exchanges.push(exchange);
    exchange.info = requestInfo(exchange, { isRemote: () => true });
    exchange.user = { name: options.user ?? "anna", uid: "", groups: ["a"], extra: {} };
    await proxy(exchange, target).catch((error: unknown) => {
      front.outcomes.push(error);
      throw error;
    });
    front.outcomes.push("done");
  };
  const listener = new Listener({
    certificate: serving,
    logger: SILENT,
    handle,
    now: () => systemClock.now(),
    newAuditID: () => systemRandom.uuid(),
  });
  const at = await listener.listen(0, "127.0.0.1");
  open.push(
    () => listener.destroy(),
    () => dialer.close(),
  );
  return {
    ...front,
    async send(lines = ASK) {
      const socket = connect({
        ...{ port: at.port, host: "127.0.0.1", ca: authority.cert, servername: "localhost" },
        ALPNProtocols: ["http/1.1"],
      });
      open.push(() => void socket.destroy());
      socket.on("error", () => {});
      let text = "";
      socket.on("data", (chunk: Buffer) => {
        text += chunk.toString("latin1");
      });
      await once(socket, "secureConnect");
      socket.write(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
      const closed = once(socket, "close");
      return {
        socket,
        received: () => text,
        closed,
        async until(wanted) {
          while (!text.includes(wanted))
            await Promise.race([
              once(socket, "data"),
              closed.then(() => {
                throw new Error(`closed after ${JSON.stringify(text)}`);
              }),
            ]);
        },
      };
    },
  };
}

const SWITCH = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";

/** A backend that agrees to every upgrade with `answer` and echoes. */
async function echo(answer = `${SWITCH}\r\nhello`, certificate = serving) {
  const backend = await startBackend(certificate, (_, response) => response.end("plain"));
  open.push(() => backend.close());
  const sockets: Socket[] = [];
  let raw: readonly string[] = [];
  backend.server.on("upgrade", (request: IncomingMessage, socket: Duplex) => {
    raw = request.rawHeaders;
    backend.requests.push(`${request.method} ${request.url}`);
    sockets.push(socket as Socket);
    socket.on("error", () => {});
    socket.write(answer, "latin1");
    socket.on("data", (chunk) => socket.write(`echo ${chunk}`));
    socket.on("end", () => socket.end());
  });
  return { ...backend, sockets, header: (name: string) => headerValues(raw, name), requests: backend.requests };
}

/** A TLS server that answers each connection with these bytes and counts what it was sent. */
async function scripted(answer: string | ((socket: TLSSocket) => void)) {
  const seen: string[] = [];
  const server: TLSServer = createTLSServer({ key: serving.key, cert: serving.cert }, (socket) => {
    const at = seen.push("") - 1;
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      const first = seen[at] === "";
      seen[at] += chunk.toString("latin1");
      if (!first) return;
      if (typeof answer === "string") socket.write(answer, "latin1");
      else answer(socket);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  open.push(() => void server.close());
  return { port: (server.address() as AddressInfo).port, seen };
}

it("identity reaches the backend, credentials do not, and bytes flow both ways (case 51)", async () => {
  const backend = await echo();
  const { send } = await front(backend.port);
  const client = await send();
  await client.until("hello");
  client.socket.write("ping");
  await client.until("echo ping");
  expect(client.received()).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n/);
  expect(client.received()).toMatch(/\r\nUpgrade: websocket\r\n/);
  expect(backend.requests).toEqual([`GET ${EXEC}?command=ls`]);
  expect(backend.header("x-remote-user")).toEqual(["anna"]);
  for (const name of ["authorization", "cookie", "x-forwarded-uri", "x-forwarded-host", "x-forwarded-proto"])
    expect(backend.header(name)).toEqual([]);
  expect(backend.header("sec-websocket-protocol")).toEqual(["v5.channel.k8s.io"]);
  expect(backend.header("sec-websocket-key")).toEqual(["dGhlIHNhbXBsZSBub25jZQ=="]);
  expect(backend.header("upgrade")).toEqual(["websocket"]);
  expect(backend.header("x-forwarded-for")).toEqual(["127.0.0.1"]);
  client.socket.end();
  await client.closed;
});

it("SPDY by POST, as kubectl exec did it: the headers it needs arrive, the length is said", async () => {
  const backend = await echo(
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n",
  );
  const { send } = await front(backend.port);
  const client = await send([
    `POST ${EXEC} HTTP/1.1`,
    "Host: h",
    "Connection: Upgrade",
    "Upgrade: SPDY/3.1",
    "Content-Length: 0",
    "X-Stream-Protocol-Version: v4.channel.k8s.io",
    "X-Stream-Protocol-Version: v3.channel.k8s.io",
    "X-Forwarded-Uri: /theirs",
  ]);
  await client.until("X-Stream-Protocol-Version: v4.channel.k8s.io\r\n");
  expect(client.received()).toMatch(/\r\nUpgrade: SPDY\/3\.1\r\n/);
  expect(backend.header("x-stream-protocol-version")).toEqual(["v4.channel.k8s.io", "v3.channel.k8s.io"]);
  expect(backend.header("content-length")).toEqual(["0"]);
  expect(backend.header("transfer-encoding")).toEqual([]);
  expect(backend.header("upgrade")).toEqual(["SPDY/3.1"]);
  // A client's own stays, as upstream leaves it on this path.
  expect(backend.header("x-forwarded-uri")).toEqual(["/theirs"]);
});

it("bytes sent with the request arrive behind the 101, and not before", async () => {
  const backend = await echo(`${SWITCH}\r\n`);
  const { send } = await front(backend.port);
  const client = await send([...ASK, "", "early"]);
  await client.until("echo early");
  expect(backend.requests).toHaveLength(1);
});

describe("a refused upgrade leaves no way to the backend (C-07, C-21, A-13)", () => {
  const SECOND = "GET /apis/g/v1/namespaces/kube-system/secrets HTTP/1.1\r\nHost: h\r\nX-Remote-User: root\r\n\r\n";

  const refusals: [name: string, answer: string, status: number, body: string][] = [
    ["400", "HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno", 400, "no"],
    ["403 that keeps its connection", "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", 403, "no"],
    ["404 in chunks", "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", 404, "no"],
    [
      "500 with Upgrade",
      "HTTP/1.1 500 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n",
      500,
      "",
    ],
    ["200", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine", 503, "invalid upgrade response: status code 200\n"],
    ["204", "HTTP/1.1 204 No Content\r\n\r\n", 503, "invalid upgrade response: status code 204\n"],
    [
      "101 without a protocol",
      "HTTP/1.1 101 Switching Protocols\r\n\r\n",
      503,
      "invalid upgrade response: status code 101\n",
    ],
    ...[301, 302, 307, 308].map((code): [string, string, number, string] => [
      `${code}`,
      `HTTP/1.1 ${code} X\r\nLocation: https://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n`,
      503,
      `invalid upgrade response: status code ${code}\n`,
    ]),
  ];
  it.each(refusals)("%s", async (_, answer, status, body) => {
    const backend = await scripted(answer);
    const { send, exchanges } = await front(backend.port);
    const client = await send([...ASK, "", SECOND]);
    await client.until("\r\n\r\n");
    client.socket.write(SECOND);
    await client.closed;
    expect(client.received()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(client.received().endsWith(body)).toBe(true);
    expect(client.received()).not.toMatch(/location:/i);
    expect(exchanges).toHaveLength(1);
    expect(backend.seen).toHaveLength(1);
    expect(backend.seen[0]).not.toContain("kube-system");
  });

  it("its headers pass as those of any other answer", async () => {
    const refusal =
      "HTTP/1.1 403 Forbidden\r\nX-Why: n\xc3\xa9\r\nSet-Cookie: a=b\r\nX-Remote-User: root\r\nConnection: X-Hop\r\nX-Hop: 1\r\nContent-Length: 0\r\n\r\n";
    const backend = await scripted(refusal);
    const { send } = await front(backend.port);
    const client = await send();
    await client.closed;
    expect(client.received()).toContain("X-Why: n\xc3\xa9\r\n");
    expect(client.received()).not.toMatch(/set-cookie|x-remote-user|x-hop/i);
  });

  it("one that never ends is cut after 10 s", async () => {
    const clock = new SimulatedClock();
    const backend = await scripted("HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\npart");
    const { send } = await front(backend.port, { clock });
    const client = await send();
    await client.until("part");
    await clock.advance(10_000);
    await client.closed;
    expect(clock.waiting).toBe(0);
  });

  it("a flood of interim answers and a head beyond 64 KiB are no answer", async () => {
    const flood = await scripted("HTTP/1.1 102 Processing\r\n\r\n".repeat(50));
    const first = await (await front(flood.port)).send();
    await first.closed;
    expect(first.received()).toMatch(/^HTTP\/1\.1 503 [\s\S]*too many 1xx informational responses\n$/);
    const bomb = await scripted(`HTTP/1.1 101 X\r\nX-Bomb: ${"x".repeat(100_000)}\r\n${SWITCH.slice(34)}\r\n`);
    const second = await (await front(bomb.port)).send();
    await second.closed;
    expect(second.received()).toMatch(/^HTTP\/1\.1 503 /);
  });
});

it("a second request on the upgraded connection is the protocol's bytes: nobody gives it an identity", async () => {
  const backend = await scripted(`${SWITCH}\r\n`);
  const { send, exchanges } = await front(backend.port);
  const client = await send();
  await client.until("\r\n\r\n");
  client.socket.write("GET /apis/g/v1/secrets HTTP/1.1\r\nHost: h\r\n\r\n");
  while (!backend.seen[0]!.includes("secrets")) await systemClock.sleep(5);
  const rest = backend.seen[0]!.split("\r\n\r\n")[1]!;
  expect(rest).toContain("GET /apis/g/v1/secrets");
  expect(rest).not.toMatch(/x-remote-user/i);
  expect(exchanges).toHaveLength(1);
});

describe("nobody there", () => {
  it("is a 503; the third time the breaker answers, and a success closes it", async () => {
    const dead = await startBackend(serving, () => {});
    await dead.close();
    const clock = new SimulatedClock();
    const { send, errors } = await front(dead.port, { clock });
    for (let turn = 0; turn < 4; turn++) {
      const client = await send();
      await client.closed;
      expect(client.received()).toContain(
        `error dialing backend: dial tcp 127.0.0.1:${dead.port}: connect: connection refused\n`,
      );
    }
    expect(errors.map((error) => (error as { reason?: string }).reason)).toEqual([
      "Refused",
      "Refused",
      "Refused",
      "BreakerOpen",
    ]);
  });

  it("at one of two endpoints: the other is asked", async () => {
    const dead = await startBackend(serving, () => {});
    await dead.close();
    const backend = await echo();
    let turn = 0;
    const { send } = await front(0, {
      resolve: () => address("127.0.0.1", turn++ % 2 === 0 ? dead.port : backend.port),
    });
    const client = await send();
    await client.until("hello");
    expect(backend.requests).toHaveLength(1);
  });

  it("a connection that dies after the request was written is not tried again", async () => {
    const backend = await scripted((socket) => socket.destroy());
    const { send } = await front(backend.port);
    const client = await send();
    await client.closed;
    expect(client.received()).toMatch(/^HTTP\/1\.1 503 /);
    expect(backend.seen).toHaveLength(1);
  });

  it("a name that leads back to this host is refused as for any other request", async () => {
    const backend = await echo();
    const { send } = await front(0, {
      allowLoopbackEndpoints: false,
      resolve: () => address("localhost", backend.port),
    });
    const client = await send();
    await client.closed;
    expect(client.received()).toContain("HTTP/1.1 503");
    expect(client.received()).toContain("dial tcp: lookup localhost");
    expect(backend.requests).toEqual([]);
  });

  it("a certificate of another authority", async () => {
    const other = await testAuthority("other");
    const backend = await echo(undefined, await other.issue({ names: [NAME] }));
    const { send } = await front(backend.port);
    const client = await send();
    await client.closed;
    expect(client.received()).toContain(
      "error dialing backend: tls: failed to verify certificate: x509: certificate signed by unknown authority",
    );
    expect(backend.requests).toEqual([]);
  });

  it("a backend that accepts connections and says nothing is given up after 30 s", async () => {
    const silent: RawServer = createRawServer().listen(0, "127.0.0.1");
    await once(silent, "listening");
    open.push(() => void silent.close());
    const accepted = once(silent, "connection");
    const { port } = silent.address() as AddressInfo;
    const clock = new SimulatedClock();
    const { send } = await front(port, { clock });
    const client = await send();
    await accepted;
    await clock.advance(30_000);
    await client.closed;
    expect(client.received()).toContain(`error dialing backend: dial tcp 127.0.0.1:${port}: i/o timeout`);
    expect(clock.waiting).toBe(0);
  });

  it("an identity that would break a header line reaches nobody", async () => {
    const backend = await echo();
    const { send } = await front(backend.port, { user: "anna\r\nX-Remote-Group: system:masters" });
    const client = await send();
    await client.closed;
    expect(client.received()).toContain('net/http: invalid header field value for "X-Remote-User"');
    expect(backend.connections).toEqual([]);
  });
});

describe("tunnels", () => {
  it("have their own places in the bulkhead, and leave them when they end", async () => {
    const backend = await echo();
    const bulkhead = new Bulkhead({ longRunning: 1 });
    const { send, outcomes } = await front(backend.port, { bulkhead });
    const first = await send();
    await first.until("hello");
    expect([bulkhead.longRunning, bulkhead.inFlight]).toEqual([1, 0]);
    const second = await send();
    await second.closed;
    expect(second.received()).toMatch(/^HTTP\/1\.1 429 /);
    first.socket.end();
    await first.closed;
    while (bulkhead.longRunning > 0) await systemClock.sleep(5);
    const third = await send();
    await third.until("hello");
    expect(outcomes[1]).toBe("done");
  });

  it.each([
    ["exec, which is long-running, is running while its tunnel lasts", EXEC, []],
    [
      "another sub-resource is over with the 101: its place among requests in flight is free",
      EXEC.replace("exec", "shell"),
      ["done"],
    ],
  ])("%s", async (_, path, expected) => {
    const backend = await echo();
    const bulkhead = new Bulkhead();
    const { send, outcomes, exchanges } = await front(backend.port, { bulkhead });
    const client = await send([`GET ${path} HTTP/1.1`, ...ASK.slice(1)]);
    await client.until("hello");
    await systemClock.sleep(0);
    expect(outcomes).toEqual(expected);
    // The request's deadline does not end what was agreed on.
    exchanges[0]!.cancel("deadline");
    client.socket.write("still");
    await client.until("echo still");
    expect(bulkhead.longRunning).toBe(1);
    client.socket.end();
    await client.closed;
    while (bulkhead.longRunning > 0) await systemClock.sleep(5);
    expect(outcomes).toEqual(["done"]);
  });

  it("end with the server", async () => {
    const backend = await echo();
    const { send, exchanges } = await front(backend.port);
    const client = await send();
    await client.until("hello");
    exchanges[0]!.cancel("shutdown");
    await client.closed;
    expect(exchanges[0]!.cancelled).toBeInstanceOf(RequestCancelled);
  });

  it("end when the backend does, after its last bytes", async () => {
    const backend = await echo();
    const { send } = await front(backend.port);
    const client = await send();
    await client.until("hello");
    backend.sockets[0]!.end("x".repeat(1_000_000));
    await client.closed;
    expect(client.received().length - client.received().indexOf("xxx")).toBe(1_000_000);
  });

  it("F-27: nothing for four hours ends one; a byte in between does not", async () => {
    const clock = new SimulatedClock();
    const backend = await echo();
    const { send } = await front(backend.port, { clock });
    const client = await send();
    await client.until("hello");
    const hour = 3_600_000;
    await clock.advance(3.9 * hour);
    client.socket.write("alive");
    await client.until("echo alive");
    await clock.advance(3.9 * hour);
    client.socket.write("again");
    await client.until("echo again");
    await clock.advance(4.3 * hour);
    await client.closed;
    expect(clock.waiting).toBe(0);
  });

  it("a slow reader slows the other side down", async () => {
    const backend = await echo();
    const { send } = await front(backend.port);
    const client = await send();
    await client.until("hello");
    client.socket.pause();
    const socket = backend.sockets[0]!;
    const total = 64 * 1024 * 1024;
    let written = 0;
    const pump = () => {
      while (written < total) {
        written += 64 * 1024;
        if (!socket.write(Buffer.alloc(64 * 1024))) return void socket.once("drain", pump);
      }
    };
    pump();
    for (let last = -1; last !== written; ) {
      last = written;
      await systemClock.sleep(100);
    }
    expect(written).toBeLessThan(total / 2);
  });
});
