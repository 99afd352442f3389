import { describe, expect, it } from "vitest";
import { SimulatedClock, seededRandom } from "../../api/simulated.ts";
import { StatusError } from "../../api/status.ts";
import type { AuthorizationAttributes } from "../../server/authorization.ts";
import type { UserInfo } from "../../server/identity.ts";
import { createAuthority, issueClient } from "../pki/index.ts";
import { fakeAPI } from "./api.test-support.ts";
import { alwaysAllowPaths } from "./authorizers.ts";
import { delegatedAuth } from "./delegated.ts";
import { fakeExchange } from "./exchange.test-support.ts";
import { mergeTrustConfig, parseTrustConfig, printTrustConfig, type TrustConfig } from "./trust-config.ts";

const PATH = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";
const DAY = 86_400_000;

function world() {
  const clock = new SimulatedClock();
  const context = { clock, random: seededRandom(9) };
  const clients = createAuthority({ subject: { commonName: "clients" } }, context);
  const proxies = createAuthority({ subject: { commonName: "proxies" } }, context);
  const trust: TrustConfig = {
    clientCA: clients.cert,
    requestHeader: {
      ca: proxies.cert,
      usernameHeaders: ["X-Remote-User"],
      uidHeaders: ["X-Remote-Uid"],
      groupHeaders: ["X-Remote-Group"],
      extraHeaderPrefixes: ["X-Remote-Extra-"],
      allowedNames: ["front-proxy-client"],
    },
  };
  const api = fakeAPI(clock);
  const configMap = (config: TrustConfig) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "extension-apiserver-authentication", namespace: "kube-system" },
    data: printTrustConfig(config),
  });
  const proxy = issueClient(proxies, { commonName: "front-proxy-client" }, context);
  const alice = issueClient(clients, { commonName: "alice", organizations: ["dev"] }, context);
  const from = (pair: typeof proxy, headers: [string, string][] = []) =>
    fakeExchange({ certificates: [new Uint8Array(pair.certificate.raw)], headers });
  return { clock, context, clients, proxies, trust, api, configMap, proxy, alice, from };
}

const asBob: [string, string][] = [
  ["X-Remote-User", "bob"],
  ["X-Remote-Group", "ops"],
];
const bearer = (token: string) => fakeExchange({ headers: [["Authorization", `Bearer ${token}`]] });
const bob: UserInfo = { name: "bob", uid: "u", groups: ["ops"], extra: { "a/b": ["c"] } };
const list: AuthorizationAttributes = {
  user: bob,
  verb: "list",
  isResourceRequest: true,
  group: "fun.example.com",
  version: "v1",
  resource: "jokes",
  subresource: "",
  namespace: "ns",
  name: "",
  path: "",
};

