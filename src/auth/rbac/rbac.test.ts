import { describe, expect, it } from "vitest";
import { SimulatedClock } from "../../api/simulated.ts";
import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding } from "../../kinds/generated/types.ts";
import type { AuthorizationAttributes } from "../../server/authorization.ts";
import type { UserInfo } from "../../server/identity.ts";
import { fakeAPI } from "../delegated/api.test-support.ts";
import { alwaysAllow, authorizerUnion, privilegedGroups } from "../delegated/authorizers.ts";
import { fakeLister } from "../delegated/exchange.test-support.ts";
import { rbacAuthorizer } from "./authorizer.ts";
import { checkBinding, checkEscalation, mayOverrideBuiltIn } from "./escalation.ts";
import { defaultPolicy, missingFrom, reconcilePolicy } from "./policy.ts";
import { ruleAllows, uncovered } from "./rules.ts";

const API = "rbac.authorization.k8s.io";
const clusterRole = (name: string, rules: PolicyRule[], labels?: Record<string, string>): ClusterRole => ({
  metadata: { name, labels },
  rules,
});
const role = (namespace: string, name: string, rules: PolicyRule[]): Role => ({ metadata: { name, namespace }, rules });
const subject = (text: string) => {
  const [kind = "", name = "", namespace] = text.split("/");
  return { kind, name, ...(namespace !== undefined && { namespace }) };
};
const clusterBinding = (name: string, to: string, ...subjects: string[]): ClusterRoleBinding => ({
  metadata: { name },
  roleRef: { apiGroup: API, kind: "ClusterRole", name: to },
  subjects: subjects.map(subject),
});
const binding = (namespace: string, name: string, kind: string, to: string, ...subjects: string[]): RoleBinding => ({
  metadata: { name, namespace },
  roleRef: { apiGroup: API, kind, name: to },
  subjects: subjects.map(subject),
});
const user = (name: string, ...groups: string[]): UserInfo => ({ name, uid: "", groups, extra: {} });
const ask = (who: UserInfo, verb: string, what: string, where = "", name = "", group = ""): AuthorizationAttributes => {
  const isResourceRequest = !what.startsWith("/");
  const [resource = "", subresource = ""] = isResourceRequest ? what.split("/") : [];
  return {
    user: who,
    verb,
    isResourceRequest,
    group,
    version: "v1",
    resource,
    subresource,
    namespace: where,
    name,
    path: isResourceRequest ? "" : what,
  };
};
const read: PolicyRule = { verbs: ["get", "list"], apiGroups: [""], resources: ["pods", "pods/log"] };

describe("one rule", () => {
  const nobody = user("x");
  it.each<readonly [string, PolicyRule, AuthorizationAttributes, boolean]>([
    ["verb, group, resource", read, ask(nobody, "get", "pods"), true],
    ["another verb", read, ask(nobody, "create", "pods"), false],
    ["another group", read, ask(nobody, "get", "pods", "", "", "apps"), false],
    ["a sub-resource that is named", read, ask(nobody, "get", "pods/log"), true],
    ["a sub-resource that is not", read, ask(nobody, "get", "pods/exec"), false],
    ["pods/* means nothing", { ...read, resources: ["pods/*"] }, ask(nobody, "get", "pods/log"), false],
    ["*/log", { ...read, resources: ["*/log"] }, ask(nobody, "get", "pods/log"), true],
    ["*/log is not log's parent", { ...read, resources: ["*/log"] }, ask(nobody, "get", "pods"), false],
    [
      "* is everything",
      { verbs: ["*"], apiGroups: ["*"], resources: ["*"] },
      ask(nobody, "x", "a/b", "", "", "g"),
      true,
    ],
    ["a name", { ...read, resourceNames: ["a"] }, ask(nobody, "get", "pods", "ns", "a"), true],
    ["another name", { ...read, resourceNames: ["a"] }, ask(nobody, "get", "pods", "ns", "b"), false],
    ["no name", { ...read, resourceNames: ["a"] }, ask(nobody, "list", "pods", "ns"), false],
    ["a path", { verbs: ["get"], nonResourceURLs: ["/healthz"] }, ask(nobody, "get", "/healthz"), true],
    ["a longer path", { verbs: ["get"], nonResourceURLs: ["/healthz"] }, ask(nobody, "get", "/healthz/x"), false],
    ["a path pattern", { verbs: ["get"], nonResourceURLs: ["/api*"] }, ask(nobody, "get", "/apis/x"), true],
    ["paths are not resources", { verbs: ["*"], nonResourceURLs: ["*"] }, ask(nobody, "get", "pods"), false],
    ["resources are not paths", { verbs: ["*"], apiGroups: ["*"], resources: ["*"] }, ask(nobody, "get", "/x"), false],
    ["no verbs", { verbs: null, apiGroups: ["*"], resources: ["*"] }, ask(nobody, "get", "pods"), false],
  ])("%s", (_, rule, request, allowed) => {
    expect(ruleAllows(rule, request)).toBe(allowed);
  });
});

