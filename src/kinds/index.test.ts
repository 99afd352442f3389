import { describe, expect, test } from "vitest";
import { ALL_VERBS } from "./define.ts";
import { builtinPriority, builtinResources, reviewResources, SYSTEM_NAMESPACES } from "./index.ts";

const answer = () => ({ metadata: {} });
const all = builtinResources({ createToken: answer });

describe("the list of built-in kinds", () => {
  // name in discovery, kind, scope, short names, categories, where it is stored
  const expected = [
    ["configmaps", "ConfigMap", true, "cm", "", "/registry/configmaps/"],
    ["endpoints", "Endpoints", true, "ep", "", "/registry/services/endpoints/"],
    ["events", "Event", true, "ev", "", "/registry/events/"],
    ["namespaces", "Namespace", false, "ns", "", "/registry/namespaces/"],
    ["nodes", "Node", false, "no", "", "/registry/minions/"],
    ["pods", "Pod", true, "po", "all", "/registry/pods/"],
    ["secrets", "Secret", true, "", "", "/registry/secrets/"],
    ["serviceaccounts", "ServiceAccount", true, "sa", "", "/registry/serviceaccounts/"],
    ["services", "Service", true, "svc", "all", "/registry/services/specs/"],
    ["deployments", "Deployment", true, "deploy", "all", "/registry/deployments/"],
    ["replicasets", "ReplicaSet", true, "rs", "all", "/registry/replicasets/"],
    ["horizontalpodautoscalers", "HorizontalPodAutoscaler", true, "hpa", "all", "/registry/horizontalpodautoscalers/"],
    ["horizontalpodautoscalers", "HorizontalPodAutoscaler", true, "hpa", "all", "/registry/horizontalpodautoscalers/"],
    ["leases", "Lease", true, "", "", "/registry/leases/"],
    ["endpointslices", "EndpointSlice", true, "", "", "/registry/endpointslices/"],
    ["clusterrolebindings", "ClusterRoleBinding", false, "", "", "/registry/clusterrolebindings/"],
    ["clusterroles", "ClusterRole", false, "", "", "/registry/clusterroles/"],
    ["rolebindings", "RoleBinding", true, "", "", "/registry/rolebindings/"],
    ["roles", "Role", true, "", "", "/registry/roles/"],
    ["flowschemas", "FlowSchema", false, "", "", "/registry/flowschemas/"],
    [
      "prioritylevelconfigurations",
      "PriorityLevelConfiguration",
      false,
      "",
      "",
      "/registry/prioritylevelconfigurations/",
    ],
    ...[
      ["mutatingadmissionpolicies", "MutatingAdmissionPolicy"],
      ["mutatingadmissionpolicybindings", "MutatingAdmissionPolicyBinding"],
      ["mutatingwebhookconfigurations", "MutatingWebhookConfiguration"],
      ["validatingadmissionpolicies", "ValidatingAdmissionPolicy"],
      ["validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding"],
      ["validatingwebhookconfigurations", "ValidatingWebhookConfiguration"],
    ].map(([plural, kind]) => [plural, kind, false, "", "api-extensions", `/registry/${plural}/`]),
    [
      "customresourcedefinitions",
      "CustomResourceDefinition",
      false,
      "crd,crds",
      "api-extensions",
      "/registry/apiextensions.k8s.io/customresourcedefinitions/",
    ],
    ["apiservices", "APIService", false, "", "api-extensions", "/registry/apiregistration.k8s.io/apiservices/"],
  ];

  test("has upstream's names and keys", () => {
    const rows = all.map((definition) => [
      definition.plural,
      definition.kind,
      definition.namespaced,
      (definition.shortNames ?? []).join(","),
      (definition.categories ?? []).join(","),
      definition.storagePrefix,
    ]);
    expect(rows).toEqual(expected);
  });

  test("names singular and list kind after the kind", () => {
    for (const definition of all) {
      expect(definition.singular).toBe(definition.kind.toLowerCase());
      expect(definition.listKind).toBe(`${definition.kind}List`);
      expect(definition.codec.kind).toEqual({
        group: definition.group,
        version: definition.version,
        kind: definition.kind,
      });
    }
  });

  test("answers all verbs, but namespaces cannot be deleted together", () => {
    for (const definition of all) {
      const without = definition.plural === "namespaces" ? "deletecollection" : "";
      expect(definition.verbs).toEqual(ALL_VERBS.filter((verb) => verb !== without));
    }
  });

  test("lists the sub-resources that can be answered", () => {
    const names = (list: typeof all) =>
      list.flatMap((definition) =>
        (definition.subresources ?? []).map(
          (sub) => `${definition.plural}/${sub.name} ${sub.kind?.kind ?? definition.kind} ${sub.verbs.join(",")}`,
        ),
      );
    expect(names(all)).toEqual([
      "namespaces/finalize Namespace update",
      "namespaces/status Namespace get,patch,update",
      "nodes/status Node get,patch,update",
      "pods/binding Binding create",
      "pods/eviction Eviction create",
      "pods/status Pod get,patch,update",
      "serviceaccounts/token TokenRequest create",
      "services/status Service get,patch,update",
      "deployments/scale Scale get,patch,update",
      "deployments/status Deployment get,patch,update",
      "replicasets/scale Scale get,patch,update",
      "replicasets/status ReplicaSet get,patch,update",
      "horizontalpodautoscalers/status HorizontalPodAutoscaler get,patch,update",
      "horizontalpodautoscalers/status HorizontalPodAutoscaler get,patch,update",
      "flowschemas/status FlowSchema get,patch,update",
      "prioritylevelconfigurations/status PriorityLevelConfiguration get,patch,update",
      "validatingadmissionpolicies/status ValidatingAdmissionPolicy get,patch,update",
      "customresourcedefinitions/status CustomResourceDefinition get,patch,update",
      "apiservices/status APIService get,patch,update",
    ]);
    const bare = names(builtinResources());
    expect(bare.some((line) => /token/.test(line))).toBe(false);
  });

  test("tells which kinds answer a delete with the object, and which a PUT creates", () => {
    const having = (field: "returnsDeletedObject" | "allowCreateOnUpdate") =>
      all.filter((definition) => definition.strategy[field]).map((definition) => definition.plural);
    expect(having("returnsDeletedObject")).toEqual([
      "namespaces",
      "pods",
      "serviceaccounts",
      "services",
      "customresourcedefinitions",
    ]);
    expect(having("allowCreateOnUpdate")).toEqual([
      "endpoints",
      "events",
      "services",
      "leases",
      "clusterrolebindings",
      "clusterroles",
      "rolebindings",
      "roles",
    ]);
  });

  test("asks for a resourceVersion on PUT of leases and of what extends the server only", () => {
    const strict = all.filter((definition) => definition.strategy.allowUnconditionalUpdate === false);
    expect(strict.map((definition) => definition.plural)).toEqual([
      "leases",
      ...all.filter(({ categories }) => categories?.includes("api-extensions")).map(({ plural }) => plural),
    ]);
  });

  test("prints as many cells as columns, even of an empty object", () => {
    for (const definition of all) {
      const { object } = definition.codec.decode(new TextEncoder().encode("{}"), "application/json");
      object.metadata ??= {};
      definition.strategy.setDefaults?.(object);
      expect(definition.table!.cells(object, 0)).toHaveLength(definition.table!.columns.length);
    }
  });

  test("review kinds can only be created, are not stored and print no table", () => {
    const reviews = reviewResources();
    expect(reviews.map((definition) => `${definition.group}/${definition.plural}`)).toEqual([
      "authentication.k8s.io/selfsubjectreviews",
      "authentication.k8s.io/tokenreviews",
      "authorization.k8s.io/localsubjectaccessreviews",
      "authorization.k8s.io/selfsubjectaccessreviews",
      "authorization.k8s.io/selfsubjectrulesreviews",
      "authorization.k8s.io/subjectaccessreviews",
    ]);
    for (const definition of reviews) {
      expect(definition.verbs).toEqual(["create"]);
      expect(definition.storagePrefix).toBe("");
      expect(definition.table).toBeUndefined();
      expect(definition.namespaced).toBe(definition.kind === "LocalSubjectAccessReview");
    }
  });
});

