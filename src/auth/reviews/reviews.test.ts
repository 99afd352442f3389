import { describe, expect, it } from "vitest";
import type { KubeObject } from "../../api/meta.ts";
import { SimulatedClock } from "../../api/simulated.ts";
import type { AuthorizationAttributes, Authorizer } from "../../server/authorization.ts";
import type { RequestContext, VirtualResource } from "../../server/resource.ts";
import {
  localSubjectAccessReviews,
  selfSubjectAccessReviews,
  selfSubjectRulesReviews,
  subjectAccessReviews,
} from "./access-review.ts";
import { selfSubjectReviews, tokenReviews } from "./token-review.ts";

const me = { name: "ann", uid: "1", groups: ["dev", "system:authenticated"], extra: { "a/b": ["c"] } };
const context = (namespace = "") =>
  ({ user: me, namespace, name: "", clock: new SimulatedClock() }) as unknown as RequestContext;
const asked: AuthorizationAttributes[] = [];
const authorizer: Authorizer = {
  authorize(attributes) {
    asked.push(attributes);
    if (attributes.verb === "deny") return { verdict: "Deny", reason: "no" };
    if (attributes.verb === "break") return { verdict: "NoOpinion", reason: "", error: new Error("broken") };
    return { verdict: attributes.user.name === "ann" ? "Allow" : "NoOpinion", reason: "because" };
  },
  rulesFor: () => ({
    resourceRules: [{ verbs: ["get"], apiGroups: [""], resources: ["pods"], resourceNames: [] }],
    nonResourceRules: [{ verbs: ["get"], nonResourceURLs: ["/healthz"] }],
    incomplete: false,
    evaluationError: "",
  }),
};
// biome-ignore lint/suspicious/noExplicitAny: bodies of many kinds
const create = async (resource: VirtualResource<any>, body: object, namespace?: string) =>
  (await resource.create!(context(namespace), { metadata: {}, ...body } as KubeObject)) as KubeObject;
const pods = { verb: "get", resource: "pods", namespace: "ns" };

