/** The shape of built-in types, from their table. */
import type { JSONValue } from "../meta.ts";
import type { FlatField, Struct, Type } from "../types/table.ts";
import { type ListShape, type MapShape, type ScalarName, type Shape, UNTYPED } from "./shape.ts";

const shapes = new WeakMap<Struct, MapShape>();

const TEXTS = new Set(["string", "bytes", "time", "microTime"]);
const NUMBERS = new Set(["int32", "int64", "double"]);

export function structShape(struct: Struct): MapShape {
  const known = shapes.get(struct);
  if (known !== undefined) return known;
  const fields = new Map<string, Shape>();
  const shape: MapShape = {
    type: "map",
    atomic: struct.mapType === "atomic",
    field(name) {
      let found = fields.get(name);
      const field = struct.byName.get(name);
      if (found === undefined && field !== undefined) {
        found = fieldShape(field);
        fields.set(name, found);
      }
      return found;
    },
    members: undefined,
    defaultOf: (name) => defaultOf(struct.byName.get(name)),
  };
  shapes.set(struct, shape);
  return shape;
}

/** What is always written has its zero value for a default. */
function defaultOf(field: FlatField | undefined): JSONValue | undefined {
  if (field === undefined || field.default !== undefined) return field?.default;
  if (field.omitEmpty || field.pointer) return undefined;
  if (field.type.kind === "string") return "";
  return NUMBERS.has(field.type.kind) ? 0 : undefined;
}

function fieldShape(field: FlatField): Shape {
  const { type } = field;
  if (type.kind === "list") return listShape(field, type.element);
  if (type.kind === "map") {
    const members = typeShape(type.element);
    return { type: "map", atomic: field.mapType === "atomic", field: () => undefined, members: () => members };
  }
  const shape = typeShape(type);
  return shape.type === "map" && field.mapType === "atomic" ? { ...shape, atomic: true } : shape;
}

/** What the list says of itself, else what strategic merges say of it. */
function listShape(field: FlatField, item: Type): ListShape {
  const merges = field.patchStrategy.split(",").includes("merge");
  const element = () => typeShape(item);
  if (field.listType === "map") return { type: "list", relation: "map", keys: field.listMapKeys, element };
  if (field.listType === "set") return { type: "list", relation: "set", keys: [], element };
  if (field.listType === "" && merges) {
    if (field.patchMergeKey !== "") return { type: "list", relation: "map", keys: [field.patchMergeKey], element };
    return { type: "list", relation: "set", keys: [], element };
  }
  return { type: "list", relation: "atomic", keys: [], element };
}

function typeShape(type: Type): Shape {
  switch (type.kind) {
    case "struct":
      return structShape(type.struct());
    case "list": {
      const element = () => typeShape(type.element);
      return { type: "list", relation: "atomic", keys: [], element };
    }
    case "map": {
      const members = () => typeShape(type.element);
      return { type: "map", atomic: false, field: () => undefined, members };
    }
    default:
      return scalarShape(type.kind);
  }
}

function scalarShape(kind: string): Shape {
  const scalar = (name: ScalarName): Shape => ({ type: "scalar", scalar: name });
  if (TEXTS.has(kind)) return scalar("string");
  if (NUMBERS.has(kind)) return scalar("numeric");
  if (kind === "bool") return scalar("boolean");
  if (kind === "quantity" || kind === "intOrString" || kind === "duration") return scalar("untyped");
  return UNTYPED;
}
