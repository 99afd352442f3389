/**
 * The facts about built-in types, read on first use from the text that tools/api-table generates.
 *
 * A table is one group-version:
 *   `@v1 io.k8s.api.core.v1.`            Go package name, OpenAPI prefix
 *   `#apps v1 Deployment`                a kind: group (may be empty), version, kind
 *   `:Container matomic`                 a structure and its x-kubernetes-map-type
 *   `name number type flags facts…`      a field in Go's order
 * Field names starting with `^` are Go's embedded structures: flat in JSON, a message of their own in protobuf. Types: `*` pointer, `[` list,
 * `{` map with string keys, `w` a list that is a message in protobuf, `.Name` or `.table.Name` a structure, and one letter for the rest
 * (`scalars` below), with the named Go type behind `:` or `=`. Flags: `o` omitempty, `z` omitzero, `r` required. Facts: `S` patch strategy,
 * `K` merge key, `l` list type, `k` list map keys, `m` map type, `f` format, `e` enum, `d` default.
 */
import type { GroupVersionKind, JSONValue } from "../meta.ts";

export type ScalarKind =
  | "string"
  | "bool"
  | "int32"
  | "int64"
  | "double"
  | "bytes"
  | "time"
  | "microTime"
  | "duration"
  | "fieldsV1"
  | "quantity"
  | "intOrString"
  | "raw"
  | "json"
  | "schemaOrArray"
  | "schemaOrBool"
  | "schemaOrStrings"
  | "any";

const scalars: Record<string, readonly [ScalarKind, string]> = {
  s: ["string", "string"],
  b: ["bool", "bool"],
  i: ["int32", "int32"],
  l: ["int64", "int64"],
  d: ["double", "float64"],
  y: ["bytes", "[]uint8"],
  t: ["time", "v1.Time"],
  u: ["microTime", "v1.MicroTime"],
  D: ["duration", "v1.Duration"],
  F: ["fieldsV1", "v1.FieldsV1"],
  q: ["quantity", "resource.Quantity"],
  o: ["intOrString", "intstr.IntOrString"],
  R: ["raw", "runtime.RawExtension"],
  J: ["json", "v1.JSON"],
  A: ["schemaOrArray", "v1.JSONSchemaPropsOrArray"],
  B: ["schemaOrBool", "v1.JSONSchemaPropsOrBool"],
  C: ["schemaOrStrings", "v1.JSONSchemaPropsOrStringArray"],
  "?": ["any", "interface {}"],
};

export interface ScalarType {
  readonly kind: ScalarKind;
  /** Go's name of the type, for error texts. */
  readonly go: string;
  /** The structure of a nested JSON schema, for the three kinds that hold one. */
  readonly schema?: () => Struct;
}

export interface ListType {
  readonly kind: "list";
  readonly go: string;
  readonly element: Type;
  /** Whether protobuf wraps the list in a message of its own. */
  readonly wrapped: boolean;
}

export interface MapType {
  readonly kind: "map";
  readonly go: string;
  readonly element: Type;
}

export interface StructType {
  readonly kind: "struct";
  readonly go: string;
  readonly struct: () => Struct;
}

export type Type = ScalarType | ListType | MapType | StructType;

/** One field; absent facts are empty strings, empty lists or undefined. */
export interface Field {
  readonly name: string;
  /** The protobuf field number; 0 where protobuf has none. */
  readonly number: number;
  readonly type: Type;
  readonly pointer: boolean;
  readonly omitEmpty: boolean;
  readonly omitZero: boolean;
  readonly required: boolean;
  readonly patchStrategy: string;
  readonly patchMergeKey: string;
  readonly listType: string;
  readonly listMapKeys: readonly string[];
  readonly mapType: string;
  readonly format: string;
  readonly enum: readonly JSONValue[];
  readonly default: JSONValue | undefined;
  /** Whether Go embeds this structure: its fields lie flat in the JSON object. `name` is then the Go name. */
  readonly embedded: boolean;
}

/** A field as JSON sees it: embedded structures are flattened. */
export interface FlatField extends Field {
  readonly index: number;
  /** How Go's decoder names the field in errors: with the names of embedded structures in front. */
  readonly errorName: string;
}

export class Struct {
  readonly name: string;
  readonly go: string;
  /** The OpenAPI name, such as `io.k8s.api.core.v1.Pod`. */
  readonly model: string;
  readonly mapType: string;
  /** Fields as declared, embedded ones included. */
  readonly members: readonly Field[];
  #flat: readonly FlatField[] | undefined;
  #byName: ReadonlyMap<string, FlatField> | undefined;

  constructor(name: string, go: string, model: string, mapType: string, members: readonly Field[]) {
    this.name = name;
    this.go = go;
    this.model = model;
    this.mapType = mapType;
    this.members = members;
  }

  /** Fields in the order of JSON output. */
  get fields(): readonly FlatField[] {
    this.#flat ??= flatten(this);
    return this.#flat;
  }

  get byName(): ReadonlyMap<string, FlatField> {
    this.#byName ??= new Map(this.fields.map((field) => [field.name, field]));
    return this.#byName;
  }
}

function flatten(struct: Struct): FlatField[] {
  const out: FlatField[] = [];
  const add = (from: Struct, prefix: string) => {
    for (const member of from.members) {
      if (member.embedded && member.type.kind === "struct") add(member.type.struct(), `${prefix}${member.name}.`);
      else out.push({ ...member, index: out.length, errorName: prefix + member.name });
    }
  };
  add(struct, "");
  return out;
}

interface Package {
  readonly goName: string;
  readonly prefix: string;
  readonly structs: Map<string, string | Struct>;
}

