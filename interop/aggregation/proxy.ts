/** Cases 33 to 42, 46 and 47: what reaches an extension server and what comes back. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { eventually } from "../story.ts";
import type { Answer, CallOptions } from "../target.ts";
import { define } from "./case.ts";
import { type ExtensionServer, json, type Seen } from "./extension-server.ts";
import { APISERVICES, apiService, base64, type Stage } from "./stage.ts";

const text = ({ status, headers, text }: Answer) => [status, headers["content-type"], text];
const TEXT = "text/plain; charset=utf-8";

/** Says that it is available, whatever the server found. */
export async function force({ target }: Stage, name: string): Promise<void> {
  const condition = { type: "Available", status: "True", reason: "Forced", message: "" };
  const answer = await target.call("PATCH", `${APISERVICES}/${name}/status`, {
    contentType: "application/merge-patch+json",
    body: { status: { conditions: [{ ...condition, lastTransitionTime: new Date().toISOString() }] } },
  });
  equal(answer.status, 200, answer.text);
}

/** Lets `user` do everything in the group of the case. */
async function allow(stage: Stage, user: string): Promise<void> {
  const name = stage.namespace;
  const rbac = "/apis/rbac.authorization.k8s.io/v1";
  const rules = [{ apiGroups: [stage.group], resources: ["*"], verbs: ["*"] }];
  await stage.make(`${rbac}/clusterroles`, { metadata: { name }, rules } as never);
  await stage.make(`${rbac}/clusterrolebindings`, {
    metadata: { name },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: user }],
  } as never);
}

interface SeenOptions extends CallOptions {
  /** Where it arrives, when not at the same path. */
  readonly as?: string;
}

/** GET once it is allowed; what the extension server saw of it. */
async function seenOf(stage: Stage, server: ExtensionServer, path: string, options: SeenOptions = {}) {
  const answer = await eventually(
    () => stage.target.call("GET", path, options),
    ({ status }) => status !== 403,
  );
  equal(answer.status, 200, answer.text);
  const seen = server.asked(options.as ?? path.split("?")[0]!).at(-1);
  ok(seen !== undefined);
  return { answer, seen };
}

const names = (seen: Seen) => seen.rawHeaders.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase());
/** Values of all headers with this prefix, whatever follows. */
const withPrefix = (seen: Seen, prefix: string) =>
  seen.rawHeaders.flatMap((name, index) =>
    index % 2 === 0 && name.toLowerCase().startsWith(prefix)
      ? [[decodeURIComponent(name.toLowerCase().slice(prefix.length)), seen.rawHeaders[index + 1]]]
      : [],
  );

