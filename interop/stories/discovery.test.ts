import { describe, expect, inject, it } from "vitest";
import { openTarget } from "../target.ts";

const target = openTarget(inject("kubeconfig"));
const AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
type Named = { name: string };

describe("discovery, the old way", () => {
  it("lists the core versions", async () => {
    const answer = await target.call("GET", "/api");
    expect(answer.json).toMatchObject({ kind: "APIVersions", versions: ["v1"] });
    expect(answer.json.apiVersion).toBeUndefined();
    expect(answer.json.serverAddressByClientCIDRs).toHaveLength(1);
  });

  it("lists groups by priority, each with its preferred version first", async () => {
    const answer = await target.call("GET", "/apis");
    expect(answer.json).toMatchObject({ kind: "APIGroupList", apiVersion: "v1" });
    const names: string[] = answer.json.groups.map((group: Named) => group.name);
    const mine = [
      "apiregistration.k8s.io",
      "apps",
      "authentication.k8s.io",
      "authorization.k8s.io",
      "rbac.authorization.k8s.io",
    ];
    expect(names.filter((name) => mine.includes(name))).toEqual(mine);
    expect(names.indexOf("coordination.k8s.io")).toBeLessThan(names.indexOf("discovery.k8s.io"));
    for (const group of answer.json.groups) expect(group.preferredVersion).toEqual(group.versions[0]);
  });

  it("describes one group", async () => {
    const answer = await target.call("GET", "/apis/apps");
    expect(answer.json).toEqual({
      kind: "APIGroup",
      apiVersion: "v1",
      name: "apps",
      versions: [{ groupVersion: "apps/v1", version: "v1" }],
      preferredVersion: { groupVersion: "apps/v1", version: "v1" },
    });
  });

  it("describes the resources of a version", async () => {
    const answer = await target.call("GET", "/apis/apps/v1");
    expect(answer.json).toMatchObject({ kind: "APIResourceList", apiVersion: "v1", groupVersion: "apps/v1" });
    const find = (name: string) => answer.json.resources.find((resource: Named) => resource.name === name);
    expect(find("deployments")).toMatchObject({
      name: "deployments",
      singularName: "deployment",
      namespaced: true,
      kind: "Deployment",
      verbs: ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
      shortNames: ["deploy"],
      categories: ["all"],
    });
    expect(find("deployments/scale")).toEqual({
      name: "deployments/scale",
      singularName: "",
      namespaced: true,
      group: "autoscaling",
      version: "v1",
      kind: "Scale",
      verbs: ["get", "patch", "update"],
    });
    expect(find("deployments/status")).toMatchObject({ kind: "Deployment", verbs: ["get", "patch", "update"] });
  });

  it("describes the core resources", async () => {
    const answer = await target.call("GET", "/api/v1");
    const find = (name: string) => answer.json.resources.find((resource: Named) => resource.name === name);
    expect(answer.json.groupVersion).toBe("v1");
    expect(find("namespaces").verbs).toEqual(["create", "delete", "get", "list", "patch", "update", "watch"]);
    expect(find("namespaces").shortNames).toEqual(["ns"]);
    expect(find("namespaces/finalize")).toMatchObject({ kind: "Namespace", verbs: ["update"] });
    expect(find("pods")).toMatchObject({ shortNames: ["po"], categories: ["all"] });
    expect(find("pods/binding")).toMatchObject({ kind: "Binding", verbs: ["create"] });
    expect(find("serviceaccounts/token")).toMatchObject({
      group: "authentication.k8s.io",
      version: "v1",
      kind: "TokenRequest",
      verbs: ["create"],
    });
    expect(find("nodes")).toMatchObject({ namespaced: false, shortNames: ["no"] });
  });

  it("describes apiservices as upstream does", async () => {
    const answer = await target.call("GET", "/apis/apiregistration.k8s.io/v1");
    const names = answer.json.resources.map((resource: Named) => resource.name);
    expect(names).toEqual(["apiservices", "apiservices/status"]);
    expect(answer.json.resources[0]).toMatchObject({
      namespaced: false,
      categories: ["api-extensions"],
      kind: "APIService",
    });
    expect(answer.json.resources[0].shortNames).toBeUndefined();
    expect(answer.json.resources[1].verbs).toEqual(["get", "patch", "update"]);
  });
});

describe("discovery in one document", () => {
  it.each(["/api", "/apis"])("%s has the negotiated type, an ETag and a 304", async (path) => {
    const answer = await target.call("GET", path, { headers: { accept: AGGREGATED } });
    expect(answer.status).toBe(200);
    expect(answer.headers["content-type"]).toBe(AGGREGATED);
    expect(answer.headers["etag"]).toMatch(/^"[0-9A-F]{128}"$/);
    expect(answer.headers["vary"]).toContain("Accept");
    expect(answer.headers["cache-control"]).toContain("public");
    expect(answer.json).toMatchObject({
      kind: "APIGroupDiscoveryList",
      apiVersion: "apidiscovery.k8s.io/v2",
      metadata: {},
    });
    const unchanged = await target.call("GET", path, {
      headers: { accept: AGGREGATED, "if-none-match": answer.headers["etag"] ?? "" },
    });
    expect(unchanged.status).toBe(304);
    expect(unchanged.text).toBe("");
  });

  it("describes a resource with its sub-resources", async () => {
    const answer = await target.call("GET", "/apis", { headers: { accept: AGGREGATED } });
    const apps = answer.json.items.find((item: { metadata: Named }) => item.metadata.name === "apps");
    const version = apps.versions[0];
    expect(version).toMatchObject({ version: "v1", freshness: "Current" });
    const deployments = version.resources.find((resource: { resource: string }) => resource.resource === "deployments");
    expect(deployments).toMatchObject({
      resource: "deployments",
      responseKind: { group: "", version: "", kind: "Deployment" },
      scope: "Namespaced",
      singularResource: "deployment",
      shortNames: ["deploy"],
      categories: ["all"],
    });
    expect(deployments.subresources.map((one: { subresource: string }) => one.subresource)).toEqual([
      "scale",
      "status",
    ]);
    expect(deployments.subresources[0].responseKind).toEqual({ group: "autoscaling", version: "v1", kind: "Scale" });
  });

  it("prefers what the client prefers, and knows no beta", async () => {
    const old = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
    const both = await target.call("GET", "/apis", { headers: { accept: `${old},application/json` } });
    expect(both.json.kind).toBe("APIGroupList");
    const only = await target.call("GET", "/apis", { headers: { accept: old } });
    expect(only.status).toBe(406);
  });
});

