import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SimulatedClock, seededRandom } from "../../api/simulated.ts";
import { StatusError } from "../../api/status.ts";
import type { TokenAuthenticator, UserInfo } from "../../server/identity.ts";
import { createAuthority, issueCertificate, issueClient, type KeyPair, TrustPool } from "../pki/index.ts";
import { BEARER_PROTOCOL_PREFIX, bearerAuthenticator, webSocketAuthenticator } from "./bearer.ts";
import { CREDENTIAL_ID, clientCertificateAuthenticator } from "./client-certificate.ts";
import { type FakeRequest, fakeExchange, fakePeer } from "./exchange.test-support.ts";
import { DEFAULT_IDENTITY_HEADERS, requestHeaderAuthenticator } from "./request-header.ts";
import { cachedTokens } from "./token-cache.ts";
import { authenticatorUnion } from "./union.ts";

const clock = new SimulatedClock();
const context = { clock, random: seededRandom(3) };
const clients = createAuthority({ subject: { commonName: "clients" } }, context);
const proxies = createAuthority({ subject: { commonName: "proxies" } }, context);
const pools = { clients: new TrustPool(clients.cert, clock), proxies: new TrustPool(proxies.cert, clock) };
const alice = issueClient(clients, { commonName: "alice", organizations: ["dev", "a, system:masters"] }, context);
const proxy = issueClient(proxies, { commonName: "front-proxy-client" }, context);
const der = (pair: KeyPair) => [new Uint8Array(pair.certificate.raw)];
const bob: UserInfo = { name: "bob", uid: "b-1", groups: ["ops"], extra: {} };
const tokens: TokenAuthenticator = {
  authenticateToken(token, audiences) {
    if (token === "broken") throw new Error("token is broken");
    return token === "good" ? { user: bob, audiences } : undefined;
  },
};

let failures: readonly unknown[] = [];
const server = (allowedNames: readonly string[] = ["front-proxy-client"], anonymous = true) =>
  authenticatorUnion(
    [
      requestHeaderAuthenticator(() => ({ ...DEFAULT_IDENTITY_HEADERS, pool: pools.proxies, allowedNames })),
      clientCertificateAuthenticator(() => pools.clients),
      bearerAuthenticator(tokens),
      webSocketAuthenticator(tokens),
    ],
    {
      anonymous,
      onFailure: (_, errors) => {
        failures = errors;
      },
    },
  );

async function who(request: FakeRequest, authenticator = server()): Promise<string> {
  failures = [];
  try {
    const user = await authenticator.authenticate(fakeExchange(request));
    return `${user?.name} [${user?.groups.join("|")}]`;
  } catch (error) {
    expect(error).toBeInstanceOf(StatusError);
    expect((error as StatusError).status).toMatchObject({ code: 401, reason: "Unauthorized", message: "Unauthorized" });
    return "401";
  }
}

const ANONYMOUS = "system:anonymous [system:unauthenticated]";
const asAdmin: FakeRequest["headers"] = [
  ["X-Remote-User", "admin"],
  ["X-Remote-Group", "system:masters"],
];
const bearer = (token: string): FakeRequest["headers"] => [["Authorization", `Bearer ${token}`]];
const socket = (...protocols: string[]): FakeRequest["headers"] => [
  ["Connection", "keep-alive, Upgrade"],
  ["Upgrade", "websocket"],
  ...protocols.map((protocol) => ["Sec-WebSocket-Protocol", protocol] as const),
];
const encoded = (token: string) => BEARER_PROTOCOL_PREFIX + Buffer.from(token).toString("base64url");