/** Types of a set of tables; each table is split on first use of its group-version, each structure parsed on first use of its own. */
export class Types {
  readonly #texts = new Map<string, string>();
  readonly #packages = new Map<string, Package>();
  /** "group version" to table name. */
  readonly #groups = new Map<string, string>();

  constructor(...tables: readonly Readonly<Record<string, string>>[]) {
    for (const table of tables) {
      for (const [id, text] of Object.entries(table)) {
        this.#texts.set(id, text);
        const start = text.indexOf("\n#") + 2;
        const end = text.indexOf(" ", text.indexOf(" ", start) + 1);
        this.#groups.set(text.slice(start, end), id);
      }
    }
  }

  /** The structure of a kind; undefined for a kind that no table knows. */
  kind(gvk: GroupVersionKind): Struct | undefined {
    const id = this.#groups.get(`${gvk.group} ${gvk.version}`);
    if (id === undefined) return undefined;
    const text = this.#texts.get(id)!;
    return text.includes(`\n#${gvk.group} ${gvk.version} ${gvk.kind}\n`) ? this.struct(id, gvk.kind) : undefined;
  }

  /** Every kind of every table, in table order. */
  kinds(): GroupVersionKind[] {
    const out: GroupVersionKind[] = [];
    for (const text of this.#texts.values()) {
      for (const match of text.matchAll(/^#(\S*) (\S+) (\S+)$/gm)) {
        out.push({ group: match[1]!, version: match[2]!, kind: match[3]! });
      }
    }
    return out;
  }

  /** A structure by table name (such as `core/v1`) and Go name. Throws when there is none: the caller's names are constants. */
  struct(table: string, name: string): Struct {
    const pack = this.#package(table);
    const found = pack.structs.get(name);
    if (found === undefined) throw new Error(`no type ${name} in table ${table}`);
    if (typeof found !== "string") return found;
    const struct = this.#parse(table, pack, name, found);
    pack.structs.set(name, struct);
    return struct;
  }

  #package(id: string): Package {
    let pack = this.#packages.get(id);
    if (pack !== undefined) return pack;
    const text = this.#texts.get(id);
    if (text === undefined) throw new Error(`no table ${id}`);
    const [head, ...blocks] = text.split("\n:");
    const [goName, prefix] = head!.slice(1, head!.indexOf("\n")).split(" ");
    pack = { goName: goName!, prefix: prefix ?? "", structs: new Map() };
    for (const block of blocks) pack.structs.set(/^\w+/.exec(block)![0], block);
    this.#packages.set(id, pack);
    return pack;
  }

  #parse(table: string, pack: Package, name: string, block: string): Struct {
    const lines = block.split("\n");
    const mapType = /^\w+ m(\w+)/.exec(lines[0]!)?.[1] ?? "";
    const members = lines.slice(1).map((line) => this.#field(table, line));
    return new Struct(name, `${pack.goName}.${name}`, pack.prefix + name, mapType, members);
  }

  #field(table: string, line: string): Field {
    const [name, number, code, flags = "", ...facts] = line.split(" ");
    const embedded = name!.startsWith("^");
    const pointer = code!.startsWith("*");
    const fact = (letter: string) => facts.find((text) => text.startsWith(letter))?.slice(1) ?? "";
    const enumText = fact("e");
    const defaultText = fact("d");
    const keys = fact("k");
    return {
      name: embedded ? name!.slice(1) : name!,
      number: Number(number),
      type: this.#type(table, pointer ? code!.slice(1) : code!),
      pointer,
      omitEmpty: flags.includes("o"),
      omitZero: flags.includes("z"),
      required: flags.includes("r"),
      patchStrategy: fact("S"),
      patchMergeKey: fact("K"),
      listType: fact("l"),
      listMapKeys: keys === "" ? [] : keys.split(","),
      mapType: fact("m"),
      format: fact("f"),
      enum: enumText === "" ? [] : (JSON.parse(enumText) as JSONValue[]),
      default: defaultText === "" ? undefined : (JSON.parse(defaultText) as JSONValue),
      embedded,
    };
  }

  #type(table: string, code: string): Type {
    const first = code[0]!;
    if (first === "*") return this.#type(table, code.slice(1));
    if (first === "[" || first === "{" || first === "w") {
      const wrapped = first === "w";
      const rest = code.slice(wrapped ? 2 : 1);
      // The name of the outermost container is written last.
      const cut = rest.lastIndexOf("=");
      const nested = /^[[{w]/.test(rest) && rest.split("=").length <= 2 && cut >= 0;
      const named = cut >= 0 && !nested;
      const element = this.#type(table, named ? rest.slice(0, cut) : rest);
      const list = wrapped || first === "[";
      const plain = list ? `[]${element.go}` : `map[string]${element.go}`;
      const go = named ? rest.slice(cut + 1) : plain;
      return list ? { kind: "list", go, element, wrapped } : { kind: "map", go, element };
    }
    if (first === ".") {
      const dot = code.lastIndexOf(".");
      const owner = dot === 0 ? table : code.slice(1, dot);
      const name = code.slice(dot + 1);
      return {
        kind: "struct",
        go: `${owner.slice(owner.indexOf("/") + 1)}.${name}`,
        struct: () => this.struct(owner, name),
      };
    }
    const scalar = scalars[first];
    if (scalar === undefined) throw new Error(`no type for code ${code}`);
    const go = code[1] === ":" ? code.slice(2) : scalar[1];
    if (scalar[0].startsWith("schema"))
      return { kind: scalar[0], go, schema: () => this.struct(table, "JSONSchemaProps") };
    return { kind: scalar[0], go };
  }
}
