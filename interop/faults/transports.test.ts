/** HTTP/2 and the in-memory transport under attack: identities, floods, slow readers, and watches by the thousand. */
import { readFileSync } from "node:fs";
import { type ClientHttp2Session, connect, constants, type OutgoingHttpHeaders } from "node:http2";
import fc from "fast-check";
import { load } from "js-yaml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { UserInfo } from "../../src/server/identity.ts";
import type { MemoryRequest } from "../../src/server/transports/memory.ts";
import { startControlPlane, type TestControlPlane } from "../../src/testing/control-plane.ts";
import { eventually } from "../story.ts";
import { openTarget, type Target } from "../target.ts";
import { staysAlive } from "./alive.ts";
import { type RawPeer, rawPeer } from "./raw.ts";

const WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
const CONFIG_MAPS = "/api/v1/namespaces/default/configmaps";

let plane: TestControlPlane;
let target: Target;
let peer: RawPeer;

beforeAll(async () => {
  plane = await startControlPlane();
  target = openTarget(plane.kubeconfig);
  peer = rawPeer(plane.kubeconfig);
});
afterAll(() => plane.close());
staysAlive(() => target);

function session(anonymous = false): ClientHttp2Session {
  const config = load(readFileSync(plane.kubeconfig, "utf8")) as {
    users: { user: { "client-certificate-data": string; "client-key-data": string } }[];
  };
  const { user } = config.users[0]!;
  const made = connect(plane.url, {
    ca: plane.pki.ca.cert,
    ...(!anonymous && {
      cert: Buffer.from(user["client-certificate-data"], "base64"),
      key: Buffer.from(user["client-key-data"], "base64"),
    }),
  });
  return made.on("error", () => {});
}

interface H2Answer {
  readonly status: number;
  readonly text: string;
}

function h2(
  client: ClientHttp2Session,
  headers: OutgoingHttpHeaders | readonly string[],
  body?: string,
): Promise<H2Answer> {
  return new Promise((resolve, reject) => {
    const stream = client.request(headers as OutgoingHttpHeaders, { endStream: body === undefined });
    let status = 0;
    let text = "";
    stream.on("response", (head) => {
      status = Number(head[":status"]);
    });
    stream.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    stream.on("end", () => resolve({ status, text }));
    stream.on("error", reject);
    if (body !== undefined) stream.end(body);
  });
}

async function memory(request: MemoryRequest, user?: UserInfo): Promise<H2Answer> {
  const transport = plane.controlPlane.server.inMemory(user);
  try {
    const answer = await transport.request(request);
    let text = "";
    for await (const chunk of answer.body) text += Buffer.from(chunk).toString();
    return { status: answer.status, text };
  } finally {
    await transport.close();
  }
}

/** Header sets that claim to be somebody: any case, doubled, with underscores, listed in Connection. */
const forged = fc
  .array(
    fc.tuple(
      fc.constantFrom(
        "X-Remote-User",
        "X-Remote-Group",
        "X-Remote-Uid",
        "X-Remote-Extra-Scopes",
        "X-Remote-Extra-__proto__",
        "X_Remote_User",
        "X-Remote_Group",
        "X-Forwarded-User",
        "Remote-User",
      ),
      fc.constantFrom("upper", "lower", "as is"),
      fc.constantFrom("mallory", "system:masters", "mallory, system:masters", "", "system:admin"),
    ),
    { minLength: 1, maxLength: 5 },
  )
  .map((lines) =>
    lines.map(([name, how, value]): [string, string] => [
      how === "upper" ? name.toUpperCase() : how === "lower" ? name.toLowerCase() : name,
      value,
    ]),
  );

