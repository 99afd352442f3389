import { describe, expect, it } from "vitest";
import { encodeUTF8 } from "../api/json/index.ts";
import type { KubeObject } from "../api/meta.ts";
import { definitionBytes, digest } from "./digest.test-support.ts";
import { parseDefinition } from "./digest.ts";
import { customResource, storagePrefixOf } from "./resource.ts";
import { Versions } from "./versions.ts";

const text = { type: "string" };
const version = (name: string, properties: object, storage = false) => ({
  name,
  served: true,
  storage,
  schema: { openAPIV3Schema: { type: "object", properties: { spec: { type: "object", properties } } } },
});
const GIVEN = {
  spec: {
    versions: [
      version("v1", { a: text, b: text, d: { ...text, default: "one" } }, true),
      version("v2", { a: text, d: { ...text, default: "two" }, e: { ...text, default: "new" } }),
    ],
  },
  status: { acceptedNames: { plural: "foos", singular: "foo", kind: "Foo", listKind: "FooList" } },
};
const versions = (more: object = {}) =>
  new Versions(parseDefinition(definitionBytes({ ...GIVEN, spec: { ...GIVEN.spec, ...more } })));
const stored = (apiVersion: string, spec: object) =>
  encodeUTF8(JSON.stringify({ kind: "Foo", apiVersion, metadata: { name: "n" }, spec }));

describe("what is stored", () => {
  it("is read under the schema of its own version", () => {
    const codec = versions().storageCodec("v1");
    const read = (apiVersion: string, spec: object) =>
      codec.decode(stored(apiVersion, spec), "application/json").object["spec"];
    expect(read("g.example.com/v1", { b: "x", gone: 1 })).toEqual({ b: "x", d: "one" });
    expect(read("g.example.com/v2", { b: "x" })).toEqual({ d: "two", e: "new" });
    // Of a version that is no more nothing is known.
    expect(read("g.example.com/v0", { any: 1 })).toEqual({ any: 1 });
  });

  it("is converted by dropping what the version does not know, without its defaults", () => {
    const object: KubeObject = { kind: "Foo", apiVersion: "g.example.com/v1", metadata: {}, spec: { a: "x", b: "y" } };
    expect(versions().convert(object, "v1")).toBe(object);
    expect(versions().convert(object, "v2")).toEqual({
      kind: "Foo",
      apiVersion: "g.example.com/v2",
      metadata: {},
      spec: { a: "x" },
    });
  });

  it("is not converted by guess where a webhook should be asked", () => {
    const object: KubeObject = { kind: "Foo", apiVersion: "g.example.com/v1", metadata: {} };
    const asking = versions({ conversion: { strategy: "Webhook" } });
    expect(asking.convert(object, "v1")).toBe(object);
    expect(() => asking.convert(object, "v2")).toThrow(
      expect.objectContaining({
        code: 500,
        message:
          "Internal error occurred: conversion webhook for g.example.com/v1, Kind=Foo failed: this server does not call conversion webhooks",
      }),
    );
  });
});

describe("the resource of a version", () => {
  const given = digest(GIVEN);
  const definition = parseDefinition(definitionBytes(GIVEN));

  it("has the accepted names and lives where upstream keeps it", () => {
    const resource = customResource(given, definition, "v2");
    expect(resource).toMatchObject({
      group: "g.example.com",
      version: "v2",
      kind: "Foo",
      listKind: "FooList",
      plural: "foos",
      singular: "foo",
      namespaced: true,
      storagePrefix: "/registry/g.example.com/foos/",
    });
    expect(storagePrefixOf(given)).toBe("/registry/g.example.com/foos/");
    expect(resource.storage?.generation).toBe(given.specHash);
    expect(resource.storage?.readsBack).toBe(false);
  });

  it("stores in the storage version and leaves the object as it is", async () => {
    const resource = customResource(given, definition, "v2");
    const object: KubeObject = { kind: "Foo", apiVersion: "g.example.com/v2", metadata: {}, spec: { a: "x", e: "y" } };
    expect(await resource.storage!.toStored(object)).toMatchObject({
      apiVersion: "g.example.com/v1",
      spec: { a: "x" },
    });
    expect(object["spec"]).toEqual({ a: "x", e: "y" });
  });

  it("takes anything where there is no schema", () => {
    const open = { ...GIVEN, spec: { versions: [{ name: "v1", served: true, storage: true }] } };
    const { codec } = customResource(digest(open), parseDefinition(definitionBytes(open)), "v1");
    const body = stored("g.example.com/v1", { any: [1] });
    expect(codec.decode(body, "application/json")).toMatchObject({ object: { spec: { any: [1] } }, problems: [] });
  });
});
