/** Serves one group-version of custom resources: as many definitions as share it, each found by the name of its resource. */
import { createHash } from "node:crypto";
import { encodeJSON } from "../api/json/index.ts";
import { methodNotSupported, notFound, type StatusError, unsupportedMediaType } from "../api/status.ts";
import { STATUS_VERBS } from "../kinds/define.ts";
import { sendError, sendNotFound } from "../server/errors.ts";
import type { Exchange } from "../server/exchange.ts";
import { servedDocument } from "../server/openapi/lazy-document.ts";
import type { Backend } from "../server/routes.ts";
import { isTrue } from "./digest.ts";
import { discoveryOf } from "./discovery.ts";
import { openAPIOf, type PublishedVersion } from "./openapi.ts";
import type { Common, CompiledForms, Serving } from "./serving.ts";

export interface GroupVersionBackend {
  readonly group: string;
  readonly version: string;
  /** By the plural name of the resource. */
  readonly members: ReadonlyMap<string, Serving>;
  readonly common: Common;
  readonly compiled: CompiledForms;
  /** Shown in OpenAPI documents. */
  readonly serverVersion: string;
  /** The stored bytes of a definition. */
  read(name: string): Uint8Array | undefined;
}

/** What upstream answers without a namespace though the resource has one. */
const ACROSS_NAMESPACES = new Set(["list", "watch"]);

export function groupVersionBackend(options: GroupVersionBackend): Backend {
  const { group, version, members, common, compiled, serverVersion, read } = options;

  const find = ({ info }: Exchange): Serving | undefined => {
    const serving = members.get(info.resource);
    if (serving === undefined) return undefined;
    if (!serving.digest.namespaced) return info.namespace === "" ? serving : undefined;
    return info.namespace !== "" || ACROSS_NAMESPACES.has(info.verb) ? serving : undefined;
  };

  const established = () => [...members.values()].filter(({ digest }) => isTrue(digest, "Established"));
  let discovery: ReturnType<Backend["discovery"]> | undefined;
  let hash: string | undefined;

  return {
    group,
    version,
    source: "crd",
    serve(exchange) {
      const serving = find(exchange);
      const backend = serving?.backend(version, common, () => read(serving.digest.name));
      if (serving === undefined || backend === undefined) return sendNotFound(exchange);
      compiled.used(serving);
      const refusal = refuse(exchange, serving, version);
      if (refusal !== undefined) return sendError(exchange, refusal);
      return backend.serve(exchange);
    },
    discovery() {
      discovery ??= { resources: established().map(({ digest }) => discoveryOf(digest, version)), fresh: true };
      return discovery;
    },
    openapi() {
      const published = established();
      if (published.length === 0) return undefined;
      // Known without the document: that is made when somebody reads it.
      hash ??= createHash("sha512")
        .update(JSON.stringify([serverVersion, group, version, published.map(({ digest }) => faceOf(digest))]))
        .digest("hex")
        .toUpperCase();
      return {
        hash,
        serve: (exchange) =>
          servedDocument(exchange, () => {
            const versions = published.flatMap(({ digest }): PublishedVersion[] => {
              const bytes = read(digest.name);
              return bytes === undefined ? [] : [{ digest, bytes }];
            });
            return encodeJSON(openAPIOf({ group, version }, versions, serverVersion));
          }),
      };
    },
  };
}

const PATCHES = ["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"];

/** What upstream's handler of custom resources refuses before the verbs that all kinds share. */
function refuse(exchange: Exchange, serving: Serving, version: string): StatusError | undefined {
  const { group, acceptedNames } = serving.digest;
  const resource = { group, resource: acceptedNames.plural };
  const { verb, name, subresource } = exchange.info;
  if (subresource !== "") {
    if (!hasSubresource(serving, version, subresource)) return notFound(resource, name);
    if (!STATUS_VERBS.some((known) => known === verb)) return methodNotSupported(resource, verb);
  }
  if (verb !== "patch") return undefined;
  const mediaType = (exchange.header("content-type") ?? "").split(";", 1)[0]!.trim();
  return PATCHES.includes(mediaType) ? undefined : unsupportedMediaType(PATCHES);
}

function hasSubresource({ digest }: Serving, version: string, subresource: string): boolean {
  const given = digest.versions.find(({ name }) => name === version);
  if (subresource === "status") return given?.hasStatus ?? false;
  return subresource === "scale" && given?.scale !== undefined;
}

const faceOf = ({ name, specHash, acceptedNames }: Serving["digest"]) => [name, specHash, acceptedNames];
