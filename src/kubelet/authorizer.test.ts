import { describe, expect, it } from "vitest";
import type { AuthorizationAttributes, Authorizer } from "../server/authorization.ts";
import { nodeAuthorizer } from "./authorizer.ts";

const user = { name: "alice", uid: "", groups: [], extra: {} };
const attributes = (verb: string, path: string, isResourceRequest = false): AuthorizationAttributes => ({
  user,
  verb,
  isResourceRequest,
  group: "",
  version: "",
  resource: "",
  subresource: "",
  namespace: "",
  name: "",
  path,
});

function asking(allowed: string) {
  const asked: string[] = [];
  const inner: Authorizer = {
    authorize({ verb, resource, subresource, name, isResourceRequest, path }) {
      asked.push(`${isResourceRequest} ${verb} ${resource}/${subresource} ${name}${path}`);
      return { verdict: subresource === allowed ? "Allow" : "NoOpinion", reason: "" };
    },
    rulesFor: () => {
      throw new Error("not asked");
    },
  };
  return { authorizer: nodeAuthorizer(inner, "box"), asked };
}

describe("what a kubelet's paths ask for", () => {
  it.each([
    ["get", "/metrics/resource", ["true get nodes/metrics box"]],
    ["get", "/metrics", ["true get nodes/metrics box"]],
    ["get", "/metricsX", ["true get nodes/proxy box"]],
    ["get", "/stats/summary", ["true get nodes/stats box"]],
    ["get", "/logs/x", ["true get nodes/log box"]],
    ["get", "/healthz", ["true get nodes/healthz box", "true get nodes/proxy box"]],
    ["post", "/run", ["true create nodes/proxy box"]],
    ["delete", "/", ["true delete nodes/proxy box"]],
    ["head", "/metrics", ["true  nodes/metrics box"]],
  ])("%s %s", async (verb, path, expected) => {
    const { authorizer, asked } = asking("nothing");
    expect((await authorizer.authorize(attributes(verb, path))).verdict).toBe("NoOpinion");
    expect(asked).toEqual(expected);
  });

  it("is content with the first that is allowed", async () => {
    const { authorizer, asked } = asking("healthz");
    expect((await authorizer.authorize(attributes("get", "/healthz"))).verdict).toBe("Allow");
    expect(asked).toHaveLength(1);
  });

  it("opens what looks like an API only to whom it opens everything", async () => {
    const { authorizer, asked } = asking("metrics");
    expect((await authorizer.authorize(attributes("list", "", true))).verdict).toBe("NoOpinion");
    expect(asked).toEqual(["true list nodes/proxy box"]);
  });
});
