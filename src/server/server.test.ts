/** The chain from exchange to backend, a filter after the other in the order they run: its order is what is tested. */
import { describe, expect, it } from "vitest";
import { SimulatedClock, seededRandom } from "../api/simulated.ts";
import { StatusError } from "../api/status.ts";
import type { AuthorizationAttributes } from "./authorization.ts";
import type { Exchange } from "./exchange.ts";
import { ANONYMOUS, type UserInfo } from "./identity.ts";
import type { Logger } from "./logger.ts";
import { type Backend, type Claim, RouteTable } from "./routes.ts";
import { createServer, type ServerOptions } from "./server.ts";
import type { MemoryRequest, MemoryTransport } from "./transports/memory.ts";

const ADMIN: UserInfo = { name: "admin", uid: "", groups: ["system:masters"], extra: {} };
const EVE: UserInfo = { name: "eve", uid: "", groups: ["system:authenticated"], extra: {} };

const claim = (group: string, version: string, service?: Claim["service"]): Claim => ({
  name: `${version}.${group}`,
  group,
  version,
  groupPriorityMinimum: 1000,
  versionPriority: 15,
  service,
});

function backend(
  group: string,
  version: string,
  serve: Backend["serve"],
  source: Backend["source"] = "builtin",
): Backend {
  const responseKind = { group, version, kind: "Thing" };
  const verbs = ["create", "delete", "get", "list"];
  const resources = [
    { resource: "things", responseKind, scope: "Namespaced", singularResource: "thing", verbs } as const,
  ];
  return { group, version, source, serve, discovery: () => ({ resources, fresh: true }) };
}

/** A server whose core group answers by the resource's name. */
function setup(options: Partial<ServerOptions> = {}, behaviours: Record<string, Backend["serve"]> = {}) {
  const clock = new SimulatedClock();
  const logged: { code: unknown; err: unknown }[] = [];
  const log = (fields: Record<string, unknown>) => logged.push({ code: fields["code"], err: fields["err"] });
  const logger: Logger = { error: log, warn: log, info: log, debug: () => {} };
  const routes = new RouteTable();
  const answers = new Map(Object.entries(behaviours));
  routes.batch(() => {
    routes.setBackend(
      "core",
      backend("", "v1", (exchange) => {
        const behave = answers.get(exchange.info.resource);
        if (behave !== undefined) return behave(exchange);
        exchange.response.send(200, "application/json", JSON.stringify({ user: exchange.user.name }));
      }),
    );
    routes.setClaims([claim("", "v1"), claim("far.example.com", "v1", { namespace: "n", name: "s", port: 443 })]);
    routes.complete();
  });
  const server = createServer({
    clock,
    random: seededRandom(1),
    logger,
    routes,
    authenticator: { authenticate: () => undefined },
    authorizer: {
      authorize: () => ({ verdict: "Allow", reason: "" }),
      rulesFor: () => ({ resourceRules: [], nonResourceRules: [], incomplete: false, evaluationError: "" }),
    },
    ...options,
  });
  return { clock, logged, routes, server, admin: server.inMemory(ADMIN), nobody: server.inMemory() };
}

async function ask(transport: MemoryTransport, request: Partial<MemoryRequest> & { path: string }) {
  const response = await transport.request({ method: "GET", ...request });
  const chunks: Uint8Array[] = [];
  for await (const chunk of response.body) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  return { status: response.status, headers: response.headers, text, json: () => JSON.parse(text) };
}

const deny = (reason = "") => ({
  authorize: () => ({ verdict: "NoOpinion", reason }) as const,
  rulesFor: () => ({ resourceRules: [], nonResourceRules: [], incomplete: false, evaluationError: "" }),
});

