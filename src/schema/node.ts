/** A node of a structural schema as validation walks it: made when a value first reaches it, shared by all who hold the same schema. */
import type { JSONValue } from "../api/meta.ts";
import { supportedFormat } from "./formats.ts";
import { type NumberRules, numberRules } from "./numbers.ts";
import type { Schema, SchemaType } from "./types.ts";

/** What a schema contains somewhere at or below a node. */
export const EMBEDDED = 1;
export const LIST_TYPES = 2;
export const RULES = 4;
const EVERYTHING = EMBEDDED | LIST_TYPES | RULES;

const INT_OR_STRING: readonly SchemaType[] = ["integer", "string"];
const NONE: readonly SchemaType[] = [];
const NO_SCHEMAS: readonly SchemaNode[] = [];

export class SchemaNode {
  readonly schema: Schema;
  /** One type, two for int-or-string, none where anything goes. */
  readonly types: readonly SchemaType[];
  readonly nullable: boolean;
  readonly preserve: boolean;
  readonly embedded: boolean;
  /** "" for none and for those that custom resources do not know. */
  readonly format: string;
  readonly hasProperties: boolean;
  /** `additionalProperties: true`: any member, whose own members nobody specified. */
  readonly anyMember: boolean;
  readonly hasJunctors: boolean;
  readonly default: JSONValue | undefined;
  readonly listType: Schema["x-kubernetes-list-type"];
  #properties: Map<string, SchemaNode> | undefined;
  #items: SchemaNode | undefined;
  #additional: SchemaNode | undefined;
  #numbers: NumberRules | undefined;
  #defaults: readonly (readonly [string, JSONValue])[] | undefined;
  #contents: number | undefined;
  #allOf: readonly SchemaNode[] | undefined;
  #anyOf: readonly SchemaNode[] | undefined;
  #oneOf: readonly SchemaNode[] | undefined;
  #not: SchemaNode | undefined;

  constructor(schema: Schema) {
    this.schema = schema;
    const { type, additionalProperties } = schema;
    this.types = schema["x-kubernetes-int-or-string"] === true ? INT_OR_STRING : type ? [type] : NONE;
    this.nullable = schema.nullable === true;
    this.preserve = schema["x-kubernetes-preserve-unknown-fields"] === true;
    this.embedded = schema["x-kubernetes-embedded-resource"] === true;
    this.format = supportedFormat(schema.format, this.types);
    this.hasProperties = schema.properties !== undefined;
    this.anyMember = additionalProperties === true;
    this.hasJunctors =
      schema.allOf !== undefined ||
      schema.anyOf !== undefined ||
      schema.oneOf !== undefined ||
      schema.not !== undefined;
    // As in Go, where the default is a pointer: null is none.
    this.default = schema.default ?? undefined;
    this.listType = schema["x-kubernetes-list-type"];
  }

  property(name: string): SchemaNode | undefined {
    if (!this.hasProperties) return undefined;
    const known = this.#properties?.get(name);
    if (known !== undefined) return known;
    const { properties } = this.schema;
    if (!Object.hasOwn(properties!, name)) return undefined;
    const node = nodeOf(properties![name]!);
    this.#properties ??= new Map();
    this.#properties.set(name, node);
    return node;
  }

  get items(): SchemaNode | undefined {
    const { items } = this.schema;
    if (items === undefined) return undefined;
    this.#items ??= nodeOf(items);
    return this.#items;
  }

  /** Of members that no property describes. */
  get additional(): SchemaNode | undefined {
    const { additionalProperties } = this.schema;
    if (typeof additionalProperties !== "object" || additionalProperties === null) return undefined;
    this.#additional ??= nodeOf(additionalProperties);
    return this.#additional;
  }

  get numbers(): NumberRules {
    this.#numbers ??= numberRules(this.schema, this.types, this.format);
    return this.#numbers;
  }

  /** Properties that come with a value. */
  get defaults(): readonly (readonly [string, JSONValue])[] {
    if (this.#defaults !== undefined) return this.#defaults;
    const { properties } = this.schema;
    const defaults: [string, JSONValue][] = [];
    for (const name of Object.keys(properties ?? {})) {
      const value = properties![name]!.default;
      if (value !== undefined && value !== null) defaults.push([name, value]);
    }
    this.#defaults = defaults;
    return defaults;
  }

  get allOf(): readonly SchemaNode[] {
    this.#allOf ??= this.schema.allOf?.map(nodeOf) ?? NO_SCHEMAS;
    return this.#allOf;
  }

  get anyOf(): readonly SchemaNode[] {
    this.#anyOf ??= this.schema.anyOf?.map(nodeOf) ?? NO_SCHEMAS;
    return this.#anyOf;
  }

  get oneOf(): readonly SchemaNode[] {
    this.#oneOf ??= this.schema.oneOf?.map(nodeOf) ?? NO_SCHEMAS;
    return this.#oneOf;
  }

  get not(): SchemaNode | undefined {
    if (this.schema.not === undefined) return undefined;
    this.#not ??= nodeOf(this.schema.not);
    return this.#not;
  }

  /** Whether EMBEDDED, LIST_TYPES or RULES stand here or below. */
  contains(what: number): boolean {
    this.#contents ??= contentsOf(this.schema);
    return (this.#contents & what) !== 0;
  }
}

/** Looks at the schema alone and makes no nodes; stops as soon as everything was seen. Inside of allOf and its like none of these may stand. */
function contentsOf(root: Schema): number {
  let found = 0;
  const work: Schema[] = [root];
  const seen = new Set<Schema>();
  for (let schema = work.pop(); schema !== undefined && found !== EVERYTHING; schema = work.pop()) {
    if (seen.has(schema)) continue;
    seen.add(schema);
    if (schema["x-kubernetes-embedded-resource"] === true) found |= EMBEDDED;
    const listType = schema["x-kubernetes-list-type"];
    if (listType === "set" || listType === "map") found |= LIST_TYPES;
    if ((schema["x-kubernetes-validations"]?.length ?? 0) > 0) found |= RULES;
    const { properties, items, additionalProperties } = schema;
    for (const name of Object.keys(properties ?? {})) work.push(properties![name]!);
    if (items !== undefined) work.push(items);
    if (typeof additionalProperties === "object" && additionalProperties !== null) work.push(additionalProperties);
  }
  return found;
}

const nodes = new WeakMap<Schema, SchemaNode>();
/** Most of a schema are leaves that only have a type: all of a type are one. */
const leaves = new Map<string, SchemaNode>();
const SAYS_NOTHING = new Set(["type", "description", "title", "example", "externalDocs"]);

export function nodeOf(schema: Schema): SchemaNode {
  const { type } = schema;
  if (type !== undefined && type !== "object" && type !== "array" && isLeaf(schema)) {
    let leaf = leaves.get(type);
    if (leaf === undefined) {
      leaf = new SchemaNode({ type });
      // Types come from outside: only the four that exist may stay.
      if (type === "string" || type === "integer" || type === "number" || type === "boolean") leaves.set(type, leaf);
    }
    return leaf;
  }
  let node = nodes.get(schema);
  if (node === undefined) {
    node = new SchemaNode(schema);
    nodes.set(schema, node);
  }
  return node;
}

function isLeaf(schema: Schema): boolean {
  for (const key in schema) if (!SAYS_NOTHING.has(key)) return false;
  return true;
}