describe("paths nobody serves", () => {
  it.each([
    ["/apis/nobody.example.com/v1", "404 page not found\n"],
    ["/apis/nobody.example.com/v1/things", "404 page not found\n"],
    ["/apis/nobody.example.com", "404 page not found\n"],
    ["/nothing", "404 page not found\n"],
  ])("%s", async (path, text) => {
    const answer = await target.call("GET", path);
    expect(answer.status).toBe(404);
    expect(answer.headers["content-type"]).toBe("text/plain; charset=utf-8");
    expect(answer.text).toBe(text);
  });

  it.each([
    "/apis/apps/v1/things",
    "/apis/apps/v9",
    "/apis/apps/v9/things",
    "/api/v2",
    "/api/v1/namespaces/default/things",
  ])("a known group without this answers with a Status: %s", async (path) => {
    const answer = await target.call("GET", path);
    expect(answer.json).toEqual({
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: "the server could not find the requested resource",
      reason: "NotFound",
      details: {},
      code: 404,
    });
  });

  it("a known path without this method answers 405", async () => {
    const answer = await target.call("PUT", "/api/v1/namespaces");
    expect(answer.status).toBe(405);
    expect(answer.json).toMatchObject({
      message: "the server does not allow this method on the requested resource",
      reason: "MethodNotAllowed",
    });
  });
});

describe("about the server", () => {
  it("tells its version", async () => {
    const { json } = await target.call("GET", "/version");
    expect(json.major).toMatch(/^\d+$/);
    expect(json.minor.replace(/\D/g, "")).toMatch(/^\d+$/);
    expect(json.gitVersion).toMatch(/^v\d+\.\d+\.\d+/);
    expect(json.platform).toMatch(/^\w+\/\w+$/);
  });

  it.each(["/healthz", "/livez", "/readyz"])("%s is ok, and says what it checked", async (path) => {
    const answer = await target.call("GET", path);
    expect(answer.status).toBe(200);
    expect(answer.text).toBe("ok");
    expect(answer.headers["content-type"]).toBe("text/plain; charset=utf-8");
    expect(answer.headers["x-content-type-options"]).toBe("nosniff");
    const verbose = await target.call("GET", `${path}?verbose`);
    expect(verbose.text).toMatch(/^\[\+\]ping ok\n/);
    expect(verbose.text).toMatch(new RegExp(`${path.slice(1)} check passed\n$`));
    expect(verbose.text).toContain("[+]poststarthook/apiservice-registration-controller ok\n");
    const excluded = await target.call("GET", `${path}?verbose&exclude=ping`);
    expect(excluded.text).toContain("[+]ping excluded: ok\n");
    expect((await target.call("GET", `${path}/ping`)).text).toBe("ok");
  });

  it("publishes metrics and a list of paths", async () => {
    const metrics = await target.call("GET", "/metrics");
    expect(metrics.headers["content-type"]).toMatch(/^text\/plain/);
    expect(metrics.text).toMatch(/^apiserver_request_total\{/m);
    const paths = await target.call("GET", "/");
    expect(paths.json.paths).toContain("/apis/apps/v1");
    expect(paths.json.paths).toContain("/readyz/ping");
  });

  it("publishes OpenAPI v3 documents by group-version", async () => {
    const index = await target.call("GET", "/openapi/v3");
    const entry: string = index.json.paths["apis/apps/v1"].serverRelativeURL;
    expect(entry).toMatch(/^\/openapi\/v3\/apis\/apps\/v1\?hash=[0-9A-F]{128}$/);
    const document = await target.call("GET", entry);
    expect(document.status).toBe(200);
    expect(document.headers["cache-control"]).toContain("immutable");
    expect(document.json.openapi).toMatch(/^3\.0/);
    const deployment = document.json.components.schemas["io.k8s.api.apps.v1.Deployment"];
    expect(deployment["x-kubernetes-group-version-kind"]).toEqual([
      { group: "apps", kind: "Deployment", version: "v1" },
    ]);
    expect(Object.keys(document.json.paths)).toContain("/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
    const moved = await target.call("GET", "/openapi/v3/apis/apps/v1?hash=0");
    expect(moved.status).toBe(301);
    expect(moved.headers["location"]).toBe(entry);
    expect((await target.call("GET", "/openapi/v3/apis/nobody/v1")).status).toBe(404);
  });
});