describe("identity in an extension server", () => {
  it("front proxy, then certificate, then TokenReview, then nobody", async () => {
    const { api, trust, configMap, proxy, alice, from } = world();
    api.put(PATH, configMap(trust));
    api.intercept = (method, path, body) =>
      method === "POST" && path.endsWith("/tokenreviews")
        ? {
            ...body,
            status:
              body?.["spec"].token === "good"
                ? { authenticated: true, user: { username: "tok", extra: { k: ["v"] } } }
                : { error: "no" },
          }
        : undefined;
    const auth = await delegatedAuth({ client: api.client });
    const who = async (exchange: ReturnType<typeof fakeExchange>) =>
      (await auth.authenticator.authenticate(exchange))?.name;
    expect(await who(from(proxy, asBob))).toBe("bob");
    expect(await who(from(alice, asBob))).toBe("alice");
    expect(await who(bearer("good"))).toBe("tok");
    expect(await who(fakeExchange())).toBe("system:anonymous");
    await expect(who(bearer("bad"))).rejects.toThrow("Unauthorized");
    await auth.close();
  });

  it("one TokenReview each 10 s for a token, good or bad", async () => {
    const { api, clock } = world();
    api.intercept = (_, path, body) =>
      path.endsWith("/tokenreviews")
        ? { ...body, status: { authenticated: body?.["spec"].token === "good", user: { username: "tok" } } }
        : undefined;
    const auth = await delegatedAuth({ client: api.client });
    const reviews = () => api.log.filter((line) => line.endsWith("/tokenreviews")).length;
    for (let turn = 0; turn < 5; turn++) {
      await auth.authenticator.authenticate(bearer("good"));
      await Promise.resolve(auth.authenticator.authenticate(bearer("bad"))).catch(() => {});
    }
    expect(reviews()).toBe(2);
    await clock.advance(10_000);
    await auth.authenticator.authenticate(bearer("good"));
    expect(reviews()).toBe(3);
    await auth.close();
  });

  it("works before the ConfigMap exists and follows it afterwards", async () => {
    const { api, clock, trust, configMap, proxy, from, context } = world();
    const auth = await delegatedAuth({ client: api.client });
    await clock.advance(0);
    expect((await auth.authenticator.authenticate(from(proxy, asBob)))?.name).toBe("system:anonymous");
    api.put(PATH, configMap(trust));
    await clock.advance(0);
    expect((await auth.authenticator.authenticate(from(proxy, asBob)))?.name).toBe("bob");
    const next = createAuthority({ subject: { commonName: "next" } }, context);
    api.put(PATH, configMap({ ...trust, requestHeader: { ...trust.requestHeader!, ca: next.cert } }));
    await clock.advance(0);
    await expect(auth.authenticator.authenticate(from(proxy, asBob))).rejects.toThrow("Unauthorized");
    await auth.close();
  });

  it("keeps the last good state when the ConfigMap breaks, and refuses roots that are shared", async () => {
    const { api, clock, trust, configMap, proxy, from } = world();
    const errors: unknown[] = [];
    api.put(PATH, configMap(trust));
    const auth = await delegatedAuth({ client: api.client, onError: (error) => errors.push(error) });
    await clock.advance(0);
    api.put(PATH, { ...configMap(trust), data: { ...printTrustConfig(trust), "requestheader-group-headers": "{}" } });
    api.put(
      PATH,
      configMap({
        ...trust,
        clientCA: trust.requestHeader!.ca,
        requestHeader: { ...trust.requestHeader!, allowedNames: [] },
      }),
    );
    await clock.advance(0);
    expect(errors.map(String)).toEqual([
      "TypeError: requestheader-group-headers: expected a JSON array of strings",
      expect.stringContaining("PKI_SHARED_TRUST_ROOT"),
    ]);
    expect((await auth.authenticator.authenticate(from(proxy, asBob)))?.name).toBe("bob");
    await auth.close();
  });

  it("does not start when reading is forbidden, unless told to tolerate it", async () => {
    const { api } = world();
    api.intercept = (_, path) => {
      if (path.includes("configmaps")) throw new StatusError(403, "Forbidden", "no");
      return undefined;
    };
    await expect(delegatedAuth({ client: api.client })).rejects.toThrow(
      "--role=extension-apiserver-authentication-reader",
    );
    const errors: unknown[] = [];
    const auth = await delegatedAuth({
      client: api.client,
      tolerateLookupFailure: true,
      onError: (error) => errors.push(error),
    });
    expect(errors.length).toBeGreaterThan(0);
    await auth.close();
  });
});

