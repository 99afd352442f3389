/** AuthorizationConfiguration: the file of `--authorization-config`, which names authorizers in order, with any number of webhooks. */
import { isAbsolute } from "node:path";
import {
  aggregateErrors,
  at,
  child,
  duplicate,
  type FieldError,
  invalidValue,
  notSupported,
  required,
  tooMany,
} from "../api/field-errors.ts";
import { isObject } from "../api/json/index.ts";
import type { JSONObject, JSONValue } from "../api/meta.ts";
import { dns1123Subdomain } from "../api/names.ts";
import { formatGoDuration, parseGoDuration } from "../api/time.ts";
import { parseYAML } from "../api/yaml.ts";
import { AUTHORIZATION_MODES, type AuthorizationModeName } from "../auth/webhook/modes.ts";
import type { ReviewVersion } from "../auth/webhook/review.ts";

export interface ConfiguredWebhook {
  readonly name: string;
  readonly kubeConfigFile: string;
  readonly version: ReviewVersion;
  /** Milliseconds, as all durations here. Zero lifetimes: not remembered. */
  readonly timeout: number;
  readonly authorizedTTL: number;
  readonly unauthorizedTTL: number;
  readonly failurePolicy: "Deny" | "NoOpinion";
  /** CEL over `request`; not compiled yet. */
  readonly matchConditions: readonly string[];
}

/** A mode by its name, or a webhook. */
export type ConfiguredAuthorizer = Exclude<AuthorizationModeName, "Webhook"> | ConfiguredWebhook;

const GROUP = "apiserver.config.k8s.io";
const VERSIONS = ["v1", "v1beta1"];
const KIND = "AuthorizationConfiguration";
const MAX_TIMEOUT = 30_000;
const MAX_CONDITIONS = 64;

const FIELDS: Readonly<Record<string, readonly string[]>> = {
  configuration: ["apiVersion", "kind", "authorizers"],
  authorizer: ["type", "name", "webhook"],
  webhook: [
    ...["authorizedTTL", "cacheAuthorizedRequests", "unauthorizedTTL", "cacheUnauthorizedRequests", "timeout"],
    ...["subjectAccessReviewVersion", "matchConditionSubjectAccessReviewVersion", "failurePolicy"],
    ...["connectionInfo", "matchConditions"],
  ],
  connectionInfo: ["type", "kubeConfigFile"],
  matchCondition: ["expression"],
};

/** The authorizers of a file, in order. Throws an Error with everything that is wrong, in upstream's words; unknown and repeated fields are wrong. */
export function parseAuthorizationConfiguration(text: string): ConfiguredAuthorizer[] {
  const failed = (why: string) => new Error(`failed to load AuthorizationConfiguration from file: ${why}`);
  let parsed: ReturnType<typeof parseYAML>;
  try {
    parsed = parseYAML(text);
  } catch (error) {
    throw failed(error instanceof Error ? error.message : String(error));
  }
  const { value: configuration, problems } = parsed;
  if (!isObject(configuration)) throw failed("no object");
  const { kind, apiVersion, authorizers = [] } = configuration;
  const known = VERSIONS.map((version) => `${GROUP}/${version}`);
  if (kind !== KIND || typeof apiVersion !== "string" || !known.includes(apiVersion)) {
    throw failed(`expected ${KIND} of ${known.join(" or ")}, got ${String(kind)} of ${String(apiVersion)}`);
  }
  const strict = [...problems];
  unknownFields(configuration, "configuration", "", strict);
  if (!Array.isArray(authorizers)) throw failed("authorizers: expected a list");
  const errors: FieldError[] = [];
  if (authorizers.length === 0) {
    errors.push(required("authorizers", "at least one authorization mode must be defined"));
  }
  const seen = { types: new Set<string>(), names: new Set<string>() };
  const configured = authorizers.flatMap((one, index) => {
    const path = at("authorizers", index);
    if (!isObject(one)) throw failed(`${path}: expected an object`);
    unknownFields(one, "authorizer", path, strict);
    return authorizerOf(one, path, seen, errors, strict) ?? [];
  });
  if (strict.length > 0) throw failed(`strict decoding error: ${strict.join(", ")}`);
  if (errors.length > 0) throw new Error(aggregateErrors(errors));
  for (const [index, one] of configured.entries()) {
    if (typeof one !== "string") continue;
    const name = (authorizers[index] as JSONObject)["name"];
    const expected = one.toLowerCase();
    if (name !== expected)
      throw new Error(`expected name ${expected} for authorizer ${one} instead of ${String(name)}`);
  }
  return configured;
}

function unknownFields(object: JSONObject, what: string, path: string, problems: string[]): void {
  for (const key of Object.keys(object)) {
    if (!FIELDS[what]!.includes(key))
      problems.push(`unknown field ${JSON.stringify(path === "" ? key : `${path}.${key}`)}`);
  }
}

const textOf = (value: JSONValue | undefined) => (typeof value === "string" ? value : "");