function world() {
  const listers = {
    roles: fakeLister<Role>([role("a", "reader", [read])]),
    clusterRoles: fakeLister<ClusterRole>([
      clusterRole("reader", [read]),
      clusterRole("admin", [
        { verbs: ["*"], apiGroups: ["*"], resources: ["*"] },
        { verbs: ["*"], nonResourceURLs: ["*"] },
      ]),
    ]),
    clusterRoleBindings: fakeLister<ClusterRoleBinding>([
      clusterBinding("admins", "admin", "Group/admins"),
      clusterBinding("sa", "reader", "ServiceAccount/bot/b", "ServiceAccount/homeless"),
      clusterBinding("dangling", "missing", "User/dora"),
    ]),
    roleBindings: fakeLister<RoleBinding>([
      binding("a", "readers", "Role", "reader", "User/ann", "ServiceAccount/local"),
      binding("b", "readers", "ClusterRole", "reader", "User/ann"),
    ]),
  };
  return { listers, rbac: rbacAuthorizer(listers) };
}

describe("decisions", () => {
  it.each<readonly [string, AuthorizationAttributes, string]>([
    [
      "a group everywhere",
      ask(user("x", "admins"), "delete", "secrets", "z"),
      'RBAC: allowed by ClusterRoleBinding "admins" of ClusterRole "admin" to Group "admins"',
    ],
    [
      "a role in its namespace",
      ask(user("ann"), "get", "pods", "a"),
      'RBAC: allowed by RoleBinding "readers/a" of Role "reader" to User "ann"',
    ],
    [
      "a cluster role in one namespace",
      ask(user("ann"), "get", "pods", "b"),
      'RBAC: allowed by RoleBinding "readers/b" of ClusterRole "reader" to User "ann"',
    ],
    ["not in another", ask(user("ann"), "get", "pods", "c"), ""],
    ["not at the cluster scope", ask(user("ann"), "get", "pods"), ""],
    [
      "a service account by name",
      ask(user("system:serviceaccount:b:bot"), "get", "pods", "z"),
      'RBAC: allowed by ClusterRoleBinding "sa" of ClusterRole "reader" to ServiceAccount "bot/b"',
    ],
    [
      "a service account of the binding's own namespace",
      ask(user("system:serviceaccount:a:local"), "get", "pods", "a"),
      'RBAC: allowed by RoleBinding "readers/a" of Role "reader" to ServiceAccount "local/a"',
    ],
    [
      "a service account without a home is nobody",
      ask(user("system:serviceaccount::homeless"), "get", "pods", "z"),
      "",
    ],
    ["a group of a user's name is not the user", ask(user("x", "ann"), "get", "pods", "a"), ""],
    [
      "a missing role is told",
      ask(user("dora"), "get", "pods"),
      'RBAC: clusterrole.rbac.authorization.k8s.io "missing" not found',
    ],
  ])("%s", (_, request, reason) => {
    const decision = world().rbac.authorize(request);
    expect(decision).toEqual({ verdict: reason.startsWith("RBAC: allowed") ? "Allow" : "NoOpinion", reason });
  });

  it("follow changes of bindings and roles", () => {
    const { listers, rbac } = world();
    const verdict = (who: string) =>
      (rbac.authorize(ask(user(who), "get", "pods", "a")) as { verdict: string }).verdict;
    expect(verdict("ann")).toBe("Allow");
    listers.roleBindings.put(binding("a", "readers", "Role", "reader", "User/ben"));
    expect([verdict("ann"), verdict("ben")]).toEqual(["NoOpinion", "Allow"]);
    listers.roles.remove("reader", "a");
    expect(verdict("ben")).toBe("NoOpinion");
    listers.roles.put(role("a", "reader", [read]));
    listers.roleBindings.remove("readers", "a");
    expect(verdict("ben")).toBe("NoOpinion");
  });

  it("list the rules of a user", () => {
    const rules = world().rbac.rulesFor(user("ann", "admins"), "a");
    expect(rules).toEqual({
      resourceRules: [
        { verbs: ["*"], apiGroups: ["*"], resources: ["*"], resourceNames: [] },
        { verbs: ["get", "list"], apiGroups: [""], resources: ["pods", "pods/log"], resourceNames: [] },
      ],
      nonResourceRules: [{ verbs: ["*"], nonResourceURLs: ["*"] }],
      incomplete: false,
      evaluationError: "",
    });
  });

  it("of several: the first Allow or Deny decides, and an Allow wins over earlier errors", async () => {
    const failing = {
      ...alwaysAllow,
      authorize: () => ({ verdict: "NoOpinion", reason: "r", error: new Error("broken") }) as const,
    };
    const request = ask(user("x", "system:masters"), "get", "pods");
    expect((await authorizerUnion([failing, privilegedGroups()]).authorize(request)).verdict).toBe("Allow");
    const none = await authorizerUnion([failing, world().rbac]).authorize({ ...request, user: user("x") });
    expect([none.verdict, none.error?.message, none.reason]).toEqual(["NoOpinion", "broken", "r"]);
    const denying = { ...alwaysAllow, authorize: () => ({ verdict: "Deny", reason: "no" }) as const };
    expect((await authorizerUnion([denying, alwaysAllow]).authorize(request)).verdict).toBe("Deny");
  });
});

