/** Request lines, queries and headers nobody should send. */
import { afterEach, beforeAll, describe, expect, inject, it } from "vitest";
import { rawPeer } from "../faults/raw.ts";
import { story } from "../story.ts";

const { target, namespace } = story();
const peer = rawPeer(inject("kubeconfig"));
const configMaps = `/api/v1/namespaces/${namespace}/configmaps`;
const short = (text: string) => [text.slice(0, 60), text] as const;
const WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews";

beforeAll(async () => {
  const made = await target.call("POST", configMaps, {
    body: { metadata: { name: "base" }, data: { secret: "kept" } },
  });
  expect(made.status).toBe(201);
});
afterEach(async () => {
  expect((await target.call("GET", "/readyz")).text).toBe("ok");
});

describe("paths", () => {
  it.each([
    "/api/v1/namespaces/..",
    `${configMaps}/..`,
    `${configMaps}/.`,
    `${configMaps}/%2e%2e`,
    `${configMaps}/%2e`,
    `${configMaps}/%zz`,
    `${configMaps}/%`,
    `${configMaps}/%252e%252e`,
    `${configMaps}/%252F`,
  ])("%s is refused", async (path) => {
    for (const method of ["GET", "PUT", "DELETE"]) {
      const answer = await target.call(method, path, method === "PUT" ? { body: { metadata: { name: "base" } } } : {});
      expect([method, answer.status]).toEqual([method, 400]);
    }
  });

  it.each(
    [
      "/api/v1/namespaces/../pods",
      `/api/v1/namespaces/${namespace}/../../namespaces`,
      "/api/v1/namespaces/%2e%2e/configmaps",
      `${configMaps}/a%2Fb`,
      `${configMaps}/a%5Cb`,
      `${configMaps}/a\\b`,
      `${configMaps}/%00`,
      `${configMaps}/base%00`,
      `${configMaps}/%ff`,
      `${configMaps}/base;x=y`,
      `${configMaps};x`,
      `${configMaps}/base/x`,
      `${configMaps}/base/x/y/z`,
      "//api/v1/namespaces",
      "//",
      "/apis//",
      "/api//v1/namespaces",
      "/apis/apps//deployments",
      "/apis/apps/v1/..%2fdeployments",
      "/apis/__proto__",
      "/apis/__proto__/v1",
      "/apis/__proto__/v1/things",
      "/apis/constructor/v1/things",
      "/apis/apps/__proto__/things",
      "/apis/apps/v1/__proto__",
      "/apis/apps/v1/constructor",
      "/api/__proto__/pods",
      "/api/v1/__proto__",
      "/api/v1/toString/x",
      "/API/V1/namespaces",
      "/api/v1/NAMESPACES",
      "/../../etc/passwd",
      "/%2e%2e/%2e%2e/etc/passwd",
      "/healthz/../api",
      "/readyz/__proto__",
      "/readyz/constructor",
      "/livez/toString",
      "/openapi/v3/__proto__",
      "/openapi/v3/../..",
      "/metrics/..",
      "/static/../x",
      `/${"a".repeat(100_000)}`,
      `${configMaps}/${"a".repeat(100_000)}`,
      `/${"a/".repeat(50_000)}`,
    ].map(short),
  )("%s leads nowhere", async (_, path) => {
    const answer = await target.call("GET", path);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.text).not.toContain("kept");
    expect(answer.text).not.toContain('"items"');
  });

  it("methods without a route change nothing", async () => {
    const body = { metadata: { name: "base" }, data: {} };
    for (const [method, path] of [
      ["PUT", configMaps],
      ["POST", `${configMaps}/base`],
      ["POST", `${configMaps}/other`],
      ["PROPFIND", configMaps],
      ["TRACE", configMaps],
      ["PURGE", `${configMaps}/base`],
      ["HEAD", `${configMaps}/base`],
    ] as const) {
      expect([method, (await target.call(method, path, method === "HEAD" ? {} : { body })).status]).toEqual([
        method,
        405,
      ]);
    }
    expect((await target.call("GET", `${configMaps}/base`)).json.data).toEqual({ secret: "kept" });
    expect((await target.call("GET", `${configMaps}/other`)).status).toBe(404);
  });

  it("a DELETE with `null` as options is a DELETE", async () => {
    const answer = await target.call("DELETE", `${configMaps}/none`, { body: "null" });
    expect(answer.status).toBe(404);
  });

  it.each(["{", "[]", '"x"', '{"gracePeriodSeconds":"x"}', '{"preconditions":[]}', "[".repeat(100_000)].map(short))(
    "a DELETE with %s is none",
    async (_, body) => {
      expect((await target.call("DELETE", `${configMaps}/base`, { body })).status).toBe(400);
    },
  );
});

