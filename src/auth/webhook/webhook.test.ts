import { describe, expect, it } from "vitest";
import { SimulatedClock, seededRandom } from "../../api/simulated.ts";
import type { ClientRequest, ClientResponse, ClientTransport } from "../../client/transport.ts";
import type { AuthorizationAttributes } from "../../server/authorization.ts";
import { type WebhookAuthorizerOptions, webhookAuthorizer } from "./authorizer.ts";
import { parseAuthorizationModes } from "./modes.ts";
import { webhookOver } from "./review.ts";
import { webhookTokens } from "./token.ts";

const MINUTE = 60_000;
const AUDIENCE = "https://issuer";

const list: AuthorizationAttributes = {
  user: { name: "jane", uid: "7", groups: ["dev", "ops"], extra: { "a/b": ["c"] } },
  verb: "list",
  isResourceRequest: true,
  group: "apps",
  version: "v1",
  resource: "deployments",
  subresource: "",
  namespace: "ns",
  name: "",
  path: "",
};

type Review = { kind: string; apiVersion: string; spec: Record<string, unknown> };

/** A webhook that answers as `answer` says: a status, a whole response, or an error of the connection. */
function world(answer: (review: Review, attempt: number) => unknown, server = "https://authz.example.com/authorize/") {
  const clock = new SimulatedClock();
  const requests: { readonly path: string; readonly review: Review }[] = [];
  const transport: ClientTransport = {
    async request(request: ClientRequest): Promise<ClientResponse> {
      const review = JSON.parse(String(request.body)) as Review;
      requests.push({ path: `${request.method} ${request.path}`, review });
      const given = await Promise.race([answer(review, requests.length), aborted(request.signal)]);
      if (given instanceof Error) throw given;
      if (given instanceof Whole) return given.response;
      return new Whole(201, { ...review, status: given }).response;
    },
    close: async () => {},
  };
  const webhook = webhookOver(transport, server, { clock, random: seededRandom(3) });
  const authorizer = (options: Partial<WebhookAuthorizerOptions> = {}) =>
    webhookAuthorizer(webhook, { version: "v1", authorizedTTL: 5 * MINUTE, unauthorizedTTL: MINUTE / 2, ...options });
  /** Lets back-off and timeouts pass. */
  const settled = async <T>(promise: T | Promise<T>): Promise<T> => {
    let done = false;
    const watched = Promise.resolve(promise).finally(() => {
      done = true;
    });
    watched.catch(() => {});
    for (let turn = 0; turn < 400 && !done; turn++) await clock.advance(500);
    return watched;
  };
  return { clock, requests, webhook, authorizer, settled };
}

class Whole {
  readonly response: ClientResponse;

  constructor(status: number, body: unknown, headers: Record<string, string> = {}) {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    this.response = {
      status,
      headers: { "content-type": typeof body === "string" ? "text/plain" : "application/json", ...headers },
      body: (async function* () {
        yield new TextEncoder().encode(text);
      })(),
    };
  }
}

const aborted = (signal: AbortSignal | undefined) =>
  new Promise<never>((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason), { once: true }));
const broken = (code: string, more: object = {}) => Object.assign(new Error(code), { code, ...more });

