/** `/openapi/v3`: an index of the group-versions that have a document, and the documents, each under its own key only (spec: aggregation 5.4, 5.5; DESIGN decision 6). */
import { createHash } from "node:crypto";
import { encodeJSON } from "../../api/json/index.ts";
import type { Exchange, Handler } from "../exchange.ts";
import { requireRead } from "../paths.ts";
import type { Backend, RouteSnapshot, RouteTable } from "../routes.ts";

const ROOT = "/openapi/v3";

/** The key of a group-version: `api/v1`, `apis/apps/v1`. */
const openapiKey = (group: string, version: string) => (group === "" ? `api/${version}` : `apis/${group}/${version}`);

export function openapi(routes: RouteTable): Handler {
  return (exchange) => {
    requireRead(exchange);
    const { path } = exchange.info;
    if (path === ROOT || path === `${ROOT}/`) return index(exchange, routes.current);
    const backend = backendFor(routes.current, path.slice(ROOT.length + 1));
    const document = backend?.openapi?.();
    if (backend === undefined || document === undefined) {
      exchange.response.send(404, "", "");
      return;
    }
    // A remote server is asked as the caller, and checks the hash itself.
    if (backend.source === "remote") return document.serve(exchange);
    const { response } = exchange;
    const etag = `"${document.hash}"`;
    response.setHeader("Vary", "Accept");
    response.setHeader("ETag", etag);
    const asked = exchange.query.get("hash");
    if (asked !== null && asked !== "") {
      if (asked !== document.hash) {
        response.setHeader("Location", `${path}?hash=${document.hash}`);
        response.send(301, "application/json", "");
        return;
      }
      response.setHeader("Cache-Control", "public, immutable");
      response.setHeader("Expires", new Date(exchange.received + 31_536_000_000).toUTCString());
    }
    if (exchange.header("if-none-match") === etag) {
      response.send(304, "", "");
      return;
    }
    return document.serve(exchange);
  };
}

/** Only group-versions that are routed, so no server can speak for another's. */
function backendFor(snapshot: RouteSnapshot, key: string): Backend | undefined {
  const [prefix, first = "", second, ...more] = key.split("/");
  if (more.length > 0) return undefined;
  if (prefix === "api" && second === undefined) return snapshot.at("", first)?.backends[0];
  if (prefix === "apis" && second !== undefined) return snapshot.at(first, second)?.backends[0];
  return undefined;
}

/** Not cached: hashes are the backends' own and change without the routes. */
function index(exchange: Exchange, snapshot: RouteSnapshot): void {
  const paths: [string, { serverRelativeURL: string }][] = [];
  for (const { group, versions } of snapshot.groups) {
    for (const { version, backends } of versions) {
      const document = backends[0]?.openapi?.();
      const key = openapiKey(group, version);
      if (document !== undefined)
        paths.push([key, { serverRelativeURL: `${ROOT}/${key}?hash=${encodeURIComponent(document.hash)}` }]);
    }
  }
  paths.sort(([a], [b]) => (a < b ? -1 : 1));
  const json = encodeJSON({ paths: Object.fromEntries(paths) });
  const etag = `"${createHash("sha512").update(json).digest("hex").toUpperCase()}"`;
  exchange.response.setHeader("Vary", "Accept");
  exchange.response.setHeader("ETag", etag);
  if (exchange.header("if-none-match") === etag) exchange.response.send(304, "", "");
  else exchange.response.send(200, "application/json", json);
}