describe("queries", () => {
  const token = (value: unknown) =>
    Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
  it.each(
    [
      "limit=NaN",
      "limit=1e3",
      "limit=0x10",
      "limit=%201",
      "limit=1.5",
      "limit=99999999999999999999",
      "timeoutSeconds=abc",
      "watch=1&limit=abc",
      "resourceVersion=abc",
      "resourceVersion=-1",
      "resourceVersion=1e3",
      "timeout=abc",
      "labelSelector=a=b=c",
      "labelSelector=a+in+(",
      "labelSelector=!!a",
      "labelSelector=__proto__",
      "labelSelector=a/b/c",
      `labelSelector=${"a".repeat(64)}`,
      `labelSelector=${"(".repeat(100_000)}`,
      `labelSelector=${"!".repeat(100_000)}`,
      `labelSelector=${"x".repeat(100_000)}`,
      `fieldSelector=${"x".repeat(100_000)}`,
      `fieldSelector=${"\\".repeat(100_000)}`,
      "fieldSelector=__proto__=x",
      "fieldSelector=constructor=x",
      "continue=abc",
      `continue=${token({ v: "meta.k8s.io/v1", rv: 1, start: "../../secrets" })}`,
      `continue=${token({ v: "meta.k8s.io/v1", rv: 1, start: "" })}`,
      `continue=${token({ v: "v9", rv: 1, start: "a" })}`,
      `continue=${token('{"__proto__":{"v":"meta.k8s.io/v1","rv":1,"start":"a"}}')}`,
      `continue=${token("[".repeat(50_000))}`,
      `continue=${token("null")}`,
      `continue=${"A".repeat(100_000)}`,
    ].map(short),
  )("?%s is a bad request", async (_, query) => {
    const answer = await target.call("GET", `${configMaps}?${query}`);
    expect([answer.status, answer.json.kind]).toEqual([400, "Status"]);
    expect(answer.text).not.toContain("kept");
  });

  it.each(
    [
      Array.from({ length: 100_000 }, (_, index) => `k${index}`).join("&"),
      "&".repeat(500_000),
      `labelSelector=${"x,".repeat(20_000)}x`,
      `labelSelector=a+in+(${"b,".repeat(50_000)}b)`,
      `fieldSelector=${"metadata.name=a,".repeat(6_000)}metadata.name=a`,
      "__proto__=1&constructor=2",
      "limit=-1",
      "watch=0",
    ].map(short),
  )("?%s is a list", async (_, query) => {
    const answer = await target.call("GET", `${configMaps}?${query}`);
    expect([answer.status, answer.json.kind]).toEqual([200, "ConfigMapList"]);
  });

  it("a forged continue token stays within its resource", async () => {
    await target.call("POST", `/api/v1/namespaces/${namespace}/secrets`, {
      body: { metadata: { name: "zz" }, data: { a: "c2VjcmV0" } },
    });
    for (const start of ["../secrets/", "/../secrets", `../../secrets/${namespace}/`, "./", "a//b", "\u0000"]) {
      const answer = await target.call(
        "GET",
        `${configMaps}?continue=${token({ v: "meta.k8s.io/v1", rv: -1, start })}`,
      );
      expect(answer.text).not.toContain("c2VjcmV0");
    }
  });
});

