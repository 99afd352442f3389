/** What all versions of a definition say alike is said once in upstream's internal form, and errors name that place (spec: apiserver 8.3). */
import { Printed } from "../../api/field-errors.ts";
import { equalJSON, quoteJSON } from "../../api/json/index.ts";
import type { JSONValue } from "../../api/meta.ts";
import { printedSchema } from "../../schema/definition-print.ts";
import { type DefinitionSchema, someSchema } from "../../schema/definition-schema.ts";
import type { CustomResourceDefinitionSpec, CustomResourceDefinitionVersion } from "../generated/types.ts";

/** The parts that move up when they are the same in all versions. */
const PARTS = ["schema", "subresources", "additionalPrinterColumns", "selectableFields"] as const;
type Part = (typeof PARTS)[number];

/** A message that would hold more schemas than this leaves them out. */
const PRINTED_SCHEMAS = 500;

export interface SharedParts {
  /** Only what all versions share; a part that all lack is not there. */
  readonly top: Pick<CustomResourceDefinitionVersion, Part>;
  /** The versions without what they share. */
  readonly versions: readonly CustomResourceDefinitionVersion[];
}

export function shareParts(spec: CustomResourceDefinitionSpec): SharedParts {
  const versions = spec.versions ?? [];
  const first = versions[0];
  if (first === undefined) return { top: {}, versions };
  const shared = PARTS.filter((part) => versions.every((version) => same(version[part], first[part])));
  const taken = (version: CustomResourceDefinitionVersion, parts: readonly Part[]) =>
    Object.fromEntries(Object.entries(version).filter(([name]) => parts.includes(name as Part)));
  const left = (version: CustomResourceDefinitionVersion) =>
    Object.fromEntries(Object.entries(version).filter(([name]) => !shared.includes(name as Part)));
  return {
    top: taken(first, shared) as SharedParts["top"],
    versions: versions.map((version) => left(version) as unknown as CustomResourceDefinitionVersion),
  };
}

/** Equal as Go's semantic equality has it: empty lists are as good as none. */
export function same(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (left === undefined || right === undefined) return isEmptyList(left ?? right);
  return equalJSON(left as JSONValue, right as JSONValue);
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

/** All schemas of the definition, one for each version that has one. */
export function schemasOf(spec: CustomResourceDefinitionSpec): DefinitionSchema[] {
  return (spec.versions ?? []).flatMap(({ schema }) => schema?.openAPIV3Schema ?? []);
}

/** Versions as errors print them. */
export function printedVersions(versions: readonly CustomResourceDefinitionVersion[] | null | undefined): Printed {
  if (!versions) return new Printed("null");
  let count = 0;
  for (const { schema } of versions) {
    someSchema(schema?.openAPIV3Schema, () => ++count > PRINTED_SCHEMAS);
  }
  return new Printed(`[${versions.map((version) => versionText(version, count <= PRINTED_SCHEMAS)).join(",")}]`);
}

function versionText(version: CustomResourceDefinitionVersion, whole: boolean): string {
  const { schema, subresources, additionalPrinterColumns: columns, selectableFields: fields } = version;
  const text = (value: string | undefined) => quoteJSON(value ?? "");
  const pointer = (value: string | undefined) => (value === undefined ? "null" : quoteJSON(value));
  const list = <T>(values: readonly T[] | undefined, one: (value: T) => string) =>
    values === undefined ? "null" : `[${values.map(one).join(",")}]`;
  const root = schema?.openAPIV3Schema;
  const schemaText =
    schema && `{"OpenAPIV3Schema":${root === undefined ? "null" : whole ? printedSchema(root).text : '"…"'}}`;
  const scale = subresources?.scale;
  const scaleText =
    scale &&
    `{"SpecReplicasPath":${text(scale.specReplicasPath)},"StatusReplicasPath":${text(scale.statusReplicasPath)},"LabelSelectorPath":${pointer(scale.labelSelectorPath)}}`;
  const subresourcesText =
    subresources && `{"Status":${subresources.status ? "{}" : "null"},"Scale":${scaleText ?? "null"}}`;
  const columnsText = list(
    columns,
    (column) =>
      `{"Name":${text(column.name)},"Type":${text(column.type)},"Format":${text(column.format)},"Description":${text(column.description)},"Priority":${column.priority ?? 0},"JSONPath":${text(column.jsonPath)}}`,
  );
  const fieldsText = list(fields, (field) => `{"JSONPath":${text(field.jsonPath)}}`);
  return (
    `{"Name":${text(version.name)},"Served":${version.served === true},"Storage":${version.storage === true},` +
    `"Deprecated":${version.deprecated === true},"DeprecationWarning":${pointer(version.deprecationWarning)},` +
    `"Schema":${schemaText ?? "null"},"Subresources":${subresourcesText ?? "null"},` +
    `"AdditionalPrinterColumns":${columnsText},"SelectableFields":${fieldsText}}`
  );
}
