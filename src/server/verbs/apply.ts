/** PATCH with an apply configuration: create or change, and note who owns what (spec: apiserver 5.5). */

import { misfits } from "../../api/apply/check.ts";
import { type ApplyOutcome, applyConfiguration, type ManagedWrite } from "../../api/apply/field-manager.ts";
import { decodeManaged, encodeManaged, ManagedFieldsError, sameOwners } from "../../api/apply/managed.ts";
import { ElementError } from "../../api/apply/shape.ts";
import { cloneJSON, equalJSON, isObject, newObject } from "../../api/json/index.ts";
import { apiVersionOf, type JSONObject, type JSONValue, type KubeObject, parseAPIVersion } from "../../api/meta.ts";
import { badRequest, conflict, StatusError } from "../../api/status.ts";
import { parseYAML, YAMLSyntaxError } from "../../api/yaml.ts";
import { negotiateFor, sendItem } from "../representation/respond.ts";
import type { Strategy } from "../resource.ts";
import { decodeWriteOptions, type WriteOptions } from "../write-options.ts";
import type { Call } from "./backend-context.ts";
import { BODY_LIMIT, ensureName } from "./decode-body.ts";
import { resetFieldsOf } from "./reset-fields.ts";
import { updateObject } from "./update-object.ts";

interface Configuration {
  readonly value: JSONObject;
  readonly problems: readonly string[];
}

/** Throws 400 for what is no YAML object. */
function decodeConfiguration(body: Uint8Array): Configuration {
  try {
    const { value, problems } = parseYAML(body);
    if (isObject(value)) return { value, problems };
    if (value === null) return { value: newObject(), problems };
    const kind = Array.isArray(value) ? "array" : typeof value;
    throw badRequest(
      `error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal ${kind} into Go value of type map[string]interface {}`,
    );
  } catch (error) {
    if (error instanceof YAMLSyntaxError) throw badRequest(`error decoding YAML: ${error.message}`);
    throw error;
  }
}

/** Throws 400 for another kind or version than the URL's, and 500, as upstream does, for what does not fit the kind. */
function checkConfiguration(call: Call, write: ManagedWrite, { value }: Configuration): void {
  const { group, version, kind } = call.endpoint.definition;
  const { apiVersion, kind: given, metadata } = value;
  const gv = parseAPIVersion(typeof apiVersion === "string" ? apiVersion : "") ?? { group: "", version: "" };
  if (given !== kind || gv.group !== group || gv.version !== version) {
    throw badRequest(`invalid object type: ${gv.group}/${gv.version}, Kind=${typeof given === "string" ? given : ""}`);
  }
  if (isObject(metadata) && (metadata["managedFields"] ?? undefined) !== undefined) {
    throw badRequest("metadata.managedFields must be nil");
  }
  const wrong = misfits(write.shape, value);
  if (wrong.length === 0) return;
  const text = (member: JSONValue | undefined) => (typeof member === "string" && member !== "" ? member : undefined);
  const meta = isObject(metadata) ? metadata : {};
  const name = text(meta["name"]) ?? "";
  const what = `${text(meta["namespace"]) ?? ""}/${name}; ${group}/${version}, Kind=${kind}`;
  const list = wrong.length === 1 ? wrong[0]! : ["errors:", ...wrong.map((line) => `  ${line}`)].join("\n");
  throw new StatusError(500, "", `failed to create typed patch object (${what}): ${list}`);
}

function problemsOf(call: Call, options: WriteOptions, { problems }: Configuration): void {
  if (problems.length === 0 || options.fieldValidation === "Ignore") return;
  const text = `error converting YAML to JSON: yaml: unmarshal errors:\n${problems.map((line) => `  ${line}`).join("\n")}`;
  if (options.fieldValidation === "Strict") throw badRequest(`error strict decoding YAML: ${text}`);
  for (const problem of problems) call.exchange.warn(problem);
}

/** `strategy`: the kind's own, or the one of the sub-resource written through. */
export async function applyPatch(call: Call, strategy: Strategy): Promise<void> {
  const { endpoint, exchange, backing } = call;
  const { definition } = endpoint;
  const { codec } = definition;
  const representation = negotiateFor(exchange, endpoint);
  const body = await exchange.body.bytes(BODY_LIMIT);
  const options = decodeWriteOptions(exchange, "PatchOptions", true);
  const write: ManagedWrite = {
    shape: codec.shape!(),
    apiVersion: apiVersionOf(codec.kind),
    subresource: call.subresource,
    manager: options.fieldManager,
    now: backing.clock.now(),
    ignored: resetFieldsOf(call, strategy),
  };
  const config = decodeConfiguration(body);
  checkConfiguration(call, write, config);
  problemsOf(call, options, config);

  const wanted = (old: KubeObject | undefined): KubeObject => {
    const live = old ?? { apiVersion: write.apiVersion, kind: codec.kind.kind, metadata: {} };
    const outcome = outcomeOf(write, live, config.value, options.force);
    const value = outcome.object ?? (live as unknown as JSONValue);
    const { object } = codec.fromValue(cloneJSON(value));
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
    const owners = encodeManaged(outcome.owners);
    if (owners === undefined) delete object.metadata.managedFields;
    else object.metadata.managedFields = owners;
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

/** Throws 500, as upstream does, for stored objects whose managers or lists nobody can read. */
function outcomeOf(write: ManagedWrite, live: KubeObject, config: JSONObject, force: boolean): ApplyOutcome {
  try {
    return applyConfiguration(write, live, config, force);
  } catch (error) {
    if (error instanceof ManagedFieldsError) {
      throw new StatusError(500, "", `failed to decode managed fields: ${error.message}`);
    }
    if (!(error instanceof ElementError)) throw error;
    const { namespace = "", name = "" } = live.metadata;
    const { group, version } = parseAPIVersion(write.apiVersion)!;
    const what = `${namespace}/${name}; ${group}/${version}, Kind=${live.kind}`;
    throw new StatusError(500, "", `failed to create typed live object (${what}): ${error.message}`);
  }
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
