/** MutatingWebhookConfiguration and ValidatingWebhookConfiguration: who is asked about which writes (spec: apiserver 10). */
import { child, duplicate, invalidValue, required } from "../../api/field-errors.ts";
import { dns1035Label, dns1123Subdomain } from "../../api/names.ts";
import type { FieldError } from "../../api/status.ts";
import type { ResourceDefinition, Strategy } from "../../server/resource.ts";
import { AGE_COLUMN, age, integerColumn, NAME_COLUMN } from "../columns.ts";
import { defineKind } from "../define.ts";
import type {
  MutatingWebhook,
  MutatingWebhookConfiguration,
  ValidatingWebhook,
  ValidatingWebhookConfiguration,
  WebhookClientConfig,
} from "../generated/types.ts";
import { selectorErrors } from "../selector-rules.ts";
import { semanticEqual } from "../semantic.ts";
import { webhookServiceErrors, webhookURLErrors } from "../webhook-address.ts";
import {
  ADMISSION_GROUP,
  defaultRule,
  failurePolicyErrors,
  matchConditionErrors,
  matchPolicyErrors,
  oneOf,
  ruleErrors,
  STORED_ONLY,
} from "./match-rules.ts";

type Configuration = MutatingWebhookConfiguration | ValidatingWebhookConfiguration;
type Webhook = MutatingWebhook | ValidatingWebhook;

const REVIEW_VERSIONS = ["v1", "v1beta1"];
const WITHOUT_SIDE_EFFECTS = ["None", "NoneOnDryRun"];
const SIDE_EFFECTS = ["None", "NoneOnDryRun", "Some", "Unknown"];

/** What an update does not ask of a configuration that never had it. */
interface Asked {
  readonly noSideEffects: boolean;
  readonly knownVersion: boolean;
  readonly uniqueNames: boolean;
}

function nameErrors(name: string, path: string): FieldError[] {
  if (name === "") return [required(path)];
  const messages = dns1123Subdomain(name);
  if (messages.length > 0) return [invalidValue(path, name, messages.join(","))];
  if (name.split(".").length >= 3) return [];
  return [invalidValue(path, name, "should be a domain with at least three segments separated by dots")];
}

function clientErrors({ url, service }: WebhookClientConfig, path: string): FieldError[] {
  if ((url === undefined) === (service === undefined))
    return [required(path, "exactly one of url or service is required")];
  if (url !== undefined) return webhookURLErrors(url, child(path, "url"));
  return webhookServiceErrors(service!, child(path, "service"));
}

function versionErrors(versions: readonly string[], known: boolean, path: string): FieldError[] {
  if (versions.length === 0) return [required(path, `must specify one of ${REVIEW_VERSIONS.join(", ")}`)];
  const seen = new Set<string>();
  const errors: FieldError[] = [];
  for (const [index, version] of versions.entries()) {
    const messages = seen.has(version) ? ["duplicate version"] : dns1035Label(version);
    seen.add(version);
    errors.push(...messages.map((message) => invalidValue(`${path}[${index}]`, version, message)));
  }
  if (known && !REVIEW_VERSIONS.some((version) => seen.has(version))) {
    errors.push(invalidValue(path, versions, `must include at least one of ${REVIEW_VERSIONS.join(", ")}`));
  }
  return errors;
}

