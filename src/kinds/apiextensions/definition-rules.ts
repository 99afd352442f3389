/** What a CustomResourceDefinition is held to when it is written (spec: apiserver 8.1 to 8.3). Errors name the places of upstream's internal form. */
import { append, at, child, type FieldError, invalidValue, notSupported, required } from "../../api/field-errors.ts";
import { goQuote } from "../../api/go-quote.ts";
import { prepareSchemas } from "../../schema/definition-preparation.ts";
import { printedJSON } from "../../schema/definition-print.ts";
import type { RuleEngine } from "../../schema/definition-rules.ts";
import { bounded, type DefinitionSchema, MAX_ERRORS } from "../../schema/definition-schema.ts";
import {
  askedAfter,
  type DefinitionSchemaOptions,
  definitionSchemaErrors,
  hasDefaults,
  hasExtensions,
  hasRules,
  unknownFormatsOf,
} from "../../schema/definition-validation.ts";
import { loadEngine } from "../../schema/rules.ts";
import { unsupportedField } from "../../schema/structural-rules.ts";
import type { RequestContext } from "../../server/resource.ts";
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionVersion,
  CustomResourceSubresources,
  CustomResourceValidation,
  SelectableField,
} from "../generated/types.ts";
import { approvalErrors } from "./approval.ts";
import { bundleProblem, conversionErrors, hasRecognizedVersion } from "./conversion-rules.ts";
import {
  acceptedNamesErrors,
  groupErrors,
  labelErrors,
  namesErrors,
  objectNameErrors,
  requiredNames,
} from "./names-rules.ts";
import { printedVersions, same, schemasOf, shareParts } from "./shared-parts.ts";
import {
  columnErrors,
  deprecationErrors,
  hasTooManySelectableFields,
  selectableFieldErrors,
  subresourceErrors,
} from "./version-rules.ts";

/** What is asked of a definition; an update asks less of what was stored before. */
interface Options extends Omit<DefinitionSchemaOptions, "status"> {
  /** Every version has a schema. */
  readonly schemas: boolean;
  readonly recognizedReviewVersion: boolean;
  readonly anyBundle: boolean;
  /** Names of versions whose selectable fields were too many before, "" for all together. */
  readonly tooManyFieldsBefore: ReadonlySet<string>;
}

const NEW: Omit<Options, "engine"> = {
  structural: true,
  prunedDefaults: true,
  validTypes: true,
  atomicSets: true,
  mapKeys: true,
  schemas: true,
  recognizedReviewVersion: true,
  // Nothing depends on it before the definition is established.
  anyBundle: true,
  tooManyFieldsBefore: new Set(),
};

/** All there is to say of a definition, made in turns; `errors` are those of its metadata. Sound ones are warned of formats that nobody checks. */
export async function checkDefinition(
  object: CustomResourceDefinition,
  old: CustomResourceDefinition | undefined,
  errors: readonly FieldError[],
  context: Pick<RequestContext, "warn">,
): Promise<FieldError[]> {
  const schemas = schemasOf(object.spec);
  const engine = schemas.some(hasRules) ? await loadEngine() : undefined;
  await prepareSchemas(schemas, engine);
  const found = old === undefined ? validateDefinition(object, engine) : validateDefinitionUpdate(object, old, engine);
  if (errors.length === 0 && found.length === 0) {
    const known = new Set(old && unknownFormats(schemasOf(old.spec)));
    for (const format of unknownFormats(schemas)) {
      if (!known.has(format)) context.warn(`unrecognized format ${goQuote(format)}`);
    }
  }
  return found;
}

function unknownFormats(schemas: readonly DefinitionSchema[]): Set<string> {
  return new Set(schemas.flatMap(unknownFormatsOf));
}

/** `engine` compiles rules; needed when a schema has any. */
function validateDefinition(object: CustomResourceDefinition, engine?: RuleEngine): FieldError[] {
  return bounded([
    ...objectNameErrors(object),
    ...specErrors(object, { ...NEW, engine }),
    ...commonErrors(object),
    ...approvalErrors(object.spec.group ?? "", object.metadata.annotations),
    ...preserveErrors(object),
  ]);
}

function validateDefinitionUpdate(
  object: CustomResourceDefinition,
  old: CustomResourceDefinition,
  engine?: RuleEngine,
): FieldError[] {
  const established = isEstablished(old);
  const { spec } = object;
  const immutable = (path: string, value: string, before: string) =>
    value === before ? [] : [invalidValue(path, value, "field is immutable")];
  return bounded([
    ...specUpdateErrors(object, old, !established, engine),
    ...(established ? immutable("spec.scope", spec.scope, old.spec.scope) : []),
    ...(established ? immutable("spec.names.kind", spec.names.kind, old.spec.names.kind) : []),
    ...immutable("spec.group", spec.group, old.spec.group),
    ...immutable("spec.names.plural", spec.names.plural, old.spec.names.plural),
    ...commonErrors(object),
    ...approvalErrors(spec.group, object.metadata.annotations, { annotations: old.metadata.annotations }),
    ...(old.spec.preserveUnknownFields ? [] : preserveErrors(object)),
  ]);
}

