import { describe, expect, it } from "vitest";
import { SimulatedClock, seededRandom } from "../api/simulated.ts";
import { StatusError } from "../api/status.ts";
import { createClient } from "./client.ts";
import { resourcePath } from "./resource.ts";
import { type Answer, scriptedTransport } from "./scripted.test-support.ts";
import type { ClientRequest } from "./transport.ts";

const PODS = { group: "", version: "v1", resource: "pods" };
const DEPLOYMENTS = { group: "apps", version: "v1", resource: "deployments" };

function setup(answer: (request: ClientRequest, index: number) => Answer) {
  const clock = new SimulatedClock();
  const transport = scriptedTransport(answer);
  const client = createClient(transport, { clock, random: seededRandom(1), userAgent: "test/1" });
  return { clock, transport, client };
}

async function failure(promise: Promise<unknown>): Promise<StatusError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(StatusError);
  return error as StatusError;
}

describe("paths", () => {
  it.each([
    [PODS, undefined, undefined, undefined, "/api/v1/pods"],
    [PODS, "a", undefined, undefined, "/api/v1/namespaces/a/pods"],
    [PODS, "a", "b", "status", "/api/v1/namespaces/a/pods/b/status"],
    [DEPLOYMENTS, "a", "b", undefined, "/apis/apps/v1/namespaces/a/deployments/b"],
    [
      { group: "rbac.authorization.k8s.io", version: "v1", resource: "clusterroles" },
      undefined,
      "system:x",
      undefined,
      "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:x",
    ],
    [PODS, "a", "ü b", undefined, "/api/v1/namespaces/a/pods/%C3%BC%20b"],
  ])("%j %s %s %s", (gvr, namespace, name, subresource, path) => {
    expect(resourcePath(gvr, namespace, name, subresource)).toBe(path);
  });

  it.each(["", ".", "..", "a/b", "a%2fb"])("refuses the name %j", (name) => {
    expect(() => resourcePath(PODS, "a", name)).toThrow(TypeError);
  });
});

describe("verbs", () => {
  const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "p", namespace: "n" } };

  it("send the method, path, query and body of each verb", async () => {
    const { client, transport } = setup(() => ({ body: { ...pod, items: [] } }));
    const pods = client.resource(PODS, "n");
    await pods.get("p", { resourceVersion: "5" });
    await pods.list({ labelSelector: "a=b,c", limit: 3 });
    await pods.create(pod, { dryRun: true, fieldManager: "me" });
    await pods.update(pod);
    await pods.updateStatus(pod);
    await pods.patch("p", "apply", { spec: {} }, { fieldManager: "me", force: true });
    await pods.patch("p", "json", []);
    await pods.delete("p", { propagationPolicy: "Foreground", preconditions: { uid: "u" } });
    await pods.delete("p");
    await pods.deleteCollection({}, { labelSelector: "x" });
    await pods.createSubresource("p", "eviction", { metadata: { name: "p" } });
    await client.resource(PODS).create(pod);
    expect(transport.requests.map((r) => `${r.method} ${r.path}`)).toEqual([
      "GET /api/v1/namespaces/n/pods/p?resourceVersion=5",
      "GET /api/v1/namespaces/n/pods?labelSelector=a%3Db%2Cc&limit=3",
      "POST /api/v1/namespaces/n/pods?dryRun=All&fieldManager=me",
      "PUT /api/v1/namespaces/n/pods/p",
      "PUT /api/v1/namespaces/n/pods/p/status",
      "PATCH /api/v1/namespaces/n/pods/p?fieldManager=me&force=true",
      "PATCH /api/v1/namespaces/n/pods/p",
      "DELETE /api/v1/namespaces/n/pods/p",
      "DELETE /api/v1/namespaces/n/pods/p",
      "DELETE /api/v1/namespaces/n/pods?labelSelector=x",
      "POST /api/v1/namespaces/n/pods/p/eviction",
      "POST /api/v1/namespaces/n/pods",
    ]);
    expect(transport.requests[0]!.headers).toEqual({ accept: "application/json", "user-agent": "test/1" });
    expect(transport.requests[5]!.headers!["content-type"]).toBe("application/apply-patch+yaml");
    expect(transport.requests[6]!.headers!["content-type"]).toBe("application/json-patch+json");
    expect(JSON.parse(String(transport.requests[7]!.body))).toEqual({
      kind: "DeleteOptions",
      apiVersion: "v1",
      preconditions: { uid: "u" },
      propagationPolicy: "Foreground",
    });
    expect(transport.requests[8]!.body).toBeUndefined();
  });

  it("list gives typed items the kind their list implies", async () => {
    const { client } = setup(() => ({
      body: { kind: "PodList", apiVersion: "v1", metadata: {}, items: [{ metadata: { name: "p" } }] },
    }));
    const list = await client.resource(PODS).list();
    expect(list.items[0]).toMatchObject({ kind: "Pod", apiVersion: "v1" });
  });

  it("pages are asked for with the token alone", async () => {
    const { client, transport } = setup((_, index) => ({
      body: { kind: "PodList", apiVersion: "v1", metadata: index === 0 ? { continue: "c" } : {}, items: [pod] },
    }));
    const list = await client.resource(PODS).listAll({ resourceVersion: "0", limit: 1 });
    expect(list.items).toHaveLength(2);
    expect(list.metadata.continue).toBeUndefined();
    expect(transport.requests.map((r) => r.path)).toEqual([
      "/api/v1/pods?limit=1&resourceVersion=0",
      "/api/v1/pods?limit=1&continue=c",
    ]);
  });

  it("a token that expired half-way makes one list without pages", async () => {
    const { client, transport } = setup((_, index) => {
      if (index === 0) return { body: { kind: "PodList", metadata: { continue: "c" }, items: [pod] } };
      if (index === 1) {
        return {
          status: 410,
          body: { kind: "Status", apiVersion: "v1", reason: "Expired", code: 410, message: "old" },
        };
      }
      return { body: { kind: "PodList", metadata: { resourceVersion: "9" }, items: [pod, pod, pod] } };
    });
    const list = await client.resource(PODS).listAll();
    expect(list.items).toHaveLength(3);
    expect(transport.requests[2]!.path).toBe("/api/v1/pods");
  });
});

