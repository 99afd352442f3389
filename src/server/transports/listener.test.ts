/** One port that speaks HTTP/1.1 and HTTP/2: what both promise is asked of both by the same cases; what is only of one protocol stands last. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { type ClientHttp2Session, connect as connectH2, constants } from "node:http2";
import { Agent, type RequestOptions, request as requestH1 } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Exchange, Handler } from "../exchange.ts";
import { SILENT } from "../logger.ts";
import { Listener, type ListenerLimits, type ServingCertificate } from "./listener.ts";

let folder: string;
let serving: ServingCertificate;
let client: { key: string; cert: string };

/** A self-signed EC certificate; openssl makes it so that none of our own code is on both sides. */
function selfSigned(name: string): { key: string; cert: string } {
  const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const names = ["-subj", `/CN=${name}/O=group`, "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"];
  execFileSync("openssl", ["req", "-x509", ...curve, "-keyout", key, "-out", cert, ...names], { stdio: "ignore" });
  return { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "listener-"));
  serving = selfSigned("server");
  client = selfSigned("client");
});
afterAll(() => rmSync(folder, { recursive: true }));

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

async function serve(handle: Handler, limits: ListenerLimits = {}) {
  let made = 0;
  const listener = new Listener({
    certificate: serving,
    handle,
    now: () => 0,
    newAuditID: () => `made-${++made}`,
    logger: SILENT,
    limits,
  });
  const { port } = await listener.listen(0, "127.0.0.1");
  cleanups.push(() => listener.destroy());
  return { listener, port };
}

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
  readonly trailers: Record<string, string | undefined>;
}

interface Ask {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string | Buffer;
  readonly tls?: ConnectionOptions;
}

function h1(port: number, ask: Ask = {}, options: RequestOptions = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = requestH1(
      {
        host: "127.0.0.1",
        port,
        method: ask.method ?? "GET",
        path: ask.path ?? "/",
        headers: ask.headers ?? {},
        rejectUnauthorized: false,
        agent: false,
        ...ask.tls,
        ...options,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () =>
          resolve({
            status: response.statusCode!,
            headers: response.headers,
            body: Buffer.concat(chunks).toString(),
            trailers: response.trailers,
          }),
        );
      },
    );
    request.on("error", reject);
    request.end(ask.body);
  });
}

function session(port: number, tls: ConnectionOptions = {}): ClientHttp2Session {
  const made = connectH2(`https://127.0.0.1:${port}`, {
    rejectUnauthorized: false,
    maxSendHeaderBlockLength: 1024 * 1024,
    ...tls,
  });
  made.on("error", () => {});
  cleanups.push(() => made.destroy());
  return made;
}

function h2On(over: ClientHttp2Session, ask: Ask = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = over.request(
      { ":method": ask.method ?? "GET", ":path": ask.path ?? "/", ...ask.headers },
      { endStream: ask.body === undefined },
    );
    const chunks: Buffer[] = [];
    let answer: Answer | undefined;
    let trailers: Record<string, string | undefined> = {};
    stream.on("response", ({ ":status": status, ...headers }) => {
      answer = { status: status!, headers: headers as Answer["headers"], body: "", trailers };
    });
    stream.on("trailers", (lines) => {
      trailers = { ...lines } as Record<string, string>;
    });
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", reject);
    stream.on("close", () => {
      if (answer === undefined || stream.rstCode !== 0) reject(new Error(`reset ${stream.rstCode}`));
      else resolve({ ...answer, trailers, body: Buffer.concat(chunks).toString() });
    });
    if (ask.body !== undefined) stream.end(ask.body);
  });
}

const h2 = (port: number, ask: Ask = {}) => h2On(session(port, ask.tls), ask);
const BOTH = [
  ["h1", h1],
  ["h2", h2],
] as const;

