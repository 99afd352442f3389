/** PATCH: a change to whatever is stored, made again when somebody else was faster; never a conflict unless the patch names a version (spec: apiserver 5.2). */
import { badRequest } from "../../api/status.ts";
import { negotiateFor, sendItem } from "../representation/respond.ts";
import type { Strategy } from "../resource.ts";
import { decodeWriteOptions } from "../write-options.ts";
import { applyPatch } from "./apply.ts";
import type { Call } from "./backend-context.ts";
import { BODY_LIMIT, ensureName } from "./decode-body.ts";
import { checkPreconditions } from "./guaranteed-update.ts";
import { APPLY_PATCH, patcherOf, patchMediaType } from "./patch-document.ts";
import { updateObject } from "./update-object.ts";

/** `strategy`: the kind's own, or the one of the sub-resource written through. */
export async function patch(call: Call, strategy: Strategy = call.endpoint.definition.strategy): Promise<void> {
  const { endpoint, exchange } = call;
  const { codec } = endpoint.definition;
  const mediaType = patchMediaType(exchange.header("content-type"), codec, endpoint.virtual === undefined);
  if (mediaType === APPLY_PATCH) return applyPatch(call, strategy);
  const representation = negotiateFor(exchange, endpoint);
  const body = await exchange.body.bytes(BODY_LIMIT);
  const options = decodeWriteOptions(exchange, "PatchOptions");
  const apply = patcherOf(mediaType, body, codec, options.fieldValidation, (problem) => exchange.warn(problem));
  const { item } = await updateObject(call, {
    strategy,
    options,
    mayCreate: false,
    wanted: (old) => {
      const object = apply(old!);
      endpoint.definition.strategy.setDefaults?.(object);
      ensureName(call, object);
      const { uid, namespace } = object.metadata;
      if (uid && uid !== old!.metadata.uid) checkPreconditions(call, { uid }, old);
      if (namespace && endpoint.definition.namespaced && namespace !== call.namespace) {
        throw badRequest(
          `the namespace of the object (${namespace}) does not match the namespace on the request (${call.namespace})`,
        );
      }
      return object;
    },
  });
  await sendItem(exchange, representation, 200, item, call.backing.clock.now());
}
