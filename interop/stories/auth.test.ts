import { describe, expect, it } from "vitest";
import { story } from "../story.ts";

const { target, namespace } = story();
const REVIEWS = "/apis/authorization.k8s.io/v1";
const as = (user: string, ...groups: string[]) => ({
  "impersonate-user": user,
  ...(groups.length > 0 && { "impersonate-group": groups.join(",") }),
});
const RBAC = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;

describe("who am I, and what may I", () => {
  it("is told by the server", async () => {
    const { status, json } = await target.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {
      body: {},
    });
    expect(status).toBe(201);
    expect(json).toMatchObject({ kind: "SelfSubjectReview", apiVersion: "authentication.k8s.io/v1" });
    expect(json.status.userInfo.username).toBe("kubernetes-admin");
    expect(json.status.userInfo.groups).toEqual(["system:masters", "system:authenticated"]);
  });

  it("an administrator may do everything", async () => {
    const { status, json } = await target.call("POST", `${REVIEWS}/selfsubjectaccessreviews`, {
      body: { spec: { resourceAttributes: { verb: "delete", resource: "nodes" } } },
    });
    expect(status).toBe(201);
    expect(json.status.allowed).toBe(true);
  });

  it("others may not, and a review says so", async () => {
    const { json } = await target.call("POST", `${REVIEWS}/subjectaccessreviews`, {
      body: {
        spec: { user: "jane", groups: ["dev"], resourceAttributes: { verb: "get", resource: "pods", namespace } },
      },
    });
    expect(json.status).toEqual({ allowed: false });
    expect(json.spec.user).toBe("jane");
    const both = await target.call("POST", `${REVIEWS}/subjectaccessreviews`, { body: { spec: { user: "jane" } } });
    expect(both.status).toBe(422);
    expect(both.json.message).toContain(
      "spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified",
    );
  });

  it("a refused review names no kind", async () => {
    const { json } = await target.call("POST", `${REVIEWS}/subjectaccessreviews`, { body: {} });
    expect(json.message).toMatch(/^\.authorization\.k8s\.io "" is invalid: \[spec\.resourceAttributes: /);
    expect(json.details).toMatchObject({ group: "authorization.k8s.io" });
    expect(json.details.kind).toBeUndefined();
  });

  it("a local review stays in its namespace", async () => {
    const answer = await target.call("POST", `${REVIEWS}/namespaces/${namespace}/localsubjectaccessreviews`, {
      body: {
        metadata: { namespace },
        spec: { user: "jane", resourceAttributes: { verb: "get", resource: "pods", namespace: "other" } },
      },
    });
    expect(answer.status).toBe(422);
    expect(answer.json.message).toContain(
      'spec.resourceAttributes.namespace: Invalid value: "other": must match metadata.namespace',
    );
  });
});

describe("roles", () => {
  it("take effect", async () => {
    const pods = `/api/v1/namespaces/${namespace}/pods`;
    const refused = await target.call("GET", pods, { headers: as("jane") });
    expect(refused.status).toBe(403);
    expect(refused.json).toEqual({
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: `pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "${namespace}"`,
      reason: "Forbidden",
      details: { kind: "pods" },
      code: 403,
    });
    const role = await target.call("POST", `${RBAC}/roles`, {
      body: { metadata: { name: "reader" }, rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["get", "list"] }] },
    });
    expect(role.status).toBe(201);
    await target.call("POST", `${RBAC}/rolebindings`, {
      body: {
        metadata: { name: "readers" },
        subjects: [{ kind: "Group", apiGroup: "rbac.authorization.k8s.io", name: "team" }],
        roleRef: { kind: "Role", apiGroup: "rbac.authorization.k8s.io", name: "reader" },
      },
    });
    let allowed = await target.call("GET", pods, { headers: as("jane", "team") });
    for (let tries = 0; allowed.status !== 200 && tries < 50; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      allowed = await target.call("GET", pods, { headers: as("jane", "team") });
    }
    expect(allowed.status).toBe(200);
    const named = await target.call("DELETE", `${pods}/x`, { headers: as("jane", "team") });
    expect(named.json.message).toBe(
      `pods "x" is forbidden: User "jane" cannot delete resource "pods" in API group "" in the namespace "${namespace}"`,
    );
    const rules = await target.call("POST", `${REVIEWS}/selfsubjectrulesreviews`, {
      headers: as("jane", "team"),
      body: { spec: { namespace } },
    });
    expect(rules.json.status.resourceRules).toContainEqual({
      verbs: ["get", "list"],
      apiGroups: [""],
      resources: ["pods"],
    });
  });

  it("cannot be given by those who do not have them", async () => {
    const role = (name: string, rules: unknown[]) => ({ metadata: { name }, rules });
    await target.call("POST", `${RBAC}/roles`, {
      body: role("granter", [
        {
          apiGroups: ["rbac.authorization.k8s.io"],
          resources: ["roles", "rolebindings"],
          verbs: ["create", "get", "update"],
        },
      ]),
    });
    await target.call("POST", `${RBAC}/rolebindings`, {
      body: {
        metadata: { name: "granters" },
        subjects: [{ kind: "User", apiGroup: "rbac.authorization.k8s.io", name: "greta" }],
        roleRef: { kind: "Role", apiGroup: "rbac.authorization.k8s.io", name: "granter" },
      },
    });
    const attempt = () =>
      target.call("POST", `${RBAC}/roles`, {
        headers: as("greta"),
        body: role("mine", [{ apiGroups: [""], resources: ["secrets"], verbs: ["get"] }]),
      });
    let refused = await attempt();
    for (let tries = 0; !refused.text.includes("extra privileges") && tries < 50; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      refused = await attempt();
    }
    expect(refused.status).toBe(403);
    expect(refused.json.message).toContain(
      'user "greta" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held',
    );
    const changed = await target.call("PATCH", `${RBAC}/rolebindings/granters`, {
      contentType: "application/merge-patch+json",
      body: { roleRef: { kind: "Role", apiGroup: "rbac.authorization.k8s.io", name: "other" } },
    });
    expect(changed.status).toBe(422);
    expect(changed.json.message).toContain("roleRef: Invalid value:");
    expect(changed.json.message).toContain("cannot change roleRef");
  });
});