describe("identities that headers claim", () => {
  const json: [string, string][] = [["content-type", "application/json"]];

  it("mean nothing on HTTP/2", async () => {
    const client = session();
    try {
      await fc.assert(
        fc.asyncProperty(forged, async (lines) => {
          const raw = [":method", "POST", ":path", WHO, "content-type", "application/json"];
          for (const [name, value] of lines) raw.push(name.toLowerCase(), value);
          const { status, text } = await h2(client, raw, "{}");
          expect(status).toBe(201);
          expect(JSON.parse(text).status.userInfo.username).toBe("kubernetes-admin");
          expect(text).not.toContain("mallory");
        }),
        { numRuns: 200 },
      );
    } finally {
      client.close();
    }
  });

  it("mean nothing on HTTP/2 without a certificate", async () => {
    await fc.assert(
      fc.asyncProperty(forged, async (lines) => {
        const client = session(true);
        const raw = [":method", "GET", ":path", "/api/v1/secrets"];
        for (const [name, value] of lines) raw.push(name.toLowerCase(), value);
        const { status, text } = await h2(client, raw);
        client.close();
        expect([status, text.includes('User \\"system:anonymous\\"')]).toEqual([403, true]);
      }),
      { numRuns: 20 },
    );
  });

  it("mean nothing in memory", async () => {
    const jane: UserInfo = { name: "jane", uid: "", groups: ["system:authenticated"], extra: {} };
    await fc.assert(
      fc.asyncProperty(forged, async (lines) => {
        const request = { method: "POST", path: WHO, headerLines: [...json, ...lines], body: "{}" };
        const known = await memory(request, jane);
        expect(known.status).toBe(201);
        expect(JSON.parse(known.text).status.userInfo).toEqual({ username: "jane", groups: ["system:authenticated"] });
        expect((await memory({ ...request, method: "GET", path: "/api/v1/secrets" })).text).toContain(
          "system:anonymous",
        );
      }),
      { numRuns: 200 },
    );
  });

  it.each([
    [{ "impersonate-user": "root" }],
    [{ "impersonate-user": "root", "impersonate-group": "system:masters" }],
    [{ "impersonate-user": "root", "impersonate-extra-__proto__": "x" }],
    [{ "impersonate-uid": "1", "impersonate-user": "root" }],
  ])("impersonation %o needs permission everywhere", async (headers) => {
    const client = session(true);
    const overH2 = await h2(client, { ":path": "/api/v1/secrets", ...headers });
    client.close();
    const inMemory = await memory(
      { method: "GET", path: "/api/v1/secrets", headers },
      {
        name: "jane",
        uid: "",
        groups: [],
        extra: {},
      },
    );
    for (const { status, text } of [overH2, inMemory]) {
      expect(status).toBe(403);
      expect(text).toContain("cannot impersonate");
    }
  });
});

