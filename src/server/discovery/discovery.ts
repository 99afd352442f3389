/** Serves `/api`, `/apis` and what is below them up to the group-version; documents are made once for each state of the routes. */
import { createHash } from "node:crypto";
import { encodeJSON } from "../../api/json/index.ts";
import { badRequest } from "../../api/status.ts";
import { sendNotFound } from "../errors.ts";
import type { Exchange, Handler } from "../exchange.ts";
import { type PathTable, requireRead } from "../paths.ts";
import { isRemote, type RouteSnapshot, type RouteTable, serveRoute } from "../routes.ts";
import { apiGroup, apiGroupDiscoveryList, apiGroupList, apiResourceList, apiVersions } from "./documents.ts";
import { negotiateDiscovery } from "./negotiate.ts";

export type OtherForm = "application/yaml" | "application/vnd.kubernetes.protobuf";

export interface DiscoveryOptions {
  /** `host:port` for clients, in `/api`. */
  readonly serverAddress?: string | (() => string);
  /** Other encodings of a discovery document, given its canonical JSON. Without it only JSON is offered. */
  encode?(document: { readonly kind: string }, json: Uint8Array, mediaType: OtherForm): Uint8Array;
  /** Told when an aggregated document was made anew, and when a client asked for this server's own view. */
  observe?(what: "aggregated" | "nopeer"): void;
}

interface Document {
  readonly json: Uint8Array;
  readonly content: { readonly kind: string };
  /** Upper-hex SHA-512 of the JSON, in quotes. */
  readonly etag: string;
  readonly others: Map<OtherForm, Uint8Array>;
}

const AGGREGATED = ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const NEWLINE = new Uint8Array([10]);

/** `find` answers undefined when nobody serves the path. */
export function discovery(routes: RouteTable, paths: PathTable, options: DiscoveryOptions = {}) {
  let snapshot: RouteSnapshot | undefined;
  let documents = new Map<string, Document>();

  const document = (key: string, make: (snapshot: RouteSnapshot) => { readonly kind: string }): Document => {
    if (snapshot !== routes.current) {
      snapshot = routes.current;
      documents = new Map();
    }
    let found = documents.get(key);
    if (found === undefined) {
      const content = make(snapshot);
      const json = encodeJSON(content);
      const etag = `"${createHash("sha512").update(json).digest("hex").toUpperCase()}"`;
      found = { json, content, etag, others: new Map() };
      documents.set(key, found);
    }
    return found;
  };

  const body = (document: Document, mediaType: "application/json" | OtherForm): Uint8Array => {
    if (mediaType === "application/json") return Buffer.concat([document.json, NEWLINE]);
    let bytes = document.others.get(mediaType);
    if (bytes === undefined) {
      if (options.encode === undefined) throw badRequest(`${mediaType} is not available for discovery`);
      bytes = options.encode(document.content, document.json, mediaType);
      document.others.set(mediaType, bytes);
    }
    return bytes;
  };

  const legacy = (exchange: Exchange, key: string, make: (snapshot: RouteSnapshot) => { readonly kind: string }) => {
    const { mediaType } = form(exchange, false);
    exchange.response.send(200, mediaType, body(document(key, make), mediaType));
  };

  const form = (exchange: Exchange, aggregation: boolean) => {
    requireRead(exchange);
    return negotiateDiscovery(exchange, aggregation, options.encode !== undefined);
  };

  /** The two documents that have both forms. */
  const root = (exchange: Exchange, core: boolean, make: (snapshot: RouteSnapshot) => { readonly kind: string }) => {
    const { aggregated, mediaType } = form(exchange, true);
    const { response } = exchange;
    if (!aggregated) return legacy(exchange, core ? "api" : "apis", make);
    response.setHeader("Vary", "Accept");
    if (exchange.header("accept")?.includes("profile=nopeer")) options.observe?.("nopeer");
    const found = document(core ? "api aggregated" : "apis aggregated", (now) => {
      options.observe?.("aggregated");
      return apiGroupDiscoveryList(now, core);
    });
    response.setHeader("Cache-Control", "public");
    response.setHeader("ETag", found.etag);
    if (exchange.header("if-none-match") === found.etag) response.send(304, "", "");
    else response.send(200, mediaType + AGGREGATED, body(found, mediaType));
  };

  /** Another server's list of resources is its own to answer. */
  const groupVersion = (group: string, version: string): Handler | undefined => {
    const route = routes.current.at(group, version);
    const backend = route?.backends[0];
    if (isRemote(route)) return (exchange) => serveRoute(exchange, route);
    if (backend === undefined) return undefined;
    return (exchange) => legacy(exchange, `${group}/${version}`, () => apiResourceList(backend));
  };

  const find = (path: string): Handler | undefined => {
    const [prefix, first, second, ...more] = partsOf(path);
    if (more.length > 0) return undefined;
    const { groups } = routes.current;
    if (prefix === "api") {
      if (first !== undefined) return second === undefined ? groupVersion("", first) : undefined;
      const core = groups.find(({ group }) => group === "");
      if (core === undefined) return undefined;
      const { serverAddress = "" } = options;
      const address = typeof serverAddress === "string" ? serverAddress : serverAddress();
      return (exchange) => root(exchange, true, () => apiVersions(core, address));
    }
    if (prefix !== "apis") return undefined;
    if (first === undefined) {
      if (path === "/apis") return (exchange) => root(exchange, false, apiGroupList);
      return (exchange) => legacy(exchange, "apis", apiGroupList);
    }
    if (second !== undefined) return groupVersion(first, second);
    const group = groups.find((candidate) => candidate.group === first);
    if (group === undefined || first === "") return undefined;
    return (exchange) => legacy(exchange, `group ${first}`, () => apiGroup(group));
  };

  /** `/`: every path there is, sorted; anything below that nobody serves is a 404. */
  const listPaths: Handler = (exchange) => {
    requireRead(exchange);
    if (exchange.info.path !== "/") return sendNotFound(exchange);
    const all = new Set(paths.list());
    for (const { group, versions } of routes.current.groups) {
      const prefix = group === "" ? "/api" : `/apis/${group}`;
      if (group !== "") all.add("/apis").add("/apis/");
      all.add(prefix);
      for (const { version } of versions) all.add(`${prefix}/${version}`);
    }
    const text = JSON.stringify({ paths: [...all].sort() }, undefined, 2);
    exchange.response.send(200, "application/json", text);
  };

  return { find, listPaths };
}

/** Slashes at the ends do not count. */
function partsOf(path: string): string[] {
  return path.replace(/^\/+|\/+$/g, "").split("/");
}
