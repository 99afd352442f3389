import { createHmac, createPublicKey, generateKeyPairSync } from "node:crypto";
import { jwtVerify, SignJWT } from "jose";
import { describe, expect, it } from "vitest";
import type { KubeObject } from "../../api/meta.ts";
import { SimulatedClock, seededRandom } from "../../api/simulated.ts";
import type { RequestContext } from "../../server/resource.ts";
import { fakeExchange, fakeLister } from "../delegated/exchange.test-support.ts";
import { newKey } from "../pki/index.ts";
import { JWKS_PATH, OPENID_CONFIGURATION_PATH, openIDHandlers } from "./discovery.ts";
import { keyID, tokenIssuer } from "./service-account-issuer.ts";
import { serviceAccountTokens } from "./service-account-tokens.ts";
import { parseTokenFile, staticTokens } from "./static-tokens.ts";
import { tokenRequest } from "./token-request.ts";

const ISSUER = "https://kubernetes.default.svc.cluster.local";
const object = (namespace: string | undefined, name: string, uid: string, rest: object = {}): KubeObject => ({
  metadata: { name, namespace, uid },
  ...rest,
});

function world() {
  const clock = new SimulatedClock();
  const key = newKey();
  const serviceAccounts = fakeLister([object("ns", "bot", "sa-1")]);
  const pods = fakeLister([
    object("ns", "pod", "pod-1", { spec: { serviceAccountName: "bot", nodeName: "n" } }),
    object("ns", "foreign", "pod-2", { spec: {} }),
  ]);
  const secrets = fakeLister([object("ns", "secret", "sec-1")]);
  const nodes = fakeLister([object(undefined, "n", "node-1")]);
  const issuer = tokenIssuer({ issuer: ISSUER, key, clock, random: seededRandom(2) });
  const listers = { serviceAccounts, pods, secrets, nodes };
  const tokens = serviceAccountTokens({
    issuers: [ISSUER],
    keys: [createPublicKey(key)],
    audiences: [ISSUER],
    clock,
    ...listers,
  });
  const request = tokenRequest({ issuer, audiences: [ISSUER], ...listers });
  const warnings: string[] = [];
  const context = {
    name: "bot",
    namespace: "ns",
    clock,
    warn: (text: string) => warnings.push(text),
  } as unknown as RequestContext;
  const account = serviceAccounts.get("bot", "ns")!;
  const issue = async (spec: object = {}, metadata: object = {}) =>
    (await request(context, account, { metadata, spec } as KubeObject)) as KubeObject & {
      status: { token: string; expirationTimestamp: string };
    };
  const check = async (token: string, audiences: readonly string[] = []) => tokens.authenticateToken(token, audiences);
  return { clock, key, issuer, tokens, issue, check, warnings, ...listers };
}

describe("tokens of service accounts", () => {
  it("say who they are", async () => {
    const { issue, check } = world();
    const bound = await issue({ boundObjectRef: { kind: "Pod", apiVersion: "v1", name: "pod" } });
    expect(await check(bound.status.token)).toMatchObject({
      audiences: [ISSUER],
      user: {
        name: "system:serviceaccount:ns:bot",
        uid: "sa-1",
        groups: ["system:serviceaccounts", "system:serviceaccounts:ns"],
        extra: {
          "authentication.kubernetes.io/pod-name": ["pod"],
          "authentication.kubernetes.io/pod-uid": ["pod-1"],
          "authentication.kubernetes.io/node-name": ["n"],
          "authentication.kubernetes.io/node-uid": ["node-1"],
          "authentication.kubernetes.io/credential-id": [expect.stringMatching(/^JTI=[0-9a-f-]{36}$/)],
        },
      },
    });
  });

  it("end when their time is over, by the injected clock with a minute of leeway", async () => {
    const { issue, check, clock } = world();
    const { status } = await issue({ expirationSeconds: 600 });
    expect(Date.parse(status.expirationTimestamp)).toBe(clock.now() + 600_000);
    await clock.advance(659_000);
    expect(await check(status.token)).toBeDefined();
    await clock.advance(2_000);
    await expect(check(status.token)).rejects.toThrow("service account token has expired");
  });

  it.each<readonly [string, (all: ReturnType<typeof world>) => void, object, string]>([
    ["the account is gone", ({ serviceAccounts }) => serviceAccounts.remove("bot", "ns"), {}, "not found"],
    [
      "the account was made anew",
      ({ serviceAccounts }) => serviceAccounts.put(object("ns", "bot", "sa-2")),
      {},
      "service account UID (sa-2) does not match claim (sa-1)",
    ],
    [
      "the pod is gone",
      ({ pods }) => pods.remove("pod", "ns"),
      { kind: "Pod", apiVersion: "v1", name: "pod" },
      "service account token has been invalidated",
    ],
    [
      "the pod was made anew",
      ({ pods }) => pods.put(object("ns", "pod", "pod-9")),
      { kind: "Pod", apiVersion: "v1", name: "pod" },
      "pod UID (pod-9) does not match",
    ],
    [
      "the secret is gone",
      ({ secrets }) => secrets.remove("secret", "ns"),
      { kind: "Secret", apiVersion: "v1", name: "secret" },
      "service account token has been invalidated",
    ],
    [
      "the node is gone",
      ({ nodes }) => nodes.remove("n"),
      { kind: "Node", apiVersion: "v1", name: "n" },
      "service account token has been invalidated",
    ],
    [
      "the account is being deleted for minutes",
      ({ serviceAccounts, clock }) => {
        const doomed = object("ns", "bot", "sa-1");
        doomed.metadata.deletionTimestamp = new Date(clock.now() - 120_000).toISOString();
        serviceAccounts.put(doomed);
      },
      {},
      "service account ns/bot has been deleted",
    ],
  ])("end when %s", async (_, change, ref, message) => {
    const all = world();
    const { status } = await all.issue("kind" in ref ? { boundObjectRef: ref } : {});
    expect(await all.check(status.token)).toBeDefined();
    change(all);
    await expect(all.check(status.token)).rejects.toThrow(message);
  });

  it("count for their audiences only", async () => {
    const { issue, check } = world();
    const { status } = await issue({ audiences: ["vault", "other"] });
    await expect(check(status.token)).rejects.toThrow(
      'token audiences ["vault" "other"] is invalid for the target audiences',
    );
    expect((await check(status.token, ["vault"]))?.audiences).toEqual(["vault"]);
  });
});

