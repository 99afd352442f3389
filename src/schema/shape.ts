/** What apply must know of a kind that a schema describes (spec: apiserver 5.5, 8.2). */
import { DEDUCED, type ListShape, type MapShape, type Shape } from "../api/apply/shape.ts";
import { structShape } from "../api/apply/struct-shape.ts";
import { tables } from "../api/generated/tables.ts";
import { own } from "../api/json/object.ts";
import type { JSONObject } from "../api/meta.ts";
import { Types } from "../api/types/table.ts";
import type { Schema } from "./types.ts";

const shapes = new WeakMap<Schema, Shape>();

const TEXT: Shape = { type: "scalar", scalar: "string" };

let metadataShape: Shape | undefined;

/** ObjectMeta is the same for every kind. */
function objectMetaShape(): Shape {
  metadataShape ??= structShape(
    new Types(tables).kind({ group: "meta.k8s.io", version: "v1", kind: "PartialObjectMetadata" })!,
  ).field("metadata")!;
  return metadataShape;
}

/** The shape of whole objects: the schema describes them, but for apiVersion, kind and metadata. */
export function resourceShape(schema: Schema): MapShape {
  const inner = schemaShape(schema);
  const known: MapShape =
    inner.type === "map" ? inner : { type: "map", atomic: false, field: () => undefined, members: () => DEDUCED };
  return { ...known, atomic: false, field: (name) => systemField(name) ?? known.field(name) };
}

function systemField(name: string): Shape | undefined {
  if (name === "apiVersion" || name === "kind") return TEXT;
  return name === "metadata" ? objectMetaShape() : undefined;
}

function schemaShape(schema: Schema): Shape {
  let shape = shapes.get(schema);
  if (shape === undefined) {
    shape = shapeOf(schema);
    shapes.set(schema, shape);
  }
  return shape;
}

function shapeOf(schema: Schema): Shape {
  if (schema["x-kubernetes-int-or-string"] === true) return { type: "scalar", scalar: "untyped" };
  switch (schema.type) {
    case "object":
      return mapShape(schema);
    case "array":
      return listShape(schema);
    case "string":
      return TEXT;
    case "boolean":
      return { type: "scalar", scalar: "boolean" };
    case "integer":
    case "number":
      return { type: "scalar", scalar: "numeric" };
    default:
      return DEDUCED;
  }
}

function mapShape(schema: Schema): MapShape {
  const { properties, additionalProperties } = schema;
  const declared = (name: string) => own((properties ?? {}) as unknown as JSONObject, name) as Schema | undefined;
  const open =
    schema["x-kubernetes-preserve-unknown-fields"] === true ||
    additionalProperties === true ||
    (properties === undefined && additionalProperties === undefined);
  let members: (() => Shape) | undefined;
  if (typeof additionalProperties === "object") members = () => schemaShape(additionalProperties);
  else if (open) members = () => DEDUCED;
  const embedded = schema["x-kubernetes-embedded-resource"] === true;
  return {
    type: "map",
    atomic: schema["x-kubernetes-map-type"] === "atomic",
    field(name) {
      const system = embedded ? systemField(name) : undefined;
      if (system !== undefined) return system;
      const found = declared(name);
      return found === undefined ? undefined : schemaShape(found);
    },
    members,
    defaultOf: (name) => declared(name)?.default,
  };
}

function listShape(schema: Schema): ListShape {
  const { items } = schema;
  const element = () => (items === undefined ? DEDUCED : schemaShape(items));
  const type = schema["x-kubernetes-list-type"];
  if (type === "map") {
    return { type: "list", relation: "map", keys: schema["x-kubernetes-list-map-keys"] ?? [], element };
  }
  return { type: "list", relation: type === "set" ? "set" : "atomic", keys: [], element };
}
