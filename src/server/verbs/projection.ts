/** Sub-resources that are another kind read from and written into the parent: `scale` (spec: apiserver 2.1, 5.5). */
import { decoded, type ManagedWrite, ownersOf, trackUpdate } from "../../api/apply/field-manager.ts";
import { EMPTY } from "../../api/apply/field-set.ts";
import { encodeManaged, type Owners } from "../../api/apply/managed.ts";
import { ownersInParent, ownersInScale, type ReplicasPaths } from "../../api/apply/scale-owners.ts";
import type { ObjectCodec } from "../../api/codec.ts";
import { cloneJSON } from "../../api/json/index.ts";
import { apiVersionOf, type JSONValue, type KubeObject } from "../../api/meta.ts";
import { conflict, invalid, type StatusError } from "../../api/status.ts";
import { negotiateFor } from "../representation/respond.ts";
import type { Subresource } from "../resource.ts";
import { decodeWriteOptions, type WriteOptions } from "../write-options.ts";
import type { Call } from "./backend-context.ts";
import { readConfiguration, readingOwners } from "./configuration.ts";
import { BODY_LIMIT, decodeBody, ensureName, ensureNamespace, inputMediaType } from "./decode-body.ts";
import { findItem } from "./get.ts";
import { APPLY_PATCH, patcherOf, patchMediaType } from "./patch-document.ts";
import { bodyEndpoint, respond } from "./subresource-body.ts";
import { updateObject } from "./update-object.ts";

/** What the request wants of the body, as often as somebody else was faster. */
interface BodyChange {
  readonly options: WriteOptions;
  /** The result says who owns it. */
  readonly applies: boolean;
  wanted(old: KubeObject): KubeObject;
}

async function readChange(call: Call, codec: ObjectCodec, verb: string, appliable: boolean): Promise<BodyChange> {
  const { exchange } = call;
  if (verb === "patch") {
    const mediaType = patchMediaType(exchange.header("content-type"), codec, appliable);
    if (mediaType === APPLY_PATCH) {
      const { options, applyTo } = await readConfiguration(call, codec, EMPTY);
      return { options, applies: true, wanted: applyTo };
    }
    const bytes = await exchange.body.bytes(BODY_LIMIT);
    const options = decodeWriteOptions(exchange, "PatchOptions");
    const warn = (problem: string) => exchange.warn(problem);
    return { options, applies: false, wanted: patcherOf(mediaType, bytes, codec, options.fieldValidation, warn) };
  }
  const bytes = await exchange.body.bytes(BODY_LIMIT);
  const options = decodeWriteOptions(exchange, "UpdateOptions");
  const object = decodeBody(call, codec, bytes, inputMediaType(exchange, codec), options.fieldValidation);
  ensureNamespace(call, object);
  ensureName(call, object);
  const wanted = () => cloneJSON(object as unknown as JSONValue) as unknown as KubeObject;
  return { options, applies: false, wanted };
}

/** Writes `change` into the body with its owners, and what that makes of the parent's owners into `parent`. Returns the body. */
function changeOwned(
  call: Call,
  codec: ObjectCodec,
  paths: ReplicasPaths,
  change: BodyChange,
  body: KubeObject,
  parent: KubeObject,
): KubeObject {
  const { definition } = call.endpoint;
  const common = {
    subresource: "",
    manager: change.options.fieldManager,
    now: call.backing.clock.now(),
    ignored: EMPTY,
  };
  const apiVersion = apiVersionOf(definition.codec.kind);
  let owners: Owners | undefined;
  if (change.applies) {
    const write: ManagedWrite = { ...common, shape: definition.codec.shape!(), apiVersion };
    owners = readingOwners(apiVersion, parent, () => ownersOf(write, parent));
  } else owners = decoded(parent.metadata.managedFields);
  // Nobody ever applied: nobody needs to know who changed it.
  if (owners === undefined || owners.size === 0) return change.wanted(body);
  const inBody = encodeManaged(ownersInScale(owners, paths));
  if (inBody !== undefined) body.metadata.managedFields = inBody;
  const wanted = change.wanted(body);
  if (!change.applies) {
    const write: ManagedWrite = {
      ...common,
      subresource: call.subresource,
      shape: codec.shape!(),
      apiVersion: apiVersionOf(codec.kind),
    };
    trackUpdate(write, wanted, body);
  }
  const after = decoded(wanted.metadata.managedFields) ?? new Map();
  const entries = encodeManaged(ownersInParent(owners, after, paths, apiVersion));
  if (entries === undefined) delete parent.metadata.managedFields;
  else parent.metadata.managedFields = entries;
  return wanted;
}

function otherObject({ endpoint, name, subresource }: Call, uid: string, parent: KubeObject): StatusError {
  const { group, resource } = endpoint.groupResource;
  const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${parent.metadata.uid}`;
  return conflict({ group, resource: `${resource}/${subresource}` }, name, why);
}

/** Reads and writes the body in the parent. */
export async function projected(call: Call, sub: Subresource, verb: string): Promise<void> {
  const { exchange, endpoint } = call;
  const projection = sub.projection!;
  const codec = sub.codec ?? endpoint.definition.codec;
  // What nobody can be answered in is refused before anything is read.
  negotiateFor(exchange, bodyEndpoint(call, sub));
  if (verb === "get") {
    const item = await findItem(call, exchange.query.get("resourceVersion") ?? "");
    return respond(call, sub, 200, (projection.get ?? projection.read)(item.object()));
  }
  const { replicas } = projection;
  const tracked = replicas !== undefined && codec.shape !== undefined && endpoint.definition.codec.shape !== undefined;
  const change = await readChange(call, codec, verb, tracked && endpoint.virtual === undefined);
  const { item } = await updateObject(call, {
    strategy: sub.strategy ?? endpoint.definition.strategy,
    options: change.options,
    mayCreate: false,
    tracked,
    seenByAdmission: (object) => projection.read(object),
    wanted: (old) => {
      const parent = cloneJSON(old as unknown as JSONValue) as unknown as KubeObject;
      const body = projection.read(old!);
      const wanted = tracked ? changeOwned(call, codec, replicas, change, body, parent) : change.wanted(body);
      ensureName(call, wanted);
      const { uid } = wanted.metadata;
      if (uid && uid !== parent.metadata.uid) throw otherObject(call, uid, parent);
      const errors = projection.write(parent, wanted);
      if (errors.length > 0) throw invalid(sub.kind ?? endpoint.groupKind, call.name, errors);
      if (wanted.metadata.resourceVersion) parent.metadata.resourceVersion = wanted.metadata.resourceVersion;
      return parent;
    },
  });
  await respond(call, sub, 200, projection.read(item.object()));
}
