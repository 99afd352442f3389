import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { SimulatedClock, seededRandom } from "../../api/simulated.ts";
import { type Backend, type DiscoveryResource, RouteTable } from "../routes.ts";
import { createServer } from "../server.ts";
import type { DiscoveryOptions } from "./discovery.ts";

const V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const ADMIN = { name: "admin", uid: "", groups: ["system:masters"], extra: {} };
const gvk = (group: string, version: string, kind: string) => ({ group, version, kind });

const PODS: DiscoveryResource = {
  resource: "pods",
  responseKind: gvk("", "v1", "Pod"),
  scope: "Namespaced",
  singularResource: "pod",
  verbs: ["create", "get", "list"],
  shortNames: ["po"],
  categories: ["all"],
  subresources: [
    { subresource: "status", responseKind: gvk("", "v1", "Pod"), verbs: ["get"] },
    { subresource: "eviction", responseKind: gvk("policy", "v1", "Eviction"), verbs: ["create"] },
  ],
};
const NODES: DiscoveryResource = {
  resource: "nodes",
  responseKind: gvk("", "v1", "Node"),
  scope: "Cluster",
  singularResource: "node",
  verbs: ["list"],
  storageVersionHash: "r2yiGXH7wu8=",
};

function backend(
  group: string,
  version: string,
  resources: DiscoveryResource[],
  source: Backend["source"] = "builtin",
) {
  const made = { group, version, source, fresh: true, asked: 0 };
  return Object.assign(made, {
    serve() {},
    discovery() {
      made.asked++;
      return { resources, fresh: made.fresh };
    },
  });
}

function setup(options: DiscoveryOptions = { serverAddress: "10.0.0.1:6443" }) {
  const routes = new RouteTable();
  const core = backend("", "v1", [PODS, NODES]);
  const remote = backend("far.example.com", "v1", [], "remote");
  remote.fresh = false;
  routes.setBackend("core", core);
  routes.setBackend("apps", backend("apps", "v1", []));
  routes.setBackend("far", remote);
  const claim = { groupPriorityMinimum: 100, versionPriority: 1, service: undefined };
  routes.setClaims([
    { ...claim, name: "v1.", group: "", version: "v1", groupPriorityMinimum: 18000 },
    { ...claim, name: "v1.apps", group: "apps", version: "v1", groupPriorityMinimum: 17800 },
    {
      ...claim,
      name: "v1.far.example.com",
      group: "far.example.com",
      version: "v1",
      service: { namespace: "n", name: "s", port: 443 },
    },
  ]);
  routes.complete();
  const server = createServer({
    clock: new SimulatedClock(),
    random: seededRandom(1),
    routes,
    authenticator: { authenticate: () => undefined },
    authorizer: {
      authorize: () => ({ verdict: "Allow", reason: "" }),
      rulesFor: () => ({ resourceRules: [], nonResourceRules: [], incomplete: false, evaluationError: "" }),
    },
    discovery: options,
  });
  const transport = server.inMemory(ADMIN);
  const ask = async (path: string, accept = "", headers: Record<string, string> = {}, method = "GET") => {
    const response = await transport.request({ method, path, headers: { ...(accept && { accept }), ...headers } });
    const chunks: Uint8Array[] = [];
    for await (const chunk of response.body) chunks.push(chunk);
    return { status: response.status, headers: response.headers, text: Buffer.concat(chunks).toString() };
  };
  return { routes, core, remote, ask };
}

