/** One hop, seen from both of its ends and when it breaks: every case needs the same authority, backend and proxy. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { systemClock, systemRandom } from "../api/machine.ts";
import { SimulatedClock, seededRandom } from "../api/simulated.ts";
import { StatusError } from "../api/status.ts";
import type { Exchange } from "../server/exchange.ts";
import type { UserInfo } from "../server/identity.ts";
import { requestInfo } from "../server/request-info.ts";
import { type MemoryRequest, memoryTransport } from "../server/transports/memory.ts";
import {
  headerValues,
  startBackend,
  type TestAuthority,
  type TestBackend,
  type TestCertificate,
  testAuthority,
} from "./backend.test-support.ts";
import { Breaker } from "./breaker.ts";
import { Bulkhead } from "./bulkhead.ts";
import { createDialer, type Dialer } from "./dialer.ts";
import { createProxy, type ProxyOptions, type ProxyTarget } from "./proxy.ts";
import { type Address, address } from "./resolver.ts";
import type { TargetTLS } from "./tls.ts";

const NAME = "jokes.fun.svc";
const PATH = "/apis/fun.example.com/v1/namespaces/a/jokes";
const ANNA: UserInfo = { name: "anna", uid: "", groups: ["a", "b"], extra: {} };

let authority: TestAuthority;
let serving: TestCertificate;
const open: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  authority = await testAuthority();
  serving = await authority.issue({ names: [NAME] });
});

afterEach(async () => {
  for (const item of open.splice(0).reverse()) await item.close();
});
afterAll(() => expect(open).toHaveLength(0));

async function backendOf(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
  certificate = serving,
  options = {},
): Promise<TestBackend> {
  const backend = await startBackend(certificate, handler, options);
  open.push(backend);
  return backend;
}

interface Setup {
  readonly address?: Address;
  readonly resolve?: () => Address;
  readonly tls?: Partial<TargetTLS>;
  readonly user?: UserInfo;
  readonly bulkhead?: Bulkhead;
  readonly breaker?: Breaker;
  readonly options?: Partial<ProxyOptions>;
  readonly before?: (exchange: Exchange) => void;
}

function connect(port: number, setup: Setup = {}) {
  const clock = setup.options?.clock ?? systemClock;
  const dialer: Dialer = createDialer({ clock, allowLoopbackEndpoints: true });
  open.push(dialer);
  const errors: Error[] = [];
  const proxy = createProxy({
    clock,
    dialer,
    breaker: setup.breaker ?? new Breaker({ clock }),
    onError: (_, error) => errors.push(error),
    ...setup.options,
  });
  const target: ProxyTarget = {
    resolve: setup.resolve ?? (() => setup.address ?? address("127.0.0.1", port)),
    tls: { serverName: NAME, caBundle: authority.cert, ...setup.tls },
    bulkhead: setup.bulkhead ?? new Bulkhead(),
  };
  const outcomes: unknown[] = [];
  const transport = memoryTransport(
    async (exchange) => {
      exchange.info = requestInfo(exchange, { isRemote: () => true });
      exchange.user = setup.user ?? ANNA;
      setup.before?.(exchange);
      try {
        await proxy(exchange, target);
        outcomes.push("done");
      } catch (error) {
        outcomes.push(error);
        const code = error instanceof StatusError ? error.code : 500;
        exchange.response.send(code, "text/plain", String(error));
      }
    },
    { clock: systemClock, random: systemRandom },
  );
  open.push(transport);
  const send = async (request: Partial<MemoryRequest> = {}) => {
    const response = await transport.request({ method: "GET", path: PATH, ...request });
    return response;
  };
  const read = async (request: Partial<MemoryRequest> = {}) => {
    const response = await send(request);
    const chunks: Uint8Array[] = [];
    for await (const chunk of response.body) chunks.push(chunk);
    return { ...response, text: Buffer.concat(chunks).toString() };
  };
  return { send, read, errors, dialer, target, outcomes };
}

const ok = (_: IncomingMessage, response: ServerResponse) => response.end("fine");

describe("what the backend sees", () => {
  it("the caller's identity, once, and nothing forged", async () => {
    const backend = await backendOf(ok);
    const user: UserInfo = { name: "jörg", uid: "1", groups: ["a", "b"], extra: { "k/x": ["p", "q"], "a%b": ["ü"] } };
    const { read } = connect(backend.port, { user });
    await read({
      headers: {
        "X-Remote-User": "admin",
        "x-remote-group": "system:masters",
        "X-Remote-Extra-Foo": "bar",
        "X-Remote-Uid": "0",
        X_Remote_User: "admin",
        Authorization: "Bearer secret",
        "Impersonate-User": "anna",
        "Impersonate-Extra-Scopes": "x",
        "X-Kept": "yes",
      },
      headerLines: [["X-REMOTE-GROUP", "more"]],
    });
    const seen = (name: string) =>
      headerValues(backend.lastHeaders, name).map((v) => Buffer.from(v, "latin1").toString());
    expect(seen("x-remote-user")).toEqual(["jörg"]);
    expect(seen("x-remote-uid")).toEqual(["1"]);
    expect(seen("x-remote-group")).toEqual(["a", "b"]);
    expect(seen("x-remote-extra-k%2fx")).toEqual(["p", "q"]);
    expect(seen("x-remote-extra-a%25b")).toEqual(["ü"]);
    expect(seen("x-remote-extra-foo")).toEqual([]);
    expect(seen("authorization")).toEqual([]);
    expect(seen("x_remote_user")).toEqual([]);
    expect(backend.lastHeaders.filter((h) => /impersonate/i.test(h))).toEqual([]);
    expect(seen("x-kept")).toEqual(["yes"]);
  });

  it("no uid when the user has none", async () => {
    const backend = await backendOf(ok);
    await connect(backend.port).read();
    expect(headerValues(backend.lastHeaders, "x-remote-uid")).toEqual([]);
  });

  it("an identity that would break a header line reaches nobody", async () => {
    const backend = await backendOf(ok);
    const { read } = connect(backend.port, { user: { ...ANNA, groups: ["a\r\nX-Remote-Group: system:masters"] } });
    const { status, text } = await read();
    expect([status, text]).toEqual([
      503,
      'error trying to reach service: net/http: invalid header field value for "X-Remote-Group"\n',
    ]);
    expect(backend.requests).toEqual([]);
  });

  it("forwarding headers, its own Host, the audit id, no hop-by-hop headers", async () => {
    const backend = await backendOf(ok);
    let auditID = "";
    const { read } = connect(backend.port, {
      before: (exchange) => {
        auditID = exchange.auditID;
      },
    });
    await read({
      path: `${PATH}/`,
      headers: {
        "X-Forwarded-For": "10.1.1.1",
        "X-Forwarded-Host": "evil",
        "X-Forwarded-Proto": "ftp",
        Connection: "keep-alive, X-Secret",
        "X-Secret": "1",
        "Keep-Alive": "timeout=5",
        "Proxy-Authorization": "x",
        TE: "trailers, deflate",
        Host: "api.example.com",
        "User-Agent": "kubectl/1",
      },
    });
    const seen = (name: string) => headerValues(backend.lastHeaders, name);
    const host = `127.0.0.1:${backend.port}`;
    expect(seen("x-forwarded-for")).toEqual(["10.1.1.1, 127.0.0.1"]);
    expect(seen("x-forwarded-uri")).toEqual([`${PATH}/`]);
    expect(seen("x-forwarded-host")).toEqual([host]);
    expect(seen("x-forwarded-proto")).toEqual(["https"]);
    expect(seen("host")).toEqual([host]);
    expect(seen("audit-id")).toEqual([auditID]);
    expect(auditID).not.toBe("");
    expect(seen("te")).toEqual(["trailers"]);
    expect(seen("user-agent")).toEqual(["kubectl/1"]);
    for (const name of ["x-secret", "proxy-authorization", "keep-alive"]) expect(seen(name)).toEqual([]);
  });

  it.each([
    [`${PATH}?b=2&a=1&bad=%zz`, `${PATH}?a=1&b=2`],
    [`${PATH}?watch=1&a=x+y&a=%2B;&c`, `${PATH}?a=x+y&c=&watch=1`],
    [`${PATH}/x%2Fy`, `${PATH}/x/y`],
    [`${PATH}/x%20y%3Fz!`, `${PATH}/x%20y%3Fz%21`],
    [`${PATH}/%c3%bc`, `${PATH}/%C3%BC`],
  ])("%s arrives as %s", async (path, target) => {
    const backend = await backendOf(ok);
    await connect(backend.port).read({ path });
    expect(backend.requests).toEqual([`GET ${target}`]);
  });

  it("SNI of the service and the proxy's client certificate", async () => {
    const backend = await backendOf(ok);
    const clientCertificate = await authority.issue({ commonName: "front-proxy-client" });
    await connect(backend.port, { tls: { clientCertificate } }).read();
    expect(backend.connections).toEqual([{ serverName: NAME, clientCN: "front-proxy-client" }]);
  });

  it("bodies as they are, with and without a length", async () => {
    const bodies: string[] = [];
    const backend = await backendOf((request, response) => {
      const hash = createHash("sha256");
      request
        .on("data", (chunk) => hash.update(chunk))
        .on("end", () => {
          bodies.push(hash.digest("hex"));
          response.statusCode = 201;
          response.end();
        });
    });
    const body = Buffer.alloc(5 * 1024 * 1024, "tenon");
    const { read } = connect(backend.port);
    expect((await read({ method: "POST", body })).status).toBe(201);
    expect(bodies).toEqual([createHash("sha256").update(body).digest("hex")]);
    expect(headerValues(backend.lastHeaders, "content-length")).toEqual([String(body.length)]);
  });
});

describe("what the client sees", () => {
  it("status, bytes, Warning and repeated headers unchanged; no CORS, hop-by-hop or identity headers", async () => {
    const body = '{"kind":"Status","code":409, "odd" : 1}';
    const backend = await backendOf((_, response) => {
      response.writeHead(
        409,
        [
          ["Content-Type", "application/json"],
          ["Warning", '299 - "one"'],
          ["Warning", '299 - "two"'],
          ["Access-Control-Allow-Origin", "*"],
          ["Access-Control-Allow-Credentials", "true"],
          ["X-Remote-User", "admin"],
          ["X-Remote-Extra-A", "b"],
          ["Set-Cookie", "a=b"],
          ["Connection", "X-Hop"],
          ["X-Hop", "1"],
          ["X-Kept", "yes"],
        ].flat(),
      );
      response.end(body);
    });
    const { status, text, rawHeaders, headers } = await connect(backend.port).read();
    expect([status, text]).toEqual([409, body]);
    expect(headerValues(rawHeaders, "warning")).toEqual(['299 - "one"', '299 - "two"']);
    expect(headers["content-type"]).toBe("application/json");
    expect(headers["x-kept"]).toBe("yes");
    const gone = [
      "access-control-allow-origin",
      "access-control-allow-credentials",
      "x-remote-user",
      "x-remote-extra-a",
      "set-cookie",
      "x-hop",
    ];
    expect(gone.filter((name) => headers[name] !== undefined)).toEqual([]);
  });

  it("trailers pass, but for those that are no trailer's business (F-26)", async () => {
    const backend = await backendOf((_, response) => {
      response.writeHead(200, { Trailer: "X-Sum, X-Remote-User, Set-Cookie, Audit-Id" });
      response.write("body");
      response.addTrailers({ "X-Sum": "1", "X-Remote-User": "root", "Set-Cookie": "a=b", "Audit-Id": "theirs" });
      response.end();
    });
    const trailers: unknown[] = [];
    const { read } = connect(backend.port, {
      before({ response }) {
        const end = response.end.bind(response);
        response.end = (pairs) => {
          trailers.push(...(pairs ?? []));
          end(pairs);
        };
      },
    });
    expect((await read()).text).toBe("body");
    expect(trailers).toEqual([["x-sum", "1"]]);
  });

  it.each([301, 302, 307, 308])("%i with a Location becomes 502 (F-25)", async (code) => {
    const backend = await backendOf((_, response) => {
      response.writeHead(code, { Location: "https://169.254.169.254/", "X-Leak": "1" });
      response.end("go away");
    });
    const { status, text, headers } = await connect(backend.port).read();
    expect([status, text]).toEqual([502, "the backend attempted to redirect this request, which is not permitted"]);
    expect(headers["location"]).toBeUndefined();
    expect(headers["x-leak"]).toBeUndefined();
  });

  it("304 without a Location passes, and so do redirects where they are allowed", async () => {
    const backend = await backendOf((request, response) => {
      if (request.url === PATH) response.writeHead(304).end();
      else response.writeHead(302, { Location: "/x" }).end();
    });
    expect((await connect(backend.port).read()).status).toBe(304);
    const { status, headers } = await connect(backend.port, { options: { rejectRedirects: false } }).read({
      path: `${PATH}/x`,
    });
    expect([status, headers["location"]]).toEqual([302, "/x"]);
  });

  it("a watch event as soon as the backend flushes it", async () => {
    let stream: ServerResponse | undefined;
    const backend = await backendOf((_, response) => {
      stream = response;
      response.writeHead(200, { "Content-Type": "application/json" });
      response.write('{"n":1}\n');
    });
    const { body } = await connect(backend.port).send({ path: `${PATH}?watch=1` });
    const iterator = body[Symbol.asyncIterator]();
    expect(Buffer.from((await iterator.next()).value!).toString()).toBe('{"n":1}\n');
    stream!.write('{"n":2}\n');
    expect(Buffer.from((await iterator.next()).value!).toString()).toBe('{"n":2}\n');
    stream!.end();
    expect((await iterator.next()).done).toBe(true);
  });

  it("a client that leaves cancels the request upstream", async () => {
    const gone: Promise<unknown>[] = [];
    const backend = await backendOf((_, response) => {
      gone.push(once(response, "close"));
      response.write("first\n");
    });
    const abort = new AbortController();
    const { body } = await connect(backend.port).send({ path: `${PATH}?watch=1`, signal: abort.signal });
    await body[Symbol.asyncIterator]().next();
    abort.abort();
    await gone[0];
    expect(backend.requests).toHaveLength(1);
  });

  it("a slow reader slows the backend down (back-pressure)", async () => {
    const total = 64 * 1024 * 1024;
    let written = 0;
    const backend = await backendOf(async (_, response) => {
      const chunk = Buffer.alloc(64 * 1024);
      response.setMaxListeners(0);
      for (; written < total; written += chunk.length) {
        if (!response.write(chunk)) await Promise.race([once(response, "drain"), once(response, "close")]);
        if (response.destroyed) return;
      }
      response.end();
    });
    const { body } = await connect(backend.port).send();
    const iterator = body[Symbol.asyncIterator]();
    let received = (await iterator.next()).value!.length;
    // The backend stalls once every buffer between it and the reader is full: its count stops moving.
    for (let last = -1; last !== written; ) {
      last = written;
      await systemClock.sleep(100);
    }
    expect(written).toBeLessThan(total / 2);
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) received += next.value.length;
    expect(received).toBe(total);
  });
});

describe("faults", () => {
  it("F-06: a reset in the middle of a body cuts the client's stream, never ends it cleanly", async () => {
    const backend = await backendOf((_, response) => {
      response.writeHead(200, { "Content-Type": "application/json" });
      response.write('{"items":[', () => response.socket!.destroy());
    });
    const { send, outcomes } = connect(backend.port);
    const { body } = await send();
    const seen: string[] = [];
    await expect(
      (async () => {
        for await (const chunk of body) seen.push(Buffer.from(chunk).toString());
      })(),
    ).rejects.toThrow();
    expect(seen.join("")).not.toContain("]");
    expect(outcomes).toEqual(["done"]);
  });

  it("F-06: a body shorter than its Content-Length is cut as well", async () => {
    const backend = await backendOf((_, response) => {
      response.writeHead(200, { "Content-Length": "100" });
      response.write("short", () => response.socket!.end());
    });
    const { body } = await connect(backend.port).send();
    await expect(
      (async () => {
        for await (const _ of body);
      })(),
    ).rejects.toThrow();
  });

  it("F-01: a refused connection is a 503 with the dial error; the third opens the breaker, which probes later", async () => {
    const backend = await startBackend(serving, ok);
    const { port } = backend;
    await backend.close();
    const clock = new SimulatedClock();
    const { read, errors } = connect(port, { options: { clock } });
    const expected = `error trying to reach service: dial tcp 127.0.0.1:${port}: connect: connection refused\n`;
    for (let turn = 0; turn < 5; turn++) {
      const { status, text, headers } = await read();
      expect([status, text]).toEqual([503, expected]);
      expect(headers["content-type"]).toBe("text/plain; charset=utf-8");
      expect(headers["x-content-type-options"]).toBe("nosniff");
    }
    expect(errors.map((error) => (error as { reason?: string }).reason)).toEqual([
      "Refused",
      "Refused",
      "Refused",
      "BreakerOpen",
      "BreakerOpen",
    ]);
    const back = await startBackend(serving, ok, { port });
    open.push(back);
    expect((await read()).status).toBe(503);
    await clock.advance(500);
    expect((await read()).status).toBe(200);
    expect((await read()).status).toBe(200);
  });

  it("F-19: of two endpoints the one that refuses is avoided", async () => {
    const dead = await startBackend(serving, ok);
    await dead.close();
    const alive = await backendOf(ok);
    let turn = 0;
    const { read } = connect(0, { resolve: () => address("127.0.0.1", turn++ % 2 === 0 ? dead.port : alive.port) });
    const codes: number[] = [];
    for (let index = 0; index < 10; index++) codes.push((await read()).status);
    expect(codes).toEqual(Array(10).fill(200));
  });

  it("F-04: what hangs holds its own bulkhead and nobody else's", async () => {
    const hung = await backendOf(() => {});
    const other = await backendOf(ok);
    const bulkhead = new Bulkhead({ inFlight: 3, queue: 2 });
    const hanging = connect(hung.port, { bulkhead });
    const fine = connect(other.port);
    const abort = new AbortController();
    const waiting = Array.from({ length: 5 }, () => hanging.send({ signal: abort.signal }).catch(() => "aborted"));
    while (hung.requests.length < 3 || bulkhead.waiting < 2) await systemClock.sleep(5);
    const refused = await hanging.read();
    expect(refused.status).toBe(429);
    expect((await fine.read()).text).toBe("fine");
    expect(hung.requests).toHaveLength(3);
    abort.abort();
    await Promise.all(waiting);
    while (bulkhead.inFlight > 0) await systemClock.sleep(5);
    expect([bulkhead.inFlight, bulkhead.waiting]).toEqual([0, 0]);
  });

  it("a discovery document takes 5 s at most", async () => {
    const backend = await backendOf(() => {});
    const clock = new SimulatedClock();
    const { read } = connect(backend.port, { options: { clock } });
    const answer = read({ path: "/apis/fun.example.com/v1" });
    while (backend.requests.length === 0) await systemClock.sleep(5);
    await clock.advance(4999);
    expect(clock.waiting).toBeGreaterThan(0);
    await clock.advance(1);
    const { status, text } = await answer;
    expect([status, text]).toEqual([503, "error trying to reach service: context deadline exceeded\n"]);
  });

  it("a watch nobody answers is given up after a minute; one that was answered lasts", async () => {
    const backend = await backendOf((request, response) => {
      if (request.url?.includes("hang")) return;
      response.writeHead(200).flushHeaders();
    });
    const clock = new SimulatedClock();
    const { read, send } = connect(backend.port, { options: { clock } });
    const { body } = await send({ path: `${PATH}?watch=1` });
    const hung = read({ path: `${PATH}?hang=1&watch=1` });
    while (backend.requests.length < 2) await systemClock.sleep(5);
    await clock.advance(60_000);
    const { status, text } = await hung;
    expect([status, text]).toEqual([
      503,
      "error trying to reach service: net/http: timeout awaiting response headers\n",
    ]);
    const next = body[Symbol.asyncIterator]().next();
    await clock.advance(3_600_000);
    expect(await Promise.race([next, systemClock.sleep(20).then(() => "still open")])).toBe("still open");
  });

  it("F-26: a head beyond 64 KiB and a flood of 1xx are refused", async () => {
    const backend = await backendOf((request, response) => {
      if (request.url === PATH) return void response.writeHead(200, { "X-Bomb": "x".repeat(100_000) }).end();
      for (let turn = 0; turn < 50; turn++) response.writeProcessing();
      response.end("late");
    });
    const { read } = connect(backend.port);
    const bomb = await read();
    expect(bomb.status).toBe(503);
    expect(bomb.text).toContain("server response headers exceeded");
    expect((await read({ path: `${PATH}/flood` })).status).toBe(503);
  });

  it("F-07: a GET is repeated when the connection died unanswered, a POST never", async () => {
    let turn = 0;
    const backend = await backendOf((request, response) => {
      turn++;
      if (turn === 1 || request.method === "POST") response.socket!.destroy();
      else response.end("second");
    });
    const { read } = connect(backend.port);
    expect((await read()).text).toBe("second");
    expect((await read({ method: "POST", body: "{}" })).status).toBe(503);
    expect(backend.requests.filter((r) => r.startsWith("POST"))).toHaveLength(1);
  });

  it("law: whatever the backend closes and when, nothing is created twice, and a create that failed to connect finds the other endpoint", async () => {
    const random = seededRandom(7);
    const posted = new Map<string, number>();
    const asked = new Map<string, number>();
    const unpredictable = (request: IncomingMessage, response: ServerResponse) => {
      const count = request.method === "POST" ? posted : asked;
      const id = request.headers["x-id"] as string;
      count.set(id, (count.get(id) ?? 0) + 1);
      response.on("error", () => {});
      request.on("error", () => {});
      switch (Math.floor(random.number() * 6)) {
        case 0:
          return void request.socket.destroy();
        case 1:
          return void request.once("data", () => request.socket.destroy()).once("end", () => request.socket.destroy());
        case 2:
          return void response.writeHead(201, { "Content-Length": "10" }).write("ab", () => request.socket.destroy());
        case 3:
          // An idle connection that closes as the next request is on its way.
          request.resume();
          response.writeHead(201, { "Content-Length": "2" });
          return void response.end("ok", () => setImmediate(() => request.socket.destroy()));
        default:
          request.resume();
          response.writeHead(201).end("ok");
      }
    };
    const dead = await startBackend(serving, ok);
    await dead.close();
    const backend = await backendOf(unpredictable);
    let turn = 0;
    const { send } = connect(0, {
      breaker: new Breaker({ clock: systemClock, failures: Number.POSITIVE_INFINITY }),
      resolve: () => address("127.0.0.1", turn++ % 3 === 0 ? dead.port : backend.port),
    });
    let whole = 0;
    const one = async (id: number) => {
      const method = id % 3 === 0 ? "GET" : "POST";
      const answer = await send({ method, headers: { "X-Id": `${id}` }, ...(method === "POST" && { body: "{}" }) });
      const chunks: string[] = [];
      try {
        for await (const chunk of answer.body) chunks.push(Buffer.from(chunk).toString());
      } catch {
        return;
      }
      if (answer.status === 201) {
        whole++;
        expect(chunks.join("")).toBe("ok");
      } else expect(answer.status).toBe(503);
    };
    for (let id = 0; id < 1500; id += 15) await Promise.all(Array.from({ length: 15 }, (_, index) => one(id + index)));
    expect([...posted.values()].filter((times) => times > 1)).toEqual([]);
    expect([...asked.values()].filter((times) => times > 2)).toEqual([]);
    // A third of all first addresses was dead: nobody may have been lost to that.
    expect(posted.size).toBe(1000);
    expect(whole).toBeGreaterThan(500);
  }, 30_000);

  it("F-05: a body that stops for 15 s is cut; a slow reader's and a watch are not", async () => {
    const backend = await backendOf((_, response) => {
      response.writeHead(200, { "Content-Type": "application/json" });
      response.write('{"items":[');
    });
    const clock = new SimulatedClock();
    const { send, errors } = connect(backend.port, { options: { clock } });
    const list = await send();
    const watch = await send({ path: `${PATH}?watch=1` });
    const read = async (answer: typeof list) => {
      const seen: string[] = [];
      for await (const chunk of answer.body) seen.push(Buffer.from(chunk).toString());
      return seen;
    };
    const outcome = expect(read(list)).rejects.toThrow();
    const iterator = watch.body[Symbol.asyncIterator]();
    await iterator.next();
    await clock.advance(21_000);
    await outcome;
    expect(errors.map((error) => error.message)).toEqual(["the response stopped before its end"]);
    const next = iterator.next();
    await clock.advance(3_600_000);
    expect(await Promise.race([next, systemClock.sleep(20).then(() => "still open")])).toBe("still open");
  });

  it("no address: 503 without saying why to the client", async () => {
    const { read, errors } = connect(0, {
      resolve: () => {
        throw new Error('no endpoints available for service "jokes"');
      },
    });
    const { status, text } = await read();
    expect([status, text]).toEqual([503, "service unavailable\n"]);
    expect(errors[0]!.message).toContain("no endpoints");
  });
});

describe("TLS (F-14)", () => {
  it.each([
    ["another authority", "other", "x509: certificate signed by unknown authority", "TLSUntrusted"],
    ["another name", "name", "x509: certificate is valid for other.fun.svc, not jokes.fun.svc", "TLSWrongName"],
    ["a common name only", "cn", "x509: certificate relies on legacy Common Name field, use SANs instead", "TLSNoSAN"],
    [
      "an expired certificate",
      "expired",
      "x509: certificate has expired or is not yet valid: current time",
      "TLSExpired",
    ],
    ["one from the future", "future", "x509: certificate has expired or is not yet valid: current time", "TLSExpired"],
  ])("%s", async (_, which, message, reason) => {
    const day = 86_400_000;
    const certificate =
      which === "other"
        ? await (await testAuthority("other-ca")).issue({ names: [NAME] })
        : await authority.issue({
            names: which === "cn" ? [] : [which === "name" ? "other.fun.svc" : NAME],
            commonName: NAME,
            ...(which === "expired" && {
              notBefore: new Date(Date.now() - 9 * day),
              notAfter: new Date(Date.now() - day),
            }),
            ...(which === "future" && {
              notBefore: new Date(Date.now() + day),
              notAfter: new Date(Date.now() + 2 * day),
            }),
          });
    const backend = await backendOf(ok, certificate);
    const { read, errors } = connect(backend.port);
    const { status, text } = await read();
    expect(status).toBe(503);
    expect(text).toContain(`error trying to reach service: tls: failed to verify certificate: ${message}`);
    expect(errors[0]).toMatchObject({ reason });
    expect(backend.requests).toEqual([]);
    expect((await connect(backend.port, { tls: { caBundle: "", insecureSkipVerify: true } }).read()).status).toBe(200);
  });

  it("a bundle of old and new authorities trusts both", async () => {
    const next = await testAuthority("next-ca");
    const backend = await backendOf(ok, await next.issue({ names: [NAME] }));
    const { read } = connect(backend.port, { tls: { caBundle: `${authority.cert}\n${next.cert}` } });
    expect((await read()).status).toBe(200);
  });

  it("without a bundle our own authority is trusted beside the system's", async () => {
    const backend = await backendOf(ok);
    const { read } = connect(backend.port, { tls: { caBundle: "", defaultCA: authority.cert } });
    expect((await read()).status).toBe(200);
    expect((await connect(backend.port, { tls: { caBundle: "" } }).read()).text).toContain("unknown authority");
  });

  it.each([
    ["garbage", "unable to load root certificates: unable to parse bytes as PEM block"],
    [
      "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
      "unable to load root certificates: no valid certificate authority data seen",
    ],
    [
      "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
      "unable to load root certificates: failed to parse certificate",
    ],
  ])("an unusable bundle is a 500 that says so", async (caBundle, message) => {
    const { status, text } = await connect(1, { tls: { caBundle } }).read();
    expect(status).toBe(500);
    expect(text).toContain(message);
  });

  it("a backend that speaks no TLS is named as such", async () => {
    const { createServer } = await import("node:http");
    const plain = createServer((_, response) => response.end()).listen(0, "127.0.0.1");
    await once(plain, "listening");
    open.push({ close: async () => void plain.close() });
    const { read } = connect((plain.address() as { port: number }).port);
    expect((await read()).text).toContain("error trying to reach service: ");
  });
});
