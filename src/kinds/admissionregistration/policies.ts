/** ValidatingAdmissionPolicy, MutatingAdmissionPolicy and their bindings: what is checked and changed without a webhook (spec: apiserver 10). */
import { child, duplicate, forbiddenField, invalidValue, notSupported, required } from "../../api/field-errors.ts";
import { parseAPIVersion } from "../../api/meta.ts";
import { dns1035Label, dns1123Subdomain, pathSegment, qualifiedName } from "../../api/names.ts";
import type { FieldError } from "../../api/status.ts";
import type { ResourceDefinition, Strategy, TableColumns } from "../../server/resource.ts";
import { AGE_COLUMN, age, column, integerColumn, NAME_COLUMN, selectorText } from "../columns.ts";
import { defineKind, keep, statusOnly } from "../define.ts";
import type {
  AuditAnnotation,
  MatchResources,
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  Mutation,
  ParamKind,
  ParamRef,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  Validation,
} from "../generated/types.ts";
import { selectorErrors } from "../selector-rules.ts";
import { semanticEqual } from "../semantic.ts";
import {
  ADMISSION_GROUP,
  defaultMatchResources,
  failurePolicyErrors,
  matchConditionErrors,
  matchResourcesErrors,
  oneOf,
  STORED_ONLY,
} from "./match-rules.ts";

type Policy = ValidatingAdmissionPolicy | MutatingAdmissionPolicy;
/** MutatingAdmissionPolicies never see deletions. */
const MUTATED = ["*", "CONNECT", "CREATE", "UPDATE"];
const MAX_AUDIT_ANNOTATIONS = 20;
const MAX_VALUE_EXPRESSION = 5 * 1024;

type Binding = ValidatingAdmissionPolicyBinding | MutatingAdmissionPolicyBinding;

function paramKindErrors({ apiVersion = "", kind = "" }: ParamKind, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const at = child(path, "apiVersion");
  if (apiVersion === "") errors.push(required(at));
  else {
    const gv = parseAPIVersion(apiVersion);
    if (gv === undefined) errors.push(invalidValue(at, apiVersion, `unexpected GroupVersion string: ${apiVersion}`));
    else {
      const group = gv.group === "" ? [] : dns1123Subdomain(gv.group);
      if (group.length > 0) errors.push(invalidValue(at, gv.group, group.join(",")));
      const version = dns1035Label(gv.version);
      if (gv.version === "") errors.push(invalidValue(at, apiVersion, "version must be specified"));
      else if (version.length > 0) errors.push(invalidValue(at, gv.version, version.join(",")));
    }
  }
  const messages = dns1035Label(kind.toLowerCase());
  if (kind === "") errors.push(required(child(path, "kind")));
  else if (messages.length > 0) {
    const detail = `may have mixed case, but should otherwise match: ${messages.join(",")}`;
    errors.push(invalidValue(child(path, "kind"), kind, detail));
  }
  return errors;
}

function policyErrors({ spec }: Policy): FieldError[] {
  const { paramKind, matchConstraints, matchConditions = [], variables = [] } = spec;
  const errors = failurePolicyErrors(spec.failurePolicy, "spec.failurePolicy");
  if (paramKind !== undefined) errors.push(...paramKindErrors(paramKind, "spec.paramKind"));
  if (matchConstraints === undefined) errors.push(required("spec.matchConstraints"));
  else {
    errors.push(...matchResourcesErrors(matchConstraints, "spec.matchConstraints"));
    if ((matchConstraints.resourceRules ?? []).length === 0) {
      errors.push(required("spec.matchConstraints.resourceRules"));
    }
  }
  errors.push(...matchConditionErrors(matchConditions, "spec.matchConditions"));
  for (const [index, { name = "", expression = "" }] of variables.entries()) {
    const at = `spec.variables[${index}]`;
    if (name.trim() === "") errors.push(required(child(at, "name"), "name is not specified"));
    if (expression.trim() === "") errors.push(required(child(at, "expression"), "expression is not specified"));
  }
  return errors;
}

