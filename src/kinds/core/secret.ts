/** Secret: bytes by key, whose type says which keys must be there. */
import { forbiddenField, invalidValue, required, tooLong } from "../../api/field-errors.ts";
import { configMapKey, dns1123Subdomain } from "../../api/names.ts";
import type { FieldError } from "../../api/status.ts";
import type { ResourceDefinition, Strategy } from "../../server/resource.ts";
import { AGE_COLUMN, age, column, NAME_COLUMN } from "../columns.ts";
import { defineKind } from "../define.ts";
import type { Secret } from "../generated/types.ts";
import { immutable, semanticEqual } from "../semantic.ts";
import { base64Length, FROZEN, MAX_DATA_BYTES } from "./config-map.ts";

export const SECRET_TYPES = {
  opaque: "Opaque",
  serviceAccountToken: "kubernetes.io/service-account-token",
  dockercfg: "kubernetes.io/dockercfg",
  dockerconfigjson: "kubernetes.io/dockerconfigjson",
  basicAuth: "kubernetes.io/basic-auth",
  sshAuth: "kubernetes.io/ssh-auth",
  tls: "kubernetes.io/tls",
} as const;

const SERVICE_ACCOUNT_NAME = "kubernetes.io/service-account.name";

/** Text written beside `data` goes into it; it is never stored. */
function mergeStringData(object: Secret): void {
  const { stringData } = object;
  if (stringData === undefined) return;
  delete object.stringData;
  const merged = new Map(Object.entries(object.data ?? {}));
  for (const [key, value] of Object.entries(stringData)) merged.set(key, Buffer.from(value, "utf8").toString("base64"));
  // Object.fromEntries defines keys, so one named __proto__ stays a key.
  if (merged.size > 0) object.data = Object.fromEntries(merged);
}

function jsonObjectErrors(object: Secret, key: string): FieldError[] {
  const value = object.data?.[key];
  if (value === undefined) return [required(`data[${key}]`)];
  const redacted = "<secret contents redacted>";
  try {
    const parsed: unknown = JSON.parse(Buffer.from(value, "base64").toString("utf8"));
    if (typeof parsed === "object" && !Array.isArray(parsed)) return [];
    return [
      invalidValue(`data[${key}]`, redacted, "json: cannot unmarshal into Go value of type map[string]interface {}"),
    ];
  } catch {
    return [invalidValue(`data[${key}]`, redacted, value === "" ? "unexpected end of JSON input" : "invalid JSON")];
  }
}

function typeErrors(object: Secret): FieldError[] {
  const data = object.data ?? {};
  const missing = (key: string) => (Object.hasOwn(data, key) ? [] : [required(`data[${key}]`)]);
  switch (object.type) {
    case SECRET_TYPES.serviceAccountToken:
      if (object.metadata.annotations?.[SERVICE_ACCOUNT_NAME]) return [];
      return [required(`metadata.annotations[${SERVICE_ACCOUNT_NAME}]`)];
    case SECRET_TYPES.dockercfg:
      return jsonObjectErrors(object, ".dockercfg");
    case SECRET_TYPES.dockerconfigjson:
      return jsonObjectErrors(object, ".dockerconfigjson");
    case SECRET_TYPES.basicAuth: {
      const errors = [...missing("username"), ...missing("password")];
      return errors.length === 2 ? errors : [];
    }
    case SECRET_TYPES.sshAuth:
      return data["ssh-privatekey"] ? [] : [required("data[ssh-privatekey]")];
    case SECRET_TYPES.tls:
      return [...missing("tls.crt"), ...missing("tls.key")];
    default:
      return [];
  }
}

export function validateSecret(object: Secret): FieldError[] {
  const errors: FieldError[] = [];
  let bytes = 0;
  for (const [key, value] of Object.entries(object.data ?? {})) {
    for (const message of configMapKey(key)) errors.push(invalidValue(`data[${key}]`, key, message));
    bytes += base64Length(value);
  }
  if (bytes > MAX_DATA_BYTES) errors.push(tooLong("data", MAX_DATA_BYTES));
  return [...errors, ...typeErrors(object)];
}

const strategy: Strategy<Secret> = {
  setDefaults(object) {
    mergeStringData(object);
    object.type ||= SECRET_TYPES.opaque;
  },
  validate: validateSecret,
  validateUpdate(object, old) {
    const errors = immutable("type", object.type ?? "", old.type ?? "");
    if (old.immutable) {
      if (!object.immutable) errors.push(forbiddenField("immutable", FROZEN));
      if (!semanticEqual(object.data, old.data)) errors.push(forbiddenField("data", FROZEN));
    }
    return [...errors, ...validateSecret(object)];
  },
};

export function secrets(): ResourceDefinition<Secret> {
  return defineKind<Secret>({
    group: "",
    version: "v1",
    kind: "Secret",
    namespaced: true,
    nameRule: dns1123Subdomain,
    strategy,
    fields: { type: (object) => object.type ?? "" },
    table: {
      columns: [
        NAME_COLUMN,
        column("Type", "What the secret is for."),
        column("Data", "How many keys there are."),
        AGE_COLUMN,
      ],
      cells: (object, now) => [
        object.metadata.name ?? "",
        object.type ?? "",
        Object.keys(object.data ?? {}).length,
        age(object, now),
      ],
    },
  });
}