describe("request lines and framing", () => {
  const get = (line: string, head = "Host: x") => peer.send(`${line}\r\n${head}\r\nConnection: close\r\n\r\n`);
  const post = (head: string, body: string, contentType = "application/json") =>
    peer.send(
      `POST ${configMaps} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: ${contentType}\r\n${head}\r\n\r\n${body}`,
    );

  it.each([
    ["a version from before HTTP/1.0", "GET /version", "Host: x", [400]],
    ["a version of another protocol", "GET /version HTTP/2.0", "Host: x", [505]],
    ["a version that does not exist", "GET /version HTTP/9.9", "Host: x", [400, 505]],
    ["no Host", "GET /version HTTP/1.1", "X-A: b", [400]],
    ["two Hosts", "GET /version HTTP/1.1", "Host: a\r\nHost: b", [400]],
    ["a Host that is none", "GET /version HTTP/1.1", "Host: a/b c", [400]],
    ["a space in the path", "GET /ver sion HTTP/1.1", "Host: x", [400]],
    ["a zero byte in the path", "GET /ver\u0000sion HTTP/1.1", "Host: x", [400]],
    ["no slash", "GET version HTTP/1.1", "Host: x", [400]],
    ["a header without a colon", "GET /version HTTP/1.1", "Host: x\r\ngarbage", [400]],
    ["a header without a name", "GET /version HTTP/1.1", "Host: x\r\n: b", [400]],
    ["a space in a header's name", "GET /version HTTP/1.1", "Host: x\r\nX A: b", [400]],
    ["a space before the colon", "GET /version HTTP/1.1", "Host: x\r\nX-A : b", [400]],
    ["a zero byte in a header", "GET /version HTTP/1.1", "Host: x\r\nX-A: a\u0000b", [400]],
  ] as const)("%s", async (_, line, head, codes) => {
    expect(codes).toContain((await get(line, head)).status);
  });

  it.each([
    ["two ways to say where it ends", "Content-Length: 3\r\nTransfer-Encoding: chunked", "0\r\n\r\n"],
    ["two lengths", "Content-Length: 3\r\nContent-Length: 4", "abcd"],
    ["a negative length", "Content-Length: -1", "{}"],
    ["a hexadecimal length", "Content-Length: 0x2", "{}"],
    ["a length beyond all numbers", "Content-Length: 99999999999999999999", "{}"],
    ["an encoding nobody knows", "Transfer-Encoding: xchunked", "0\r\n\r\n"],
    ["chunked twice", "Transfer-Encoding: chunked, chunked", "0\r\n\r\n"],
    ["a chunk of no size", "Transfer-Encoding: chunked", "zz\r\n{}\r\n0\r\n\r\n"],
    ["a chunk of 2^72 bytes", "Transfer-Encoding: chunked", "ffffffffffffffffff\r\n{}\r\n0\r\n\r\n"],
    ["a chunk that does not end", "Transfer-Encoding: chunked", "2\r\n{}0\r\n\r\n"],
  ])("a body with %s is never an object", async (_, head, body) => {
    const answer = await post(
      head,
      body.replace("{}", '{"metadata":{"generateName":"framed-"}}').replace(/^2\r/, "27\r"),
    );
    expect(answer.status).toBeGreaterThanOrEqual(400);
    const { json } = await target.call("GET", configMaps);
    expect(
      json.items.filter((item: { metadata: { name: string } }) => item.metadata.name.startsWith("framed-")),
    ).toEqual([]);
  });

  it("trailers are no headers", async () => {
    const answer = await peer.send(
      `POST ${WHO} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nTrailer: Impersonate-User\r\n\r\n2\r\n{}\r\n0\r\nImpersonate-User: jane\r\nX-Remote-User: jane\r\n\r\n`,
    );
    expect([answer.status, answer.body.includes("jane")]).toEqual([201, false]);
  });

  it("a body shorter than it says is never an object", async () => {
    const socket = await peer.connect();
    const body = '{"metadata":{"name":"short"}}';
    socket.end(
      `POST ${configMaps} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n${body}`,
    );
    await new Promise((resolve) => socket.resume().once("close", resolve));
    expect((await target.call("GET", `${configMaps}/short`)).status).toBe(404);
  });

  it("200 headers are fine, and so is one of half a megabyte", async () => {
    const many = Array.from({ length: 200 }, (_, index) => `X-${index}: y`).join("\r\n");
    expect((await get("GET /version HTTP/1.1", `Host: x\r\n${many}`)).status).toBe(200);
    expect((await get("GET /version HTTP/1.1", `Host: x\r\nX-A: ${"a".repeat(500_000)}`)).status).toBe(200);
    expect((await get("GET /version HTTP/1.1", `Host: x\r\nX-A: ${"a".repeat(1_200_000)}`)).status).toBe(431);
  });
});

