/** What an author may give as a schema: a plain OpenAPI schema, or anything that can print one (zod, valibot, arktype: the Standard JSON Schema interface). */
import type { Schema } from "../schema/types.ts";
import { type Printed, structural } from "./structural-input.ts";

/** The part of a schema library's value that is used; `types` carries the TypeScript type and exists only for the compiler. */
export interface PrintableSchema<T = unknown> {
  readonly "~standard": {
    readonly vendor: string;
    readonly types?: { readonly input: unknown; readonly output: T } | undefined;
    readonly jsonSchema?: {
      input(options: { readonly target: "openapi-3.0" }): unknown;
    };
  };
}

export type SchemaInput = Schema | PrintableSchema;

/** The type of what a schema describes. A plain OpenAPI schema tells the compiler nothing: give the type yourself. */
export type Described<S> = S extends {
  readonly "~standard": { readonly types?: { readonly output: infer Output } | undefined };
}
  ? Output
  : // biome-ignore lint/suspicious/noExplicitAny: an object of unknown fields, as in KubeObject
    any;

/** Throws a TypeError that names `field` when no schema can be had from it. */
export function schemaOf(given: SchemaInput, field: string): Schema {
  if (!("~standard" in given)) return given;
  const { jsonSchema, vendor } = given["~standard"];
  if (jsonSchema === undefined) {
    throw new TypeError(
      `${field}: this version of ${vendor} cannot print its schemas; zod from 4.2 on can, and a plain OpenAPI schema always works`,
    );
  }
  return structural(jsonSchema.input({ target: "openapi-3.0" }) as Printed, field);
}