describe("nobody grants what they do not hold", () => {
  const as = (who: UserInfo, namespace: string) => {
    const { rbac, listers } = world();
    return { context: { user: who, namespace, resolver: rbac, authorizer: rbac }, listers };
  };
  const wider: PolicyRule = { verbs: ["list", "delete", "get"], apiGroups: [""], resources: ["pods"] };

  it.each<readonly [string, UserInfo, PolicyRule[], boolean]>([
    ["what they hold", user("ann"), [{ ...read, verbs: ["get"] }], true],
    ["a part of it by name", user("ann"), [{ ...read, resourceNames: ["x"] }], true],
    ["more verbs", user("ann"), [wider], false],
    ["a sub-resource more", user("ann"), [{ ...read, resources: ["pods/exec"] }], false],
    [
      "everything, holding everything",
      user("x", "admins"),
      [{ verbs: ["*"], apiGroups: ["*"], resources: ["*"] }],
      true,
    ],
    ["everything, as a member of system:masters", user("x", "system:masters"), [wider], true],
    ["nothing", user("x"), [], true],
  ])("%s", async (_, who, rules, fine) => {
    const promise = checkEscalation("roles", role("a", "new", rules), undefined, "", as(who, "a").context);
    if (fine) await expect(promise).resolves.toBe(undefined);
    else await expect(promise).rejects.toMatchObject({ code: 403 });
  });

  it("says what is missing in upstream's words", async () => {
    const promise = checkEscalation(
      "roles",
      role("a", "new", [wider]),
      undefined,
      "",
      as(user("ann", "g", "h"), "a").context,
    );
    await expect(promise).rejects.toThrow(
      'roles.rbac.authorization.k8s.io "new" is forbidden: user "ann" (groups=["g" "h"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}',
    );
  });

  it("the verb escalate is enough; an aggregation rule needs everything; owners and finalizers need nothing", async () => {
    const { context, listers } = as(user("ann"), "");
    const gathering = {
      ...clusterRole("new", []),
      aggregationRule: { clusterRoleSelectors: [{ matchLabels: { a: "b" } }] },
    };
    await expect(checkEscalation("clusterroles", gathering, undefined, "", context)).rejects.toThrow(
      "must have cluster-admin privileges to use the aggregationRule",
    );
    await expect(checkEscalation("clusterroles", clusterRole("new", []), gathering, "new", context)).rejects.toThrow(
      "aggregationRule",
    );
    const old = clusterRole("new", [wider]);
    await checkEscalation(
      "clusterroles",
      { ...old, metadata: { ...old.metadata, finalizers: ["x"] } },
      old,
      "new",
      context,
    );
    listers.clusterRoles.put(
      clusterRole("escalator", [{ verbs: ["escalate"], apiGroups: [API], resources: ["clusterroles"] }]),
    );
    listers.clusterRoleBindings.put(clusterBinding("e", "escalator", "User/ann"));
    await checkEscalation("clusterroles", clusterRole("new", [wider]), undefined, "", context);
  });

  it("bindings need the role's rules, or the verb bind", async () => {
    const { context, listers } = as(user("ann"), "a");
    await checkBinding("rolebindings", binding("a", "x", "ClusterRole", "reader", "User/eve"), undefined, context);
    const toAdmin = binding("a", "x", "ClusterRole", "admin", "User/eve");
    await expect(checkBinding("rolebindings", toAdmin, undefined, context)).rejects.toMatchObject({ code: 403 });
    listers.clusterRoles.put(
      clusterRole("binder", [
        { verbs: ["bind"], apiGroups: [API], resources: ["clusterroles"], resourceNames: ["admin"] },
      ]),
    );
    listers.roleBindings.put(binding("a", "b", "ClusterRole", "binder", "User/ann"));
    await checkBinding("rolebindings", toAdmin, undefined, context);
  });

  it("a rule that multiplies without end is refused, not counted out", () => {
    const many = Array.from({ length: 1000 }, (_, index) => `x${index}`);
    expect(() => uncovered([read], [{ verbs: many, apiGroups: many, resources: many }])).toThrow(RangeError);
    expect(
      uncovered(
        [{ verbs: ["*"], apiGroups: ["*"], resources: ["*"] }],
        [{ verbs: many, apiGroups: many, resources: many }],
      ),
    ).toEqual([]);
  });

  it("claiming a built-in group needs the verb override", async () => {
    const { rbac } = world();
    expect(await mayOverrideBuiltIn(user("ann"), "v1.apps", rbac)).toBe(false);
    expect(await mayOverrideBuiltIn(user("x", "admins"), "v1.apps", rbac)).toBe(true);
  });
});