describe("HTTP/2", () => {
  it("streams opened and reset without end close their connection, and only theirs", async () => {
    const other = session();
    const attacker = session();
    let over = false;
    attacker.once("close", () => {
      over = true;
    });
    for (let round = 0; round < 200 && !over; round++) {
      for (let count = 0; count < 50 && !attacker.destroyed && !attacker.closed; count++) {
        const stream = attacker.request({ ":path": "/version" });
        stream.on("error", () => {});
        stream.close(constants.NGHTTP2_CANCEL);
      }
      expect((await h2(other, { ":path": "/version" })).status).toBe(200);
    }
    expect(over).toBe(true);
    other.close();
  });

  it("headers by the thousand or of megabytes are refused", async () => {
    const many = Object.fromEntries(Array.from({ length: 3_000 }, (_, index) => [`x-${index}`, "y"]));
    for (const headers of [many, { "x-large": "a".repeat(1_500_000) }]) {
      const client = session();
      const outcome = await h2(client, { ":path": "/version", ...headers }).then(
        (answer) => answer.status,
        () => 0,
      );
      client.destroy();
      expect(outcome).not.toBe(200);
    }
  });

  it("CONTINUATION frames without end close the connection", async () => {
    const socket = await peer.connect({ protocol: "h2" });
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.resume();
    const frame = (type: number, flags: number, stream: number, payload: Buffer) => {
      const head = Buffer.alloc(9);
      head.writeUIntBE(payload.length, 0, 3);
      head[3] = type;
      head[4] = flags;
      head.writeUInt32BE(stream, 5);
      return Buffer.concat([head, payload]);
    };
    socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    socket.write(frame(4, 0, 0, Buffer.alloc(0)));
    socket.write(frame(1, 0, 1, Buffer.from([0x82])));
    const piece = frame(
      9,
      0,
      1,
      Buffer.concat([Buffer.from([0x00, 0x01, 0x61, 0x7f, 0x80, 0x7d]), Buffer.alloc(16_000, 0x61)]),
    );
    let sent = 0;
    while (!socket.destroyed && sent < 64 * 1024 * 1024) {
      sent += piece.length;
      if (!socket.write(piece)) await Promise.race([new Promise((resolve) => socket.once("drain", resolve)), closed]);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await closed;
    expect(sent).toBeLessThan(64 * 1024 * 1024);
  });

  it("garbage instead of frames closes the connection", async () => {
    for (const bytes of [
      Buffer.alloc(100_000, 0xff),
      Buffer.from("GET / HTTP/1.1\r\n\r\n"),
      Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff"),
    ]) {
      const socket = await peer.connect({ protocol: "h2" });
      const closed = new Promise<boolean>((resolve) => socket.once("close", () => resolve(true)));
      socket.resume().end(bytes);
      expect(await closed).toBe(true);
    }
  });

  it("a body of another length than announced is never an object", async () => {
    const client = session();
    const body = '{"metadata":{"name":"h2-length"}}';
    for (const length of [body.length + 10, body.length - 10]) {
      const headers = {
        ":method": "POST",
        ":path": CONFIG_MAPS,
        "content-type": "application/json",
        "content-length": length,
      };
      const status = await h2(client, headers, body).then(
        (answer) => answer.status,
        () => 0,
      );
      expect(status === 0 || status >= 400).toBe(true);
    }
    client.close();
    expect((await target.call("GET", `${CONFIG_MAPS}/h2-length`)).status).toBe(404);
  });

  it("three megabytes and a byte are too much", async () => {
    const client = session();
    const answer = await h2(
      client,
      { ":method": "POST", ":path": CONFIG_MAPS, "content-type": "application/json" },
      " ".repeat(3 * 1024 * 1024 + 1),
    ).catch(() => undefined);
    expect(answer?.status ?? 413).toBe(413);
    expect((await h2(client, { ":path": "/version" })).status).toBe(200);
    client.close();
  });
});

describe("watches", () => {
  const inFlight = async () => {
    const metrics = (await target.call("GET", "/metrics")).text;
    return Number(/^apiserver_longrunning_requests\{[^}]*resource="configmaps"[^}]*\} (\d+)/m.exec(metrics)?.[1] ?? 0);
  };

  it("a thousand are opened and dropped, and nothing is left", async () => {
    const before = await inFlight();
    const clients = Array.from({ length: 10 }, () => session());
    const streams = clients.flatMap((client) =>
      Array.from({ length: 100 }, () => client.request({ ":path": `${CONFIG_MAPS}?watch=1&resourceVersion=0` })),
    );
    await Promise.all(
      streams.map(
        (stream) =>
          new Promise<void>((resolve, reject) => {
            stream.once("response", () => resolve());
            stream.once("error", reject);
          }),
      ),
    );
    expect(streams.length).toBe(1_000);
    for (const stream of streams) stream.on("error", () => {}).close(constants.NGHTTP2_CANCEL);
    for (const client of clients) client.destroy();
    expect(await eventually(inFlight, (count) => count <= before)).toBe(before);
  });

  it("one that is never read holds nobody up", async () => {
    const socket = await peer.connect();
    socket.write(`GET ${CONFIG_MAPS}?watch=1&resourceVersion=0 HTTP/1.1\r\nHost: x\r\n\r\n`);
    socket.pause();
    const reader = new AbortController();
    const seen: string[] = [];
    const reading = (async () => {
      for await (const event of target.stream(`${CONFIG_MAPS}?watch=1&resourceVersion=0`, { signal: reader.signal }))
        seen.push(event.object?.metadata?.name);
    })().catch(() => {});
    for (let index = 0; index < 60; index++) {
      const body = { metadata: { name: `slow-${index}` }, data: { a: "x".repeat(500_000) } };
      expect((await target.call("POST", CONFIG_MAPS, { body })).status).toBe(201);
    }
    const all = await eventually(
      async () => seen.filter((name) => name?.startsWith("slow-")).length,
      (count) => count >= 60,
    );
    expect(all).toBe(60);
    reader.abort();
    await reading;
    socket.destroy();
  }, 60_000);
});

describe("cost", () => {
  it.each([
    [
      "50,000 bad labels",
      () =>
        JSON.stringify({
          metadata: {
            name: "a",
            labels: Object.fromEntries(Array.from({ length: 50_000 }, (_, index) => [`-${index}`, "v"])),
          },
        }),
    ],
    ["half a million finalizers", () => `{"metadata":{"name":"a","finalizers":[${'"-",'.repeat(500_000)}"-"]}}`],
    ["half a million unknown fields", () => `{"metadata":{"name":"a"},"zzz":[${"{},".repeat(500_000)}1],"-":1}`],
    ["three megabytes that are no UTF-8", () => Buffer.alloc(3_000_000, 0xff)],
  ])("%s are answered in one piece", async (_, body) => {
    const answer = await target.call("POST", `${CONFIG_MAPS}?fieldValidation=Strict`, { body: body() });
    expect([400, 422]).toContain(answer.status);
    expect(answer.bytes.length).toBeLessThan(1_000_000);
    expect((answer.json.details?.causes ?? []).length).toBeLessThanOrEqual(1_000);
  });
});