describe("who a request is", () => {
  const serverOnly = issueCertificate(
    proxies,
    { subject: { commonName: "front-proxy-client" }, usages: ["serverAuth"] },
    context,
  );
  const otherProxy = issueClient(proxies, { commonName: "somebody" }, context);
  const expired = issueClient(
    clients,
    { commonName: "old" },
    { ...context, clock: new SimulatedClock(clock.now() - 400 * 86_400_000) },
  );
  const stranger = issueClient(
    createAuthority({ subject: { commonName: "clients" } }, context),
    { commonName: "alice" },
    context,
  );
  const nameless = issueClient(clients, { commonName: "" }, context);
  const aliceIs = "alice [dev|a, system:masters|system:authenticated]";

  it.each<readonly [string, FakeRequest, string]>([
    ["nothing", {}, ANONYMOUS],
    ["identity headers alone", { headers: asAdmin }, ANONYMOUS],
    [
      "the front proxy with headers",
      { headers: asAdmin, certificates: der(proxy) },
      "admin [system:masters|system:authenticated]",
    ],
    ["the front proxy without headers is not its own name", { certificates: der(proxy) }, "401"],
    ["a user's certificate with headers", { headers: asAdmin, certificates: der(alice) }, aliceIs],
    ["a user's certificate", { certificates: der(alice) }, aliceIs],
    ["a front proxy of another name", { headers: asAdmin, certificates: der(otherProxy) }, "401"],
    ["a server's certificate of the front-proxy authority", { headers: asAdmin, certificates: der(serverOnly) }, "401"],
    ["an expired user", { certificates: der(expired) }, "401"],
    ["another authority of the same name", { certificates: der(stranger) }, "401"],
    [
      "another authority, but a good token",
      { certificates: der(stranger), headers: bearer("good") },
      "bob [ops|system:authenticated]",
    ],
    ["a certificate without a name", { certificates: der(nameless) }, "401"],
    ["bytes for a certificate", { certificates: [new Uint8Array([0x30, 1])], headers: asAdmin }, "401"],
    ["a good token", { headers: bearer("good") }, "bob [ops|system:authenticated]"],
    [
      "a good token, headers beside it",
      { headers: [...asAdmin!, ...bearer("good")!] },
      "bob [ops|system:authenticated]",
    ],
    ["an unknown token is never anonymous", { headers: bearer("unknown") }, "401"],
    ["a broken token", { headers: bearer("broken") }, "401"],
    ["an endless token", { headers: bearer("x".repeat(70_000)) }, "401"],
    ["a user's certificate wins over a bad token", { headers: bearer("unknown"), certificates: der(alice) }, aliceIs],
    ["another scheme", { headers: [["Authorization", "Basic YTpi"]] }, ANONYMOUS],
    ["two spaces before the token", { headers: [["Authorization", "Bearer  good"]] }, ANONYMOUS],
    ["scheme in any case", { headers: [["authorization", "bEARER good"]] }, "bob [ops|system:authenticated]"],
    ["a socket", { headers: socket(`v5.channel.k8s.io, ${encoded("good")}`) }, "bob [ops|system:authenticated]"],
    [
      "a socket, protocols on lines of their own",
      { headers: socket(encoded("good"), "v5.channel.k8s.io") },
      "bob [ops|system:authenticated]",
    ],
    ["a socket with nothing but the token", { headers: socket(encoded("good")) }, "401"],
    ["a socket with two tokens", { headers: socket(encoded("good"), encoded("good"), "x") }, "401"],
    ["a socket with a broken token", { headers: socket(`${BEARER_PROTOCOL_PREFIX}!!`, "x") }, "401"],
    ["a socket with bytes that are no text", { headers: socket(`${BEARER_PROTOCOL_PREFIX}_w`, "x") }, "401"],
    ["the protocol without an upgrade", { headers: [["Sec-WebSocket-Protocol", `${encoded("good")}, x`]] }, ANONYMOUS],
    ["vouched for", { vouched: bob, headers: asAdmin }, "bob [ops|system:authenticated]"],
  ])("%s", async (_, request, expected) => {
    expect(await who(request)).toBe(expected);
  });

  it("nobody is refused where anonymous is off", async () => {
    expect(await who({}, server(undefined, false))).toBe("401");
  });

  it("any name of the front-proxy authority counts when none is listed", async () => {
    expect(await who({ headers: asAdmin, certificates: der(otherProxy) }, server([]))).toBe(
      "admin [system:masters|system:authenticated]",
    );
  });

  it("says why, to the operator alone", async () => {
    await who({ headers: asAdmin, certificates: der(otherProxy) });
    expect(failures.map(String)).toEqual([
      "CertificateError: x509: subject with cn=somebody is not in the allowed list",
      "CertificateError: x509: certificate signed by unknown authority",
    ]);
  });

  it("certificates carry uid and credential id", async () => {
    const withUID = issueClient(clients, { commonName: "carol", uid: "u-7" }, context);
    const user = await server().authenticate(fakeExchange({ certificates: der(withUID) }));
    expect(user?.uid).toBe("u-7");
    expect(user?.extra[CREDENTIAL_ID]).toEqual([
      `X509SHA256=${withUID.certificate.fingerprint256.replaceAll(":", "").toLowerCase()}`,
    ]);
  });
});

