import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StatusError } from "../api/status.ts";
import { isLongRunning, type RequestInfo, type RequestInfoOptions, requestInfo } from "./request-info.ts";

function parse(line: string, options?: RequestInfoOptions): RequestInfo {
  const [method, target] = line.split(" ") as [string, string];
  const [rawPath, rawQuery = ""] = target.split(/\?(.*)/s) as [string, string?];
  return requestInfo({ method, rawPath, rawQuery, query: new URLSearchParams(rawQuery) }, options);
}

/** verb, prefix, group, version, namespace, resource, subresource, name, parts */
type Row = [string, string, string, string, string, string, string, string, string, string];

const RESOURCES: Row[] = [
  ["GET /api/v1/namespaces", "list", "api", "", "v1", "", "namespaces", "", "", "namespaces"],
  ["GET /api/v1/namespaces/other", "get", "api", "", "v1", "other", "namespaces", "", "other", "namespaces,other"],
  ["GET /api/v1/namespaces/other/pods", "list", "api", "", "v1", "other", "pods", "", "", "pods"],
  ["GET /api/v1/namespaces/other/pods/foo", "get", "api", "", "v1", "other", "pods", "", "foo", "pods,foo"],
  ["HEAD /api/v1/namespaces/other/pods/foo", "get", "api", "", "v1", "other", "pods", "", "foo", "pods,foo"],
  ["GET /api/v1/pods", "list", "api", "", "v1", "", "pods", "", "", "pods"],
  ["POST /api/v1/pods", "create", "api", "", "v1", "", "pods", "", "", "pods"],
  ["HEAD /api/v1/pods", "list", "api", "", "v1", "", "pods", "", "", "pods"],
  ["GET /api/v1/namespaces/other/pods/foo/log", "get", "api", "", "v1", "other", "pods", "log", "foo", "pods,foo,log"],
  ["PUT /api/v1/namespaces/other/status", "update", "api", "", "v1", "other", "namespaces", "status", "other", ""],
  ["PUT /api/v1/namespaces/other/finalize", "update", "api", "", "v1", "other", "namespaces", "finalize", "other", ""],
  ["GET /api/v1/proxy/namespaces/other/pods/foo", "proxy", "api", "", "v1", "other", "pods", "", "foo", "pods,foo"],
  ["GET /api/v1/proxy/pods/foo/status", "proxy", "api", "", "v1", "", "pods", "", "foo", "pods,foo,status"],
  ["GET /api/v1/redirect/namespaces/x", "get", "api", "", "v1", "", "redirect", "x", "namespaces", ""],
  ["GET /api/v1/watch/pods", "watch", "api", "", "v1", "", "pods", "", "", "pods"],
  ["GET /api/v1/watch/namespaces/other/pods/foo", "watch", "api", "", "v1", "other", "pods", "", "foo", "pods,foo"],
  ["GET /api/v1/pods?watch=true", "watch", "api", "", "v1", "", "pods", "", "", "pods"],
  ["GET /api/v1/pods?watch", "watch", "api", "", "v1", "", "pods", "", "", "pods"],
  ["GET /api/v1/pods?watch=TRUE", "watch", "api", "", "v1", "", "pods", "", "", "pods"],
  ["GET /api/v1/pods?watch=no", "watch", "api", "", "v1", "", "pods", "", "", "pods"],
  ["GET /api/v1/pods?watch=0", "list", "api", "", "v1", "", "pods", "", "", "pods"],
  ["GET /api/v1/pods?watch=False", "list", "api", "", "v1", "", "pods", "", "", "pods"],
  ["GET /api/v1/pods?watch=0&watch=1", "list", "api", "", "v1", "", "pods", "", "", "pods"],
  ["GET /api/v1/pods?watch=1&limit=x", "watch", "api", "", "v1", "", "pods", "", "", "pods"],
  ["GET /api/v1/namespaces/n/pods/foo?watch=1", "get", "api", "", "v1", "n", "pods", "", "foo", "pods,foo"],
  ["GET /apis/batch/v1/namespaces/n/jobs", "list", "apis", "batch", "v1", "n", "jobs", "", "", "jobs"],
  ["DELETE /apis/batch/v1/namespaces/n/jobs", "deletecollection", "apis", "batch", "v1", "n", "jobs", "", "", "jobs"],
  ["DELETE /apis/batch/v1/namespaces/n/jobs/j", "delete", "apis", "batch", "v1", "n", "jobs", "", "j", "jobs,j"],
  ["PATCH /apis/apps/v1/deployments/d/scale", "patch", "apis", "apps", "v1", "", "deployments", "scale", "d", ""],
  ["OPTIONS /api/v1/pods", "", "api", "", "v1", "", "pods", "", "", "pods"],
  ["GET //api/v1/pods/", "list", "api", "", "v1", "", "pods", "", "", "pods"],
  ["GET /api/v1//pods", "get", "api", "", "v1", "", "", "", "pods", ",pods"],
  ["GET /api/v1/namespaces//pods", "list", "api", "", "v1", "", "pods", "", "", "pods"],
  ["GET /api/v1/pods/a%20b", "get", "api", "", "v1", "", "pods", "", "a b", "pods,a b"],
  ["GET /api/v1/pods/a%252Fb", "get", "api", "", "v1", "", "pods", "", "a%2Fb", "pods,a%2Fb"],
  ["GET /api/v1/namespaces/n/pods/p/proxy/../x%2Fy", "get", "api", "", "v1", "n", "pods", "proxy", "p", ""],
];