const echo: Handler = async (exchange) => {
  const body = await exchange.body.bytes(1000);
  const { method, target, rawPath, rawQuery, auditID, peer } = exchange;
  const names = exchange.rawHeaders.filter((_, i) => i % 2 === 0);
  const report = {
    method,
    target,
    rawPath,
    rawQuery,
    auditID,
    names,
    transport: peer.transport,
    body: `${Buffer.from(body)}`,
  };
  exchange.response.send(200, "application/json", JSON.stringify(report));
};

/** Bytes written on one TLS connection, and all that came back until it closed. */
function raw(port: number, text: string, until?: (got: string) => boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] }, () =>
      socket.write(text),
    );
    let got = "";
    socket.on("data", (chunk) => {
      got += chunk.toString("latin1");
      if (until?.(got)) socket.destroy();
    });
    socket.on("close", () => resolve(got));
    socket.on("error", (error) => (got === "" ? reject(error) : resolve(got)));
  });
}

function cleared(condition: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = () => (condition() ? resolve() : setImmediate(look));
    look();
  });
}

describe.each(BOTH)("%s", (name, ask) => {
  it("keeps the target as sent, reads the body, and answers whole", async () => {
    const { port } = await serve(echo);
    const answer = await ask(port, {
      method: "POST",
      path: "/a%2Fb/../c?x=1&y=%20",
      headers: { "x-a": "1" },
      body: "hello",
    });
    expect(answer.status).toBe(200);
    expect(answer.headers["content-type"]).toBe("application/json");
    expect(JSON.parse(answer.body)).toMatchObject({
      method: "POST",
      target: "/a%2Fb/../c?x=1&y=%20",
      rawPath: "/a%2Fb/../c",
      rawQuery: "x=1&y=%20",
      auditID: "made-1",
      transport: name,
      body: "hello",
    });
    expect(JSON.parse(answer.body).names.some((line: string) => line.startsWith(":"))).toBe(false);
  });

  it("keeps repeated headers apart and reads their bytes as UTF-8", async () => {
    let seen: readonly string[] = [];
    let user: string | undefined;
    const { port } = await serve((exchange) => {
      seen = exchange.headers("x-remote-group");
      user = exchange.header("x-remote-user");
      exchange.response.setHeader("X-Name", "zoë日");
      exchange.response.send(200, "", "");
    });
    const answer = await ask(port, {
      headers: {
        "x-remote-group": ["a, system:masters", "b"],
        "x-remote-user": Buffer.from("zoë日").toString("latin1"),
      },
    });
    expect(seen).toEqual(["a, system:masters", "b"]);
    expect(user).toBe("zoë日");
    expect(Buffer.from(answer.headers["x-name"] as string, "latin1").toString()).toBe("zoë日");
  });

  it("never lets a header value end its line", async () => {
    const { port } = await serve((exchange) => {
      exchange.response.setHeader("X-Odd", "a\r\nX-Injected: 1\u0000");
      exchange.response.send(200, "", "");
    });
    const answer = await ask(port);
    expect(answer.headers["x-odd"]).toBe("aX-Injected: 1");
    expect(answer.headers["x-injected"]).toBeUndefined();
  });

  it("hands over the client's certificates, leaf first, and one peer for each connection", async () => {
    const peers: Exchange["peer"][] = [];
    const { port } = await serve((exchange) => {
      peers.push(exchange.peer);
      exchange.response.send(200, "", "");
    });
    await ask(port);
    await ask(port, { tls: client });
    expect(peers.map(({ certificates }) => certificates.length)).toEqual([0, 1]);
    const pem = Buffer.from(peers[1]!.certificates[0]!)
      .toString("base64")
      .match(/.{1,64}/g)!
      .join("\n");
    expect(client.cert).toContain(pem);
    expect(peers[1]).toMatchObject({ transport: name, address: "127.0.0.1" });
    expect(peers[1]!.vouched).toBeUndefined();
  });

  it("refuses a body past the limit, declared or not, and answers while the client still sends", async () => {
    let read = 0;
    const { port } = await serve(async (exchange) => {
      try {
        read = (await exchange.body.bytes(1000)).byteLength;
        exchange.response.send(200, "", "");
      } catch (error) {
        exchange.response.send((error as { code: number }).code, "text/plain", (error as Error).message);
      }
    });
    expect((await ask(port, { method: "POST", body: "x".repeat(1000) })).status).toBe(200);
    expect(read).toBe(1000);
    const declared = await ask(port, { method: "POST", body: "x".repeat(1001), headers: { "content-length": "1001" } });
    expect(declared).toMatchObject({ status: 413, body: "Request entity too large: limit is 1000" });
    const chunked = name === "h1" ? { "transfer-encoding": "chunked" } : undefined;
    const unknown = await ask(port, { method: "POST", body: "x".repeat(5000), ...(chunked && { headers: chunked }) });
    expect(unknown.status).toBe(413);
  });

  it("streams with back-pressure", async () => {
    const chunk = Buffer.alloc(64 * 1024, "x");
    let waited = 0;
    const { port } = await serve(async (exchange) => {
      exchange.response.start(200, "application/octet-stream");
      for (let i = 0; i < 64; i++) {
        if (exchange.response.write(chunk)) continue;
        waited++;
        await exchange.response.drained();
      }
      exchange.response.end();
    });
    const answer = await ask(port);
    expect(answer.body.length).toBe(64 * chunk.length);
    expect(waited).toBeGreaterThan(0);
  });

  it("sends trailers", async () => {
    const { port } = await serve((exchange) => {
      exchange.response.setHeader("Trailer", "X-Sum");
      exchange.response.start(200);
      exchange.response.write(Buffer.from("a"));
      exchange.response.end([["X-Sum", "1"]]);
    });
    expect((await ask(port)).trailers["x-sum"]).toBe("1");
  });

  it("aborts the signal when the client leaves, also in the middle of a body", async () => {
    const ended: string[] = [];
    let arrived = 0;
    const { port } = await serve(async (exchange) => {
      arrived++;
      exchange.signal.addEventListener("abort", () => ended.push((exchange.signal.reason as Error).message));
      if (exchange.method === "POST") await expect(exchange.body.bytes(1e6)).rejects.toThrow();
      else {
        exchange.response.start(200);
        await new Promise((resolve) => exchange.signal.addEventListener("abort", resolve));
        exchange.response.write(Buffer.from("ignored"));
        exchange.response.end();
      }
    });
    if (name === "h1") {
      const watch = requestH1({ host: "127.0.0.1", port, rejectUnauthorized: false, agent: false });
      watch
        .on("error", () => {})
        .on("response", (response) => response.destroy())
        .end();
      const upload = requestH1({ host: "127.0.0.1", port, method: "POST", rejectUnauthorized: false, agent: false });
      upload.on("error", () => {}).write("part");
      await cleared(() => arrived === 2);
      upload.destroy();
    } else {
      const over = session(port);
      const watch = over.request({ ":path": "/" });
      watch.on("error", () => {}).on("response", () => watch.close(constants.NGHTTP2_CANCEL));
      const upload = over.request({ ":path": "/", ":method": "POST" }, { endStream: false });
      upload.on("error", () => {}).write("part");
      await cleared(() => arrived === 2);
      upload.destroy(new Error("the client leaves"));
    }
    await cleared(() => ended.length === 2);
    expect(ended).toEqual(["request cancelled: client-gone", "request cancelled: client-gone"]);
  });

  it("breaks a response that is aborted", async () => {
    const { port } = await serve((exchange) => {
      exchange.response.start(200);
      exchange.response.write(Buffer.from("half"));
      exchange.response.abort();
    });
    await expect(ask(port)).rejects.toThrow();
  });

  it("has no body for HEAD, and goes on on the same connection", async () => {
    const { port } = await serve((exchange) => exchange.response.send(200, "text/plain", "body"));
    const head = await ask(port, { method: "HEAD" });
    expect(head).toMatchObject({ status: 200, body: "", headers: { "content-length": "4" } });
  });

  it("serves new connections with a new certificate and keeps the old ones", async () => {
    const { listener, port } = await serve((exchange) => exchange.response.send(200, "", "ok"));
    const common = async () => {
      const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false });
      const certificate = await new Promise<string>((resolve) =>
        socket.once("secureConnect", () => resolve(socket.getPeerCertificate().subject.CN as string)),
      );
      socket.destroy();
      return certificate;
    };
    const agent = new Agent({ keepAlive: true });
    cleanups.push(() => agent.destroy());
    const over = name === "h2" ? session(port) : undefined;
    const again = () => (over === undefined ? h1(port, {}, { agent }) : h2On(over));
    expect((await again()).status).toBe(200);
    expect(await common()).toBe("server");
    listener.setCertificate(client);
    expect(await common()).toBe("client");
    expect((await again()).status).toBe(200);
  });

  it("never resumes a TLS session", async () => {
    const { port } = await serve((exchange) => exchange.response.send(200, "", "ok"));
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
      const open = (more: ConnectionOptions = {}): Promise<{ socket: TLSSocket; tickets: Buffer[] }> =>
        new Promise((resolve, reject) => {
          const tickets: Buffer[] = [];
          const protocol = name === "h1" ? "http/1.1" : "h2";
          const socket = connect({
            host: "127.0.0.1",
            port,
            rejectUnauthorized: false,
            maxVersion,
            ALPNProtocols: [protocol],
            ...client,
            ...more,
          });
          socket.on("session", (ticket) => tickets.push(ticket)).on("error", reject);
          socket.on("secureConnect", () => setImmediate(() => resolve({ socket, tickets })));
        });
      const first = await open();
      const known = first.tickets[0] ?? first.socket.getSession();
      first.socket.destroy();
      const second = await open(known === undefined ? {} : { session: known });
      expect(second.socket.isSessionReused()).toBe(false);
      second.socket.destroy();
    }
  });

  it("finishes what runs on shutdown, and takes no new connection", async () => {
    let finish: (() => void) | undefined;
    const { listener, port } = await serve(
      (exchange) =>
        new Promise<void>((resolve) => {
          finish = () => {
            exchange.response.send(200, "", "done");
            resolve();
          };
        }),
    );
    const running = ask(port);
    await cleared(() => finish !== undefined);
    listener.drain();
    await expect(h1(port)).rejects.toThrow();
    finish!();
    expect(await running).toMatchObject({ status: 200, body: "done" });
    await listener.flushed();
    expect(listener.connections).toBe(0);
  });
});