describe("identity headers of the front proxy", () => {
  const from = async (headers: FakeRequest["headers"]) =>
    server().authenticate(fakeExchange({ headers, certificates: der(proxy) }));

  it("repeated lines stay apart, one value with a comma stays one group", async () => {
    const user = await from([
      ["x-remote-user", "u"],
      ["X-Remote-Group", "a, system:masters"],
      ["x-REMOTE-group", "b"],
      ["X-Remote-Group", ""],
    ]);
    expect(user?.groups).toEqual(["a, system:masters", "b", "system:authenticated"]);
  });

  it("extra keys are lower-cased and decoded, broken escapes kept", async () => {
    const user = await from([
      ["X-Remote-User", "u"],
      ["X-Remote-Uid", "1"],
      ["X-Remote-Extra-Scopes", "a"],
      ["x-remote-extra-scopes", "b"],
      ["X-Remote-Extra-Example.com%2fKEY", "c"],
      ["X-Remote-Extra-50%", "d"],
      ["X-Remote-Extra-__proto__", "e"],
    ]);
    expect(user?.uid).toBe("1");
    expect(Object.entries(user!.extra)).toEqual([
      ["scopes", ["a", "b"]],
      ["example.com/key", ["c"]],
      ["50%", ["d"]],
      ["__proto__", ["e"]],
    ]);
    expect(Object.getPrototypeOf(user!.extra)).toBe(null);
  });

  it("bytes beyond ASCII are UTF-8", async () => {
    const wire = (text: string) => Buffer.from(text).toString("latin1");
    expect(
      (
        await from([
          ["X-Remote-User", wire("zoë日")],
          ["X-Remote-Group", wire("😀")],
        ])
      )?.name,
    ).toBe("zoë日");
  });

  it("the first line counts; an empty one is no user", async () => {
    expect(
      (
        await from([
          ["X-Remote-User", "first"],
          ["X-Remote-User", "second"],
        ])
      )?.name,
    ).toBe("first");
    await expect(
      from([
        ["X-Remote-User", ""],
        ["X-Remote-User", "second"],
      ]),
    ).rejects.toThrow("Unauthorized");
  });
});

describe("no set of headers changes who somebody is", () => {
  const header = fc.oneof(
    fc.constantFrom(
      "X-Remote-User",
      "x-remote-user",
      "X-REMOTE-GROUP",
      "X-Remote-Uid",
      "X-Remote-Extra-a",
      "X-Remote-Extra-",
      "Impersonate-User",
      "X-Forwarded-User",
      "x-remote-\u212a",
    ),
    fc.string({ maxLength: 20 }),
  );
  const value = fc.oneof(
    fc.constantFrom("admin", "system:masters", "a, system:masters", "", "system:serviceaccount:a:b"),
    fc.string({ maxLength: 20 }),
  );
  const headers = fc.array(fc.tuple(header, value), { maxLength: 20 });
  const identities: readonly (readonly [string, Omit<FakeRequest, "headers">, string])[] = [
    ["nobody", {}, ANONYMOUS],
    ["alice", { certificates: der(alice) }, "alice [dev|a, system:masters|system:authenticated]"],
    [
      "a stranger",
      {
        certificates: der(
          issueClient(
            createAuthority({ subject: { commonName: "proxies" } }, context),
            { commonName: "front-proxy-client" },
            context,
          ),
        ),
      },
      "401",
    ],
    ["vouched for", { vouched: bob }, "bob [ops|system:authenticated]"],
  ];
  it.each(identities)("%s", async (_, base, expected) => {
    const peer = fakePeer(base);
    await fc.assert(
      fc.asyncProperty(headers, async (set) => {
        const clean = set.filter(([name]) => name.toLowerCase() !== "authorization");
        expect(await who({ ...base, peer, headers: clean })).toBe(expected);
      }),
      { numRuns: 300, seed: 11 },
    );
  });
});

describe("remembered tokens", () => {
  it("success for as long as it counts, failure not at all, concurrent checks once", async () => {
    let asked = 0;
    const time = new SimulatedClock();
    const cached = cachedTokens(
      {
        async authenticateToken(token, audiences) {
          asked++;
          return tokens.authenticateToken(token, audiences);
        },
      },
      { clock: time },
    );
    await Promise.all([1, 2, 3].map(() => cached.authenticateToken("good", [])));
    expect(asked).toBe(1);
    await time.advance(9_999);
    await cached.authenticateToken("good", []);
    expect(asked).toBe(1);
    await cached.authenticateToken("good", ["other"]);
    expect(asked).toBe(2);
    await time.advance(1);
    await cached.authenticateToken("good", []);
    expect(asked).toBe(3);
    for (const again of [1, 2]) {
      await expect(cached.authenticateToken("broken", [])).rejects.toThrow("token is broken");
      expect(await cached.authenticateToken("unknown", [])).toBe(undefined);
      expect(asked).toBe(3 + 2 * again); // neither is remembered
    }
  });

  it("are bounded: the least recently used goes", async () => {
    let asked = 0;
    const cached = cachedTokens(
      {
        authenticateToken(_, audiences) {
          asked++;
          return { user: bob, audiences };
        },
      },
      { clock, capacity: 2 },
    );
    for (const token of ["a", "b", "a", "c", "a"]) await cached.authenticateToken(token, []);
    expect(asked).toBe(3);
    await cached.authenticateToken("b", []);
    expect(asked).toBe(4);
  });
});

it("a pool may change while a connection lives", async () => {
  let pool = pools.clients;
  const method = clientCertificateAuthenticator(() => pool);
  const peer = fakePeer({ certificates: der(alice) });
  expect((await method.authenticate(fakeExchange({ peer })))?.name).toBe("alice");
  pool = new TrustPool(proxies.cert, clock);
  expect(`${method.authenticate(fakeExchange({ peer }))}`).toContain("unknown authority");
});