function isEstablished({ status }: CustomResourceDefinition): boolean {
  return (
    status?.conditions?.some((condition) => condition.type === "Established" && condition.status === "True") ?? false
  );
}

/** What was wrong before may stay; looked for only when something is wrong. */
function specUpdateErrors(
  object: CustomResourceDefinition,
  old: CustomResourceDefinition,
  fresh: boolean,
  engine: RuleEngine | undefined,
): FieldError[] {
  const anyBundle = fresh || hasBadBundle(old);
  const errors = specErrors(object, { ...NEW, engine, anyBundle });
  if (errors.length === 0) return errors;
  const schemas = schemasOf(old.spec);
  return specErrors(object, {
    ...askedAfter(schemas),
    engine,
    anyBundle,
    schemas: schemas.length === (old.spec.versions ?? []).length,
    recognizedReviewVersion: hasRecognizedVersion(old.spec.conversion),
    tooManyFieldsBefore: tooManyFieldsBefore(object, old),
  });
}

function commonErrors(object: CustomResourceDefinition): FieldError[] {
  return [...acceptedNamesErrors(object), ...storedVersionErrors(object)];
}

function preserveErrors(object: CustomResourceDefinition): FieldError[] {
  if (!object.spec.preserveUnknownFields) return [];
  const detail =
    "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
  return [invalidValue("spec.preserveUnknownFields", true, detail)];
}

function hasBadBundle(object: CustomResourceDefinition): boolean {
  const bundle = object.spec.conversion?.webhook?.clientConfig?.caBundle;
  return Boolean(bundle) && bundleProblem(bundle!) !== undefined;
}

/** Upstream compares what was shared by all versions with what is shared now, and each version with its old self. */
function tooManyFieldsBefore(object: CustomResourceDefinition, old: CustomResourceDefinition): Set<string> {
  const found = new Set<string>();
  const [now, before] = [shareParts(object.spec), shareParts(old.spec)];
  const kept = (fields: SelectableField[] | undefined, oldFields: SelectableField[] | undefined) =>
    hasTooManySelectableFields(oldFields) && same(fields, oldFields);
  if (kept(now.top.selectableFields, before.top.selectableFields)) found.add("");
  const oldVersions = new Map(before.versions.map((version) => [version.name, version]));
  for (const version of now.versions) {
    if (kept(version.selectableFields, oldVersions.get(version.name)?.selectableFields)) found.add(version.name);
  }
  return found;
}

function storedVersionErrors(object: CustomResourceDefinition): FieldError[] {
  const stored = object.status?.storedVersions ?? [];
  const path = "status.storedVersions";
  const printed = printedJSON(stored.length === 0 ? null : [...stored]);
  if (stored.length === 0) return [invalidValue(path, printed, "must have at least one stored version")];
  const errors: FieldError[] = [];
  const left = new Map(stored.map((version, index) => [version, index]));
  for (const version of object.spec.versions ?? []) {
    if (version.storage && !left.has(version.name)) {
      errors.push(invalidValue(path, printed, `must have the storage version ${version.name}`));
    }
    left.delete(version.name);
  }
  for (const [version, index] of left) {
    const detail = `missing from spec.versions; ${version} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${version} and removes ${version} from status.storedVersions`;
    errors.push(invalidValue(at(path, index), version, detail));
  }
  return errors;
}

function specErrors(object: CustomResourceDefinition, options: Options): FieldError[] {
  const { spec } = object;
  const { top, versions } = shareParts(spec);
  const preserves = spec.preserveUnknownFields === true;
  const schemas = schemasOf(spec);
  const errors: FieldError[] = [...groupErrors(spec.group ?? "", "spec.group")];
  if (!spec.scope) errors.push(required("spec.scope"));
  else if (spec.scope !== "Cluster" && spec.scope !== "Namespaced") {
    errors.push(notSupported("spec.scope", spec.scope, ["Cluster", "Namespaced"]));
  }
  errors.push(...missingSchemas(top.schema, versions, preserves, options));
  const defaults = preserves && schemas.some(hasDefaults);
  if (defaults) {
    const detail = "must be false in order to use defaults in the schema";
    errors.push(invalidValue("spec.preserveUnknownFields", true, detail));
  }
  // Whoever prunes, defaults or uses our extensions needs a structural schema, whatever was stored before.
  const structural = options.structural || !preserves || defaults || schemas.some(hasExtensions);
  const asked = { ...options, structural };
  errors.push(...eachVersion(versions, top.subresources, asked));
  errors.push(...aboutVersions(spec.versions ? versions : null));
  errors.push(...requiredNames(spec.names, "spec.names"), ...namesErrors(spec.names, "spec.names"));
  errors.push(...sharedErrors(top, versions, asked));
  if (preserves && spec.conversion && spec.conversion.strategy !== "None") {
    const detail = "must be None if spec.preserveUnknownFields is true";
    errors.push(invalidValue("spec.conversion.strategy", spec.conversion.strategy ?? "", detail));
  }
  const { recognizedReviewVersion: recognizedVersion, anyBundle } = options;
  errors.push(...conversionErrors(spec.conversion, "spec.conversion", { recognizedVersion, anyBundle }));
  return errors;
}