function validatingErrors(object: ValidatingAdmissionPolicy): FieldError[] {
  const { validations = [], auditAnnotations = [] } = object.spec;
  const errors = policyErrors(object);
  if (validations.length + auditAnnotations.length === 0) {
    const detail = "validations or auditAnnotations must contain at least one item";
    errors.push(required("spec.validations", detail), required("spec.auditAnnotations", detail));
  }
  errors.push(
    ...validations.flatMap((validation, index) => validationErrors(validation, `spec.validations[${index}]`)),
    ...auditErrors(auditAnnotations, object.metadata.name ?? "", "spec.auditAnnotations"),
  );
  return errors;
}

function validationErrors(validation: Validation, path: string): FieldError[] {
  const { expression = "", message = "", messageExpression = "", reason } = validation;
  const errors: FieldError[] = [];
  const blank = (text: string) => text !== "" && text.trim() === "";
  if (expression.trim() === "") errors.push(required(child(path, "expression"), "expression is not specified"));
  if (blank(messageExpression)) {
    errors.push(invalidValue(child(path, "messageExpression"), messageExpression, "must be non-empty if specified"));
  }
  if (blank(message)) errors.push(invalidValue(child(path, "message"), message, "must be non-empty if specified"));
  else if (/[\n\r]/.test(message.trim())) {
    errors.push(invalidValue(child(path, "message"), message, "must not contain line breaks"));
  }
  return [...errors, ...oneOf(reason, child(path, "reason"), ["Forbidden", "Invalid", "RequestEntityTooLarge"])];
}

/** Keys are written with the name of the policy before them. */
function auditErrors(annotations: readonly AuditAnnotation[], policy: string, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (annotations.length > MAX_AUDIT_ANNOTATIONS) {
    errors.push(invalidValue(path, annotations, `must not have more than ${MAX_AUDIT_ANNOTATIONS} auditAnnotations`));
  }
  const seen = new Set<string>();
  for (const [index, { key = "", valueExpression = "" }] of annotations.entries()) {
    const at = `${path}[${index}]`;
    const full = `${policy}/${key}`;
    errors.push(...qualifiedName(full).map((message) => invalidValue(child(at, "key"), full, message)));
    const length = valueExpression.trim().length;
    if (length === 0) errors.push(required(child(at, "valueExpression"), "valueExpression is not specified"));
    else if (length > MAX_VALUE_EXPRESSION) {
      const detail = `must not exceed ${MAX_VALUE_EXPRESSION} bytes in length`;
      errors.push(required(child(at, "valueExpression"), detail));
    }
    if (seen.has(key)) errors.push(duplicate(child(at, "key"), key));
    seen.add(key);
  }
  return errors;
}

function mutatedOperationErrors(match: MatchResources | undefined, path: string): FieldError[] {
  const operations = (match?.resourceRules ?? []).flatMap((rule) => rule.operations ?? []);
  return operations.flatMap((operation) => oneOf(operation, `${path}.resourceRules.operations`, MUTATED));
}

function mutatingErrors(object: MutatingAdmissionPolicy): FieldError[] {
  const { mutations = [], reinvocationPolicy = "", matchConstraints } = object.spec;
  const errors = [...policyErrors(object), ...mutatedOperationErrors(matchConstraints, "spec.matchConstraints")];
  if (mutations.length === 0) errors.push(required("spec.mutations", "mutations must contain at least one item"));
  errors.push(...mutations.flatMap((mutation, index) => mutationErrors(mutation, `spec.mutations[${index}]`)));
  if (reinvocationPolicy === "") errors.push(required("spec.reinvocationPolicy"));
  else errors.push(...oneOf(reinvocationPolicy, "spec.reinvocationPolicy", ["IfNeeded", "Never"]));
  return errors;
}

const PATCH_FIELDS = new Map([
  ["ApplyConfiguration", ["applyConfiguration", "jsonPatch"]],
  ["JSONPatch", ["jsonPatch", "applyConfiguration"]],
] as const);

