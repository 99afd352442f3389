/** The schemas Kubernetes accepts for custom resources: a subset of OpenAPI 3.0 with its own extensions (spec: apiserver 8.2). Types only. */
import type { JSONValue } from "../api/meta.ts";

export type SchemaType = "object" | "array" | "string" | "integer" | "number" | "boolean";

export interface Schema {
  type?: SchemaType;
  description?: string;
  title?: string;
  format?: string;
  nullable?: boolean;
  default?: JSONValue;
  example?: JSONValue;
  enum?: JSONValue[];
  properties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  items?: Schema;
  required?: string[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: boolean;
  exclusiveMaximum?: boolean;
  multipleOf?: number;
  minLength?: number;
  maxLength?: number;
  /** RE2 syntax. */
  pattern?: string;
  minItems?: number;
  maxItems?: number;
  minProperties?: number;
  maxProperties?: number;
  allOf?: Schema[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  not?: Schema;
  "x-kubernetes-int-or-string"?: boolean;
  "x-kubernetes-preserve-unknown-fields"?: boolean;
  "x-kubernetes-embedded-resource"?: boolean;
  "x-kubernetes-list-type"?: "atomic" | "set" | "map";
  "x-kubernetes-list-map-keys"?: string[];
  "x-kubernetes-map-type"?: "atomic" | "granular";
  "x-kubernetes-validations"?: Record<string, JSONValue>[];
  "x-kubernetes-group-version-kind"?: { group: string; version: string; kind: string }[];
  /** Only in published documents. */
  $ref?: string;
}