describe("resource requests", () => {
  it.each(RESOURCES)("%s", (line, verb, apiPrefix, group, version, namespace, resource, subresource, name, parts) => {
    const info = parse(line);
    expect(info).toMatchObject({ isResourceRequest: true, verb, apiPrefix, group, version, namespace, resource });
    expect(info).toMatchObject({ subresource, name });
    if (parts !== "") expect(info.parts.join(",")).toBe(parts);
  });
});

describe("non-resource requests", () => {
  it.each([
    ["GET /", "/", "get"],
    ["GET /api", "/api", "get"],
    ["GET /api/v1", "/api/v1", "get"],
    ["GET /api/v1/", "/api/v1/", "get"],
    ["GET /apis", "/apis", "get"],
    ["GET /apis/apps", "/apis/apps", "get"],
    ["GET /apis/apps/v1/", "/apis/apps/v1/", "get"],
    ["POST /healthz", "/healthz", "post"],
    ["GET /apix/v1/pods", "/apix/v1/pods", "get"],
    ["GET /live%7A", "/livez", "get"],
    ["GET /openapi/v3/apis/apps/v1", "/openapi/v3/apis/apps/v1", "get"],
  ])("%s", (line, path, verb) => {
    const info = parse(line);
    expect(info).toMatchObject({ isResourceRequest: false, path, verb, group: "", resource: "", namespace: "" });
  });
});

describe("fieldSelector", () => {
  it.each([
    ["metadata.name=foo", "foo"],
    ["metadata.name==foo", "foo"],
    ["spec.x=1,metadata.name=foo", "foo"],
    ["metadata.name!=foo", ""],
    ["metadata.name=foo,broken", ""],
    ["metadata.name=a/b", ""],
    ["metadata.name=..", ""],
    ["metadata.name=a%b", ""],
    ["metadata.name=a\\,b", "a,b"],
    ["metadata.name=a\\nb", ""],
    ["metadata.name", ""],
    ["", ""],
  ])("%s names %s", (selector, name) => {
    const info = parse(`GET /api/v1/namespaces/n/pods?fieldSelector=${encodeURIComponent(selector)}`);
    expect(info).toMatchObject({ verb: "list", name, fieldSelector: selector });
  });

  it("is recorded for collections only, and never for the watch prefix", () => {
    const query = "fieldSelector=metadata.name%3Dx&labelSelector=a%3Db";
    expect(parse(`GET /api/v1/pods?watch=1&${query}`)).toMatchObject({
      verb: "watch",
      name: "x",
      fieldSelector: "metadata.name=x",
      labelSelector: "a=b",
    });
    expect(parse(`DELETE /api/v1/pods?${query}`)).toMatchObject({ verb: "deletecollection", labelSelector: "a=b" });
    expect(parse(`GET /api/v1/watch/pods?${query}`)).toMatchObject({ fieldSelector: "", labelSelector: "", name: "" });
    expect(parse(`GET /api/v1/pods/p?${query}`)).toMatchObject({ fieldSelector: "", name: "p" });
    expect(parse(`GET /api/v1/pods?limit=x&${query}`)).toMatchObject({ name: "", fieldSelector: "metadata.name=x" });
  });
});

