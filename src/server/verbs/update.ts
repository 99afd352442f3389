/** PUT: the body becomes the object, unless somebody else changed it since (spec: apiserver 2.9). */
import type { KubeObject } from "../../api/meta.ts";
import { negotiateFor, sendItem } from "../representation/respond.ts";
import type { Strategy } from "../resource.ts";
import { decodeWriteOptions } from "../write-options.ts";
import type { Call } from "./backend-context.ts";
import { BODY_LIMIT, decodeBody, ensureName, ensureNamespace, inputMediaType } from "./decode-body.ts";
import { updateObject } from "./update-object.ts";

/** `strategy`: the kind's own, or the one of the sub-resource written through. */
export async function update(call: Call, strategy: Strategy = call.endpoint.definition.strategy): Promise<void> {
  const { endpoint, exchange } = call;
  const { definition } = endpoint;
  const representation = negotiateFor(exchange, endpoint);
  const body = await exchange.body.bytes(BODY_LIMIT);
  const options = decodeWriteOptions(exchange, "UpdateOptions");
  const mediaType = inputMediaType(exchange, definition.codec);
  const decoded = (validation = options.fieldValidation): KubeObject => {
    const object = decodeBody(call, definition.codec, body, mediaType, validation);
    definition.strategy.setDefaults?.(object);
    ensureNamespace(call, object);
    return object;
  };
  // The first attempt uses what was checked; a later one, after another write came first, decodes again.
  let first: KubeObject | undefined = decoded();
  ensureName(call, first);
  const { uid } = first.metadata;
  const { item, outcome } = await updateObject(call, {
    strategy,
    options,
    mayCreate: call.subresource === "" && definition.strategy.allowCreateOnUpdate === true,
    preconditions: uid ? { uid } : undefined,
    wanted: () => {
      const object = first ?? decoded("Ignore");
      first = undefined;
      return object;
    },
  });
  await sendItem(exchange, representation, outcome === "created" ? 201 : 200, item, call.backing.clock.now());
}