export const PROXY = [
  define(33, "not available: 503 in plain text", async (stage) => {
    const service = { namespace: stage.namespace, name: "missing" };
    await stage.make(APISERVICES, apiService(stage.group, { service, insecureSkipTLSVerify: true }));
    const path = `/apis/${stage.group}/v1`;
    const first = await eventually(
      () => stage.target.call("GET", path),
      ({ status }) => status !== 404,
    );
    deepEqual(text(first), [503, TEXT, "service unavailable\n"]);
    equal(first.headers["x-content-type-options"], "nosniff");
    for (const method of ["GET", "POST", "DELETE"]) {
      deepEqual(text(await stage.target.call(method, `${path}/things/x`)), [503, TEXT, "service unavailable\n"]);
    }
  }),

  define(34, "available by word, with a bundle that is none: 500", async (stage) => {
    const service = await stage.expose(await stage.server());
    await stage.make(APISERVICES, apiService(stage.group, { service, caBundle: base64("garbage") }));
    await force(stage, `v1.${stage.group}`);
    const answer = await eventually(
      () => stage.target.call("GET", `/apis/${stage.group}/v1/things`),
      ({ status }) => status === 500,
    );
    equal(answer.status, 500, answer.text);
    equal(answer.headers["content-type"], TEXT);
    match(answer.text, /^unable to load root certificates: /);
  }),

  define(35, "its Service is deleted: 503", async (stage) => {
    const { things, service } = await stage.behind();
    await stage.target.call("DELETE", `/api/v1/namespaces/${service.namespace}/services/${service.name}`);
    const answer = await eventually(
      () => stage.target.call("GET", things),
      ({ status }) => status !== 200,
    );
    deepEqual(text(answer), [503, TEXT, "service unavailable\n"]);
  }),

  define(36, "it refuses connections, but is available still: 503 with the cause", async (stage) => {
    const { things, server } = await stage.behind();
    await server.kill();
    const answer = await stage.target.call("GET", things);
    const cause = `dial tcp ${server.host}:${server.port}: connect: connection refused`;
    deepEqual(text(answer), [503, TEXT, `error trying to reach service: ${cause}\n`]);
  }),

  define(
    37,
    "it is told user, uid, groups and extra values",
    async (stage) => {
      const headers = {
        "impersonate-user": "u",
        "impersonate-uid": "1",
        "impersonate-group": ["a", "b"],
        "impersonate-extra-k%2fx": ["p", "q"],
      };
      const identify = async (on: Stage) => {
        const { things, server } = await on.behind();
        await allow(on, "u");
        return (await seenOf(on, server, things, { headers })).seen;
      };
      const seen = await identify(stage);
      deepEqual(seen.header("x-remote-user"), ["u"]);
      deepEqual(seen.header("x-remote-uid"), ["1"]);
      deepEqual(seen.header("x-remote-group"), ["a", "b", "system:authenticated"]);
      deepEqual(withPrefix(seen, "x-remote-extra-"), [
        ["k/x", "p"],
        ["k/x", "q"],
      ]);
      if (!stage.upstream) return;
      const own = await stage.start({ flags: [[], ["--feature-gates=RemoteRequestHeaderUID=false"]] });
      deepEqual((await identify(own.stage)).header("x-remote-uid"), []);
    },
    { differs: "`RemoteRequestHeaderUID`" },
  ),

  define(38, "nothing that a client forges arrives", async (stage) => {
    const { things, server } = await stage.behind();
    await allow(stage, "jane");
    const { seen } = await seenOf(stage, server, things, {
      headers: {
        "x-remote-user": "forged",
        "x-remote-uid": "forged",
        "x-remote-group": ["system:masters", "forged"],
        "x-remote-extra-foo": "forged",
        "impersonate-user": "jane",
        authorization: "Bearer forged",
      },
    });
    deepEqual(seen.header("x-remote-user"), ["jane"]);
    deepEqual(seen.header("x-remote-group"), ["system:authenticated"]);
    deepEqual(
      names(seen).filter((name) => /^(authorization|impersonate-|x-remote-uid|x-remote-extra-)/.test(name)),
      [],
    );
  }),

  define(39, "forwarding headers, Host and Audit-Id", async (stage) => {
    const { things, server } = await stage.behind();
    const path = `${things}/a%20b/`;
    const { seen, answer } = await seenOf(stage, server, `${path}?x=y`, {
      headers: { "x-forwarded-for": "192.0.2.9" },
    });
    const authority = `${server.host}:${server.port}`;
    deepEqual(seen.header("x-forwarded-for"), ["192.0.2.9, 127.0.0.1"]);
    deepEqual(seen.header("x-forwarded-proto"), ["https"]);
    deepEqual(seen.header("x-forwarded-uri"), [path]);
    deepEqual(seen.header("x-forwarded-host"), [authority]);
    deepEqual(seen.header("host"), [authority]);
    deepEqual(seen.header("audit-id"), [answer.headers["audit-id"]?.split("\n")[0]]);
  }),

  define(40, "who may not or is nobody does not reach it", async (stage) => {
    const { things, server } = await stage.behind();
    const before = server.asked(things).length;
    const forbidden = await stage.target.call("GET", things, { headers: { "impersonate-user": "nobody" } });
    equal(forbidden.status, 403);
    deepEqual(
      [forbidden.json.kind, forbidden.json.reason, forbidden.json.details],
      ["Status", "Forbidden", { group: stage.group, kind: "things" }],
    );
    const options = { anonymous: true, headers: { authorization: "Bearer nonsense" } };
    const unknown = await stage.target.call("GET", things, options);
    deepEqual([unknown.status, unknown.json.reason], [401, "Unauthorized"]);
    equal(server.asked(things).length, before);
  }),

  define(
    41,
    "redirects are refused, unless the server is told to pass them",
    async (stage) => {
      const redirecting = async (on: Stage) => {
        const { things, server } = await on.behind();
        const location = "https://elsewhere.example.com/";
        server.on(things, (_, response) => response.writeHead(302, { location, "x-own": "1" }).end());
        server.on(`${things}/same`, (_, response) => response.writeHead(304).end());
        equal((await on.target.call("GET", `${things}/same`)).status, 304);
        return await on.target.call("GET", things);
      };
      const refused = await redirecting(stage);
      const sentence = "the backend attempted to redirect this request, which is not permitted";
      equal(refused.status, 502);
      equal(refused.text.trimEnd(), sentence);
      deepEqual([refused.headers["location"], refused.headers["x-own"]], [undefined, undefined]);
      const flag = ["--aggregator-reject-forwarding-redirect=false"];
      const own = await stage.start({ flags: [flag, flag] });
      const passed = await redirecting(own.stage);
      deepEqual([passed.status, passed.headers["location"]], [302, "https://elsewhere.example.com/"]);
    },
    { slow: true },
  ),

  define(42, "its answers pass as they are, without its CORS headers", async (stage) => {
    const { things, server } = await stage.behind();
    for (const code of [404, 409, 422, 200]) {
      const body = { kind: "Status", apiVersion: "v1", status: "Failure", code, own: "<bytes> & more" };
      const cors = Object.fromEntries(
        ["Credentials", "Headers", "Methods", "Origin"].map((name) => [`access-control-allow-${name}`, "*"]),
      );
      server.on(things, (_, response) =>
        json(response, code, body, { warning: '299 - "careful"', "x-own": "1", etag: '"e"', ...cors }),
      );
      const answer = await stage.target.call("GET", things);
      equal(answer.status, code);
      equal(answer.text, JSON.stringify(body));
      const { warning, etag, "x-own": own } = answer.headers;
      deepEqual([warning, etag, own], ['299 - "careful"', '"e"', "1"]);
      deepEqual(
        Object.keys(answer.headers).filter((name) => name.startsWith("access-control-")),
        [],
      );
    }
  }),

  define(46, "the query arrives sorted, without what is malformed", async (stage) => {
    const { things, server } = await stage.behind();
    const { seen } = await seenOf(stage, server, `${things}?b=2&a=1&bad=%zz&c=x+y&a=0`);
    equal(seen.url, `${things}?a=1&a=0&b=2&c=x+y`);
  }),

  define(47, "an encoded slash in a name arrives decoded", async (stage) => {
    const { things, server } = await stage.behind();
    const { seen } = await seenOf(stage, server, `${things}/a%2Fb`, { as: `${things}/a/b` });
    equal(seen.url, `${things}/a/b`);
  }),
];
