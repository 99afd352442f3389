/** The rules of writing custom resources: what belongs to the status, what moves the generation, and the schema (spec: apiserver 8.4). */
import { goQuote } from "../api/go-quote.ts";
import { cloneJSON, equalJSON } from "../api/json/index.ts";
import type { JSONObject, JSONValue, KubeObject } from "../api/meta.ts";
import { qualifiedName } from "../api/names.ts";
import { FINALIZER_FOREGROUND, FINALIZER_ORPHAN } from "../api/object-meta.ts";
import type { FieldError } from "../api/status.ts";
import type { CustomResourceSubresourceScale } from "../kinds/generated/types.ts";
import type { StructuralSchema } from "../schema/structural.ts";
import type { Strategy } from "../server/resource.ts";
import { scaleErrors } from "./scale.ts";

export interface CustomResourceRules {
  readonly structure: StructuralSchema;
  readonly hasStatus: boolean;
  readonly scale: CustomResourceSubresourceScale | undefined;
}

/** Writing through the resource itself. */
export function customResourceStrategy(rules: CustomResourceRules): Strategy {
  const { structure, hasStatus, scale } = rules;
  const check = (errors: FieldError[], object: KubeObject) =>
    scale === undefined ? errors : [...errors, ...scaleErrors(object, scale, true)];
  return {
    allowUnconditionalUpdate: false,
    prepareForCreate(object) {
      if (hasStatus) delete object["status"];
      object.metadata.generation = 1;
    },
    validate: (object) => check(structure.validate(object as unknown as JSONValue), object),
    warningsOnCreate: (object) => finalizerWarnings(object.metadata.finalizers ?? []),
    prepareForUpdate(object, old) {
      if (hasStatus) keepStatus(object, old);
      if (!sameContent(object, old)) object.metadata.generation = (old.metadata.generation ?? 0) + 1;
    },
    validateUpdate: (object, old) =>
      check(structure.validateUpdate(object as unknown as JSONValue, old as unknown as JSONValue), object),
    warningsOnUpdate(object, old) {
      const before = new Set(old.metadata.finalizers);
      return finalizerWarnings((object.metadata.finalizers ?? []).filter((name) => !before.has(name)));
    },
    validateRules: rulesOf(structure),
  };
}

/** Writing through `status`: nothing but the status is taken. */
export function customResourceStatusStrategy(rules: CustomResourceRules): Strategy {
  const { structure, scale } = rules;
  return {
    allowUnconditionalUpdate: false,
    resetFields: [["metadata"], ["spec"]],
    prepareForUpdate(object, old) {
      const { status } = object;
      const { managedFields } = object.metadata;
      const { metadata, ...kept } = cloneJSON(old as unknown as JSONValue) as unknown as KubeObject;
      for (const key of Object.keys(object)) if (key !== "metadata") delete object[key];
      for (const key of Object.keys(object.metadata)) delete (object.metadata as Record<string, unknown>)[key];
      Object.assign(object, kept);
      Object.assign(object.metadata, metadata);
      if (managedFields === undefined) delete object.metadata.managedFields;
      else object.metadata.managedFields = managedFields;
      if (status === undefined) delete object["status"];
      else object["status"] = status;
    },
    validateUpdate: (object, old) => [
      ...structure.validateStatusUpdate(object as unknown as JSONObject, old as unknown as JSONObject),
      ...(scale === undefined ? [] : scaleErrors(object, scale, false)),
    ],
    validateRules: rulesOf(structure),
  };
}

function rulesOf(structure: StructuralSchema): NonNullable<Strategy["validateRules"]> {
  return (object, old, errors, context) =>
    structure.validateRules(object as unknown as JSONValue, old as unknown as JSONValue | undefined, errors, (text) =>
      context.warn(text),
    );
}

function keepStatus(object: KubeObject, old: KubeObject): void {
  if (old["status"] === undefined) delete object["status"];
  else object["status"] = cloneJSON(old["status"] as JSONValue);
}

/** Whether nothing but metadata differs. */
function sameContent(a: KubeObject, b: KubeObject): boolean {
  const { metadata: _, ...left } = a;
  const { metadata: __, ...right } = b;
  return equalJSON(left as unknown as JSONValue, right as unknown as JSONValue);
}

const STANDARD_FINALIZERS = new Set([FINALIZER_ORPHAN, FINALIZER_FOREGROUND, "kubernetes"]);

/** What upstream advises about names of finalizers, in the order of the names. */
function finalizerWarnings(names: readonly string[]): string[] {
  return [...new Set(names)].sort().flatMap((name) => {
    const said = `metadata.finalizers: ${goQuote(name)}: `;
    const warnings = qualifiedName(name).map((message) => said + message);
    if (!name.includes("/") && !STANDARD_FINALIZERS.has(name)) {
      const path = name.includes(".") ? " including a path (/)" : "";
      warnings.push(
        `${said}prefer a domain-qualified finalizer name${path} to avoid accidental conflicts with other finalizer writers`,
      );
    }
    return warnings;
  });
}