describe("access reviews", () => {
  it.each<readonly [string, object, object]>([
    ["allowed", { user: "ann", resourceAttributes: pods }, { allowed: true, reason: "because" }],
    ["not allowed", { user: "bob", groups: ["g"], resourceAttributes: pods }, { allowed: false, reason: "because" }],
    [
      "denied",
      { user: "ann", resourceAttributes: { ...pods, verb: "deny" } },
      { allowed: false, denied: true, reason: "no" },
    ],
    [
      "broken",
      { user: "ann", nonResourceAttributes: { verb: "break", path: "/x" } },
      { allowed: false, evaluationError: "broken" },
    ],
  ])("%s", async (_, spec, status) => {
    expect((await create(subjectAccessReviews(authorizer), { spec }))["status"]).toEqual(status);
  });

  it("hand the question over whole", async () => {
    asked.length = 0;
    const spec = {
      user: "u",
      uid: "1",
      groups: ["g"],
      extra: { k: ["v"] },
      resourceAttributes: {
        ...pods,
        group: "apps",
        subresource: "scale",
        name: "x",
        labelSelector: {
          requirements: [
            { key: "a", operator: "In", values: ["b", "c"] },
            { key: "d", operator: "Exists" },
          ],
        },
      },
    };
    await create(subjectAccessReviews(authorizer), { spec });
    expect(asked[0]).toEqual({
      user: { name: "u", uid: "1", groups: ["g"], extra: Object.assign(Object.create(null), { k: ["v"] }) },
      verb: "get",
      isResourceRequest: true,
      group: "apps",
      version: "*",
      resource: "pods",
      subresource: "scale",
      namespace: "ns",
      name: "x",
      path: "",
      labelSelector: "a in (b,c),d",
    });
    await create(selfSubjectAccessReviews(authorizer), {
      spec: { nonResourceAttributes: { path: "/x", verb: "get" } },
    });
    expect(asked[1]).toMatchObject({ user: me, isResourceRequest: false, path: "/x" });
  });

  it.each<readonly [string, object, string]>([
    [
      "nothing asked",
      { spec: { user: "a" } },
      '.authorization.k8s.io "" is invalid: spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified',
    ],
    [
      "nobody named",
      { spec: { resourceAttributes: pods } },
      '.authorization.k8s.io "" is invalid: spec.user: Invalid value: "": at least one of user or group must be specified',
    ],
    [
      "both asked",
      { spec: { user: "a", resourceAttributes: pods, nonResourceAttributes: { path: "/" } } },
      "cannot be specified in combination with resourceAttributes",
    ],
    [
      "metadata",
      { metadata: { name: "x" }, spec: { user: "a", resourceAttributes: pods } },
      'metadata: Invalid value: {"name":"x"}: must be empty',
    ],
    [
      "an empty selector",
      { spec: { user: "a", resourceAttributes: { ...pods, fieldSelector: {} } } },
      "spec.resourceAttributes.fieldSelector.requirements: Required value: when spec.resourceAttributes.fieldSelector is specified, requirements or rawSelector is required",
    ],
  ])("%s is refused", async (_, body, message) => {
    await expect(create(subjectAccessReviews(authorizer), body)).rejects.toMatchObject({
      code: 422,
      reason: "Invalid",
    });
    await expect(create(subjectAccessReviews(authorizer), body)).rejects.toThrow(message);
  });

  it("local ones stay in their namespace", async () => {
    const local = localSubjectAccessReviews(authorizer);
    const body = { metadata: { namespace: "ns" }, spec: { user: "ann", resourceAttributes: pods } };
    expect((await create(local, body, "ns"))["status"]).toEqual({ allowed: true, reason: "because" });
    await expect(create(local, { ...body, metadata: { namespace: "other" } }, "other")).rejects.toThrow(
      'spec.resourceAttributes.namespace: Invalid value: "ns": must match metadata.namespace',
    );
    await expect(create(local, { spec: { user: "ann", nonResourceAttributes: { path: "/" } } }, "ns")).rejects.toThrow(
      "disallowed on this kind of request",
    );
  });

  it("rules of oneself", async () => {
    const review = await create(selfSubjectRulesReviews(authorizer), { spec: { namespace: "ns" } });
    expect(review["status"]).toEqual({
      resourceRules: [{ verbs: ["get"], apiGroups: [""], resources: ["pods"] }],
      nonResourceRules: [{ verbs: ["get"], nonResourceURLs: ["/healthz"] }],
      incomplete: false,
    });
    await expect(create(selfSubjectRulesReviews(authorizer), { spec: {} })).rejects.toThrow("no namespace on request");
  });
});

describe("token reviews", () => {
  const reviews = tokenReviews({
    audiences: ["api"],
    tokens: {
      authenticateToken(token, audiences) {
        if (token === "old") throw new Error("service account token has expired");
        return token === "good" ? { user: me, audiences } : undefined;
      },
    },
  });
  it.each<readonly [string, object, object]>([
    [
      "good",
      { token: "good" },
      {
        authenticated: true,
        user: { username: "ann", uid: "1", groups: me.groups, extra: me.extra },
        audiences: ["api"],
      },
    ],
    ["good for others", { token: "good", audiences: ["vault"] }, { authenticated: true, audiences: ["vault"] }],
    ["unknown", { token: "x" }, { user: {}, error: "invalid bearer token" }],
    ["expired", { token: "old" }, { user: {}, error: "[invalid bearer token, service account token has expired]" }],
    ["endless", { token: "x".repeat(70_000) }, { error: "[invalid bearer token, bearer token too long]" }],
  ])("%s", async (_, spec, status) => {
    const review = await create(reviews, { spec });
    expect(review["status"]).toMatchObject(status);
    expect(review["status"].authenticated ?? false).toBe("authenticated" in status);
  });

  it("a token is needed", async () => {
    await expect(create(reviews, { spec: {} })).rejects.toMatchObject({
      code: 400,
      message: "token is required for TokenReview in authentication",
    });
  });

  it("who am I", async () => {
    const review = await create(selfSubjectReviews, {
      apiVersion: "authentication.k8s.io/v1",
      kind: "SelfSubjectReview",
    });
    expect(review).toEqual({
      apiVersion: "authentication.k8s.io/v1",
      kind: "SelfSubjectReview",
      metadata: { creationTimestamp: "2026-01-01T00:00:00Z" },
      status: { userInfo: { username: "ann", uid: "1", groups: me.groups, extra: me.extra } },
    });
  });
});
