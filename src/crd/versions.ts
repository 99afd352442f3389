/** The versions of one definition as schemas, each compiled when first needed, and objects moved between them (spec: apiserver 8.4, 8.11). */
import type { ObjectCodec } from "../api/codec.ts";
import { encodeCanonical, parseJSON } from "../api/json/index.ts";
import { apiVersionOf, type JSONObject, type KubeObject } from "../api/meta.ts";
import { internalError } from "../api/status.ts";
import type { CustomResourceDefinition, CustomResourceDefinitionVersion } from "../kinds/generated/types.ts";
import { compileSchema, type StructuralSchema } from "../schema/structural.ts";
import type { Schema } from "../schema/types.ts";

const ANYTHING: Schema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };

export class Versions {
  readonly #definition: CustomResourceDefinition;
  readonly #structures = new Map<string, StructuralSchema>();
  readonly #prunings = new Map<string, StructuralSchema>();

  constructor(definition: CustomResourceDefinition) {
    this.#definition = definition;
  }

  /** Throws for a version the definition does not have. */
  get(name: string): CustomResourceDefinitionVersion {
    const version = this.#definition.spec.versions?.find((one) => one.name === name);
    if (version === undefined) throw new Error(`${this.#definition.metadata.name} has no version ${name}`);
    return version;
  }

  /** The schema as written; one that takes anything where there is none. */
  schemaOf(name: string): Schema {
    const { schema } = this.get(name);
    if (schema?.openAPIV3Schema === undefined || this.#definition.spec.preserveUnknownFields === true) return ANYTHING;
    return schema.openAPIV3Schema as unknown as Schema;
  }

  structureOf(name: string): StructuralSchema {
    let structure = this.#structures.get(name);
    if (structure === undefined) {
      structure = compileSchema(this.schemaOf(name));
      this.#structures.set(name, structure);
    }
    return structure;
  }

  /** The same without defaults: what is converted is pruned, and gets no more than it had. */
  #pruningOf(name: string): StructuralSchema {
    let structure = this.#prunings.get(name);
    if (structure === undefined) {
      structure = compileSchema(withoutDefaults(this.schemaOf(name)));
      this.#prunings.set(name, structure);
    }
    return structure;
  }

  /** Keeps what was compiled elsewhere. */
  adopt(name: string, structure: StructuralSchema): void {
    this.#structures.set(name, structure);
  }

  /** Reads objects as they were stored, in whichever version, and writes them in the one that is kept. */
  storageCodec(storageVersion: string): ObjectCodec {
    const { group, names } = this.#definition.spec;
    const kind = { group, version: storageVersion, kind: names.kind };
    const decoded = (value: JSONObject) => {
      const object = value as unknown as KubeObject;
      const version = object.apiVersion?.slice(object.apiVersion.indexOf("/") + 1) ?? "";
      // What an earlier definition stored in a version that is gone is kept as it is, until it is converted.
      if (this.#definition.spec.versions?.some(({ name }) => name === version)) {
        this.structureOf(version).normalizeStored(value);
      }
      return { object, problems: [] };
    };
    return {
      kind,
      decode: (body) => decoded(parseJSON(body).value as JSONObject),
      fromValue: (value) => decoded(value as JSONObject),
      encode: (object, resourceVersion) => encodeCanonical(object, resourceVersion),
    };
  }

  /**
   * The object as `version` sees it: the name of its version replaced, and what that version does not know dropped. Takes ownership of `object`.
   * Throws a 500 where a webhook would have to be asked.
   */
  convert(object: KubeObject, version: string): KubeObject {
    const { group, names, conversion } = this.#definition.spec;
    const apiVersion = apiVersionOf({ group, version });
    if (object.apiVersion === apiVersion) return object;
    if (conversion?.strategy === "Webhook") {
      const why = "this server does not call conversion webhooks";
      throw internalError(`conversion webhook for ${object.apiVersion}, Kind=${names.kind} failed: ${why}`);
    }
    const converted = { ...object, apiVersion };
    this.#pruningOf(version).normalizeStored(converted as unknown as JSONObject);
    return converted;
  }
}

function withoutDefaults(schema: Schema): Schema {
  const { default: _, items, properties, additionalProperties, ...rest } = schema;
  return {
    ...rest,
    ...(items !== undefined && { items: withoutDefaults(items) }),
    ...(properties !== undefined && {
      properties: Object.fromEntries(Object.entries(properties).map(([name, child]) => [name, withoutDefaults(child)])),
    }),
    ...(additionalProperties !== undefined && {
      additionalProperties:
        typeof additionalProperties === "object" ? withoutDefaults(additionalProperties) : additionalProperties,
    }),
  };
}