function webhookErrors(hook: Webhook, asked: Asked, path: string): FieldError[] {
  const { rules = [], timeoutSeconds: timeout } = hook;
  const allowed = asked.noSideEffects ? WITHOUT_SIDE_EFFECTS : SIDE_EFFECTS;
  return [
    ...nameErrors(hook.name ?? "", child(path, "name")),
    ...rules.flatMap((rule, index) => ruleErrors(rule, `${path}.rules[${index}]`)),
    ...failurePolicyErrors(hook.failurePolicy, child(path, "failurePolicy")),
    ...matchPolicyErrors(hook.matchPolicy, child(path, "matchPolicy")),
    ...("reinvocationPolicy" in hook
      ? oneOf(hook.reinvocationPolicy, child(path, "reinvocationPolicy"), ["IfNeeded", "Never"])
      : []),
    ...(hook.sideEffects == null
      ? [required(child(path, "sideEffects"), `must specify one of ${allowed.join(", ")}`)]
      : oneOf(hook.sideEffects, child(path, "sideEffects"), allowed)),
    ...(timeout !== undefined && (timeout < 1 || timeout > 30)
      ? [invalidValue(child(path, "timeoutSeconds"), timeout, "the timeout value must be between 1 and 30 seconds")]
      : []),
    ...selectorErrors(hook.namespaceSelector, child(path, "namespaceSelector")),
    ...selectorErrors(hook.objectSelector, child(path, "objectSelector")),
    ...clientErrors(hook.clientConfig ?? {}, child(path, "clientConfig")),
    ...matchConditionErrors(hook.matchConditions ?? [], child(path, "matchConditions")),
    ...versionErrors(hook.admissionReviewVersions ?? [], asked.knownVersion, child(path, "admissionReviewVersions")),
  ];
}

function validate(object: Configuration, asked: Asked): FieldError[] {
  const seen = new Set<string>();
  return (object.webhooks ?? []).flatMap((hook: Webhook, index) => {
    const path = `webhooks[${index}]`;
    const errors = webhookErrors(hook, asked, path);
    if (asked.uniqueNames && hook.name && seen.has(hook.name)) errors.push(duplicate(`${path}.name`, hook.name));
    seen.add(hook.name);
    return errors;
  });
}

const EVERYTHING: Asked = { noSideEffects: true, knownVersion: true, uniqueNames: true };

function askedAfter(old: Configuration): Asked {
  const hooks: readonly Webhook[] = old.webhooks ?? [];
  const versions = (hook: Webhook) => hook.admissionReviewVersions ?? [];
  return {
    noSideEffects: hooks.every((hook) => WITHOUT_SIDE_EFFECTS.includes(hook.sideEffects ?? "")),
    knownVersion: hooks.every(
      (hook) => versions(hook).length === 0 || versions(hook).some((version) => REVIEW_VERSIONS.includes(version)),
    ),
    uniqueNames: new Set(hooks.map(({ name }) => name)).size === hooks.length,
  };
}

function strategy<T extends Configuration>(mutating: boolean): Strategy<T> {
  return {
    allowUnconditionalUpdate: false,
    setDefaults(object) {
      for (const hook of object.webhooks ?? []) {
        hook.failurePolicy ??= "Fail";
        hook.matchPolicy ??= "Equivalent";
        hook.namespaceSelector ??= {};
        hook.objectSelector ??= {};
        hook.timeoutSeconds ??= 10;
        if (mutating) (hook as MutatingWebhook).reinvocationPolicy ??= "Never";
        hook.rules?.forEach(defaultRule);
        if (hook.clientConfig?.service) hook.clientConfig.service.port ??= 443;
      }
    },
    prepareForCreate(object) {
      object.metadata.generation = 1;
    },
    prepareForUpdate(object, old) {
      if (!semanticEqual(object.webhooks, old.webhooks))
        object.metadata.generation = (old.metadata.generation ?? 0) + 1;
    },
    validate: (object) => validate(object, EVERYTHING),
    validateUpdate: (object, old) => validate(object, askedAfter(old)),
    warningsOnCreate: () => [STORED_ONLY],
  };
}

function configurations<T extends Configuration>(kind: string, mutating: boolean): ResourceDefinition<T> {
  return defineKind<T>({
    group: ADMISSION_GROUP,
    version: "v1",
    kind,
    namespaced: false,
    categories: ["api-extensions"],
    nameRule: dns1123Subdomain,
    strategy: strategy<T>(mutating),
    table: {
      columns: [NAME_COLUMN, integerColumn("Webhooks", "How many webhooks it registers."), AGE_COLUMN],
      cells: (object, now) => [object.metadata.name ?? "", object.webhooks?.length ?? 0, age(object, now)],
    },
  });
}

export const mutatingWebhookConfigurations = () =>
  configurations<MutatingWebhookConfiguration>("MutatingWebhookConfiguration", true);
export const validatingWebhookConfigurations = () =>
  configurations<ValidatingWebhookConfiguration>("ValidatingWebhookConfiguration", false);