describe("a question to the webhook", () => {
  it("is a SubjectAccessReview, posted to the address of the kubeconfig and nowhere else", async () => {
    const { authorizer, requests } = world(() => ({ allowed: true, reason: "because" }));
    expect(await authorizer().authorize(list)).toEqual({ verdict: "Allow", reason: "because" });
    expect(requests).toEqual([
      {
        path: "POST /authorize?timeout=30s",
        review: {
          kind: "SubjectAccessReview",
          apiVersion: "authorization.k8s.io/v1",
          metadata: {},
          spec: {
            user: "jane",
            uid: "7",
            groups: ["dev", "ops"],
            extra: { "a/b": ["c"] },
            resourceAttributes: {
              namespace: "ns",
              verb: "list",
              group: "apps",
              version: "v1",
              resource: "deployments",
            },
          },
          status: { allowed: false },
        },
      },
    ]);
  });

  it("v1beta1 says group for groups", async () => {
    const { authorizer, requests } = world(() => ({ allowed: true }), "https://authz.example.com");
    await authorizer({ version: "v1beta1" }).authorize({ ...list, isResourceRequest: false, path: "/metrics" });
    expect(requests[0]!.path).toBe("POST /?timeout=30s");
    expect(requests[0]!.review).toMatchObject({
      apiVersion: "authorization.k8s.io/v1beta1",
      spec: { group: ["dev", "ops"], nonResourceAttributes: { path: "/metrics", verb: "list" } },
    });
    expect(requests[0]!.review.spec).not.toHaveProperty("groups");
  });

  it("selectors are requirements; what a review has no word for makes it broader", async () => {
    const { authorizer, requests } = world(() => ({ allowed: true }));
    await authorizer().authorize({
      ...list,
      fieldSelector: "metadata.name=x,spec.nodeName!=n",
      labelSelector: "a in (x,y),!b,c,d!=e,f>1",
    });
    await authorizer().authorize({ ...list, fieldSelector: "nonsense", labelSelector: "((" });
    const [first, second] = requests.map(({ review }) => review.spec["resourceAttributes"] as object);
    expect(first).toMatchObject({
      fieldSelector: {
        requirements: [
          { key: "metadata.name", operator: "In", values: ["x"] },
          { key: "spec.nodeName", operator: "NotIn", values: ["n"] },
        ],
      },
      labelSelector: {
        requirements: [
          { key: "a", operator: "In", values: ["x", "y"] },
          { key: "b", operator: "DoesNotExist" },
          { key: "c", operator: "Exists" },
          { key: "d", operator: "NotIn", values: ["e"] },
        ],
      },
    });
    expect(second).not.toHaveProperty("fieldSelector");
    expect(second).not.toHaveProperty("labelSelector");
  });
});

describe("the webhook's answer", () => {
  it.each<[string, object, object]>([
    ["allowed", { allowed: true }, { verdict: "Allow", reason: "" }],
    ["not allowed", { allowed: false, reason: "no" }, { verdict: "NoOpinion", reason: "no" }],
    ["nothing", {}, { verdict: "NoOpinion", reason: "" }],
    ["denied", { denied: true, reason: "never" }, { verdict: "Deny", reason: "never" }],
  ])("%s", async (_, status, decision) => {
    const { authorizer } = world(() => status);
    expect(await authorizer().authorize(list)).toEqual(decision);
  });

  it("allowed and denied at once is a refusal and an error", async () => {
    const { authorizer } = world(() => ({ allowed: true, denied: true }));
    const decision = await authorizer().authorize(list);
    expect(decision.verdict).toBe("Deny");
    expect(decision.error?.message).toBe("webhook subject access review returned both allow and deny response");
  });

  const review = { kind: "SubjectAccessReview", apiVersion: "authorization.k8s.io/v1" };
  it.each<[string, unknown, string]>([
    ["no JSON", "hello", "JSON"],
    ["no kind", { status: { allowed: true } }, "Object 'Kind' is missing"],
    ["another kind", { ...review, kind: "Pod", status: { allowed: true } }, "expected authorization.k8s.io/v1"],
    [
      "another version",
      { ...review, apiVersion: "authorization.k8s.io/v1beta1" },
      "is of authorization.k8s.io/v1beta1",
    ],
    ["a list", [review], "Object 'Kind' is missing"],
    ["a truthy text", { ...review, status: { allowed: "true" } }, "status.allowed that is no boolean"],
    ["a status that is a list", { ...review, status: [] }, "status that is no object"],
    ["two megabytes", { ...review, status: { allowed: true, reason: "x".repeat(2 ** 21) } }, "exceeds 1048576 bytes"],
  ])("%s is no answer", async (_, body, text) => {
    const { authorizer } = world(() => new Whole(200, body));
    const decision = await authorizer().authorize(list);
    expect(decision.verdict).toBe("NoOpinion");
    expect(decision.error?.message).toContain(text);
  });
});