describe("permission in an extension server", () => {
  function reviewing(answer: (spec: Record<string, unknown>) => unknown) {
    const all = world();
    const specs: Record<string, unknown>[] = [];
    all.api.intercept = (_, path, body) => {
      if (!path.endsWith("/subjectaccessreviews")) return undefined;
      specs.push(body?.["spec"]);
      return { ...body, status: answer(body?.["spec"]) };
    };
    return { ...all, specs };
  }

  it("asks the main server once in 10 s for equal questions, allowed or not", async () => {
    const { api, clock, specs } = reviewing((spec) => ({
      allowed: (spec["resourceAttributes"] as { verb: string }).verb === "list",
      reason: "r",
    }));
    const { authorizer, close } = await delegatedAuth({ client: api.client });
    const all = await Promise.all([1, 2, 3].map(() => authorizer.authorize(list)));
    expect(all[0]).toEqual({ verdict: "Allow", reason: "r" });
    expect(await authorizer.authorize({ ...list, verb: "get" })).toMatchObject({ verdict: "NoOpinion", reason: "r" });
    await authorizer.authorize({ ...list, verb: "get" });
    expect(specs.length).toBe(2);
    expect(specs[0]).toEqual({
      user: "bob",
      uid: "u",
      groups: ["ops"],
      extra: { "a/b": ["c"] },
      resourceAttributes: { namespace: "ns", verb: "list", group: "fun.example.com", version: "v1", resource: "jokes" },
    });
    await clock.advance(10_000);
    await authorizer.authorize(list);
    expect(specs.length).toBe(3);
    await close();
  });

  it("asks nothing for system:masters and for health", async () => {
    const { api, specs } = reviewing(() => ({ allowed: false }));
    const { authorizer, close } = await delegatedAuth({ client: api.client });
    const masters = { ...bob, groups: ["system:masters"] };
    const health = { ...list, isResourceRequest: false, path: "/healthz", verb: "post" };
    expect((await authorizer.authorize({ ...list, user: masters })).verdict).toBe("Allow");
    expect((await authorizer.authorize(health)).verdict).toBe("Allow");
    expect(specs).toEqual([]);
    expect((await authorizer.authorize({ ...health, path: "/healthz/etcd" })).verdict).toBe("NoOpinion");
    expect(specs).toEqual([
      {
        user: "bob",
        uid: "u",
        groups: ["ops"],
        extra: { "a/b": ["c"] },
        nonResourceAttributes: { path: "/healthz/etcd", verb: "post" },
      },
    ]);
    await close();
  });

  it("a Deny is a Deny; questions too long to remember are asked again", async () => {
    const { api, specs } = reviewing(() => ({ allowed: false, denied: true }));
    const { authorizer, close } = await delegatedAuth({ client: api.client });
    const long = { ...list, name: "x".repeat(10_000) };
    expect((await authorizer.authorize(long)).verdict).toBe("Deny");
    await authorizer.authorize(long);
    expect(specs.length).toBe(2);
    await close();
  });

  it("when the main server cannot answer it is an error, not a refusal, and is not remembered", async () => {
    const { api, clock } = world();
    let broken = true;
    let asked = 0;
    api.intercept = (_, path, body) => {
      if (!path.endsWith("/subjectaccessreviews")) return undefined;
      asked++;
      if (broken) throw new StatusError(500, "InternalError", "down");
      return { ...body, status: { allowed: true } };
    };
    const { authorizer, close } = await delegatedAuth({ client: api.client });
    const pending = Promise.resolve(authorizer.authorize(list));
    for (let turn = 0; turn < 10; turn++) await clock.advance(2_000);
    const decision = await pending;
    expect(decision.verdict).toBe("NoOpinion");
    expect(decision.error?.message).toContain("down");
    expect(asked).toBe(5);
    broken = false;
    expect((await authorizer.authorize(list)).verdict).toBe("Allow");
    await close();
  });

  it.each<readonly [string, string, boolean]>([
    ["/healthz", "/healthz", true],
    ["/healthz", "/healthz/", false],
    ["/debug/*", "/debug/x/y", true],
    ["/debug/*", "/debugger", false],
    ["healthz", "/healthz", true],
  ])("path rule %s and %s", async (rule, path, allowed) => {
    const decision = await alwaysAllowPaths([rule]).authorize({ ...list, isResourceRequest: false, path });
    expect(decision.verdict === "Allow").toBe(allowed);
    expect((await alwaysAllowPaths([rule]).authorize({ ...list, path })).verdict).toBe("NoOpinion");
    expect(() => alwaysAllowPaths(["/a*b"])).toThrow(RangeError);
  });
});

describe("the trust ConfigMap", () => {
  it("is the same after printing and parsing", () => {
    const { trust } = world();
    expect(parseTrustConfig(printTrustConfig(trust))).toEqual(trust);
    expect(parseTrustConfig({})).toEqual({ clientCA: undefined, requestHeader: undefined });
    expect(printTrustConfig({ clientCA: undefined, requestHeader: undefined })).toEqual({});
  });

  it("merges: theirs first, each once, names narrow, expired certificates go after five minutes", () => {
    const { trust, clock, context } = world();
    const peer = createAuthority({ subject: { commonName: "peer" }, lifetime: DAY }, context);
    const theirs: TrustConfig = {
      clientCA: peer.cert + trust.clientCA!,
      requestHeader: {
        ...trust.requestHeader!,
        ca: peer.cert,
        allowedNames: [],
        usernameHeaders: ["X-User", "X-Remote-User"],
      },
    };
    const now = clock.now();
    const merged = mergeTrustConfig(theirs, trust, now);
    expect(merged.clientCA).toBe(peer.cert + trust.clientCA!);
    expect(merged.requestHeader).toEqual({
      ...trust.requestHeader,
      ca: peer.cert + trust.requestHeader!.ca,
      usernameHeaders: ["X-User", "X-Remote-User"],
      allowedNames: ["front-proxy-client"],
    });
    expect(mergeTrustConfig(merged, trust, now)).toEqual(merged);
    expect(mergeTrustConfig(merged, trust, now + DAY + 60_000).clientCA).toContain(peer.cert);
    expect(mergeTrustConfig(merged, trust, now + DAY + 6 * 60_000).clientCA).toBe(trust.clientCA);
  });

  it.each([
    ["client-ca-file", "hello"],
    ["requestheader-allowed-names", "[1]"],
    ["requestheader-allowed-names", "nonsense"],
  ])("data that is broken is refused: %s %s", (key, value) => {
    expect(() => parseTrustConfig({ [key]: value })).toThrow();
  });
});
