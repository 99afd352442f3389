import { describe, expect, it } from "vitest";
import { Catalog } from "./catalog.ts";
import { definitionBytes, digest } from "./digest.test-support.ts";
import { isServing } from "./digest.ts";
import { discoveryOf } from "./discovery.ts";
import { deprecationOf } from "./resource.ts";

describe("a digest", () => {
  it("names the spec by its bytes, whatever else changes", () => {
    const one = digest();
    expect(digest({ metadata: { labels: { a: "b" } }, status: { storedVersions: ["v1", "v2"] } }).specHash).toBe(
      one.specHash,
    );
    expect(digest({ spec: { scope: "Cluster" } }).specHash).not.toBe(one.specHash);
    // A status within the schema is not the status.
    const inner = (type: string) => ({
      versions: [
        { name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { properties: { status: { type } } } } },
      ],
    });
    expect(digest({ spec: inner("object") }).specHash).not.toBe(digest({ spec: inner("string") }).specHash);
  });

  it("serves from the moment its names are accepted, and goes on when one is lost", () => {
    const condition = (type: string, status: string) => ({ type, status });
    expect(isServing(digest())).toBe(false);
    expect(isServing(digest({ status: { conditions: [condition("NamesAccepted", "True")] } }))).toBe(true);
    const lost = [condition("NamesAccepted", "False"), condition("Established", "True")];
    expect(isServing(digest({ status: { conditions: lost } }))).toBe(true);
  });
});

describe("the catalog", () => {
  it("knows what there is of each group", () => {
    const catalog = new Catalog();
    expect(catalog.note("foos.g.example.com", definitionBytes())).toMatchObject({
      before: undefined,
      now: { uid: "u" },
    });
    expect([...catalog.ofGroup("g.example.com")].map(({ name }) => name)).toEqual(["foos.g.example.com"]);
    const moved = catalog.note("foos.g.example.com", definitionBytes({ metadata: { generation: 2 } }));
    expect([moved.before?.generation, moved.now?.generation]).toEqual([1, 2]);
    expect(catalog.note("foos.g.example.com", undefined).now).toBeUndefined();
    expect([...catalog.ofGroup("g.example.com")]).toEqual([]);
    expect(catalog.get("foos.g.example.com")).toBeUndefined();
  });

  it("does not keep what it cannot read", () => {
    const catalog = new Catalog();
    expect(() => catalog.note("x", Buffer.from("no JSON"))).toThrow();
    expect(catalog.get("x")).toBeUndefined();
  });
});

describe("discovery", () => {
  const version = { name: "v1", served: true, storage: true };
  const subresources = { status: {}, scale: { specReplicasPath: ".spec.a", statusReplicasPath: ".status.a" } };
  const acceptedNames = { plural: "foos", singular: "foo", kind: "Foo", listKind: "FooList", shortNames: ["fo"] };

  it("names the resource, its sub-resources and the version it is stored in", () => {
    const definition = digest({ spec: { versions: [{ ...version, subresources }] }, status: { acceptedNames } });
    expect(discoveryOf(definition, "v1")).toEqual({
      resource: "foos",
      responseKind: { group: "g.example.com", version: "v1", kind: "Foo" },
      scope: "Namespaced",
      singularResource: "foo",
      verbs: ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"],
      shortNames: ["fo"],
      subresources: [
        {
          subresource: "status",
          responseKind: { group: "g.example.com", version: "v1", kind: "Foo" },
          verbs: ["get", "patch", "update"],
        },
        {
          subresource: "scale",
          responseKind: { group: "autoscaling", version: "v1", kind: "Scale" },
          verbs: ["get", "patch", "update"],
        },
      ],
      storageVersionHash: expect.stringMatching(/^.{11}=$/),
    });
  });

  it("offers no changes while the definition goes", () => {
    const conditions = [{ type: "Terminating", status: "True" }];
    expect(discoveryOf(digest({ status: { acceptedNames, conditions } }), "v1").verbs).toEqual([
      "delete",
      "deletecollection",
      "get",
      "list",
      "watch",
    ]);
  });
});

describe("deprecation", () => {
  const versions = (...given: [string, object?][]) =>
    digest({ spec: { versions: given.map(([name, more]) => ({ name, served: true, storage: false, ...more })) } });
  const old = { deprecated: true };

  it.each([
    [versions(["v1"]), undefined],
    [versions(["v1", old]), "g.example.com/v1 Foo is deprecated"],
    [versions(["v1", { ...old, deprecationWarning: "gone" }]), "gone"],
    [versions(["v1", old], ["v2"], ["v3alpha1"]), "g.example.com/v1 Foo is deprecated; use g.example.com/v2 Foo"],
    [versions(["v1", old], ["v2", { served: false }]), "g.example.com/v1 Foo is deprecated"],
    [versions(["v1", old], ["v2", old], ["v1beta1"]), "g.example.com/v1 Foo is deprecated"],
  ])("%#", (definition, warning) => {
    expect(deprecationOf(definition, "v1")).toBe(warning);
  });
});