function missingSchemas(
  shared: CustomResourceValidation | undefined,
  versions: readonly CustomResourceDefinitionVersion[],
  preserves: boolean,
  options: Options,
): FieldError[] {
  if (shared?.openAPIV3Schema || (!options.schemas && preserves)) return [];
  const errors: FieldError[] = [];
  for (const [index, version] of versions.entries()) {
    if (version.schema?.openAPIV3Schema || errors.length >= MAX_ERRORS) continue;
    const field = `${at("spec.versions", index)}.schema.openAPIV3Schema`;
    if (options.schemas) errors.push(required(field));
    else if (version.served) errors.push(required(field, "because otherwise all fields are pruned"));
  }
  return errors;
}

function eachVersion(
  versions: readonly CustomResourceDefinitionVersion[],
  shared: CustomResourceSubresources | undefined,
  options: Options,
): FieldError[] {
  const errors: FieldError[] = [];
  for (const [index, version] of versions.entries()) {
    if (errors.length >= MAX_ERRORS) break;
    const path = at("spec.versions", index);
    errors.push(
      ...labelErrors(child(path, "name"), version.name ?? ""),
      ...deprecationErrors(version.deprecated === true, version.deprecationWarning, child(path, "deprecationWarning")),
    );
    const schema = version.schema?.openAPIV3Schema;
    const status = Boolean((version.subresources ?? shared)?.status);
    if (schema) append(errors, definitionSchemaErrors(schema, child(path, "schema"), { ...options, status }));
    errors.push(...partErrors(version, path));
    const { selectableFields: fields = [] } = version;
    if (fields.length === 0) continue;
    const field = child(path, "selectableFields");
    if (!schema) {
      const detail = "may only be set when `version.schema.openAPIV3Schema` is not included";
      errors.push(invalidValue(field, "", detail));
      continue;
    }
    const unsupported = unsupportedField(schema);
    if (unsupported !== undefined) errors.push(invalidValue(child(path, "schema.openAPIV3Schema"), "", unsupported));
    const root = unsupported === undefined ? schema : {};
    errors.push(...selectableFieldErrors(fields, root, field, options.tooManyFieldsBefore.has(version.name)));
  }
  return errors;
}

/** Sub-resources and columns, of one version or of all. */
function partErrors(
  parts: Pick<CustomResourceDefinitionVersion, "subresources" | "additionalPrinterColumns">,
  path: string,
): FieldError[] {
  const errors = subresourceErrors(parts.subresources, child(path, "subresources"));
  for (const [index, column] of (parts.additionalPrinterColumns ?? []).entries()) {
    if (errors.length >= MAX_ERRORS) break;
    errors.push(...columnErrors(column, at(child(path, "additionalPrinterColumns"), index)));
  }
  return errors;
}

/** What versions must be together. */
function aboutVersions(given: readonly CustomResourceDefinitionVersion[] | null): FieldError[] {
  const errors: FieldError[] = [];
  const versions = given ?? [];
  const path = "spec.versions";
  if (new Set(versions.map((version) => version.name)).size !== versions.length) {
    errors.push(invalidValue(path, printedVersions(versions), "must contain unique version names"));
  }
  if (versions.filter((version) => version.storage).length !== 1) {
    const detail = "must have exactly one version marked as storage version";
    errors.push(invalidValue(path, printedVersions(given), detail));
  }
  // The internal form has the first version's name a second time.
  const first = versions[0]?.name;
  if (first) errors.push(...labelErrors("spec.version", first));
  return errors;
}

/** What all versions share. */
function sharedErrors(
  top: Pick<
    CustomResourceDefinitionVersion,
    "schema" | "subresources" | "additionalPrinterColumns" | "selectableFields"
  >,
  versions: readonly CustomResourceDefinitionVersion[],
  options: Options,
): FieldError[] {
  const errors: FieldError[] = [];
  const schema = top.schema?.openAPIV3Schema;
  const status = [top, ...versions].some(({ subresources }) => Boolean(subresources?.status));
  if (schema) append(errors, definitionSchemaErrors(schema, "spec.validation", { ...options, status }));
  errors.push(...partErrors(top, "spec"));
  const { selectableFields: fields = [] } = top;
  if (fields.length === 0) return errors;
  const field = "spec.selectableFields";
  if (!top.schema) {
    errors.push(invalidValue(field, "", "may only be set when validations.schema is included"));
    return errors;
  }
  const unsupported = unsupportedField(schema ?? {});
  if (unsupported !== undefined) errors.push(invalidValue("spec.schema.openAPIV3Schema", "", unsupported));
  const root = unsupported === undefined ? (schema ?? {}) : {};
  errors.push(...selectableFieldErrors(fields, root, field, options.tooManyFieldsBefore.has("")));
  return errors;
}
