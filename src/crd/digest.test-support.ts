/** Definitions for tests, as they are stored. */
import { encodeCanonical } from "../api/json/index.ts";
import type { KubeObject } from "../api/meta.ts";
import { type Digest, digestOf } from "./digest.ts";

/** Canonical JSON of a definition of `Foo` in `g.example.com`, with what is given on top. */
export function definitionBytes(given: { spec?: object; status?: object; metadata?: object } = {}): Uint8Array {
  const object = {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "foos.g.example.com", uid: "u", generation: 1, ...given.metadata },
    spec: {
      group: "g.example.com",
      scope: "Namespaced",
      names: { plural: "foos", singular: "foo", kind: "Foo", listKind: "FooList" },
      versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } }],
      ...given.spec,
    },
    status: { acceptedNames: { plural: "", kind: "" }, conditions: null, storedVersions: ["v1"], ...given.status },
  };
  return encodeCanonical(object as unknown as KubeObject, "7");
}

export const digest = (given: Parameters<typeof definitionBytes>[0] = {}): Digest => digestOf(definitionBytes(given));
