/** DELETE of a whole collection: each matching object by itself, one after the other; what is gone already is passed over (spec: apiserver 2.8). */
import { hasReason, methodNotAllowed } from "../../api/status.ts";
import { decodeListOptions } from "../list-options.ts";
import type { Item } from "../representation/item.ts";
import { negotiateFor, sendList } from "../representation/respond.ts";
import type { Call } from "./backend-context.ts";
import { deleteStored } from "./delete.ts";
import { decodeDeleteOptions } from "./delete-options.ts";
import { pageOf } from "./list.ts";
import { selectionOf } from "./selection.ts";

export async function deleteCollection(call: Call): Promise<void> {
  const { endpoint, exchange } = call;
  const { definition } = endpoint;
  if (endpoint.virtual !== undefined) throw methodNotAllowed();
  if (definition.namespaced && call.namespace === "") throw methodNotAllowed();
  const representation = negotiateFor(exchange, endpoint);
  const options = decodeListOptions(exchange.query, false);
  const selection = selectionOf(endpoint, options.labelSelector, options.fieldSelector);
  const deleteOptions = await decodeDeleteOptions(exchange);
  const { head, entries } = await pageOf(call, options, selection);
  const deleted: Item[] = [];
  for (const entry of entries) {
    exchange.signal.throwIfAborted();
    const name = entry.key.slice(entry.key.lastIndexOf("/") + 1);
    try {
      // Grace is per object: a strategy must not see what it made of the one before.
      const { item } = await deleteStored({ ...call, name }, { ...deleteOptions });
      deleted.push(item);
    } catch (error) {
      if (!hasReason(error, "NotFound")) throw error;
    }
  }
  await sendList(exchange, representation, endpoint, head, [deleted], call.backing.clock.now());
}
