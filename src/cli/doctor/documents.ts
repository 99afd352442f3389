/** The links a client sees through the main server: discovery and OpenAPI of the group-version. */
import { readAggregated, readLegacy, V2_ACCEPT } from "../../aggregator/discovery-documents.ts";
import { finding, isReason } from "../../aggregator/findings.ts";
import { isObject, parseJSON } from "../../api/json/index.ts";
import type { JSONValue } from "../../api/meta.ts";
import { StatusError } from "../../api/status.ts";
import type { Client } from "../../client/client.ts";
import { collect } from "../../client/json.ts";
import { withoutRemedy } from "./connection.ts";
import { broken, type Link, ok, unknown } from "./report.ts";
import type { ServerView } from "./server-view.ts";

const MAX_DOCUMENT = 64 * 1024 * 1024;
/** Milliseconds. */
const PATIENCE = 10_000;

async function get(client: Client, path: string, accept = "application/json"): Promise<Uint8Array> {
  const late = new AbortController();
  const timer = client.clock.after(PATIENCE, () => late.abort(new Error(`no answer within ${PATIENCE / 1000} s`)));
  try {
    const [bare, query] = path.split("?", 2);
    const response = await client.stream({
      method: "GET",
      path: bare!,
      ...(query !== undefined && { query: Object.fromEntries(new URLSearchParams(query)) }),
      headers: { accept },
      signal: late.signal,
    });
    return await collect(response.body, MAX_DOCUMENT);
  } finally {
    timer.cancel();
  }
}

const textOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

export async function discoveryLink(client: Client, group: string, version: string, view: ServerView): Promise<Link> {
  const said = view.of("DiscoveryValid");
  if (said?.status === "False") {
    const remedy = isReason(said.reason) ? finding(said.reason).remedy : undefined;
    return broken("discovery", said.reason, withoutRemedy(said.message), remedy);
  }
  const no = (reason: "DiscoveryInvalid" | "VersionNotServed", message: string) =>
    broken("discovery", reason, message, finding(reason).remedy);
  let bytes: Uint8Array;
  try {
    bytes = await get(client, `/apis/${group}/${version}`);
  } catch (error) {
    if (!(error instanceof StatusError)) return no("DiscoveryInvalid", textOf(error));
    if (error.code === 404) return no("VersionNotServed", `it answers 404 for /apis/${group}/${version}`);
    if (error.code === 401 || error.code === 403) return unknown("discovery", `not yours to read: ${error.message}`);
    return no("DiscoveryInvalid", `it answers ${error.code} for /apis/${group}/${version}: ${error.message}`);
  }
  try {
    const served = fieldOf(bytes, "groupVersion");
    if (served !== `${group}/${version}`) return no("DiscoveryInvalid", `its list is one of ${JSON.stringify(served)}`);
    const resources = readLegacy(bytes, group, version);
    if (await isStale(client, group, version)) {
      return no(
        "DiscoveryInvalid",
        "the API server shows the group-version as stale: what it last read of it was no discovery",
      );
    }
    const names = resources.map(({ resource }) => resource);
    const shown = names.length > 6 ? `${names.slice(0, 6).join(", ")}, …` : names.join(", ");
    return ok("discovery", names.length === 0 ? "it lists no resources" : `${names.length} resources: ${shown}`);
  } catch (error) {
    return no("DiscoveryInvalid", `/apis/${group}/${version}: ${textOf(error)}`);
  }
}

function fieldOf(bytes: Uint8Array, name: string): JSONValue | undefined {
  const { value } = parseJSON(bytes);
  return isObject(value) ? (value as Record<string, JSONValue>)[name] : undefined;
}

/** Whether aggregated discovery marks the version as stale or does not list it; false where there is no such document. */
async function isStale(client: Client, group: string, version: string): Promise<boolean> {
  const bytes = await get(client, "/apis", V2_ACCEPT).catch(() => undefined);
  if (bytes === undefined) return false;
  try {
    const known = readAggregated(bytes).has(`${group}/${version}`);
    return !known || staleIn(bytes, group, version);
  } catch {
    return false;
  }
}

function staleIn(bytes: Uint8Array, group: string, version: string): boolean {
  interface Item {
    readonly metadata?: { readonly name?: string };
    readonly versions?: readonly { readonly version?: string; readonly freshness?: string }[];
  }
  const items = fieldOf(bytes, "items") as unknown as readonly Item[];
  const found = items
    .find(({ metadata }) => metadata?.name === group)
    ?.versions?.find((candidate) => candidate.version === version);
  return found?.freshness === "Stale";
}

const OPENAPI_REMEDY =
  "serve /openapi/v3 with a valid document for the group-version: kubectl explain, apply and validation need it";

export async function openapiLink(client: Client, group: string, version: string): Promise<Link> {
  const key = `apis/${group}/${version}`;
  let url: string | undefined;
  try {
    const paths = fieldOf(await get(client, "/openapi/v3"), "paths");
    const entry = isObject(paths) ? (paths as Record<string, JSONValue>)[key] : undefined;
    const relative = isObject(entry) ? (entry as Record<string, JSONValue>)["serverRelativeURL"] : undefined;
    url = typeof relative === "string" ? relative : undefined;
  } catch (error) {
    return unknown("openapi", `the API server's index cannot be read: ${textOf(error)}`);
  }
  if (url === undefined) {
    const message = `/openapi/v3 has no entry for ${key} (it is asked for once a minute)`;
    return broken("openapi", "OpenAPIMissing", message, OPENAPI_REMEDY);
  }
  try {
    const bytes = await get(client, url);
    const openapi = fieldOf(bytes, "openapi");
    if (typeof openapi !== "string" || !openapi.startsWith("3.") || !isObject(fieldOf(bytes, "paths"))) {
      return broken("openapi", "OpenAPIInvalid", `what ${key} leads to is no OpenAPI v3 document`, OPENAPI_REMEDY);
    }
    return ok("openapi", `a document of ${bytes.length} bytes`);
  } catch (error) {
    return broken(
      "openapi",
      "OpenAPIInvalid",
      `the document of ${key} cannot be read: ${textOf(error)}`,
      OPENAPI_REMEDY,
    );
  }
}