function authorizerOf(
  given: JSONObject,
  path: string,
  seen: { readonly types: Set<string>; readonly names: Set<string> },
  errors: FieldError[],
  strict: string[],
): ConfiguredAuthorizer | undefined {
  const type = textOf(given["type"]);
  const typePath = child(path, "type");
  if (type === "") return refuse(errors, required(typePath));
  const mode = AUTHORIZATION_MODES.find((known) => known === type);
  if (mode === undefined) return refuse(errors, notSupported(typePath, type, AUTHORIZATION_MODES));
  if (seen.types.has(type) && type !== "Webhook") return refuse(errors, duplicate(typePath, type));
  seen.types.add(type);
  const name = textOf(given["name"]);
  const namePath = child(path, "name");
  const wrong = dns1123Subdomain(name, false);
  if (name === "") errors.push(required(namePath));
  else if (seen.names.has(name)) errors.push(duplicate(namePath, name));
  else if (wrong.length > 0)
    errors.push(invalidValue(namePath, name, `authorizer name is invalid: ${wrong.join(", ")}`));
  seen.names.add(name);
  const { webhook } = given;
  const webhookPath = child(path, "webhook");
  if (mode !== "Webhook") {
    if (webhook) errors.push(invalidValue(webhookPath, "non-null", "may only be specified when type=Webhook"));
    return mode;
  }
  if (!isObject(webhook)) return refuse(errors, required(webhookPath, "required when type=Webhook"));
  unknownFields(webhook, "webhook", webhookPath, strict);
  return webhookOf(webhook, name, path, errors, strict);
}

function refuse(errors: FieldError[], error: FieldError): undefined {
  errors.push(error);
}

/** Errors name the authorizer and not its `webhook`, as upstream's do. */
function webhookOf(
  given: JSONObject,
  name: string,
  path: string,
  errors: FieldError[],
  strict: string[],
): ConfiguredWebhook {
  const duration = (field: string, fallback: number, most?: number): number => {
    const value = given[field];
    if (value === undefined || value === "" || value === null) {
      if (fallback === 0) errors.push(required(child(path, field)));
      return fallback;
    }
    try {
      const parsed = parseGoDuration(textOf(value));
      if (parsed === 0) return duration0(field, fallback);
      if (parsed < 0 || (most !== undefined && parsed > most)) {
        const bound = most === undefined ? "must be > 0s" : `must be > 0s and <= ${formatGoDuration(most)}`;
        errors.push(invalidValue(child(path, field), formatGoDuration(parsed), bound));
      }
      return parsed;
    } catch (error) {
      strict.push(`${child(path, field)}: ${error instanceof Error ? error.message : String(error)}`);
      return fallback;
    }
  };
  const duration0 = (field: string, fallback: number) => {
    if (fallback === 0) errors.push(required(child(path, field)));
    return fallback;
  };
  const choice = <T extends string>(field: string, choices: readonly T[]): T => {
    const value = textOf(given[field]);
    if (value === "") errors.push(required(child(path, field)));
    else if (!choices.some((one) => one === value)) errors.push(notSupported(child(path, field), value, choices));
    return value as T;
  };
  const timeout = duration("timeout", 0, MAX_TIMEOUT);
  const authorizedTTL = duration("authorizedTTL", 300_000);
  const unauthorizedTTL = duration("unauthorizedTTL", 30_000);
  const version = choice("subjectAccessReviewVersion", ["v1", "v1beta1"]);
  const matchConditions = conditionsOf(given, path, errors, strict);
  const failurePolicy = choice("failurePolicy", ["NoOpinion", "Deny"]);
  return {
    name,
    kubeConfigFile: connectionOf(given["connectionInfo"], path, errors, strict),
    version,
    timeout,
    authorizedTTL: given["cacheAuthorizedRequests"] === false ? 0 : authorizedTTL,
    unauthorizedTTL: given["cacheUnauthorizedRequests"] === false ? 0 : unauthorizedTTL,
    failurePolicy,
    matchConditions,
  };
}

function conditionsOf(given: JSONObject, path: string, errors: FieldError[], strict: string[]): string[] {
  const version = textOf(given["matchConditionSubjectAccessReviewVersion"]);
  const versionPath = child(path, "matchConditionSubjectAccessReviewVersion");
  const { matchConditions = [] } = given;
  const place = child(path, "matchConditions");
  if (!Array.isArray(matchConditions)) {
    strict.push(`${place}: expected a list`);
    return [];
  }
  if (version === "" && matchConditions.length > 0) {
    errors.push(required(versionPath, "required if match conditions are specified"));
  } else if (version !== "" && version !== "v1") errors.push(notSupported(versionPath, version, ["v1"]));
  if (matchConditions.length > MAX_CONDITIONS) {
    errors.push(tooMany(place, matchConditions.length, MAX_CONDITIONS));
    return [];
  }
  const seen = new Set<string>();
  return matchConditions.map((condition, index) => {
    if (isObject(condition)) unknownFields(condition, "matchCondition", at(place, index), strict);
    const expression = isObject(condition) ? textOf(condition["expression"]) : "";
    const where = child(at(place, index), "expression");
    if (expression.trim() === "") errors.push(required(where));
    else if (seen.has(expression)) errors.push(duplicate(where, expression));
    seen.add(expression);
    return expression;
  });
}

function connectionOf(given: JSONValue | undefined, path: string, errors: FieldError[], strict: string[]): string {
  const place = child(path, "connectionInfo");
  const info = isObject(given) ? given : {};
  unknownFields(info as JSONObject, "connectionInfo", place, strict);
  const { type, kubeConfigFile: file } = info as Record<string, JSONValue | undefined>;
  const filePath = child(place, "kubeConfigFile");
  if (type === undefined || type === "") errors.push(required(child(place, "type")));
  // Upstream knows InClusterConfig too: a main server that is a pod of its own cluster.
  else if (type !== "KubeConfigFile") errors.push(notSupported(child(place, "type"), type, ["KubeConfigFile"]));
  else if (textOf(file) === "") errors.push(required(filePath));
  else if (!isAbsolute(textOf(file))) errors.push(invalidValue(filePath, file, "must be an absolute path"));
  return textOf(file);
}