describe("HTTP/1.1", () => {
  it.each([
    ["absolute form", "GET http://evil/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"],
    ["asterisk form", "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"],
    ["both lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
    ["two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"],
    ["a space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n"],
    ["a folded header", "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n"],
  ])("refuses %s", async (_, text) => {
    let reached = 0;
    const { port } = await serve(() => {
      reached++;
    });
    expect(await raw(port, text)).toMatch(/^HTTP\/1\.1 400 /);
    expect(reached).toBe(0);
  });

  it("takes headers of 200 KiB and refuses what passes the limit", async () => {
    const { port } = await serve(echo, { headerBytes: 256 * 1024 });
    expect((await h1(port, { path: `/?labelSelector=${"x".repeat(200_000)}` })).status).toBe(200);
    // The client may still be sending when the connection is closed, and then sees no answer.
    const refused = await h1(port, { path: `/?labelSelector=${"x".repeat(300_000)}` }).catch(() => ({ status: 431 }));
    expect(refused.status).toBe(431);
  });

  it("closes a connection that sends its headers too slowly", async () => {
    const { port } = await serve(echo, { headerTimeout: 50 });
    expect(await raw(port, "GET / HTTP/1.1\r\nHost: a\r\n")).toMatch(/^(HTTP\/1\.1 408|$)/);
  });

  it("hands a connection over for an upgrade, bytes behind the head included", async () => {
    const { port } = await serve((exchange) => {
      expect(exchange.header("upgrade")).toBe("tube");
      const { socket, head } = exchange.upgrade!();
      socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tube\r\n\r\n");
      socket.write(`head:${Buffer.from(head)};`);
      socket.on("data", (chunk: Buffer) => socket.write(`echo:${chunk};`));
    });
    let sent = false;
    const got = await new Promise<string>((resolve) => {
      let text = "";
      const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] });
      socket.write("GET /exec HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: tube\r\n\r\nearly");
      socket.on("data", (chunk) => {
        text += chunk;
        if (!sent && text.includes("head:")) {
          sent = true;
          socket.write("late");
        }
        if (text.includes("echo:late;")) {
          socket.destroy();
          resolve(text);
        }
      });
    });
    expect(got).toMatch(/101 Switching Protocols/);
    expect(got).toContain("head:early;");
  });

  it("answers an upgrade nobody takes like any request, and closes", async () => {
    const { port } = await serve((exchange) => exchange.response.send(403, "text/plain", "no"));
    const got = await raw(port, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    expect(got).toMatch(/^HTTP\/1\.1 403 /);
    expect(got).toMatch(/\r\n\r\nno$/);
  });

  it("sends 100 Continue only when the body is wanted", async () => {
    const { port } = await serve(async (exchange) => {
      if (exchange.target === "/want") await exchange.body.bytes(10);
      exchange.response.send(200, "", "");
    });
    const head = (path: string) =>
      `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n`;
    const wanted = await raw(port, `${head("/want")}ab`, (got) => got.includes("200 OK"));
    expect(wanted).toMatch(/^HTTP\/1\.1 100 Continue/);
    const ignored = await raw(port, head("/ignore"), (got) => got.includes("200 OK"));
    expect(ignored).toMatch(/^HTTP\/1\.1 200 OK/);
  });
});