describe("what is remembered", () => {
  it("allowed 5 min, anything else 30 s, by the injected clock", async () => {
    const { authorizer, requests, clock } = world((asked) => ({
      allowed: (asked.spec["resourceAttributes"] as { verb: string }).verb === "list",
    }));
    const both = authorizer();
    const ask = async () => {
      await both.authorize(list);
      await both.authorize({ ...list, verb: "get" });
      return requests.length;
    };
    expect(await ask()).toBe(2);
    await clock.advance(MINUTE / 2 - 1);
    expect(await ask()).toBe(2);
    await clock.advance(1);
    expect(await ask()).toBe(3);
    await clock.advance(5 * MINUTE - MINUTE / 2);
    expect(await ask()).toBe(5);
  });

  it("nothing with a lifetime of zero; one of several equal questions at a time travels", async () => {
    const { authorizer, requests } = world(() => ({ allowed: true }));
    const forgetful = authorizer({ authorizedTTL: 0 });
    await Promise.all([1, 2, 3].map(() => forgetful.authorize(list)));
    expect(requests.length).toBe(1);
    await forgetful.authorize(list);
    expect(requests.length).toBe(2);
  });

  it("users, groups and extras keep answers apart; long names and long reasons are not kept", async () => {
    const { authorizer, requests } = world((asked) => ({
      allowed: true,
      reason: asked.spec["user"] === "verbose" ? "r".repeat(10_000) : "",
    }));
    const one = authorizer();
    const { user } = list;
    const many = { ...user, groups: Array.from({ length: 1000 }, (_, n) => `group-${n}`) };
    for (const who of [user, { ...user, groups: ["dev"] }, { ...user, extra: {} }, { ...user, uid: "8" }, many]) {
      await one.authorize({ ...list, user: who });
      await one.authorize({ ...list, user: who });
    }
    expect(requests.length).toBe(5);
    for (let turn = 0; turn < 2; turn++) {
      await one.authorize({ ...list, name: "x".repeat(10_000) });
      await one.authorize({ ...list, user: { ...user, name: "verbose" } });
    }
    expect(requests.length).toBe(9);
  });
});

describe("a webhook in trouble", () => {
  it.each<[string, () => unknown, number, string]>([
    [
      "500",
      () => new Whole(500, "boom"),
      5,
      'an error on the server ("boom") has prevented the request from succeeding',
    ],
    ["504", () => new Whole(504, ""), 5, "the server was unable to return a response in the time allotted"],
    ["429", () => new Whole(429, ""), 5, "the server has received too many requests"],
    ["503 with Retry-After", () => new Whole(503, "", { "retry-after": "1" }), 5, "currently unable to handle"],
    ["503", () => new Whole(503, ""), 1, "the server is currently unable to handle the request"],
    ["401", () => new Whole(401, ""), 1, "the server has asked for the client to provide credentials"],
    ["a reset connection", () => broken("ECONNRESET"), 5, "connection reset by peer"],
    [
      "a refused connection",
      () => broken("ECONNREFUSED", { address: "127.0.0.1", port: 9 }),
      1,
      'Post "https://authz.example.com/authorize?timeout=30s": dial tcp 127.0.0.1:9: connect: connection refused',
    ],
    ["silence", () => new Promise(() => {}), 1, 'authorize?timeout=30s": context deadline exceeded'],
  ])("%s", async (_, answer, tries, text) => {
    const { authorizer, requests, settled } = world(answer);
    const one = authorizer();
    const decision = await settled(one.authorize(list));
    expect(decision.verdict).toBe("NoOpinion");
    expect(decision.error?.message).toContain(text);
    expect(requests.length).toBe(tries);
    await settled(one.authorize(list));
    expect(requests.length, "failures are not remembered").toBe(2 * tries);
  });

  it("failurePolicy Deny refuses", async () => {
    const { authorizer } = world(() => new Whole(503, ""));
    expect(await authorizer({ failurePolicy: "Deny" }).authorize(list)).toMatchObject({ verdict: "Deny" });
  });

  it("recovers within one question", async () => {
    const { authorizer, requests, settled } = world((_, attempt) =>
      attempt < 3 ? broken("ECONNRESET") : { allowed: true },
    );
    expect((await settled(authorizer().authorize(list))).verdict).toBe("Allow");
    expect(requests.length).toBe(3);
  });
});

