/** POST: decode, admit, apply the kind's rules, store once; the bytes stored are the bytes answered (spec: apiserver 2.3). */

import { append } from "../../api/field-errors.ts";
import { GENERATE_NAME_ATTEMPTS, generateName } from "../../api/generate-name.ts";
import { cloneJSON } from "../../api/json/index.ts";
import type { JSONValue, KubeObject } from "../../api/meta.ts";
import { validateObjectMeta } from "../../api/object-meta.ts";
import {
  alreadyExists,
  badRequest,
  generateNameExhausted,
  invalid,
  methodNotAllowed,
  StatusError,
} from "../../api/status.ts";
import type { Entry } from "../../store/state.ts";
import type { Endpoint } from "../representation/endpoint.ts";
import { type Item, knownOf, ObjectItem, storedItem, writtenItem } from "../representation/item.ts";
import { negotiateFor, sendItem } from "../representation/respond.ts";
import type { Strategy } from "../resource.ts";
import { decodeWriteOptions, type WriteOptions } from "../write-options.ts";
import { admissionFor } from "./admission-calls.ts";
import { type Call, contextOf, stateOf } from "./backend-context.ts";
import { BODY_LIMIT, decodeBody, dedupOwnerReferences, ensureNamespace, inputMediaType } from "./decode-body.ts";
import { fillSystemFields, wipeSystemFields } from "./system-metadata.ts";

/** The kind's rules before a create: fills what the server owns, checks, warns (upstream's BeforeCreate). Throws 422. */
export async function beforeCreate(call: Call, strategy: Strategy, object: KubeObject, dryRun: boolean): Promise<void> {
  const { endpoint } = call;
  const { metadata } = object;
  const context = contextOf(call, dryRun, metadata.name ?? "");
  ensureNamespace(call, object);
  strategy.prepareForCreate?.(object, context);
  const name = metadata.name ?? "";
  const errors = [
    ...validateObjectMeta(metadata, endpoint.definition),
    ...(strategy.validate?.(object, context) ?? []),
  ];
  append(errors, (await strategy.validateRules?.(object, undefined, errors, context)) ?? []);
  if (errors.length > 0) throw invalid(endpoint.groupKind, name, errors);
  for (const warning of strategy.warningsOnCreate?.(object) ?? []) call.exchange.warn(warning);
}

async function existing(endpoint: Endpoint, entry: Entry | undefined): Promise<KubeObject | undefined> {
  return entry === undefined ? undefined : (await storedItem(endpoint, entry)).object();
}

/** Stores a new object. Throws 409 when the name is taken. With `dryRun` nothing is stored, but a taken name is found. */
export async function storeNew(call: Call, object: KubeObject, dryRun: boolean): Promise<Item> {
  const { endpoint } = call;
  const { metadata } = object;
  const state = stateOf(call);
  const key = endpoint.key(metadata.namespace ?? "", metadata.name!);
  const taken = async (entry: Entry | undefined) => {
    const old = await existing(endpoint, entry);
    return alreadyExists(endpoint.groupResource, metadata.name!, Boolean(old?.metadata.deletionTimestamp));
  };
  delete metadata.resourceVersion;
  if (dryRun) {
    const found = state.view().get(key);
    if (found !== undefined) throw await taken(found);
    return new ObjectItem(endpoint, object);
  }
  const value = await endpoint.encodeForStorage(object);
  const { ttlSeconds } = endpoint.definition;
  const result = await state.commit({
    key,
    expected: 0,
    value,
    memo: knownOf(endpoint, object),
    ...(ttlSeconds !== undefined && { ttlSeconds }),
  });
  if (!result.committed) throw await taken(result.current);
  return writtenItem(endpoint, result.entry, object);
}

const isTaken = (error: unknown) => error instanceof StatusError && error.reason === "AlreadyExists";