describe("tokens nobody issued", () => {
  const claims = {
    iss: ISSUER,
    aud: [ISSUER],
    sub: "system:serviceaccount:ns:bot",
    "kubernetes.io": { namespace: "ns", serviceaccount: { name: "bot", uid: "sa-1" } },
  };
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  it("alg none, the public key as a shared secret, another key, a changed payload", async () => {
    const { check, key, issue } = world();
    const kid = keyID(createPublicKey(key));
    const none = `${part({ alg: "none", kid })}.${part(claims)}.`;
    const head = `${part({ alg: "HS256", kid })}.${part(claims)}`;
    const publicPEM = createPublicKey(key).export({ type: "spki", format: "pem" }) as string;
    const confused = `${head}.${createHmac("sha256", publicPEM).update(head).digest("base64url")}`;
    const stranger = await new SignJWT(claims).setProtectedHeader({ alg: "ES256", kid }).sign(newKey());
    const unknownKey = await new SignJWT(claims).setProtectedHeader({ alg: "ES256", kid: "x" }).sign(key);
    const [header, , signature] = (await issue()).status.token.split(".");
    const changed = `${header}.${part({ ...claims, sub: "system:serviceaccount:kube-system:admin" })}.${signature}`;
    for (const token of [none, confused, stranger, changed])
      await expect(check(token)).rejects.toThrow("invalid signature");
    await expect(check(unknownKey)).rejects.toThrow("invalid signature, no keys found");
  });

  it.each([
    "",
    "a",
    "a.b",
    "a.b.c",
    `${".".repeat(60_000)}`,
    "e30.e30.",
    `e30.${Buffer.from("[]").toString("base64url")}.x`,
  ])("%j is not ours", async (token) => {
    expect(await world().check(token)).toBe(undefined);
  });

  it("a token of another issuer is left to others", async () => {
    const { check, key } = world();
    expect(
      await check(
        await new SignJWT({ ...claims, iss: "https://elsewhere" }).setProtectedHeader({ alg: "ES256" }).sign(key),
      ),
    ).toBe(undefined);
  });

  it("old tokens live in their secret and die with it", async () => {
    const { check, key, secrets } = world();
    const prefix = "kubernetes.io/serviceaccount/";
    const legacy = {
      iss: "kubernetes/serviceaccount",
      sub: "system:serviceaccount:ns:bot",
      [`${prefix}namespace`]: "ns",
      [`${prefix}secret.name`]: "old",
      [`${prefix}service-account.name`]: "bot",
      [`${prefix}service-account.uid`]: "sa-1",
    };
    const token = await new SignJWT(legacy).setProtectedHeader({ alg: "ES256" }).sign(key);
    await expect(check(token)).rejects.toThrow("Token has been invalidated");
    secrets.put(object("ns", "old", "s", { data: { token: Buffer.from(token).toString("base64") } }));
    expect((await check(token))?.user.name).toBe("system:serviceaccount:ns:bot");
    secrets.put(object("ns", "old", "s", { data: { token: Buffer.from("other").toString("base64") } }));
    await expect(check(token)).rejects.toThrow("Token does not match server's copy");
  });
});