function mutationErrors(mutation: Mutation, path: string): FieldError[] {
  const { patchType = "" } = mutation;
  if (patchType === "") return [required(child(path, "patchType"))];
  const fields = PATCH_FIELDS.get(patchType as "JSONPatch");
  if (fields === undefined) return [notSupported(child(path, "patchType"), patchType, [...PATCH_FIELDS.keys()])];
  const errors: FieldError[] = [];
  const [own, other] = fields;
  if (mutation[own] === undefined) {
    errors.push(required(child(path, own), `must be specified when patchType is ${patchType}`));
  } else if ((mutation[own].expression ?? "").trim() === "") errors.push(required(child(path, `${own}.expression`)));
  if (mutation[other] !== undefined) {
    const detail = `must not be specified when patchType is ${patchType}`;
    errors.push(invalidValue(child(path, other), `{${other}}`, detail));
  }
  return errors;
}

function paramRefErrors(
  { name = "", selector, parameterNotFoundAction: action }: ParamRef,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  errors.push(
    ...(name === "" ? [] : pathSegment(name)).map((message) => invalidValue(child(path, "name"), name, message)),
  );
  if (name === "" && selector === undefined) {
    errors.push(required(path, "one of name or selector must be specified"));
  } else if (name !== "" && selector !== undefined) {
    const detail = "name and selector are mutually exclusive";
    errors.push(forbiddenField(child(path, "name"), detail), forbiddenField(child(path, "selector"), detail));
  }
  errors.push(...selectorErrors(selector, child(path, "selector")));
  if (action === undefined || action === "") errors.push(required(child(path, "parameterNotFoundAction")));
  else errors.push(...oneOf(action, child(path, "parameterNotFoundAction"), ["Deny", "Allow"]));
  return errors;
}

function actionErrors(actions: readonly string[], path: string): FieldError[] {
  const seen = new Set<string>();
  const errors: FieldError[] = [];
  for (const [index, action] of actions.entries()) {
    const supported = ["Audit", "Deny", "Warn"];
    if (!supported.includes(action)) errors.push(notSupported(`${path}[${index}]`, action, supported));
    if (seen.has(action)) errors.push(duplicate(`${path}[${index}]`, action));
    seen.add(action);
  }
  if (seen.has("Deny") && seen.has("Warn")) {
    const why = "repeating the same validation failure information in the API response and headers serves no purpose";
    errors.push(invalidValue(path, actions, `must not contain both Deny and Warn (${why})`));
  }
  if (actions.length === 0) errors.push(required(path, "at least one validation action is required"));
  return errors;
}

function bindingErrors({ spec }: Binding): FieldError[] {
  const { policyName = "", paramRef, matchResources } = spec;
  const errors: FieldError[] = [];
  if (policyName === "") errors.push(required("spec.policyName"));
  else
    errors.push(...dns1123Subdomain(policyName).map((message) => invalidValue("spec.policyName", policyName, message)));
  if (paramRef !== undefined) errors.push(...paramRefErrors(paramRef, "spec.paramRef"));
  if (matchResources !== undefined) errors.push(...matchResourcesErrors(matchResources, "spec.matchResources"));
  return errors;
}

/** What policies and bindings have in common: a generation that follows the spec. */
function specStrategy<T extends Policy | Binding>(
  validate: (object: T) => FieldError[],
  setDefaults: (spec: T["spec"]) => void,
): Strategy<T> {
  return {
    allowUnconditionalUpdate: false,
    setDefaults(object) {
      object.spec ??= {};
      setDefaults(object.spec);
    },
    prepareForCreate(object) {
      object.metadata.generation = 1;
      if ("status" in object) delete object.status;
    },
    prepareForUpdate(object, old) {
      if ("status" in object || "status" in old) keep(object, old, "status");
      if (!semanticEqual(object.spec, old.spec)) object.metadata.generation = (old.metadata.generation ?? 0) + 1;
    },
    validate,
    validateUpdate: validate,
    warningsOnCreate: () => [STORED_ONLY],
  };
}