describe("the default policy", () => {
  it("lets everybody discover, nobody else read, and delegates what extension servers need", () => {
    const of = (kind: string) =>
      defaultPolicy()
        .filter(([resource]) => resource === kind)
        .map(([, object]) => object);
    const rbac = rbacAuthorizer({
      roles: fakeLister(of("roles") as Role[]),
      roleBindings: fakeLister(of("roleBindings") as RoleBinding[]),
      clusterRoles: fakeLister(of("clusterRoles") as ClusterRole[]),
      clusterRoleBindings: fakeLister(of("clusterRoleBindings") as ClusterRoleBinding[]),
    });
    const verdict = (request: AuthorizationAttributes) => (rbac.authorize(request) as { verdict: string }).verdict;
    const someone = user("x", "system:authenticated");
    const nobody = user("system:anonymous", "system:unauthenticated");
    expect(verdict(ask(someone, "get", "/apis/x/v1"))).toBe("Allow");
    expect(verdict(ask(someone, "create", "selfsubjectaccessreviews", "", "", "authorization.k8s.io"))).toBe("Allow");
    expect(verdict(ask(nobody, "get", "/livez"))).toBe("Allow");
    expect(verdict(ask(nobody, "get", "/apis"))).toBe("NoOpinion");
    expect(verdict(ask(someone, "list", "secrets", "default"))).toBe("NoOpinion");
    expect(verdict(ask(user("x", "system:masters"), "list", "secrets"))).toBe("Allow");
    expect(verdict(ask(user("system:kube-controller-manager"), "list", "anything", "", "", "any.example.com"))).toBe(
      "Allow",
    );
    const names = of("clusterRoles").map((object) => object.metadata.name);
    expect(names).toEqual(
      expect.arrayContaining([
        "cluster-admin",
        "admin",
        "edit",
        "view",
        "system:auth-delegator",
        "system:node",
        "system:controller:generic-garbage-collector",
      ]),
    );
    expect(of("roles").map((object) => object.metadata.name)).toContain("extension-apiserver-authentication-reader");
  });

  it("is written once, adds what lacks, leaves what an administrator added", async () => {
    const api = fakeAPI(new SimulatedClock());
    const total = defaultPolicy().length;
    expect(await reconcilePolicy(api.client)).toBe(total);
    expect(await reconcilePolicy(api.client)).toBe(0);
    const path = `/apis/${API}/v1/clusterroles/system:basic-user`;
    const extra: PolicyRule = { verbs: ["get"], apiGroups: [""], resources: ["nodes"] };
    api.put(path, { ...api.objects.get(path)!, rules: [extra] });
    expect(await reconcilePolicy(api.client)).toBe(1);
    const rules = api.objects.get(path)!["rules"] as PolicyRule[];
    expect(rules[0]).toEqual(extra);
    expect(rules.length).toBeGreaterThan(1);
  });

  it("respects autoupdate=false, and replaces a binding that points elsewhere", () => {
    const [, wanted] = defaultPolicy().find(([, object]) => object.kind === "ClusterRoleBinding")!;
    expect(missingFrom(wanted, wanted)).toBe(undefined);
    expect(missingFrom({ ...wanted, subjects: [] }, wanted)).toMatchObject({ subjects: wanted["subjects"] });
    const off = {
      ...wanted,
      subjects: [],
      metadata: { ...wanted.metadata, annotations: { "rbac.authorization.kubernetes.io/autoupdate": "false" } },
    };
    expect(missingFrom(off, wanted)).toBe(undefined);
    expect(missingFrom({ ...wanted, roleRef: { apiGroup: API, kind: "ClusterRole", name: "other" } }, wanted)).toBe(
      "replace",
    );
  });
});