describe("HTTP/2", () => {
  it("announces its limits", async () => {
    const { port } = await serve(echo, { streams: 7, headerBytes: 300_000 });
    const over = session(port);
    await new Promise((resolve) => over.once("remoteSettings", resolve));
    expect(over.remoteSettings).toMatchObject({
      maxConcurrentStreams: 7,
      initialWindowSize: 262_144,
      maxHeaderListSize: 300_000,
    });
    // One header line of HTTP/2 may have 64 KiB: nghttp2's own limit.
    expect((await h2On(over, { path: `/?labelSelector=${"x".repeat(60_000)}` })).status).toBe(200);
  });

  it("refuses targets that are no path", async () => {
    const { port } = await serve(() => expect.fail("reached"));
    expect((await h2(port, { path: "*", method: "OPTIONS" })).status).toBe(400);
    await expect(h2(port, { path: "http://evil/" })).rejects.toThrow();
  });

  it("turns `Connection: close` into GOAWAY", async () => {
    const { port } = await serve((exchange) => {
      exchange.response.setHeader("Connection", "close");
      exchange.response.send(200, "", "once");
    });
    const over = session(port);
    const away = new Promise((resolve) => over.once("goaway", resolve));
    const answer = await h2On(over);
    expect(answer).toMatchObject({ status: 200, body: "once" });
    expect(answer.headers["connection"]).toBeUndefined();
    expect(await away).toBe(constants.NGHTTP2_NO_ERROR);
  });

  it("ends a connection that opens and resets streams without pause", async () => {
    let reached = 0;
    const { port } = await serve(
      async (exchange) => {
        reached++;
        await new Promise((resolve) => exchange.signal.addEventListener("abort", resolve));
      },
      { resetBurst: 10, resetRate: 1 },
    );
    const over = session(port);
    const closed = new Promise((resolve) => over.once("close", resolve));
    for (let i = 0; i < 200 && !over.destroyed; i++) {
      const stream = over.request({ ":path": "/" });
      stream.on("error", () => {});
      stream.close(constants.NGHTTP2_CANCEL);
      await new Promise(setImmediate);
    }
    await closed;
    expect(reached).toBeLessThan(200);
  });

  it("refuses a request with more headers than allowed", async () => {
    const { port } = await serve(echo, { headerCount: 50 });
    const many = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`x-${i}`, "1"]));
    await expect(h2(port, { headers: many })).rejects.toThrow();
    expect((await h2(port)).status).toBe(200);
  });
});
