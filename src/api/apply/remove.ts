/** An object without the fields of a set (spec: apiserver 5.5). */
import { newObject } from "../json/object.ts";
import type { JSONValue } from "../meta.ts";
import { type FieldSet, fieldElement } from "./field-set.ts";
import { determined, elementOf, emptyLike, entriesOf, memberShape, type Shape } from "./shape.ts";

/** A new value that may share parts with the given one. What loses all its members stays, empty. */
export function removeFields(shape: Shape, value: JSONValue, fields: FieldSet): JSONValue {
  if (fields.empty || value === null || typeof value !== "object") return value;
  const at = determined(shape, value);
  if (at.type === "scalar") return value;
  const without = (element: string, inner: Shape, member: JSONValue): JSONValue => {
    const below = fields.below(element);
    if (below.empty) return member;
    return shrunk(inner, member) ?? removeFields(inner, member, below);
  };
  if (at.type === "list") {
    if (at.relation === "atomic" || !Array.isArray(value)) return emptyLike(value);
    const out: JSONValue[] = [];
    for (const item of value) {
      const element = elementOf(at, item);
      if (!fields.members.has(element)) out.push(without(element, at.element(), item));
    }
    return out;
  }
  if (at.atomic) return emptyLike(value);
  const out = newObject();
  for (const [name, member] of entriesOf(value)) {
    const element = fieldElement(name);
    if (!fields.members.has(element)) out[name] = without(element, memberShape(at, name), member);
  }
  return out;
}

/** What is owned whole has nothing below it that could go alone: it goes, leaving an empty value of its kind. */
function shrunk(shape: Shape, value: JSONValue): JSONValue | undefined {
  const at = determined(shape, value);
  const whole = (at.type === "list" && at.relation === "atomic") || (at.type === "map" && at.atomic);
  return whole && value !== null && typeof value === "object" ? emptyLike(value) : undefined;
}
