/** Sub-resources: views of the parent (`status`, `finalize`), other kinds inside it (`scale`), and actions on it (`token`, `binding`, `eviction`) (spec: apiserver 2.1). */
import { cloneJSON } from "../../api/json/index.ts";
import type { JSONValue, KubeObject } from "../../api/meta.ts";
import { badRequest, invalid, methodNotAllowed, resourceNotFound, type Status } from "../../api/status.ts";
import { Endpoint } from "../representation/endpoint.ts";
import { ObjectItem } from "../representation/item.ts";
import { negotiateFor, sendItem, sendSuccess } from "../representation/respond.ts";
import type { Subresource, Verb } from "../resource.ts";
import { decodeWriteOptions, type WriteOptions } from "../write-options.ts";
import { admissionFor } from "./admission-calls.ts";
import { type Call, contextOf } from "./backend-context.ts";
import { BODY_LIMIT, decodeBody, ensureName, ensureNamespace, inputMediaType } from "./decode-body.ts";
import { deleteStored } from "./delete.ts";
import { embeddedDeleteOptions } from "./delete-options.ts";
import { findItem, get } from "./get.ts";
import { patch } from "./patch.ts";
import { patcherOf, patchMediaType } from "./patch-document.ts";
import { wipeSystemFields } from "./system-metadata.ts";
import { update } from "./update.ts";
import { updateObject } from "./update-object.ts";

/** How bodies of a sub-resource with a kind of its own are encoded, negotiated and named in errors. */
const bodies = new WeakMap<Subresource, Endpoint>();

function bodyEndpoint(call: Call, sub: Subresource): Endpoint {
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

async function respond(call: Call, sub: Subresource, status: number, object: KubeObject): Promise<void> {
  const endpoint = bodyEndpoint(call, sub);
  const representation = negotiateFor(call.exchange, endpoint);
  await sendItem(call.exchange, representation, status, new ObjectItem(endpoint, object), call.backing.clock.now());
}

/** Reads and writes another kind that lives inside the parent. */
async function projected(call: Call, sub: Subresource, verb: string): Promise<void> {
  const { exchange, endpoint } = call;
  const projection = sub.projection!;
  const codec = sub.codec ?? endpoint.definition.codec;
  const body = bodyEndpoint(call, sub);
  // What nobody can be answered in is refused before anything is read.
  negotiateFor(exchange, body);
  if (verb === "get") {
    const item = await findItem(call, exchange.query.get("resourceVersion") ?? "");
    return respond(call, sub, 200, (projection.get ?? projection.read)(item.object()));
  }
  let options: WriteOptions;
  let wantedBody: (old: KubeObject) => KubeObject;
  if (verb === "patch") {
    const mediaType = patchMediaType(exchange.header("content-type"), codec);
    const bytes = await exchange.body.bytes(BODY_LIMIT);
    options = decodeWriteOptions(exchange, "PatchOptions");
    const apply = patcherOf(mediaType, bytes, codec, options.fieldValidation, (problem) => exchange.warn(problem));
    wantedBody = (old) => apply(projection.read(old));
  } else {
    const bytes = await exchange.body.bytes(BODY_LIMIT);
    options = decodeWriteOptions(exchange, "UpdateOptions");
    const object = decodeBody(call, codec, bytes, inputMediaType(exchange, codec), options.fieldValidation);
    ensureNamespace(call, object);
    ensureName(call, object);
    wantedBody = () => cloneJSON(object as unknown as JSONValue) as unknown as KubeObject;
  }
  const { item } = await updateObject(call, {
    strategy: sub.strategy ?? endpoint.definition.strategy,
    options,
    mayCreate: false,
    seenByAdmission: (object) => projection.read(object),
    wanted: (old) => {
      const wanted = wantedBody(old!);
      ensureName(call, wanted);
      const parent = cloneJSON(old as unknown as JSONValue) as unknown as KubeObject;
      const errors = projection.write(parent, wanted);
      if (errors.length > 0) throw invalid(sub.kind ?? endpoint.groupKind, call.name, errors);
      if (wanted.metadata.resourceVersion) parent.metadata.resourceVersion = wanted.metadata.resourceVersion;
      return parent;
    },
  });
  await respond(call, sub, 200, projection.read(item.object()));
}

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