function kindOf<T extends Policy | Binding>(
  kind: string,
  plural: string,
  strategy: Strategy<T>,
  table: TableColumns<T>,
): ResourceDefinition<T> {
  const group = ADMISSION_GROUP;
  return defineKind<T>({
    group,
    version: "v1",
    kind,
    plural,
    namespaced: false,
    categories: ["api-extensions"],
    nameRule: dns1123Subdomain,
    strategy,
    table,
  });
}

function policyTable<T extends Policy>(name: string, count: (object: T) => number): TableColumns<T> {
  return {
    columns: [
      NAME_COLUMN,
      integerColumn(name, "How many there are."),
      column("ParamKind", "The kind of its parameters."),
      AGE_COLUMN,
    ],
    cells(object, now) {
      const { paramKind } = object.spec;
      const param = paramKind === undefined ? "<unset>" : `${paramKind.apiVersion ?? ""}/${paramKind.kind ?? ""}`;
      return [object.metadata.name ?? "", count(object), param, age(object, now)];
    },
  };
}

function paramText(ref: ParamRef | undefined): string {
  if (ref?.name) return `${ref.namespace || "*"}/${ref.name}`;
  return ref?.selector === undefined ? "<unset>" : selectorText(ref.selector);
}

const bindingTable: TableColumns<Binding> = {
  columns: [
    NAME_COLUMN,
    column("PolicyName", "The policy that is bound."),
    column("ParamRef", "Its parameters."),
    AGE_COLUMN,
  ],
  cells: (object, now) => [
    object.metadata.name ?? "",
    object.spec.policyName ?? "",
    paramText(object.spec.paramRef),
    age(object, now),
  ],
};

const defaultPolicy = (spec: Policy["spec"]) => {
  spec.failurePolicy ??= "Fail";
  defaultMatchResources(spec.matchConstraints);
};
const defaultBinding = (spec: Binding["spec"]) => defaultMatchResources(spec.matchResources);

export function validatingAdmissionPolicies(): ResourceDefinition<ValidatingAdmissionPolicy> {
  const strategy = specStrategy<ValidatingAdmissionPolicy>(validatingErrors, defaultPolicy);
  const table = policyTable<ValidatingAdmissionPolicy>("Validations", ({ spec }) => spec.validations?.length ?? 0);
  const definition = kindOf("ValidatingAdmissionPolicy", "validatingadmissionpolicies", strategy, table);
  return { ...definition, subresources: [statusOnly(strategy, () => [])] };
}

export function mutatingAdmissionPolicies(): ResourceDefinition<MutatingAdmissionPolicy> {
  const strategy = specStrategy<MutatingAdmissionPolicy>(mutatingErrors, defaultPolicy);
  const table = policyTable<MutatingAdmissionPolicy>("Mutations", ({ spec }) => spec.mutations?.length ?? 0);
  return kindOf("MutatingAdmissionPolicy", "mutatingadmissionpolicies", strategy, table);
}

export function validatingAdmissionPolicyBindings(): ResourceDefinition<ValidatingAdmissionPolicyBinding> {
  const validate = (object: ValidatingAdmissionPolicyBinding) => [
    ...bindingErrors(object),
    ...actionErrors(object.spec.validationActions ?? [], "spec.validationActions"),
  ];
  const strategy = specStrategy<ValidatingAdmissionPolicyBinding>(validate, defaultBinding);
  return kindOf("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", strategy, bindingTable);
}

export function mutatingAdmissionPolicyBindings(): ResourceDefinition<MutatingAdmissionPolicyBinding> {
  const validate = (object: MutatingAdmissionPolicyBinding) => [
    ...bindingErrors(object),
    ...mutatedOperationErrors(object.spec.matchResources, "spec.matchResources"),
  ];
  const strategy = specStrategy<MutatingAdmissionPolicyBinding>(validate, defaultBinding);
  return kindOf("MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings", strategy, bindingTable);
}
