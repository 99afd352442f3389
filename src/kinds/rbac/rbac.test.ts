import { describe, expect, test } from "vitest";
import { decoded, printedRow, rehearseCreate, rehearseUpdate } from "../rehearse.test-support.ts";
import { clusterRoleBindings, roleBindings } from "./bindings.ts";
import { clusterRoles, roles } from "./rules.ts";

const named = (rest: object) => ({ metadata: { name: "system:x" }, ...rest });

test("names need only be a segment of a path", () => {
  for (const definition of [roles(), clusterRoles(), roleBindings(), clusterRoleBindings()]) {
    expect(definition.nameRule("system:foo", false)).toEqual([]);
    expect(definition.nameRule("a/b%", false)).toEqual(["may not contain '/'", "may not contain '%'"]);
    expect(definition.nameRule("..", false)).toEqual(["may not be '..'"]);
  }
});

describe("rules", () => {
  test("of a Role", () => {
    const rules = [
      {},
      { verbs: ["a"], nonResourceURLs: ["/x"], resources: ["a"] },
      { verbs: ["get"], apiGroups: [""], resources: ["pods"] },
    ];
    expect(rehearseCreate(roles(), named({ rules })).errors).toEqual([
      "rules[0].verbs: Required value: verbs must contain at least one value",
      "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
      "rules[0].resources: Required value: resource rules must supply at least one resource",
      'rules[1].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs',
      'rules[1].nonResourceURLs: Invalid value: ["/x"]: rules cannot apply to both regular resources and non-resource URLs',
    ]);
  });

  test("of a ClusterRole", () => {
    expect(
      rehearseCreate(clusterRoles(), named({ rules: [{ verbs: ["a"], nonResourceURLs: ["/x"] }] })).errors,
    ).toEqual([]);
    const empty = named({ aggregationRule: { clusterRoleSelectors: [] } });
    expect(rehearseCreate(clusterRoles(), empty).errors).toEqual([
      "aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if aggregationRule is non-nil",
    ]);
    const good = named({ aggregationRule: { clusterRoleSelectors: [{ matchLabels: { a: "true" } }] } });
    expect(rehearseCreate(clusterRoles(), good).errors).toEqual([]);
  });

  test("print the moment they were made", () => {
    const object = decoded(roles(), { metadata: { name: "r", creationTimestamp: "2026-01-01T00:00:00Z" } });
    expect(printedRow(roles(), object)).toEqual({ Name: "r", "Created At": "2026-01-01T00:00:00Z" });
  });
});

describe("bindings", () => {
  const binding = named({
    roleRef: { kind: "Role", name: "r" },
    subjects: [
      { kind: "User", name: "u" },
      { kind: "Group", name: "g" },
      { kind: "ServiceAccount", name: "s", namespace: "n" },
    ],
  });

  test("know the group of roles, users and groups", () => {
    const group = "rbac.authorization.k8s.io";
    const { object, errors } = rehearseCreate(roleBindings(), binding);
    expect(errors).toEqual([]);
    expect(object.roleRef.apiGroup).toBe(group);
    expect(object.subjects!.map((subject) => subject.apiGroup)).toEqual([group, group, undefined]);
  });

  test("refuse what they do not know", () => {
    const bad = named({
      roleRef: { apiGroup: "x", kind: "Y", name: "a/b" },
      subjects: [{ kind: "User" }, { kind: "ServiceAccount", name: "b", apiGroup: "q" }, { kind: "Z", name: "a" }],
    });
    expect(rehearseCreate(roleBindings(), bad).errors).toEqual([
      'roleRef.apiGroup: Unsupported value: "x": supported values: "rbac.authorization.k8s.io"',
      'roleRef.kind: Unsupported value: "Y": supported values: "Role", "ClusterRole"',
      "roleRef.name: Invalid value: \"a/b\": may not contain '/'",
      "subjects[0].name: Required value",
      'subjects[1].apiGroup: Unsupported value: "q": supported values: ""',
      'subjects[2].kind: Unsupported value: "Z": supported values: "ServiceAccount", "User", "Group"',
    ]);
  });

  test("a cluster-wide one needs the namespace of a service account, and a ClusterRole", () => {
    const bad = named({ roleRef: { kind: "Role", name: "" }, subjects: [{ kind: "ServiceAccount", name: "b" }] });
    expect(rehearseCreate(clusterRoleBindings(), bad).errors).toEqual([
      'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
      "roleRef.name: Required value",
      "subjects[0].namespace: Required value",
    ]);
  });

  test("the role stays, the subjects may change", () => {
    const stored = rehearseCreate(roleBindings(), binding).object;
    const { errors } = rehearseUpdate(roleBindings(), stored, (changed) => {
      changed.roleRef.name = "other";
      changed.subjects = [];
    });
    expect(errors).toEqual([
      'roleRef: Invalid value: {"APIGroup":"rbac.authorization.k8s.io","Kind":"Role","Name":"other"}: cannot change roleRef',
    ]);
  });

  test("columns", () => {
    expect(printedRow(roleBindings(), decoded(roleBindings(), binding))).toEqual({
      Name: "system:x",
      Role: "Role/r",
      Age: "<unknown>",
      Users: "u",
      Groups: "g",
      ServiceAccounts: "n/s",
    });
  });
});