describe("errors", () => {
  it("a Status is thrown as it came", async () => {
    const status = {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: 'pods "p" not found',
      reason: "NotFound",
      details: { name: "p", kind: "pods" },
      code: 404,
    };
    const { client } = setup(() => ({ status: 404, body: status }));
    const error = await failure(client.resource(PODS, "n").get("p"));
    expect(error.status).toEqual(status);
  });

  it.each([
    [
      503,
      "service unavailable\n",
      "ServiceUnavailable",
      "the server is currently unable to handle the request (get pods p)",
    ],
    [404, "404 page not found", "NotFound", "the server could not find the requested resource (get pods p)"],
    [403, "no", "Forbidden", "no (get pods p)"],
    [401, "", "Unauthorized", "the server has asked for the client to provide credentials (get pods p)"],
    [
      500,
      "boom",
      "InternalError",
      'an error on the server ("boom") has prevented the request from succeeding (get pods p)',
    ],
    [418, "tea", "", "the server responded with the status code 418 but did not return more information (get pods p)"],
  ])("a plain %i becomes %s", async (code, body, reason, message) => {
    const { client } = setup(() => ({ status: code, body }));
    const error = await failure(client.resource(PODS, "n").get("p"));
    expect([error.code, error.reason, error.message]).toEqual([code, reason, message]);
    expect(error.status.details!.causes).toEqual([{ reason: "UnexpectedServerResponse", message: body.trim() }]);
  });

  it("a plain 409 on POST is AlreadyExists", async () => {
    const { client } = setup(() => ({ status: 409, body: "x" }));
    expect((await failure(client.resource(PODS, "n").create({ metadata: { name: "p" } }))).reason).toBe(
      "AlreadyExists",
    );
  });

  it("HTML and broken JSON are described by their code", async () => {
    const { client } = setup(() => ({ status: 502, headers: { "content-type": "application/json" }, body: "<html>" }));
    const error = await failure(client.resource(PODS, "n").get("p"));
    expect(error.reason).toBe("InternalError");
    expect(error.message).toContain('("unknown")');
  });
});

describe("Retry-After", () => {
  const busy: Answer = { status: 429, headers: { "retry-after": "2" }, body: "busy" };

  it("is waited for on the injected clock", async () => {
    const { client, clock, transport } = setup((_, index) =>
      index < 2 ? busy : { body: { metadata: { name: "p" } } },
    );
    const got = client.resource(PODS, "n").get("p");
    await clock.advance(1999);
    expect(transport.requests).toHaveLength(1);
    await clock.advance(1);
    expect(transport.requests).toHaveLength(2);
    await clock.advance(2000);
    expect((await got).metadata.name).toBe("p");
  });

  it("is bounded in number", async () => {
    const { client, clock, transport } = setup(() => busy);
    const got = failure(client.resource(PODS, "n").get("p"));
    await clock.advance(60_000);
    expect((await got).reason).toBe("TooManyRequests");
    expect(transport.requests).toHaveLength(11);
  });

  it("is bounded in length", async () => {
    const { client, clock, transport } = setup((_, index) =>
      index === 0 ? { status: 503, headers: { "retry-after": "86400" }, body: "" } : { body: {} },
    );
    const got = client.resource(PODS, "n").get("p");
    await clock.advance(30_000);
    await got;
    expect(transport.requests).toHaveLength(2);
  });

  it("absent means no repetition", async () => {
    const { client, transport } = setup(() => ({ status: 503, body: "down" }));
    await failure(client.resource(PODS, "n").get("p"));
    expect(transport.requests).toHaveLength(1);
  });

  it("waiting ends when the caller aborts", async () => {
    const { client, clock } = setup(() => busy);
    const abort = new AbortController();
    const got = client.resource(PODS, "n").get("p", { signal: abort.signal });
    const settled = expect(got).rejects.toThrow("enough");
    await clock.advance(500);
    abort.abort(new Error("enough"));
    await settled;
    expect(clock.waiting).toBe(0);
  });
});