describe("priorities of built-in groups", () => {
  test.each([
    ["", "v1", 18000, 1],
    ["apps", "v1", 17800, 15],
    ["autoscaling", "v2", 17500, 30],
    ["resource.k8s.io", "v1", 16200, 21],
    ["scheduling.k8s.io", "v1alpha2", 16600, 2],
    ["flowcontrol.apiserver.k8s.io", "v1", 16100, 21],
    ["storagemigration.k8s.io", "v1beta1", 15800, 9],
  ])("%s/%s", (group, version, groupPriority, versionPriority) => {
    expect(builtinPriority(group, version)).toEqual({ group: groupPriority, version: versionPriority });
  });

  test("what is missing gets none, whatever its name", () => {
    expect(builtinPriority("apps", "v2")).toBeUndefined();
    expect(builtinPriority("__proto__", "v1")).toBeUndefined();
    expect(builtinPriority("apiregistration.k8s.io", "v1")).toBeUndefined();
  });

  test("every stored group but the aggregator's own has one", () => {
    for (const { group, version } of all) {
      if (group !== "apiregistration.k8s.io") expect(builtinPriority(group, version)).toBeDefined();
    }
  });
});

test("system namespaces", () => {
  expect([...SYSTEM_NAMESPACES].sort()).toEqual(["default", "kube-node-lease", "kube-public", "kube-system"]);
});
