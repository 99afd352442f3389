/**
 * What others left in the store, in the form this server keeps: a stock kube-apiserver writes built-in kinds in protobuf, custom resources as
 * JSON with keys in Go's order and without a resourceVersion, and either in any version of the kind (spec: apiserver 11.1).
 */

import { encodeCanonical } from "../../api/json/canonical.ts";
import { isObject, parseJSON } from "../../api/json/index.ts";
import { apiVersionOf, type JSONValue, type KubeObject } from "../../api/meta.ts";
import { StatusError } from "../../api/status.ts";
import { openEnvelope } from "../../api/types/envelope.ts";
import type { Reading, ReadStored } from "../../store/state.ts";
import type { ResourceDefinition } from "../resource.ts";
import { asBuffer } from "./canonical.ts";

const BRACE = 0x7b;
const QUOTE = 0x22;
const PROTOBUF = Buffer.from("k8s\0");
const ENCRYPTED = Buffer.from("k8s:enc:");
const OURS = Buffer.from('{"kind":"');
const METADATA = Buffer.from('"metadata":{');
const SLOT = Buffer.from('"resourceVersion":""');
const REGISTRY = "/registry/";
/** Kind and apiVersion, which come before the metadata, are no longer than this together. */
const HEAD = 1024;
/** Where a second kind under one prefix is looked for: some prefixes have two parts. */
const PREFIX_PARTS = [2, 3];

/** Text of upstream for a value under an encryption that is not configured. */
const NOT_DECRYPTED = "identity transformer tried to read encrypted data";

/** Reads what is stored under the prefixes of `definitions`, and JSON of kinds that are defined later. */
export function storedForms(definitions: readonly ResourceDefinition[]): ReadStored {
  const byPrefix = new Map<string, Map<string, ResourceDefinition>>();
  for (const definition of definitions) {
    const versions = byPrefix.get(definition.storagePrefix) ?? new Map<string, ResourceDefinition>();
    versions.set(`${apiVersionOf(definition)} ${definition.kind}`, definition);
    byPrefix.set(definition.storagePrefix, versions);
  }
  return (key, value) => {
    if (isCanonical(value)) return value;
    const versions = prefixesOf(key)
      .map((prefix) => byPrefix.get(prefix))
      .find((found) => found !== undefined);
    if (startsWith(value, ENCRYPTED)) return { unreadable: NOT_DECRYPTED };
    try {
      if (versions !== undefined) return builtin(versions, value);
      return value[0] === BRACE ? anyKind(value) : value;
    } catch (error) {
      // Whatever is wrong with bytes from outside is wrong with them, and with nothing else.
      return { unreadable: error instanceof StatusError ? (error.status.message ?? "") : String(error) };
    }
  };
}

/** `/registry/pods/` and `/registry/services/specs/` of a key below them. */
function prefixesOf(key: string): string[] {
  if (!key.startsWith(REGISTRY)) return [];
  const parts = key.split("/", 5);
  return PREFIX_PARTS.filter((count) => parts.length > count + 1).map(
    (count) => `${parts.slice(0, count + 1).join("/")}/`,
  );
}

const startsWith = (bytes: Uint8Array, start: Buffer) =>
  bytes.length >= start.length && asBuffer(bytes).compare(start, 0, start.length, 0, start.length) === 0;

/**
 * Whether these bytes are as our codecs write them, told by what nobody else writes: an empty resourceVersion, to which in the metadata
 * only fields lead whose values are strings.
 */
export function isCanonical(bytes: Uint8Array): boolean {
  if (!startsWith(bytes, OURS)) return false;
  const buffer = asBuffer(bytes);
  const head = buffer.subarray(0, HEAD);
  let at = head.indexOf(METADATA);
  if (at < 0) return false;
  at += METADATA.length;
  for (;;) {
    if (buffer[at] !== QUOTE) return false;
    if (buffer.compare(SLOT, 0, SLOT.length, at, Math.min(buffer.length, at + SLOT.length)) === 0) return true;
    const name = stringEnd(buffer, at);
    // ":" and the opening quote of a string.
    if (buffer[name] !== 0x3a || buffer[name + 1] !== QUOTE) return false;
    at = stringEnd(buffer, name + 1);
    if (buffer[at] !== 0x2c) return false;
    at++;
  }
}

/** The offset behind the string that starts at `start`. */
function stringEnd(buffer: Buffer, start: number): number {
  for (let at = start + 1; at < buffer.length; at++) {
    if (buffer[at] === 0x5c) at++;
    else if (buffer[at] === QUOTE) return at + 1;
  }
  return buffer.length;
}

function builtin(versions: ReadonlyMap<string, ResourceDefinition>, value: Uint8Array): Reading {
  let json: JSONValue | undefined;
  let typeMeta: { readonly apiVersion: string; readonly kind: string };
  if (startsWith(value, PROTOBUF)) typeMeta = openEnvelope(value);
  else if (value[0] === BRACE) {
    json = parseJSON(value).value;
    typeMeta = { apiVersion: textOf(json, "apiVersion"), kind: textOf(json, "kind") };
  } else return { unreadable: "couldn't get version/kind; the value is neither protobuf nor JSON" };
  const { apiVersion, kind } = typeMeta;
  let definition = versions.get(`${apiVersion} ${kind}`);
  if (definition === undefined && isObject(json)) {
    for (const newer of versions.values()) {
      const convert = newer.olderVersions?.[apiVersion];
      if (convert === undefined || newer.kind !== kind) continue;
      json = convert(json);
      definition = newer;
    }
  }
  if (definition === undefined) {
    return { unreadable: `no kind "${kind}" is registered for version "${apiVersion}" under this key` };
  }
  const { codec, storage, strategy } = definition;
  const { object } =
    json === undefined ? codec.decode(value, "application/vnd.kubernetes.protobuf") : codec.fromValue(json);
  object.metadata ??= {};
  strategy.setDefaults?.(object);
  delete object.metadata.selfLink;
  if (storage === undefined) return codec.encode(object);
  const stored = storage.toStored(object);
  if (stored instanceof Promise) return { unreadable: `${apiVersion} ${kind} is not stored in this version` };
  return storage.codec.encode(stored);
}

const textOf = (value: JSONValue, field: string) => {
  const text = isObject(value) ? value[field] : undefined;
  return typeof text === "string" ? text : "";
};

/** An object of a kind nobody knows yet: a custom resource. What is no object of Kubernetes is left as it is; nobody serves it. */
function anyKind(value: Uint8Array): Reading {
  const parsed = parseJSON(value).value;
  if (!isObject(parsed) || textOf(parsed, "kind") === "" || textOf(parsed, "apiVersion") === "") return value;
  if (!isObject(parsed["metadata"])) return { unreadable: "the object has no metadata" };
  return encodeCanonical(parsed as unknown as KubeObject);
}
