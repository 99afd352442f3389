/** A resource printed as a CustomResourceDefinition that any Kubernetes API server takes as it is. */
import type { KubeObject } from "../api/meta.ts";
import type { DefinitionSchema } from "../schema/definition-schema.ts";
import { structuralViolations } from "../schema/structural-rules.ts";
import type { Schema } from "../schema/types.ts";
import type { ResourceDefinition } from "../server/resource.ts";
import type { ColumnInput } from "./columns.ts";
import type { ScalePaths } from "./scale.ts";

/** A CEL rule, with the words of `x-kubernetes-validations`. */
export interface ValidationRule {
  /** True when all is well: `self` is what is checked, `oldSelf` what it was before an update. */
  readonly rule: string;
  readonly message?: string;
  /** CEL too, and wins over `message`. */
  readonly messageExpression?: string;
  readonly reason?: "FieldValueInvalid" | "FieldValueForbidden" | "FieldValueRequired" | "FieldValueDuplicate";
  /** Which field the error is about, such as `.spec.max`. */
  readonly fieldPath?: string;
  readonly optionalOldSelf?: boolean;
}

type Names = Pick<
  ResourceDefinition,
  "group" | "version" | "kind" | "listKind" | "plural" | "singular" | "namespaced" | "shortNames" | "categories"
>;

interface Rest {
  readonly status?: unknown;
  readonly scale?: ScalePaths;
  readonly selectableFields?: readonly string[];
  readonly columns?: Readonly<Record<string, ColumnInput>>;
}

/** A definition brings its own columns only: the age, which `columns` adds, is one of them. */
const AGE = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" };

/** Throws a TypeError, with everything that is wrong, for a schema Kubernetes would not call structural. */
export function customResourceDefinition(names: Names, schema: Schema, rest: Rest): KubeObject {
  const { group, version, kind, listKind, plural, singular, shortNames = [], categories = [] } = names;
  const problems = structuralViolations(schema as DefinitionSchema, "schema");
  if (problems.length > 0) {
    throw new TypeError(`not structural: ${problems.map(({ field, message }) => `${field}: ${message}`).join("; ")}`);
  }
  const subresources = {
    ...(rest.status !== undefined && { status: {} }),
    ...(rest.scale !== undefined && { scale: { ...rest.scale } }),
  };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: names.namespaced ? "Namespaced" : "Cluster",
      names: {
        plural,
        singular,
        kind,
        listKind,
        ...(shortNames.length > 0 && { shortNames: [...shortNames] }),
        ...(categories.length > 0 && { categories: [...categories] }),
      },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          // Plain objects, for whoever writes it as YAML.
          schema: { openAPIV3Schema: structuredClone(schema) },
          ...(Object.keys(subresources).length > 0 && { subresources }),
          ...(rest.columns !== undefined && { additionalPrinterColumns: [...printerColumns(rest.columns), AGE] }),
          ...(rest.selectableFields !== undefined && {
            selectableFields: rest.selectableFields.map((jsonPath) => ({ jsonPath })),
          }),
        },
      ],
    },
  };
}

function printerColumns(columns: Readonly<Record<string, ColumnInput>>): object[] {
  return Object.entries(columns).map(([name, column]) => {
    const { path, type = "string", ...rest } = typeof column === "string" ? { path: column } : column;
    return { name, type, jsonPath: path, ...rest };
  });
}