describe("asking for a token", () => {
  it.each<readonly [string, object, object, number, string]>([
    ["too short", { expirationSeconds: 599 }, {}, 422, "may not specify a duration less than 10 minutes"],
    ["too long", { expirationSeconds: 2 ** 32 + 1 }, {}, 422, "may not specify a duration larger than 2^32 seconds"],
    ["another name", {}, { name: "x" }, 422, "must match the service account name if specified"],
    [
      "another uid",
      {},
      { uid: "x" },
      409,
      "the UID in the token request (x) does not match the UID of the service account (sa-1)",
    ],
    ["a missing pod", { boundObjectRef: { kind: "Pod", apiVersion: "v1", name: "x" } }, {}, 404, 'pods "x" not found'],
    [
      "another's pod",
      { boundObjectRef: { kind: "Pod", apiVersion: "v1", name: "foreign" } },
      {},
      400,
      'cannot bind token for serviceaccount "bot" to pod running with different serviceaccount name.',
    ],
    [
      "another pod of the name",
      { boundObjectRef: { kind: "Pod", apiVersion: "v1", name: "pod", uid: "x" } },
      {},
      409,
      "The object might have been deleted and then recreated",
    ],
    [
      "a thing nobody binds to",
      { boundObjectRef: { kind: "ConfigMap", apiVersion: "v1", name: "x" } },
      {},
      400,
      "cannot bind token to object of type /v1, Kind=ConfigMap",
    ],
  ])("%s", async (_, spec, metadata, code, message) => {
    const promise = world().issue(spec, metadata);
    await expect(promise).rejects.toMatchObject({ code });
    await expect(promise).rejects.toThrow(message);
  });

  it("a pod's usual token lives on for a year", async () => {
    const { issue, check, clock } = world();
    const { status } = await issue({
      expirationSeconds: 3607,
      boundObjectRef: { kind: "Pod", apiVersion: "v1", name: "pod" },
    });
    await clock.advance(300 * 86_400_000);
    expect(await check(status.token)).toBeDefined();
  });
});

it("others can verify our tokens from the published keys", async () => {
  const { key, issue, clock } = world();
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const handlers = openIDHandlers({
    issuer: ISSUER,
    keys: [key, rsa.publicKey],
    jwksURI: `https://10.0.0.1:6443${JWKS_PATH}`,
  });
  const get = async (path: string) => {
    const exchange = fakeExchange();
    await handlers.get(path)!(exchange);
    return { ...exchange.answer, document: JSON.parse(exchange.answer.body!) };
  };
  const configuration = await get(OPENID_CONFIGURATION_PATH);
  expect(configuration.document).toEqual({
    issuer: ISSUER,
    jwks_uri: "https://10.0.0.1:6443/openid/v1/jwks",
    response_types_supported: ["id_token"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["ES256", "RS256"],
  });
  expect(configuration.headers.get("cache-control")).toBe("public, max-age=3600");
  const keys = await get(JWKS_PATH);
  expect([keys.status, keys.contentType]).toEqual([200, "application/jwk-set+json"]);
  expect(keys.body).not.toContain('"d"');
  const { createLocalJWKSet } = await import("jose");
  const { payload } = await jwtVerify((await issue()).status.token, createLocalJWKSet(keys.document), {
    issuer: ISSUER,
    currentDate: new Date(clock.now()),
  });
  expect(payload.sub).toBe("system:serviceaccount:ns:bot");
});

describe("tokens from a file", () => {
  it("have a user, a uid and groups", () => {
    const tokens = staticTokens(parseTokenFile('a,ann,1,"dev,ops"\r\nb,"b, ben",2\n\n'));
    expect(tokens.authenticateToken("a", ["x"])).toMatchObject({
      audiences: ["x"],
      user: { name: "ann", uid: "1", groups: ["dev", "ops"] },
    });
    expect(tokens.authenticateToken("b", [])).toMatchObject({ user: { name: "b, ben", groups: [] } });
    expect(tokens.authenticateToken("ann", [])).toBe(undefined);
  });
  it.each([
    ["secret-token,ann", "at least 3 columns"],
    [",ann,1", "the token is empty"],
    ["secret-token,,1", "the user name is empty"],
  ])("%s", (text, message) => {
    expect(() => parseTokenFile(text)).toThrow(message);
    expect(() => parseTokenFile(text)).not.toThrow("secret-token");
  });
});