describe("legacy documents", () => {
  it.each([
    [
      "/api",
      '{"kind":"APIVersions","versions":["v1"],"serverAddressByClientCIDRs":[{"clientCIDR":"0.0.0.0/0","serverAddress":"10.0.0.1:6443"}]}',
    ],
    [
      "/apis",
      '{"kind":"APIGroupList","apiVersion":"v1","groups":[{"name":"apps","versions":[{"groupVersion":"apps/v1","version":"v1"}],"preferredVersion":{"groupVersion":"apps/v1","version":"v1"}},{"name":"far.example.com","versions":[{"groupVersion":"far.example.com/v1","version":"v1"}],"preferredVersion":{"groupVersion":"far.example.com/v1","version":"v1"}}]}',
    ],
    [
      "/apis/apps",
      '{"kind":"APIGroup","apiVersion":"v1","name":"apps","versions":[{"groupVersion":"apps/v1","version":"v1"}],"preferredVersion":{"groupVersion":"apps/v1","version":"v1"}}',
    ],
    [
      "/api/v1",
      '{"kind":"APIResourceList","groupVersion":"v1","resources":[{"name":"nodes","singularName":"node","namespaced":false,"kind":"Node","verbs":["list"],"storageVersionHash":"r2yiGXH7wu8="},{"name":"pods","singularName":"pod","namespaced":true,"kind":"Pod","verbs":["create","get","list"],"shortNames":["po"],"categories":["all"]},{"name":"pods/eviction","singularName":"","namespaced":true,"group":"policy","version":"v1","kind":"Eviction","verbs":["create"]},{"name":"pods/status","singularName":"","namespaced":true,"kind":"Pod","verbs":["get"]}]}',
    ],
    ["/apis/apps/v1", '{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"apps/v1","resources":[]}'],
  ])("%s", async (path, golden) => {
    const { ask } = setup();
    const { status, headers, text } = await ask(path);
    expect([status, headers["content-type"], text]).toEqual([200, "application/json", `${golden}\n`]);
    expect((await ask(`${path}/`)).text).toBe(text);
    expect((await ask(path, "", {}, "DELETE")).status).toBe(405);
  });

  it("does not know what nobody claims, and lists every path at /", async () => {
    const { ask } = setup();
    expect((await ask("/apis/none")).status).toBe(404);
    expect((await ask("/apis/apps/v2")).status).toBe(404);
    expect((await ask("/api/v2")).status).toBe(404);
    const { paths } = JSON.parse((await ask("/")).text);
    expect(paths).toEqual([...paths].sort());
    expect(paths).toEqual(
      expect.arrayContaining([
        "/api",
        "/api/v1",
        "/apis",
        "/apis/apps",
        "/apis/apps/v1",
        "/healthz",
        "/livez/ping",
        "/openapi/v3",
        "/metrics",
      ]),
    );
  });
});

describe("aggregated documents", () => {
  it("has the core group without a name at /api, and the others at /apis", async () => {
    const { ask } = setup();
    const core = await ask("/api", V2);
    expect(core.headers["content-type"]).toBe(V2);
    expect(core.text).toBe(
      '{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","metadata":{},"items":[{"metadata":{},"versions":[{"version":"v1","resources":[{"resource":"nodes","responseKind":{"group":"","version":"","kind":"Node"},"scope":"Cluster","singularResource":"node","verbs":["list"]},{"resource":"pods","responseKind":{"group":"","version":"","kind":"Pod"},"scope":"Namespaced","singularResource":"pod","verbs":["create","get","list"],"shortNames":["po"],"categories":["all"],"subresources":[{"subresource":"eviction","responseKind":{"group":"policy","version":"v1","kind":"Eviction"},"verbs":["create"]},{"subresource":"status","responseKind":{"group":"","version":"","kind":"Pod"},"verbs":["get"]}]}],"freshness":"Current"}]}]}\n',
    );
    const others = await ask("/apis", V2);
    expect(JSON.parse(others.text).items).toEqual([
      { metadata: { name: "apps" }, versions: [{ version: "v1", freshness: "Current" }] },
      { metadata: { name: "far.example.com" }, versions: [{ version: "v1", freshness: "Stale" }] },
    ]);
  });

  it("is tagged with the hash of its JSON, answers 304 to the same tag, and is cacheable", async () => {
    const { ask } = setup();
    const { headers, text } = await ask("/apis", V2);
    const hash = createHash("sha512").update(text.trimEnd()).digest("hex").toUpperCase();
    expect(headers).toMatchObject({ etag: `"${hash}"`, vary: "Accept", "cache-control": "public" });
    const again = await ask("/apis", V2, { "if-none-match": `"${hash}"` });
    expect(again).toMatchObject({ status: 304, text: "", headers: { etag: `"${hash}"` } });
    for (const other of [`W/"${hash}"`, `"${hash}", "x"`, "*"])
      expect((await ask("/apis", V2, { "if-none-match": other })).status).toBe(200);
  });

  it("is made once for each state of the routes", async () => {
    const { ask, core, routes } = setup();
    await ask("/api", V2);
    await ask("/api", V2);
    expect(core.asked).toBe(1);
    routes.touch();
    await ask("/api", V2);
    expect(core.asked).toBe(2);
  });

  it.each([
    ["", "application/json"],
    ["*/*", "application/json"],
    [V2, V2],
    [`${V2},application/json`, V2],
    [`${V2};profile=nopeer`, V2],
    [`application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json`, "application/json"],
    [`application/json;q=0.9,${V2}`, V2],
    [`${V2};q=0.5,application/json`, "application/json"],
    ["application/yaml;q=0.2,application/json;q=0.3", "application/json"],
  ])("for Accept %j is %s", async (accept, contentType) => {
    const { ask } = setup();
    expect((await ask("/apis", accept)).headers["content-type"]).toBe(contentType);
  });

  it("is at no other path, and nothing else is acceptable", async () => {
    const { ask } = setup();
    for (const path of ["/apis/", "/apis/apps", "/apis/apps/v1", "/api/v1"])
      expect((await ask(path, V2)).status).toBe(406);
    const refused = await ask("/apis", "text/html");
    expect(JSON.parse(refused.text)).toMatchObject({ reason: "NotAcceptable", code: 406 });
  });

  it("takes other encodings from a hook, each made once", async () => {
    let made = 0;
    const { ask } = setup({
      encode(document, json, mediaType) {
        made++;
        return Buffer.from(`${mediaType} ${document.kind} ${json.byteLength > 0}`);
      },
    });
    const protobuf = V2.replace("application/json", "application/vnd.kubernetes.protobuf");
    for (let i = 0; i < 2; i++) {
      const { headers, text } = await ask("/apis", protobuf);
      expect(headers["content-type"]).toBe(protobuf);
      expect(text).toBe("application/vnd.kubernetes.protobuf APIGroupDiscoveryList true");
    }
    expect(made).toBe(1);
    expect((await ask("/apis/apps", "application/yaml")).text).toBe("application/yaml APIGroup true");
  });
});