/** Everything behind decoding: managers, admission, strategy, store; a generated name is tried again when it is taken (spec: apiserver 3.4). */
async function createStored(call: Call, object: KubeObject, options: WriteOptions): Promise<Item> {
  const { endpoint, backing } = call;
  const { strategy } = endpoint.definition;
  const { dryRun } = options;
  const admission = admissionFor(call, "CREATE", dryRun);
  dedupOwnerReferences(call, object);
  // Owners are noted from the first apply on.
  delete object.metadata.managedFields;
  await admission.admit(object, undefined, object.metadata.name ?? "");
  dedupOwnerReferences(call, object, true);
  const rv = object.metadata.resourceVersion;
  const generated = !object.metadata.name && Boolean(object.metadata.generateName);
  const pristine = generated ? cloneJSON(object as unknown as JSONValue) : undefined;
  for (let attempt = 1; ; attempt++) {
    const fresh = attempt === 1 ? object : (cloneJSON(pristine!) as unknown as KubeObject);
    fillSystemFields(fresh.metadata, backing.clock, backing.random);
    if (generated) fresh.metadata.name = generateName(fresh.metadata.generateName!, backing.random);
    await beforeCreate(call, strategy, fresh, dryRun);
    await admission.validate(fresh, undefined, fresh.metadata.name ?? "");
    if (!dryRun && rv !== undefined && rv !== "" && rv !== "0") {
      throw new StatusError(500, "", "resourceVersion should not be set on objects to be created");
    }
    try {
      return await storeNew(call, fresh, dryRun);
    } catch (error) {
      if (!generated || !isTaken(error)) throw error;
      if (attempt >= GENERATE_NAME_ATTEMPTS) {
        throw generateNameExhausted(endpoint.groupResource, fresh.metadata.name!);
      }
    }
  }
}

async function createVirtual(call: Call, object: KubeObject, options: WriteOptions): Promise<Item> {
  const { endpoint, backing } = call;
  const { virtual, definition } = endpoint;
  if (virtual?.create === undefined) throw methodNotAllowed();
  const { metadata } = object;
  const reviewed = virtual.get === undefined && virtual.list === undefined;
  const admission = admissionFor(call, "CREATE", options.dryRun);
  await admission.admit(object, undefined, metadata.name ?? "");
  if (!reviewed) {
    fillSystemFields(metadata, backing.clock, backing.random);
    if (!metadata.name && metadata.generateName) metadata.name = generateName(metadata.generateName, backing.random);
    await beforeCreate(call, definition.strategy, object, options.dryRun);
  } else {
    const context = contextOf(call, options.dryRun);
    definition.strategy.prepareForCreate?.(object, context);
    const errors = definition.strategy.validate?.(object, context) ?? [];
    append(errors, (await definition.strategy.validateRules?.(object, undefined, errors, context)) ?? []);
    if (errors.length > 0) throw invalid(endpoint.groupKind, metadata.name ?? "", errors);
  }
  await admission.validate(object, undefined, metadata.name ?? "");
  return new ObjectItem(endpoint, await virtual.create(contextOf(call, options.dryRun, metadata.name ?? ""), object));
}

export async function create(call: Call): Promise<void> {
  const { endpoint, exchange } = call;
  const { definition } = endpoint;
  if (definition.namespaced && call.namespace === "") throw methodNotAllowed();
  const representation = negotiateFor(exchange, endpoint);
  const mediaType = inputMediaType(exchange, definition.codec);
  const body = await exchange.body.bytes(BODY_LIMIT);
  const options = decodeWriteOptions(exchange, "CreateOptions");
  const object = decodeBody(call, definition.codec, body, mediaType, options.fieldValidation);
  definition.strategy.setDefaults?.(object);
  wipeSystemFields(object.metadata);
  ensureNamespace(call, object);
  if (call.name !== "" && object.metadata.name !== call.name) {
    throw badRequest(
      `the name of the object (${object.metadata.name ?? ""}) does not match the name on the URL (${call.name})`,
    );
  }
  const item = await (endpoint.virtual === undefined
    ? createStored(call, object, options)
    : createVirtual(call, object, options));
  await sendItem(exchange, representation, 201, item, call.backing.clock.now());
}
