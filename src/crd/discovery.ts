/** What discovery says of custom resources (spec: apiserver 7.1, 7.2). */
import { createHash } from "node:crypto";
import type { DiscoveryResource } from "../server/routes.ts";
import { type Digest, isTrue } from "./digest.ts";

/** In upstream's order. */
const VERBS = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
const CHANGING = new Set(["patch", "create", "update"]);
const SCALE = { group: "autoscaling", version: "v1", kind: "Scale" };
const SUBRESOURCE_VERBS = ["get", "patch", "update"];

/** The resource in one served version. While the definition is being deleted nothing is offered that would make or change objects. */
export function discoveryOf(definition: Digest, version: string): DiscoveryResource {
  const { group, acceptedNames: names, names: asked, storageVersion } = definition;
  const given = definition.versions.find(({ name }) => name === version);
  const kind = { group, version, kind: names.kind };
  const terminating = isTrue(definition, "Terminating");
  const stored = [group, storageVersion, asked.kind].join("/");
  const subresources = [
    ...(given?.hasStatus ? [{ subresource: "status", responseKind: kind }] : []),
    ...(given?.scale === undefined ? [] : [{ subresource: "scale", responseKind: SCALE }]),
  ].map((subresource) => ({ ...subresource, verbs: SUBRESOURCE_VERBS }));
  return {
    resource: names.plural,
    responseKind: kind,
    scope: definition.namespaced ? "Namespaced" : "Cluster",
    singularResource: names.singular ?? "",
    verbs: terminating ? VERBS.filter((verb) => !CHANGING.has(verb)) : VERBS,
    ...(names.shortNames?.length && { shortNames: names.shortNames }),
    ...(names.categories?.length && { categories: names.categories }),
    ...(subresources.length > 0 && { subresources }),
    storageVersionHash: createHash("sha256").update(stored).digest().subarray(0, 8).toString("base64"),
  };
}
