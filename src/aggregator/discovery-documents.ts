/** What remote servers say they serve, read without trusting a byte of it (spec: aggregation 4.4, 4.6). */
import { isObject, parseJSON } from "../api/json/index.ts";
import type { JSONValue } from "../api/meta.ts";
import type { DiscoveryResource } from "../server/routes.ts";

export const V2_ACCEPT = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/** Whether a content type is aggregated discovery in v2, however it is spaced. */
export function isAggregatedV2(contentType: string): boolean {
  const [type, ...parameters] = contentType.split(";").map((part) => part.trim().toLowerCase());
  const has = (parameter: string) => parameters.includes(parameter);
  return type === "application/json" && has("g=apidiscovery.k8s.io") && has("v=v2") && has("as=apigroupdiscoverylist");
}

type Fields = { readonly [name: string]: JSONValue | undefined };

const fieldsOf = (value: JSONValue | undefined): Fields => (isObject(value) ? (value as Fields) : {});
const listOf = (value: JSONValue | undefined): readonly JSONValue[] => (Array.isArray(value) ? value : []);
const textOf = (value: JSONValue | undefined): string => (typeof value === "string" ? value : "");
const textsOf = (value: JSONValue | undefined): string[] => listOf(value).filter((item) => typeof item === "string");

function kindOf(value: JSONValue | undefined, group = "", version = "") {
  const kind = fieldsOf(value);
  return {
    group: textOf(kind["group"]) || group,
    version: textOf(kind["version"]) || version,
    kind: textOf(kind["kind"]),
  };
}

/** Resources by `group/version`. Throws when the bytes are no discovery list. A null responseKind becomes an empty one. */
export function readAggregated(bytes: Uint8Array): Map<string, readonly DiscoveryResource[]> {
  const list = fieldsOf(parseJSON(bytes).value);
  if (list["kind"] !== "APIGroupDiscoveryList" || !Array.isArray(list["items"])) {
    throw new Error("the answer is no APIGroupDiscoveryList");
  }
  const found = new Map<string, readonly DiscoveryResource[]>();
  for (const item of list["items"].map(fieldsOf)) {
    const group = textOf(fieldsOf(item["metadata"])["name"]);
    for (const entry of listOf(item["versions"]).map(fieldsOf)) {
      const resources = listOf(entry["resources"]).map(fieldsOf).map(readResource);
      found.set(
        `${group}/${textOf(entry["version"])}`,
        resources.filter(({ resource }) => resource !== ""),
      );
    }
  }
  return found;
}

function readResource(resource: Fields): DiscoveryResource {
  const shortNames = textsOf(resource["shortNames"]);
  const categories = textsOf(resource["categories"]);
  const subresources = listOf(resource["subresources"])
    .map(fieldsOf)
    .map((sub) => ({
      subresource: textOf(sub["subresource"]),
      responseKind: kindOf(sub["responseKind"]),
      verbs: textsOf(sub["verbs"]),
    }));
  return {
    resource: textOf(resource["resource"]),
    responseKind: kindOf(resource["responseKind"]),
    scope: resource["scope"] === "Namespaced" ? "Namespaced" : "Cluster",
    singularResource: textOf(resource["singularResource"]),
    verbs: textsOf(resource["verbs"]),
    ...(shortNames.length > 0 && { shortNames }),
    ...(categories.length > 0 && { categories }),
    ...(subresources.length > 0 && { subresources }),
  };
}

/** An APIResourceList in the aggregated shape: sub-resources are folded under their parents. Throws when it is none. */
export function readLegacy(bytes: Uint8Array, group: string, version: string): readonly DiscoveryResource[] {
  const list = fieldsOf(parseJSON(bytes).value);
  if (!Array.isArray(list["resources"])) throw new Error("the answer is no APIResourceList");
  interface Parent {
    resource: Fields | undefined;
    readonly subresources: Fields[];
  }
  const parents = new Map<string, Parent>();
  for (const resource of list["resources"].map(fieldsOf)) {
    const [name = "", subresource] = textOf(resource["name"]).split("/", 2);
    if (name === "") continue;
    const parent: Parent = parents.get(name) ?? { resource: undefined, subresources: [] };
    parents.set(name, parent);
    if (subresource === undefined) parent.resource = resource;
    else parent.subresources.push({ ...resource, subresource });
  }
  return [...parents].map(([name, { resource, subresources }]) => {
    const fields = resource ?? subresources[0] ?? {};
    const shortNames = textsOf(fields["shortNames"]);
    const categories = textsOf(fields["categories"]);
    return {
      resource: name,
      responseKind:
        resource === undefined ? { group: "", version: "", kind: "" } : kindOf(resource as JSONValue, group, version),
      scope: fields["namespaced"] === true ? "Namespaced" : "Cluster",
      singularResource: textOf(fields["singularName"]),
      verbs: resource === undefined ? [] : textsOf(resource["verbs"]),
      ...(shortNames.length > 0 && { shortNames }),
      ...(categories.length > 0 && { categories }),
      ...(subresources.length > 0 && {
        subresources: subresources.map((sub) => ({
          subresource: textOf(sub["subresource"]),
          responseKind: kindOf(sub as JSONValue, group, version),
          verbs: textsOf(sub["verbs"]),
        })),
      }),
    };
  });
}

/** Hashes of OpenAPI v3 documents by key (`apis/<group>/<version>`). Throws when it is no index. */
export function readOpenAPIIndex(bytes: Uint8Array): Map<string, string> {
  const paths = fieldsOf(parseJSON(bytes).value)["paths"];
  if (!isObject(paths)) throw new Error("the answer is no OpenAPI v3 index");
  const found = new Map<string, string>();
  for (const [key, entry] of Object.entries(paths as Fields)) {
    const url = textOf(fieldsOf(entry)["serverRelativeURL"]);
    if (url !== "") found.set(key, new URLSearchParams(url.split("?")[1] ?? "").get("hash") ?? "");
  }
  return found;
}