describe("who is asking", () => {
  const ask = (head: string, anonymous: boolean) =>
    peer.send(
      `POST ${WHO} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n${head}\r\n\r\n{}`,
      { anonymous },
    );
  const spoofed = [
    "X-Remote-User: root",
    "x-remote-user: root",
    "X-REMOTE-USER: root\r\nX-REMOTE-GROUP: system:masters",
    "X_Remote_User: root",
    "X-Remote_User: root",
    "X-Remote-User: root\r\nX-Remote-User: other",
    "X-Remote-Group: system:masters",
    "X-Remote-Uid: root",
    "X-Remote-Extra-Root: root",
    "X-Remote-Extra-__proto__: root",
    "Connection: X-Remote-User, close\r\nX-Remote-User: root",
    "Impersonate_User: root",
  ];

  it.each(spoofed)("a certificate's owner stays who they are with %j", async (head) => {
    const answer = await ask(head, false);
    expect([answer.status, answer.body.includes("root")]).toEqual([201, false]);
    expect(answer.body).toContain("kubernetes-admin");
  });

  it.each(spoofed)("nobody stays nobody with %j", async (head) => {
    const answer = await ask(head, true);
    expect(answer.status).toBe(403);
    expect(answer.body).toContain('User \\"system:anonymous\\" cannot create');
  });

  it.each([
    "Impersonate-User: root",
    "IMPERSONATE-USER: root\r\nImpersonate-Group: system:masters",
    "Impersonate-User: root\r\nImpersonate-Extra-__proto__: b",
    "Connection: Impersonate-User, close\r\nImpersonate-User: root",
  ])("nobody may be somebody else with %j", async (head) => {
    const answer = await ask(head, true);
    expect(answer.status).toBe(403);
    expect(answer.body).toContain('User \\"system:anonymous\\" cannot impersonate');
  });

  it.each(["Impersonate-Group: g", "Impersonate-Uid: 1", "Impersonate-Extra-a: b"])("%j needs a user", async (head) => {
    const answer = await ask(head, false);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.body).toContain("without impersonating a user");
  });

  it("keys of extras are data, whatever they are called", async () => {
    const answer = await ask(
      "Impersonate-User: x\r\nImpersonate-Extra-%5f%5fproto%5f%5f: b\r\nImpersonate-Extra-constructor: c",
      false,
    );
    expect(answer.status).toBe(201);
    expect(answer.body).toContain('"extra":{"__proto__":["b"],"constructor":["c"]}');
  });

  it.each(
    [
      "Authorization: Bearer x",
      `Authorization: Bearer ${"a.".repeat(50_000)}`,
      "Authorization: Bearer ..",
      "Authorization: Bearer eyJhbGciOiJub25lIn0.e30.",
      "Authorization: Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6a3ViZS1zeXN0ZW06ZGVmYXVsdCJ9.",
      "Authorization: Bearer \u00ff",
    ].map(short),
  )("%s is nobody", async (_, head) => {
    expect((await ask(head, true)).status).toBe(401);
  });
});
