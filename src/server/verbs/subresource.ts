import { badRequest, invalid, methodNotAllowed, resourceNotFound, type Status } from "../../api/status.ts";
import { negotiateFor, sendSuccess } from "../representation/respond.ts";
import type { Subresource, Verb } from "../resource.ts";
import { decodeWriteOptions } from "../write-options.ts";
import { admissionFor } from "./admission-calls.ts";
import { type Call, contextOf } from "./backend-context.ts";
import { BODY_LIMIT, decodeBody, ensureNamespace, inputMediaType } from "./decode-body.ts";
import { deleteStored } from "./delete.ts";
import { embeddedDeleteOptions } from "./delete-options.ts";
import { findItem, get } from "./get.ts";
import { patch } from "./patch.ts";
import { projected } from "./projection.ts";
import { bodyEndpoint, respond } from "./subresource-body.ts";
import { wipeSystemFields } from "./system-metadata.ts";
import { update } from "./update.ts";
import { updateObject } from "./update-object.ts";

/** An action: a body about the parent that is not stored itself. */
async function act(call: Call, sub: Subresource): Promise<void> {
  const { exchange, endpoint } = call;
  const codec = sub.codec ?? endpoint.definition.codec;
  negotiateFor(exchange, bodyEndpoint(call, sub));
  const mediaType = inputMediaType(exchange, codec);
  const bytes = await exchange.body.bytes(BODY_LIMIT);
  const options = decodeWriteOptions(exchange, "CreateOptions");
  const object = decodeBody(call, codec, bytes, mediaType, options.fieldValidation);
  if (sub.change === undefined) wipeSystemFields(object.metadata);
  ensureNamespace(call, object);
  if (object.metadata.name && object.metadata.name !== call.name) {
    throw badRequest(
      `the name of the object (${object.metadata.name}) does not match the name on the URL (${call.name})`,
    );
  }
  const parent = (await findItem(call, "")).object();
  const admission = admissionFor(call, "CREATE", options.dryRun);
  await admission.admit(object, undefined);
  const context = contextOf(call, options.dryRun);
  const errors = sub.strategy?.validate?.(object, context) ?? [];
  if (errors.length > 0) throw invalid(sub.kind ?? endpoint.groupKind, call.name, errors);
  await admission.validate(object, undefined);
  if (sub.create !== undefined) return respond(call, sub, 201, await sub.create(context, parent, object));
  if (sub.deletion !== undefined) {
    const { deletion } = sub;
    const now = call.backing.clock.now();
    const asked = embeddedDeleteOptions(deletion.options(object), exchange.query.getAll("dryRun"));
    await deleteStored(call, asked, deletion.mark === undefined ? undefined : (old) => deletion.mark!(old, now));
  } else {
    const { uid, resourceVersion } = object.metadata;
    await updateObject(call, {
      // The action is the rule: what the kind refuses to any other writer may be just what it does.
      strategy: sub.strategy ?? {},
      options,
      preconditions: { ...(uid && { uid }), ...(resourceVersion && { resourceVersion }) },
      mayCreate: false,
      wanted: (old) => sub.change!(context, old!, object),
    });
  }
  const success: Status = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 };
  await sendSuccess(exchange, negotiateFor(exchange, bodyEndpoint(call, sub)), 201, success);
}

const isAction = (sub: Subresource) => (sub.create ?? sub.change ?? sub.deletion) !== undefined;

/** Answers a request to `…/{name}/{subresource}`. */
export async function subresource(call: Call, verb: string): Promise<void> {
  const sub = call.endpoint.subresources.get(call.subresource);
  if (sub === undefined || call.exchange.info.parts.length > 3) throw resourceNotFound();
  if (!sub.verbs.includes(verb as Verb)) throw methodNotAllowed();
  if (verb === "create" && isAction(sub)) return act(call, sub);
  if (sub.projection !== undefined) return projected(call, sub, verb);
  if (verb === "get") return get(call);
  if (verb === "update") return update(call, sub.strategy);
  if (verb === "patch") return patch(call, sub.strategy);
  throw methodNotAllowed();
}
