/** From what schema libraries print to what Kubernetes takes: a structural schema says the type of every field once, outside of `anyOf` and its kin (spec: apiserver 8.3). */
import type { JSONValue } from "../api/meta.ts";
import type { Schema } from "../schema/types.ts";

/** What a library prints for OpenAPI 3.0. */
export type Printed = Omit<
  Schema,
  "properties" | "items" | "additionalProperties" | "allOf" | "anyOf" | "oneOf" | "not"
> & {
  const?: JSONValue;
  examples?: JSONValue[];
  properties?: Record<string, Printed>;
  items?: Printed;
  additionalProperties?: boolean | Printed;
  allOf?: Printed[];
  anyOf?: Printed[];
  oneOf?: Printed[];
  not?: Printed;
};

/** Kept as printed; everything else a library adds (`readOnly`, `deprecated`, `$schema`, …) means nothing to Kubernetes. */
const KEPT = new Set([
  ...["type", "description", "title", "format", "nullable", "default", "example", "enum", "required"],
  ...["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
  ...["minLength", "maxLength", "pattern", "minItems", "maxItems", "minProperties", "maxProperties"],
]);

/** What RE2 does not know: looking around, and references back. */
const BEYOND_RE2 = /\(\?(?:[=!]|<[=!])|\\[1-9]/;

/** Throws a TypeError that names the field for what has no structural form: recursion, and unions of different types. */
export function structural(printed: Printed, path: string): Schema {
  if (printed.$ref !== undefined) {
    throw new TypeError(`${path}: a schema that contains itself has no structural form; use z.any() where it recurs`);
  }
  const schema = scalar(printed, path);
  const { properties, additionalProperties, items, allOf, not } = printed;
  if (properties !== undefined) {
    schema.properties = Object.fromEntries(
      Object.entries(properties).map(([name, value]) => [name, structural(value, `${path}.${name}`)]),
    );
    // A loose object: whatever else there is stays.
    if (typeof additionalProperties === "object" || additionalProperties === true) {
      schema["x-kubernetes-preserve-unknown-fields"] = true;
    }
  } else if (typeof additionalProperties === "object") {
    schema.additionalProperties = structural(additionalProperties, `${path}[*]`);
  }
  if (items !== undefined) schema.items = structural(items, `${path}[*]`);
  for (const member of allOf ?? []) Object.assign(schema, merged(schema, structural(member, path), path));
  if (not !== undefined) schema.not = withoutTypes(structural(not, path));
  for (const junctor of ["anyOf", "oneOf"] as const) {
    const members = printed[junctor];
    if (members !== undefined) union(schema, members, junctor, path);
  }
  if (schema.type === undefined && !schema["x-kubernetes-int-or-string"]) {
    schema["x-kubernetes-preserve-unknown-fields"] = true;
  }
  return schema;
}

function scalar(printed: Printed, path: string): Schema {
  const schema: Schema = Object.fromEntries(
    Object.entries(printed).filter(([key]) => KEPT.has(key) || key.startsWith("x-kubernetes-")),
  );
  if (printed.const !== undefined) schema.enum = [printed.const];
  if (printed.examples !== undefined && schema.example === undefined) schema.example = printed.examples[0];
  // Printed by zod for every whole number; it says what JavaScript can hold, not what the author asked for.
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
  if (schema.pattern !== undefined && BEYOND_RE2.test(schema.pattern)) {
    if (schema.format === undefined) {
      throw new TypeError(
        `${path}: pattern ${JSON.stringify(schema.pattern)} is no RE2: no lookaround, no back-references`,
      );
    }
    // The format says the same, in words the server knows.
    delete schema.pattern;
  }
  return schema;
}

/** Writes into `schema` what holds for all members, and leaves in the junctor what tells them apart. */
function union(schema: Schema, printed: readonly Printed[], junctor: "anyOf" | "oneOf", path: string): void {
  const members = printed.map((member) => structural(member, path));
  const [first] = members;
  if (members.length === 1) {
    Object.assign(schema, merged(schema, first!, path));
    return;
  }
  if (isIntOrString(members)) {
    schema["x-kubernetes-int-or-string"] = true;
    return;
  }
  const types = new Set(members.map(({ type }) => type));
  if (types.size !== 1 || first?.type === undefined) {
    const names = members.map(({ type }) => type ?? "anything").join(" or ");
    throw new TypeError(`${path}: ${names}: a field has one type; use z.any(), or a field for each`);
  }
  schema.type = first.type;
  if (members.every((member) => member.enum !== undefined && Object.keys(member).length === 2)) {
    schema.enum = [...new Set(members.flatMap((member) => member.enum ?? []))];
    return;
  }
  if (first.type === "object") {
    const properties = new Map<string, Schema>();
    for (const member of members) {
      for (const [name, property] of Object.entries(member.properties ?? {})) {
        const known = properties.get(name);
        properties.set(name, known === undefined ? property : widened(known, property, `${path}.${name}`));
      }
    }
    schema.properties = { ...schema.properties, ...Object.fromEntries(properties) };
    schema[junctor] = members.map((member) => {
      const own = Object.entries(member.properties ?? {}).filter(
        ([name, property]) => !same(property, properties.get(name)),
      );
      const telling = own.map(([name, property]) => [name, withoutTypes(property)] as const);
      return {
        ...(telling.length > 0 && { properties: Object.fromEntries(telling) }),
        ...(member.required !== undefined && { required: member.required }),
      };
    });
    return;
  }
  schema[junctor] = members.map(withoutTypes);
}

function isIntOrString(members: readonly Schema[]): boolean {
  const bare = (type: string) => members.some((member) => member.type === type && Object.keys(member).length === 1);
  return members.length === 2 && bare("string") && bare("integer");
}

const same = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other);

/** One schema for a field that two members of a union describe. */
function widened(one: Schema, other: Schema, path: string): Schema {
  if (same(one, other)) return one;
  const { enum: these, ...rest } = one;
  const { enum: those, ...otherRest } = other;
  if (these !== undefined && those !== undefined && same(rest, otherRest)) {
    return { ...rest, enum: [...these, ...those.filter((value) => !these.some((known) => same(known, value)))] };
  }
  throw new TypeError(`${path}: the members of a union describe it differently, which no structural schema can say`);
}

/** Both at once, as an intersection means. */
function merged(one: Schema, other: Schema, path: string): Schema {
  if (one.type !== undefined && other.type !== undefined && one.type !== other.type) {
    throw new TypeError(`${path}: nothing is of type ${one.type} and of type ${other.type}`);
  }
  const required = [...new Set([...(one.required ?? []), ...(other.required ?? [])])];
  return {
    ...one,
    ...other,
    ...((one.properties ?? other.properties) && { properties: { ...one.properties, ...other.properties } }),
    ...(required.length > 0 && { required }),
  };
}

/** Value validations alone: what may stand inside of a junctor. */
function withoutTypes(schema: Schema): Schema {
  const {
    type: _,
    description: __,
    title: ___,
    default: ____,
    nullable: _____,
    additionalProperties: ______,
    ...rest
  } = schema;
  delete rest["x-kubernetes-preserve-unknown-fields"];
  if (rest.properties !== undefined) {
    rest.properties = Object.fromEntries(
      Object.entries(rest.properties).map(([name, property]) => [name, withoutTypes(property)]),
    );
  }
  if (rest.items !== undefined) rest.items = withoutTypes(rest.items);
  return rest;
}