describe("path policy", () => {
  it.each([
    "GET /api/v1/namespaces/n/pods/..",
    "GET /api/v1/namespaces/../pods",
    "GET /api/v1/namespaces/n/pods/%2e%2e",
    "GET /api/v1/namespaces/n/pods/.%2E/x",
    "GET /api/v1/namespaces/n/pods/a%2Fb",
    "GET /api/v1/namespaces/n/pods/a%2fexec",
    "GET /api/v1/./pods",
    "GET /apis/apps%2Fv1/deployments/x",
    "GET /apis/apps/..",
    "GET /apis/apps/v1/../../../api/v1/secrets",
    "GET /api/v1/nodes/n/proxy%2Fx",
    "GET /api/v1/pods/%zz",
    "GET /api/v1/pods/%ff",
    "GET /api/v1/watch",
  ])("%s is refused", (line) => {
    expect(() => parse(line)).toThrow(StatusError);
    expect(() => parse(line)).toThrow(expect.objectContaining({ code: 400 }));
  });

  it("reads a path for a remote server as that server will", () => {
    const options = { isRemote: (group: string) => group === "far.example.com" };
    expect(parse("GET /apis/far.example.com/v1/namespaces/n/things/a%2Fb", options)).toMatchObject({
      name: "a",
      subresource: "b",
      path: "/apis/far.example.com/v1/namespaces/n/things/a/b",
    });
    expect(parse("GET /apis/far.example.com/v1/things/..", options)).toMatchObject({ name: ".." });
    expect(() => parse("GET /apis/near.example.com/v1/things/..", options)).toThrow("may not be '..'");
  });

  it("never throws anything but a 400, and never hands out a dot segment or a slash in a name", () => {
    const piece = fc.constantFrom(
      "api",
      "apis",
      "v1",
      "g",
      "namespaces",
      "watch",
      "proxy",
      "..",
      ".",
      "%2f",
      "%2e",
      "%",
      "pods",
      "a",
      "",
      "%C3%AB",
    );
    fc.assert(
      fc.property(
        fc.array(
          fc.array(piece, { maxLength: 2 }).map((p) => p.join("")),
          { maxLength: 9 },
        ),
        (parts) => {
          try {
            const info = parse(`GET /${parts.join("/")}`);
            for (const part of [info.namespace, info.resource, info.name, info.group, info.version, info.subresource]) {
              expect(part === "." || part === ".." || part.includes("/")).toBe(false);
            }
          } catch (error) {
            expect(error).toMatchObject({ code: 400 });
          }
        },
      ),
    );
  });
});

describe("isLongRunning", () => {
  it.each([
    ["GET /api/v1/pods?watch=1", true],
    ["GET /api/v1/pods", false],
    ["GET /api/v1/namespaces/n/pods/p/log", true],
    ["POST /api/v1/namespaces/n/pods/p/exec", true],
    ["GET /api/v1/nodes/n/proxy/metrics", true],
    ["GET /api/v1/namespaces/n/pods/p/status", false],
    ["GET /debug/pprof/profile", true],
    ["GET /log", false],
  ])("%s: %s", (line, expected) => expect(isLongRunning(parse(line))).toBe(expected));
});
