/** Structural schemas and what follows from them. */
export { decodeObjectMeta, type StructuralCodec, type StructuralCodecOptions, structuralCodec } from "./codec.ts";
export { META, META_V1 } from "./meta-schemas.ts";
export {
  type OpenAPIDocument,
  type OpenAPIOptions,
  type OpenAPIResource,
  type OpenAPISubresource,
  objectSchema,
  openAPIDocument,
  openAPIPath,
  schemaNameOf,
  schemaRef,
} from "./openapi.ts";
export { compileSchema, type StructuralSchema } from "./structural.ts";
export type { Schema, SchemaType } from "./types.ts";