describe("tokens", () => {
  function tokens(answer: (review: Review) => unknown, version: "v1" | "v1beta1" = "v1") {
    const all = world(answer);
    const options = { version, cacheTTL: 2 * MINUTE, implicitAudiences: [AUDIENCE] };
    return { ...all, tokens: webhookTokens(all.webhook, options) };
  }
  const jane = { authenticated: true, user: { username: "jane", uid: "7", groups: ["dev"], extra: { k: ["v"] } } };

  it("a review with the audiences, an identity back", async () => {
    const { tokens: one, requests } = tokens(() => jane, "v1beta1");
    expect(await one.authenticateToken("t", [AUDIENCE])).toEqual({
      user: { name: "jane", uid: "7", groups: ["dev"], extra: { k: ["v"] } },
      audiences: [AUDIENCE],
    });
    expect(requests[0]!.review).toMatchObject({
      kind: "TokenReview",
      apiVersion: "authentication.k8s.io/v1beta1",
      spec: { token: "t", audiences: [AUDIENCE] },
    });
  });

  it.each<[string, readonly string[], unknown, unknown]>([
    ["audiences that meet", [AUDIENCE, "x"], { ...jane, audiences: ["x", "y"] }, ["x"]],
    ["audiences that do not", [AUDIENCE], { ...jane, audiences: ["y"] }, undefined],
    ["none named, ours asked for", [AUDIENCE], jane, [AUDIENCE]],
    ["none named, another asked for", ["x"], jane, undefined],
    ["none asked for", [], { ...jane, audiences: ["y"] }, []],
    ["not authenticated", [AUDIENCE], { authenticated: false }, undefined],
    ["a text instead of true", [AUDIENCE], { ...jane, authenticated: "true" }, undefined],
  ])("%s", async (_, asked, status, audiences) => {
    const { tokens: one } = tokens(() => status);
    expect((await one.authenticateToken("t", asked))?.audiences).toEqual(audiences);
  });

  it.each<[string, object, string]>([
    ["an error of its own", { error: "token expired" }, "token expired"],
    ["nobody", { authenticated: true, user: {} }, "a user without a name"],
    ["groups that are none", { authenticated: true, user: { username: "j", groups: "system:masters" } }, "groups"],
    ["extra that is none", { authenticated: true, user: { username: "j", extra: ["x"] } }, "extra"],
  ])("%s is an error, and is not remembered", async (_, status, text) => {
    const { tokens: one, requests } = tokens(() => status);
    await expect(one.authenticateToken("t", [AUDIENCE])).rejects.toThrow(text);
    await expect(one.authenticateToken("t", [AUDIENCE])).rejects.toThrow(text);
    expect(requests.length).toBe(2);
  });

  it("extra keys of any name are only keys", async () => {
    const status = '{"authenticated":true,"user":{"username":"j","extra":{"__proto__":["x"],"constructor":["y"]}}}';
    const { tokens: one } = tokens(
      ({ kind, apiVersion }) =>
        new Whole(200, `{"kind":"${kind}","apiVersion":"${apiVersion}","status":${status}}`, {
          "content-type": "application/json",
        }),
    );
    const identity = await one.authenticateToken("t", []);
    expect(Object.entries(identity!.user.extra)).toEqual([
      ["__proto__", ["x"]],
      ["constructor", ["y"]],
    ]);
    expect(({} as Record<string, unknown>)["x"]).toBeUndefined();
  });

  it("answers count 2 min, good or bad", async () => {
    const {
      tokens: one,
      requests,
      clock,
    } = tokens((asked) => (asked.spec["token"] === "good" ? jane : { authenticated: false }));
    const ask = async () => {
      await one.authenticateToken("good", [AUDIENCE]);
      await one.authenticateToken("bad", [AUDIENCE]);
      return requests.length;
    };
    expect(await ask()).toBe(2);
    await clock.advance(2 * MINUTE - 1);
    expect(await ask()).toBe(2);
    await clock.advance(1);
    expect(await ask()).toBe(4);
  });
});

describe("--authorization-mode", () => {
  it.each<[string, string | undefined, string[]]>([
    ["RBAC", undefined, ["RBAC"]],
    ["Webhook,RBAC", "f", ["Webhook", "RBAC"]],
    ["AlwaysDeny", undefined, ["AlwaysDeny"]],
  ])("%s", (text, file, modes) => {
    expect(parseAuthorizationModes(text, file)).toEqual(modes);
  });

  it.each<[string, string | undefined, string]>([
    ["", undefined, "at least one authorization-mode must be passed"],
    ["Rbac", undefined, 'authorization-mode "Rbac" is not a valid mode'],
    ["Node,RBAC", undefined, 'authorization-mode "Node" is not supported'],
    ["Webhook", undefined, "authorization-mode Webhook's authorization config file not passed"],
    ["RBAC", "f", "cannot specify --authorization-webhook-config-file without mode Webhook"],
    ["RBAC,RBAC", undefined, 'authorization-mode ["RBAC" "RBAC"] has mode specified more than once'],
  ])("%s with %s is refused", (text, file, message) => {
    expect(() => parseAuthorizationModes(text, file)).toThrow(message);
  });
});
