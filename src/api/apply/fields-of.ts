/** Every field that a configuration mentions: what its applier owns (spec: apiserver 5.5). */
import { isObject } from "../json/object.ts";
import type { JSONValue } from "../meta.ts";
import { type FieldSet, FieldSetBuilder, fieldElement } from "./field-set.ts";
import { determined, elementOf, entriesOf, memberShape, type Shape } from "./shape.ts";

export function fieldsOf(shape: Shape, value: JSONValue): FieldSet {
  const out = new FieldSetBuilder();
  collect(shape, value, () => out);
  return out.done();
}

/** Adds what is below `value`; true when the value is a leaf, which its parent then owns by its element. */
function collect(shape: Shape, value: JSONValue, place: () => FieldSetBuilder): boolean {
  const at = determined(shape, value);
  if (at.type === "scalar") return true;
  if (at.type === "list") {
    if (at.relation === "atomic") return true;
    if (!Array.isArray(value)) return false;
    if (value.length === 0) return false;
    const out = place();
    for (const item of value) {
      const element = elementOf(at, item);
      collect(at.element(), item, () => out.child(element));
      out.add(element);
    }
    return false;
  }
  if (at.atomic) return true;
  const entries = entriesOf(value);
  if (entries.length === 0) return false;
  const out = place();
  for (const [name, member] of entries) {
    const element = fieldElement(name);
    const leaf = collect(memberShape(at, name), member, () => out.child(element));
    const bare = member === null || (isObject(member) && Object.keys(member).length === 0);
    if (leaf || bare || at.field(name) === undefined) out.add(element);
  }
  return false;
}