describe("who may not come in", () => {
  it("a bad token is refused, not anonymous", async () => {
    const answer = await target.call("GET", "/api/v1/pods", {
      anonymous: true,
      headers: { authorization: "Bearer nonsense" },
    });
    expect(answer.status).toBe(401);
    expect(answer.json).toEqual({
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: "Unauthorized",
      reason: "Unauthorized",
      code: 401,
    });
  });

  it("nobody in particular may read health and version, and no objects", async () => {
    expect((await target.call("GET", "/readyz", { anonymous: true })).status).toBe(200);
    const answer = await target.call("GET", "/api/v1/pods", { anonymous: true });
    expect(answer.status).toBe(403);
    expect(answer.json.message).toBe(
      'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" at the cluster scope',
    );
    const path = await target.call("GET", "/metrics", { anonymous: true });
    expect(path.json.message).toBe('forbidden: User "system:anonymous" cannot get path "/metrics"');
  });

  it.each<Record<string, string>>([
    { "x-remote-user": "admin", "x-remote-group": "system:masters" },
    { "X-Remote-User": "kubernetes-admin", "x-remote-extra-scopes": "all" },
    { "x-remote-uid": "1", "x-remote-user": "system:apiserver" },
  ])("a forged front proxy is nobody: %o", async (headers) => {
    const answer = await target.call("GET", "/api/v1/pods", { anonymous: true, headers });
    expect(answer.status).toBe(403);
    expect(answer.json.message).toContain('User "system:anonymous" cannot list');
  });

  it("impersonation needs its own permission, and a user", async () => {
    const forged = await target.call("GET", "/api/v1/pods", {
      anonymous: true,
      headers: as("kubernetes-admin", "system:masters"),
    });
    expect(forged.status).toBe(403);
    expect(forged.json.message).toMatch(/is forbidden: User "system:anonymous" cannot impersonate/);
    const nobody = await target.call("GET", "/api/v1/pods", { headers: { "impersonate-group": "system:masters" } });
    expect(nobody.status).toBe(400);
    expect(nobody.text).toContain("without impersonating a user");
  });
});

describe("service accounts", () => {
  it("get tokens that say who they are", async () => {
    await target.call("POST", `/api/v1/namespaces/${namespace}/serviceaccounts`, {
      body: { metadata: { name: "robot" } },
    });
    const asked = await target.call("POST", `/api/v1/namespaces/${namespace}/serviceaccounts/robot/token`, {
      body: { spec: { expirationSeconds: 3600 } },
    });
    expect(asked.status).toBe(201);
    expect(asked.json).toMatchObject({ kind: "TokenRequest", apiVersion: "authentication.k8s.io/v1" });
    const token: string = asked.json.status.token;
    expect(token.split(".")).toHaveLength(3);
    const who = await target.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {
      anonymous: true,
      headers: { authorization: `Bearer ${token}` },
      body: {},
    });
    expect(who.json.status.userInfo).toMatchObject({
      username: `system:serviceaccount:${namespace}:robot`,
      groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, "system:authenticated"],
    });
    const review = await target.call("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {
      body: { spec: { token } },
    });
    expect(review.status).toBe(201);
    expect(review.json.status).toMatchObject({
      authenticated: true,
      user: { username: `system:serviceaccount:${namespace}:robot` },
    });
    const bad = await target.call("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {
      body: { spec: { token: `${token.slice(0, -4)}AAAA` } },
    });
    expect(bad.json.status.authenticated).toBeUndefined();
    expect(bad.json.status.error).toContain("invalid bearer token");
  });

  it("ask for at least ten minutes", async () => {
    const asked = await target.call("POST", `/api/v1/namespaces/${namespace}/serviceaccounts/robot/token`, {
      body: { spec: { expirationSeconds: 10 } },
    });
    expect(asked.status).toBe(422);
    expect(asked.json.message).toContain(
      "spec.expirationSeconds: Invalid value: 10: may not specify a duration less than 10 minutes",
    );
  });
});
