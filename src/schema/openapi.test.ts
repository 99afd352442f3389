import { describe, expect, it } from "vitest";
import { objectSchema, openAPIDocument, openAPIPath, schemaNameOf } from "./openapi.ts";

const gvk = { group: "stable.example.com", version: "v1", kind: "CronTab" };
const name = schemaNameOf(gvk);
const document = openAPIDocument({
  group: gvk.group,
  version: gvk.version,
  serverVersion: "v1.36.3",
  resources: [
    {
      plural: "crontabs",
      kind: "CronTab",
      namespaced: true,
      verbs: ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
      schemaName: name,
      subresources: [{ name: "status", verbs: ["get", "patch", "update"] }],
    },
    {
      plural: "reviews",
      kind: "Review",
      namespaced: false,
      verbs: ["create"],
      schemaName: "com.example.stable.v1.Review",
    },
  ],
  schemas: {
    [name]: objectSchema(gvk, { type: "object", description: "A cron tab.", properties: { spec: { type: "object" } } }),
    "com.example.stable.v1.Review": { type: "object" },
  },
});
type Operation = Record<string, unknown> & { parameters?: { name: string }[] };
const path = (address: string) => document.paths[address] as unknown as Record<string, Operation>;

describe("the document of a group-version", () => {
  it("has a path for every scope", () => {
    expect(Object.keys(document.paths).sort()).toEqual([
      "/apis/stable.example.com/v1/crontabs",
      "/apis/stable.example.com/v1/namespaces/{namespace}/crontabs",
      "/apis/stable.example.com/v1/namespaces/{namespace}/crontabs/{name}",
      "/apis/stable.example.com/v1/namespaces/{namespace}/crontabs/{name}/status",
      "/apis/stable.example.com/v1/reviews",
    ]);
  });

  it("offers kubectl the parameters it probes PATCH for", () => {
    const patch = path("/apis/stable.example.com/v1/namespaces/{namespace}/crontabs/{name}")["patch"]!;
    expect(patch.parameters!.map((parameter) => parameter.name)).toEqual([
      "dryRun",
      "fieldManager",
      "fieldValidation",
      "force",
    ]);
    expect(patch["x-kubernetes-group-version-kind"]).toEqual(gvk);
    expect(patch["x-kubernetes-action"]).toBe("patch");
  });

  it("names operations as upstream does", () => {
    const ids = Object.values(document.paths).flatMap((operations) =>
      Object.values(operations as Record<string, Operation>).flatMap((operation) => operation["operationId"] ?? []),
    );
    expect(ids.sort()).toEqual([
      "createStableExampleComV1NamespacedCronTab",
      "createStableExampleComV1Review",
      "deleteStableExampleComV1CollectionNamespacedCronTab",
      "deleteStableExampleComV1NamespacedCronTab",
      "listStableExampleComV1CronTabForAllNamespaces",
      "listStableExampleComV1NamespacedCronTab",
      "patchStableExampleComV1NamespacedCronTab",
      "patchStableExampleComV1NamespacedCronTabStatus",
      "readStableExampleComV1NamespacedCronTab",
      "readStableExampleComV1NamespacedCronTabStatus",
      "replaceStableExampleComV1NamespacedCronTab",
      "replaceStableExampleComV1NamespacedCronTabStatus",
    ]);
  });

  it("refers to nothing that is not there", () => {
    const known = new Set(Object.keys(document.components.schemas).map((schema) => `#/components/schemas/${schema}`));
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map((match) => match[1]!);
    expect(references.length).toBeGreaterThan(20);
    expect(references.filter((reference) => !known.has(reference))).toEqual([]);
  });

  it("ties schemas to kinds, lists included", () => {
    const { schemas } = document.components;
    expect(schemas[name]!["x-kubernetes-group-version-kind"]).toEqual([gvk]);
    expect(schemas[`${name}List`]!["x-kubernetes-group-version-kind"]).toEqual([{ ...gvk, kind: "CronTabList" }]);
  });

  it("knows its address", () => {
    expect([openAPIPath({ group: "", version: "v1" }), openAPIPath(gvk)]).toEqual([
      "api/v1",
      "apis/stable.example.com/v1",
    ]);
  });
});
