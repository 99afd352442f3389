/** What somebody applies, read from a request and applied to an object or to another kind inside it (spec: apiserver 5.5). */

import { misfits } from "../../api/apply/check.ts";
import { applyConfiguration, type ManagedWrite } from "../../api/apply/field-manager.ts";
import type { FieldSet } from "../../api/apply/field-set.ts";
import { encodeManaged, ManagedFieldsError } from "../../api/apply/managed.ts";
import { ElementError } from "../../api/apply/shape.ts";
import type { ObjectCodec } from "../../api/codec.ts";
import { cloneJSON, isObject, newObject } from "../../api/json/index.ts";
import {
  apiVersionOf,
  type GroupVersionKind,
  type JSONObject,
  type JSONValue,
  type KubeObject,
  parseAPIVersion,
} from "../../api/meta.ts";
import { badRequest, StatusError } from "../../api/status.ts";
import { parseYAML, YAMLSyntaxError } from "../../api/yaml.ts";
import { decodeWriteOptions, type WriteOptions } from "../write-options.ts";
import type { Call } from "./backend-context.ts";
import { BODY_LIMIT } from "./decode-body.ts";

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
function checkConfiguration({ shape }: ManagedWrite, expected: GroupVersionKind, { value }: Configuration): void {
  const { group, version, kind } = expected;
  const { apiVersion, kind: given, metadata } = value;
  const gv = parseAPIVersion(typeof apiVersion === "string" ? apiVersion : "") ?? { group: "", version: "" };
  if (given !== kind || gv.group !== group || gv.version !== version) {
    throw badRequest(`invalid object type: ${gv.group}/${gv.version}, Kind=${typeof given === "string" ? given : ""}`);
  }
  if (isObject(metadata) && (metadata["managedFields"] ?? undefined) !== undefined) {
    throw badRequest("metadata.managedFields must be nil");
  }
  const wrong = misfits(shape, value);
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

/** A configuration that was read: how it is to be applied, and how to. */
export interface AppliedConfiguration {
  readonly write: ManagedWrite;
  readonly options: WriteOptions;
  /** A new object with its owners, without defaults. Throws 409 with a cause for each field of another manager, unless forced. */
  applyTo(live: KubeObject): KubeObject;
}

/**
 * Reads the body as a configuration of the codec's kind. `ignored`: what this endpoint resets. Throws 400 for what is none of that kind, and what
 * `decodeWriteOptions` throws.
 */
export async function readConfiguration(
  call: Call,
  codec: ObjectCodec,
  ignored: FieldSet,
): Promise<AppliedConfiguration> {
  const { exchange, backing } = call;
  const body = await exchange.body.bytes(BODY_LIMIT);
  const options = decodeWriteOptions(exchange, "PatchOptions", true);
  const write: ManagedWrite = {
    shape: codec.shape!(),
    apiVersion: apiVersionOf(codec.kind),
    subresource: call.subresource,
    manager: options.fieldManager,
    now: backing.clock.now(),
    ignored,
  };
  const config = decodeConfiguration(body);
  checkConfiguration(write, codec.kind, config);
  problemsOf(call, options, config);
  return {
    write,
    options,
    applyTo(live) {
      const outcome = readingOwners(write.apiVersion, live, () =>
        applyConfiguration(write, live, config.value, options.force),
      );
      const value = outcome.object ?? (live as unknown as JSONValue);
      const { object } = codec.fromValue(cloneJSON(value));
      const owners = encodeManaged(outcome.owners);
      if (owners === undefined) delete object.metadata.managedFields;
      else object.metadata.managedFields = owners;
      return object;
    },
  };
}

/** Runs what reads the owners in `live`. Throws 500, as upstream does, for stored objects whose managers or lists nobody can read. */
export function readingOwners<R>(apiVersion: string, live: KubeObject, run: () => R): R {
  try {
    return run();
  } catch (error) {
    if (error instanceof ManagedFieldsError) {
      throw new StatusError(500, "", `failed to decode managed fields: ${error.message}`);
    }
    if (!(error instanceof ElementError)) throw error;
    const { namespace = "", name = "" } = live.metadata;
    const { group, version } = parseAPIVersion(apiVersion)!;
    const what = `${namespace}/${name}; ${group}/${version}, Kind=${live.kind}`;
    throw new StatusError(500, "", `failed to create typed live object (${what}): ${error.message}`);
  }
}
