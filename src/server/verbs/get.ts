/** GET of one object: cached bytes, nothing parsed (spec: apiserver 2.11). */
import { badRequest, methodNotSupported, notFound } from "../../api/status.ts";
import { type Item, ObjectItem, storedItem } from "../representation/item.ts";
import { negotiateFor, sendItem } from "../representation/respond.ts";
import { type Call, contextOf, missing } from "./backend-context.ts";
import { viewFor } from "./snapshots.ts";

/** The object of the URL, as of `resourceVersion`. Throws 404. */
export async function findItem(call: Call, resourceVersion: string): Promise<Item> {
  const { endpoint, namespace, name } = call;
  const { virtual } = endpoint;
  if (virtual !== undefined) {
    if (virtual.get === undefined) throw methodNotSupported(endpoint.groupResource, "get");
    const object = await virtual.get(contextOf(call, false));
    if (object === undefined) throw notFound(endpoint.groupResource, name);
    return new ObjectItem(endpoint, object);
  }
  const entry = (await viewFor(call, resourceVersion, "get")).get(endpoint.key(namespace, name));
  if (entry === undefined) throw missing(call);
  return storedItem(endpoint, entry);
}

export async function get(call: Call): Promise<void> {
  const { exchange, endpoint } = call;
  const representation = negotiateFor(exchange, endpoint);
  if (exchange.query.has("export") && exchange.query.get("export") !== "false") {
    throw badRequest("the export parameter is no longer supported");
  }
  const item = await findItem(call, exchange.query.get("resourceVersion") ?? "");
  await sendItem(exchange, representation, 200, item, call.backing.clock.now());
}