describe("OpenAPI v3", () => {
  const withDocument = (base: ReturnType<typeof backend>, hash: string): Backend => ({
    ...base,
    openapi: () => ({
      hash,
      serve: (exchange) => exchange.response.send(200, "application/json", `{"hash":"${hash}"}`),
    }),
  });

  it("lists own group-versions with their hashes, and serves each under its key only", async () => {
    const { ask, routes } = setup();
    routes.setBackend("apps", withDocument(backend("apps", "v1", []), "ABC"));
    routes.setBackend("far", withDocument(backend("far.example.com", "v1", [], "remote"), "DEF"));
    const index = await ask("/openapi/v3");
    expect(index.headers["content-type"]).toBe("application/json");
    expect(JSON.parse(index.text)).toEqual({
      paths: {
        "apis/apps/v1": { serverRelativeURL: "/openapi/v3/apis/apps/v1?hash=ABC" },
        "apis/far.example.com/v1": { serverRelativeURL: "/openapi/v3/apis/far.example.com/v1?hash=DEF" },
      },
    });
    const right = await ask("/openapi/v3/apis/apps/v1?hash=ABC");
    expect(right).toMatchObject({ status: 200, text: '{"hash":"ABC"}' });
    expect(right.headers).toMatchObject({
      etag: '"ABC"',
      vary: "Accept",
      "cache-control": "public, immutable",
      expires: "Fri, 01 Jan 2027 00:00:00 GMT",
    });
    const wrong = await ask("/openapi/v3/apis/apps/v1?hash=OLD");
    expect(wrong).toMatchObject({ status: 301, headers: { location: "/openapi/v3/apis/apps/v1?hash=ABC" } });
    const without = await ask("/openapi/v3/apis/apps/v1");
    expect(without.headers).toMatchObject({ etag: '"ABC"', "cache-control": "no-cache, private" });
    expect((await ask("/openapi/v3/apis/apps/v1", "", { "if-none-match": '"ABC"' })).status).toBe(304);
    expect((await ask("/openapi/v3/apis/far.example.com/v1?hash=OLD")).status).toBe(200);
    for (const key of ["api/v1", "apis/apps", "apis/apps/v1/x", "version", "apis/none/v1"])
      expect((await ask(`/openapi/v3/${key}`)).status).toBe(404);
    expect((await ask("/openapi/v2")).status).toBe(404);
  });
});