describe("the chain", () => {
  it("names every request and forbids caching", async () => {
    const { admin } = setup();
    const own = await ask(admin, { path: "/api/v1/things", headers: { "Audit-ID": "mine" } });
    expect(own.headers).toMatchObject({ "audit-id": "mine", "cache-control": "no-cache, private" });
    const made = await ask(admin, { path: "/api/v1/things" });
    expect(made.headers["audit-id"]).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("asks in the order: request info, authentication, impersonation, authorization, handler", async () => {
    const order: string[] = [];
    const { server } = setup(
      {
        authenticator: {
          authenticate(exchange) {
            order.push(`authentication of ${exchange.info.resource}`);
            return ADMIN;
          },
        },
        impersonation(exchange, next) {
          order.push(`impersonation by ${exchange.user.name}`);
          exchange.user = EVE;
          return next(exchange);
        },
        authorizer: {
          ...deny(),
          async authorize(attributes: AuthorizationAttributes) {
            order.push(`authorization of ${attributes.user.name}`);
            return { verdict: "Allow", reason: "" };
          },
        },
      },
      {
        things: (exchange) => {
          order.push(`handler for ${exchange.user.name}, really ${exchange.originalUser?.name}`);
          exchange.response.send(200, "", "");
        },
      },
    );
    await ask(server.inMemory(), { path: "/api/v1/things" });
    expect(order).toEqual([
      "authentication of things",
      "impersonation by admin",
      "authorization of eve",
      "handler for eve, really admin",
    ]);
  });

  it("is not reached by what cannot be parsed", async () => {
    const { nobody } = setup({ authenticator: { authenticate: () => expect.fail("asked") } });
    const response = await ask(nobody, { path: "/api/v1/namespaces/../things" });
    expect(response).toMatchObject({ status: 400 });
    expect(response.json()).toMatchObject({ kind: "Status", reason: "BadRequest", code: 400 });
  });
});

describe("authentication", () => {
  it("takes nobody for anonymous, unless that is off", async () => {
    expect((await ask(setup().nobody, { path: "/api/v1/things" })).json()).toEqual({ user: ANONYMOUS.name });
    const refused = await ask(setup({ anonymous: false }).nobody, { path: "/api/v1/things" });
    expect(refused.json()).toEqual({
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: "Unauthorized",
      reason: "Unauthorized",
      code: 401,
    });
  });

  it.each([
    [
      "throws",
      () => {
        throw new Error("bad token");
      },
    ],
    ["rejects", () => Promise.reject(new Error("bad token"))],
  ])("answers 401 when the authenticator %s, also with anonymous on", async (_, authenticate) => {
    const { nobody } = setup({ authenticator: { authenticate } });
    expect((await ask(nobody, { path: "/api/v1/things" })).status).toBe(401);
  });
});

describe("authorization", () => {
  it.each([
    [
      "GET",
      "/api/v1/namespaces/n/things/x",
      'things "x" is forbidden: User "eve" cannot get resource "things" in API group "" in the namespace "n"',
    ],
    [
      "GET",
      "/api/v1/namespaces/n/things",
      'things is forbidden: User "eve" cannot list resource "things" in API group "" in the namespace "n"',
    ],
    [
      "DELETE",
      "/api/v1/things",
      'things is forbidden: User "eve" cannot deletecollection resource "things" in API group "" at the cluster scope',
    ],
    [
      "GET",
      "/api/v1/namespaces/n/things/x/log",
      'things "x" is forbidden: User "eve" cannot get resource "things/log" in API group "" in the namespace "n"',
    ],
    [
      "POST",
      "/apis/far.example.com/v1/things",
      'things.far.example.com is forbidden: User "eve" cannot create resource "things" in API group "far.example.com" at the cluster scope',
    ],
    ["GET", "/metrics", 'forbidden: User "eve" cannot get path "/metrics"'],
    ["GET", "/%3Ca&b%3E", 'forbidden: User "eve" cannot get path "/&lt;a&amp;b&gt;"'],
  ])("%s %s", async (method, path, message) => {
    const { server } = setup({ authorizer: deny() });
    const response = await ask(server.inMemory(EVE), { method, path });
    expect(response.headers["x-content-type-options"]).toBe("nosniff");
    expect(response.json()).toMatchObject({ message, reason: "Forbidden", code: 403 });
  });

  it("appends the authorizer's reason, and names what was asked in the details", async () => {
    const { server } = setup({ authorizer: deny("RBAC: role not found") });
    const { status, json } = await ask(server.inMemory(EVE), { path: "/apis/far.example.com/v1/things/x" });
    expect(status).toBe(403);
    expect(json().message).toMatch(/at the cluster scope: RBAC: role not found$/);
    expect(json().details).toEqual({ name: "x", group: "far.example.com", kind: "things" });
  });

  it("answers 500 in plain text when nobody allows and somebody failed", async () => {
    const error = new Error("no <index>");
    const { server, logged } = setup({
      authorizer: { ...deny(), authorize: () => ({ verdict: "NoOpinion", reason: "", error }) },
    });
    const response = await ask(server.inMemory(EVE), { path: "/api/v1/things?a=1" });
    expect(response).toMatchObject({
      status: 500,
      text: 'Internal Server Error: "/api/v1/things?a=1": no &lt;index&gt;\n',
    });
    expect(logged).toEqual([{ code: "authorization-error", err: error }]);
  });
});

describe("failures", () => {
  it("shows a StatusError as it is, and Retry-After with it", async () => {
    const { admin, logged } = setup(
      {},
      {
        things: () => {
          throw new StatusError(429, "TooManyRequests", "slow", { retryAfterSeconds: 7 });
        },
      },
    );
    const response = await ask(admin, { path: "/api/v1/things" });
    expect(response).toMatchObject({
      status: 429,
      headers: { "retry-after": "7", "content-type": "application/json" },
    });
    expect(logged).toEqual([]);
  });

  it.each([
    [
      "throws",
      () => {
        throw new TypeError("secret");
      },
    ],
    [
      "rejects",
      async () => {
        throw new TypeError("secret");
      },
    ],
  ])("hides what a handler %s, logs it, and goes on serving", async (_, things) => {
    const { admin, logged } = setup({}, { things });
    const response = await ask(admin, { path: "/api/v1/things" });
    expect(response.status).toBe(500);
    expect(response.text).not.toContain("secret");
    expect(response.json()).toMatchObject({ kind: "Status", reason: "InternalError" });
    expect(logged).toEqual([{ code: "request-panic", err: expect.any(TypeError) }]);
    expect((await ask(admin, { path: "/livez" })).status).toBe(200);
  });

  it("cuts a response off that had begun", async () => {
    const { admin } = setup(
      {},
      {
        async things(exchange) {
          exchange.response.start(200, "application/json");
          throw new Error("too late");
        },
      },
    );
    await expect(ask(admin, { path: "/api/v1/things" })).rejects.toThrow("cut off");
  });

  it("answers for a handler that forgot to", async () => {
    const { admin, logged } = setup({}, { things: async () => {} });
    expect((await ask(admin, { path: "/api/v1/things" })).status).toBe(500);
    expect(logged).toMatchObject([{ code: "request-unanswered" }]);
  });
});

describe("deadlines", () => {
  const never = (exchange: Exchange) =>
    new Promise<void>((_, reject) => exchange.signal.addEventListener("abort", () => reject(exchange.signal.reason)));

  it.each([
    ["GET", "/api/v1/things", 60_000, "Timeout: request did not complete within the allotted timeout"],
    ["GET", "/api/v1/things?timeout=0s", 60_000, "Timeout: request did not complete within the allotted timeout"],
    ["GET", "/api/v1/things?timeout=2m", 60_000, "Timeout: request did not complete within the allotted timeout"],
    ["GET", "/api/v1/things?timeout=1500ms", 1500, "Timeout: request did not complete within the allotted timeout"],
    [
      "POST",
      "/api/v1/things",
      34_000,
      "Timeout: request did not complete within requested timeout - context deadline exceeded",
    ],
    ["POST", "/api/v1/things?timeout=5s", 5000, "Timeout: request did not complete within the allotted timeout"],
  ])("%s %s ends after %d ms", async (method, path, after, message) => {
    let signal: AbortSignal | undefined;
    const { clock, admin } = setup(
      {},
      {
        things(exchange) {
          signal = exchange.signal;
          return never(exchange);
        },
      },
    );
    const answer = ask(admin, { method, path });
    await clock.advance(after - 1);
    expect(signal!.aborted).toBe(false);
    await clock.advance(1);
    expect(signal!.aborted).toBe(true);
    const response = await answer;
    expect(response.status).toBe(504);
    expect(response.json()).toMatchObject({ reason: "Timeout", message });
    expect(clock.waiting).toBe(0);
  });

  it("refuses what is no duration", async () => {
    const { admin } = setup();
    const { json } = await ask(admin, { path: "/api/v1/things?timeout=abc" });
    expect(json()).toMatchObject({
      code: 400,
      message: 'invalid timeout specified in the request URL - time: invalid duration "abc"',
    });
  });

  it("does not touch watches, and breaks a response that had begun", async () => {
    const { clock, admin } = setup(
      {},
      {
        things(exchange) {
          exchange.response.start(200);
          return never(exchange);
        },
      },
    );
    const watch = await admin.request({ method: "GET", path: "/api/v1/things?watch=1&timeout=1s" });
    const list = ask(admin, { path: "/api/v1/things?timeout=1s" });
    const broken = expect(list).rejects.toThrow("cut off");
    await clock.advance(5000);
    await broken;
    expect(watch.status).toBe(200);
    expect(clock.waiting).toBe(0);
  });
});

describe("max in flight", () => {
  it("refuses in plain text past the limit, by kind, but not administrators nor watches", async () => {
    const open: (() => void)[] = [];
    const { server, admin } = setup(
      { maxInFlight: { reading: 1, writing: 1 } },
      {
        things: (exchange) =>
          new Promise<void>((resolve) => {
            open.push(() => {
              exchange.response.send(200, "", "");
              resolve();
            });
          }),
      },
    );
    const eve = server.inMemory(EVE);
    const running = [
      ask(eve, { path: "/api/v1/things" }),
      ask(eve, { method: "POST", path: "/api/v1/things" }),
      ask(eve, { path: "/api/v1/things?watch=1" }),
      ask(admin, { path: "/api/v1/things" }),
    ];
    const refused = await ask(eve, { path: "/api/v1/things/x" });
    expect(refused).toMatchObject({
      status: 429,
      text: "Too many requests, please try again later.\n",
      headers: { "retry-after": "1", "content-type": "text/plain; charset=utf-8" },
    });
    expect((await ask(eve, { method: "DELETE", path: "/api/v1/things/x" })).status).toBe(429);
    const scraped = (await ask(admin, { path: "/metrics" })).text;
    expect(scraped).toContain('apiserver_current_inflight_requests{request_kind="mutating"} 1');
    for (const finish of open) finish();
    expect((await Promise.all(running)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    const again = ask(eve, { path: "/api/v1/things" });
    await Promise.resolve().then(() => {});
    for (let turn = 0; open.length < 5 && turn < 20; turn++) await Promise.resolve();
    open[4]!();
    expect((await again).status).toBe(200);
  });
});

describe("routing", () => {
  it("says 404 in plain text for a group nobody serves, and 503 for a claimed one without its backend", async () => {
    const { admin } = setup();
    expect(await ask(admin, { path: "/apis/no.example.com/v1/things" })).toMatchObject({
      status: 404,
      text: "404 page not found\n",
      headers: { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" },
    });
    expect(await ask(admin, { path: "/nothing" })).toMatchObject({ status: 404 });
    expect(await ask(admin, { path: "/apis/far.example.com/v1" })).toMatchObject({
      status: 503,
      text: "service unavailable\n",
    });
    expect(await ask(admin, { path: "/apis/far.example.com/v1/things" })).toMatchObject({ status: 503 });
  });

  it("turns 404 into 503 for requests that came before the routes were complete", async () => {
    const routes = new RouteTable();
    const { server } = setup({ routes });
    const admin = server.inMemory(ADMIN);
    const early = await ask(admin, { path: "/apis/no.example.com/v1/things" });
    expect(early).toMatchObject({ status: 503, headers: { "retry-after": "5" } });
    expect(early.json()).toMatchObject({
      reason: "ServiceUnavailable",
      message: "the request has been made before all known HTTP paths have been installed, please try again",
      details: { retryAfterSeconds: 5 },
    });
    routes.complete();
    expect((await ask(admin, { path: "/apis/no.example.com/v1/things" })).status).toBe(404);
  });

  it("hands remote group-versions everything below them, discovery included", async () => {
    const seen: string[] = [];
    const { admin, routes } = setup();
    routes.setBackend(
      "far",
      backend(
        "far.example.com",
        "v1",
        (exchange) => {
          seen.push(exchange.target);
          exchange.response.send(200, "", "");
        },
        "remote",
      ),
    );
    await ask(admin, { path: "/apis/far.example.com/v1" });
    await ask(admin, { path: "/apis/far.example.com/v1/things/a%2Fb?x=1" });
    expect(seen).toEqual(["/apis/far.example.com/v1", "/apis/far.example.com/v1/things/a%2Fb?x=1"]);
  });
});

describe("shutdown", () => {
  it("fails readiness first, then ends watches, waits for the rest and refuses newcomers", async () => {
    let finish!: () => void;
    const ended: string[] = [];
    const { server, admin } = setup(
      {},
      {
        slow: (exchange) =>
          new Promise<void>((resolve) => {
            finish = () => {
              exchange.response.send(200, "", "done");
              resolve();
            };
          }),
        watched: (exchange) => {
          exchange.response.start(200);
          return new Promise<void>((resolve) =>
            exchange.signal.addEventListener("abort", () => {
              ended.push(`${exchange.signal.reason}`);
              exchange.response.end();
              resolve();
            }),
          );
        },
      },
    );
    const slow = ask(admin, { path: "/api/v1/slow" });
    const watch = ask(admin, { path: "/api/v1/watched?watch=1" });
    server.stop();
    const ready = await ask(admin, { path: "/readyz" });
    expect(ready).toMatchObject({ status: 500 });
    expect(ready.text).toBe("[+]ping ok\n[+]log ok\n[-]shutdown failed: reason withheld\nreadyz check failed\n");
    expect((await ask(admin, { path: "/livez" })).text).toBe("ok");
    expect((await ask(admin, { path: "/api/v1/things" })).status).toBe(200);
    const closed = server.close({ graceMs: 1000 });
    expect((await watch).status).toBe(200);
    expect(ended).toEqual(["RequestCancelled: request cancelled: shutdown"]);
    const late = await ask(admin, { path: "/api/v1/things" });
    expect(late).toMatchObject({ status: 503, headers: { "retry-after": "1" } });
    expect(late.json()).toMatchObject({ message: "apiserver is shutting down" });
    finish();
    expect((await slow).text).toBe("done");
    await closed;
    await expect(ask(admin, { path: "/livez" })).rejects.toThrow("closed");
  });

  it("does not wait longer than the grace", async () => {
    const { server, admin, clock } = setup({}, { slow: () => new Promise(() => {}) });
    const slow = ask(admin, { path: "/api/v1/slow" });
    const cut = expect(slow).rejects.toThrow("closed");
    const closed = server.close({ graceMs: 1000 });
    await clock.advance(1000);
    await closed;
    await cut;
  });
});

describe("metrics", () => {
  it("counts what clients were answered, once for each label set, and gives no series to names that led nowhere", async () => {
    const { admin } = setup();
    for (const path of [
      "/api/v1/namespaces/n/things",
      "/api/v1/namespaces/m/things",
      "/apis/made.up/v1/x",
      "/apis/made.up2/v1/x",
    ])
      await ask(admin, { path });
    const { text, headers } = await ask(admin, { path: "/metrics" });
    expect(headers["content-type"]).toContain("text/plain; version=0.0.4");
    expect(text).toContain(
      'apiserver_request_total{verb="LIST",dry_run="",group="",version="v1",resource="things",subresource="",scope="namespace",component="apiserver",code="200"} 2',
    );
    expect(text).toContain(
      'apiserver_request_duration_seconds_count{verb="LIST",dry_run="",group="",version="v1",resource="things",subresource="",scope="namespace",component="apiserver"} 2',
    );
    expect(text).toContain(
      'verb="other",dry_run="",group="",version="",resource="",subresource="",scope="",component="apiserver",code="404"} 2',
    );
    expect(text).not.toContain("made.up");
  });
});
