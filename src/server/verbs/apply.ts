/** PATCH with an apply configuration: create or change, and note who owns what (spec: apiserver 5.5). */

import { decodeManaged, sameOwners } from "../../api/apply/managed.ts";
import { equalJSON } from "../../api/json/index.ts";
import type { JSONValue, KubeObject } from "../../api/meta.ts";
import { badRequest, conflict } from "../../api/status.ts";
import { negotiateFor, sendItem } from "../representation/respond.ts";
import type { Strategy } from "../resource.ts";
import type { Call } from "./backend-context.ts";
import { readConfiguration } from "./configuration.ts";
import { ensureName } from "./decode-body.ts";
import { resetFieldsOf } from "./reset-fields.ts";
import { updateObject } from "./update-object.ts";

/** `strategy`: the kind's own, or the one of the sub-resource written through. */
export async function applyPatch(call: Call, strategy: Strategy): Promise<void> {
  const { endpoint, exchange, backing } = call;
  const { definition } = endpoint;
  const { codec } = definition;
  const representation = negotiateFor(exchange, endpoint);
  const { write, options, applyTo } = await readConfiguration(call, codec, resetFieldsOf(call, strategy));

  const wanted = (old: KubeObject | undefined): KubeObject => {
    const object = applyTo(old ?? { apiVersion: write.apiVersion, kind: codec.kind.kind, metadata: {} });
    definition.strategy.setDefaults?.(object);
    if (!object.metadata.name) {
      throw badRequest(`the name of the object (${call.name} based on URL) was undeterminable: name must be provided`);
    }
    ensureName(call, object);
    const { uid, namespace } = object.metadata;
    if (old === undefined && uid) {
      throw conflict(
        endpoint.groupResource,
        call.name,
        `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`,
      );
    }
    if (namespace && definition.namespaced && namespace !== call.namespace) {
      throw badRequest(
        `the namespace of the object (${namespace}) does not match the namespace on the request (${call.namespace})`,
      );
    }
    keepTimes(object, old);
    return object;
  };
  const { item, outcome } = await updateObject(call, {
    strategy,
    options,
    mayCreate: call.subresource === "",
    tracked: true,
    wanted,
  });
  await sendItem(exchange, representation, outcome === "created" ? 201 : 200, item, backing.clock.now());
}

/** Times alone are no change: an apply that says what is there already is no write. */
function keepTimes(object: KubeObject, old: KubeObject | undefined): void {
  if (old?.metadata.managedFields === undefined) return;
  const { managedFields: before } = old.metadata;
  const { managedFields: after } = object.metadata;
  if (!sameOwners(decodeManaged(before), decodeManaged(after))) return;
  const kept = { ...object, metadata: { ...object.metadata, managedFields: before } };
  if (equalJSON(kept as unknown as JSONValue, old as unknown as JSONValue)) object.metadata.managedFields = before;
}
