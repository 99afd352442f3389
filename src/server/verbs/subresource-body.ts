/** Bodies of sub-resources that have a kind of their own: negotiated, encoded and named as that kind. */
import type { KubeObject } from "../../api/meta.ts";
import { Endpoint } from "../representation/endpoint.ts";
import { ObjectItem } from "../representation/item.ts";
import { negotiateFor, sendItem } from "../representation/respond.ts";
import type { Subresource } from "../resource.ts";
import type { Call } from "./backend-context.ts";

/** How bodies of a sub-resource with a kind of its own are encoded, negotiated and named in errors. */
const bodies = new WeakMap<Subresource, Endpoint>();

export function bodyEndpoint(call: Call, sub: Subresource): Endpoint {
  if (sub.kind === undefined || sub.codec === undefined) return call.endpoint;
  let endpoint = bodies.get(sub);
  if (endpoint === undefined) {
    const { definition, cache, counters } = call.endpoint;
    const { table: _, fields: __, storage: ___, subresources: ____, ...rest } = definition;
    const { table } = sub;
    const own = { ...rest, ...sub.kind, listKind: `${sub.kind.kind}List`, codec: sub.codec, ...(table && { table }) };
    // Answered by functions, as far as negotiation can tell: what is only created has no table and no metadata of its own to show.
    endpoint = new Endpoint(own, sub.projection === undefined ? {} : { get: () => undefined }, cache, counters);
    bodies.set(sub, endpoint);
  }
  return endpoint;
}

export async function respond(call: Call, sub: Subresource, status: number, object: KubeObject): Promise<void> {
  const endpoint = bodyEndpoint(call, sub);
  const representation = negotiateFor(call.exchange, endpoint);
  await sendItem(call.exchange, representation, status, new ObjectItem(endpoint, object), call.backing.clock.now());
}
