/** The types of CEL: what the checker computes with, and at run time what `type(x)` gives. */

export type Kind =
  | "dyn"
  | "any"
  | "error"
  | "null"
  | "bool"
  | "int"
  | "uint"
  | "double"
  | "string"
  | "bytes"
  | "timestamp"
  | "duration"
  | "list"
  | "map"
  | "type"
  | "struct"
  /** Values only functions make and take: `net.IP`, `optional_type`. */
  | "opaque"
  | "param";

/** The fields of a struct, found when they are asked for. */
export type Fields = (name: string) => CelType | undefined;

export class CelType {
  readonly kind: Kind;
  /** The name values of it have at run time. */
  readonly name: string;
  readonly params: readonly CelType[];
  readonly fields: Fields | undefined;
  /** How many types it is made of; loops over maps of what they loop over double it with each step. */
  readonly size: number;
  #text: string | undefined;

  constructor(kind: Kind, name: string, params: readonly CelType[] = [], fields?: Fields) {
    this.kind = kind;
    this.name = name;
    this.params = params;
    this.fields = fields;
    let size = 1;
    for (const type of params) size += type.size;
    this.size = size;
  }

  /** As errors print it: `map(string, list(int))`. */
  toString(): string {
    this.#text ??= print(this);
    return this.#text;
  }
}

/** Larger types are cut off when printed. */
const MAX_PRINTED = 1000;

function print(type: CelType): string {
  if (type.size > MAX_PRINTED) return `${type.name}(…)`;
  switch (type.kind) {
    case "any":
    case "duration":
    case "timestamp":
    case "null":
      return type.kind;
    case "error":
      return "!error!";
    default:
      return type.params.length === 0 ? type.name : `${type.name}(${type.params.join(", ")})`;
  }
}

export const DYN = new CelType("dyn", "dyn");
export const ERROR = new CelType("error", "error");
export const NULL = new CelType("null", "null_type");
export const BOOL = new CelType("bool", "bool");
export const INT = new CelType("int", "int");
export const UINT = new CelType("uint", "uint");
export const DOUBLE = new CelType("double", "double");
export const STRING = new CelType("string", "string");
export const BYTES = new CelType("bytes", "bytes");
export const TIMESTAMP = new CelType("timestamp", "google.protobuf.Timestamp");
export const DURATION = new CelType("duration", "google.protobuf.Duration");
export const TYPE = new CelType("type", "type");

export const listOf = (element: CelType): CelType => new CelType("list", "list", [element]);
export const mapOf = (key: CelType, value: CelType): CelType => new CelType("map", "map", [key, value]);
export const typeOf = (type: CelType): CelType => new CelType("type", "type", [type]);
export const param = (name: string): CelType => new CelType("param", name);
export const opaque = (name: string, ...params: CelType[]): CelType => new CelType("opaque", name, params);
export const optionalOf = (type: CelType): CelType => opaque("optional_type", type);
export const struct = (name: string, fields: Fields): CelType => new CelType("struct", name, [], fields);

/** Names that mean a type in signatures and, most of them, in expressions. */
export const NAMED: ReadonlyMap<string, CelType> = new Map([
  ["bool", BOOL],
  ["int", INT],
  ["uint", UINT],
  ["double", DOUBLE],
  ["string", STRING],
  ["bytes", BYTES],
  ["null_type", NULL],
  ["timestamp", TIMESTAMP],
  ["duration", DURATION],
  ["type", TYPE],
  ["dyn", DYN],
]);

export function isDyn(type: CelType): boolean {
  return type.kind === "dyn" || type.kind === "any";
}

export function isOptional(type: CelType): boolean {
  return type.kind === "opaque" && type.name === "optional_type";
}

/** Larger types are the same only when they are the same object: comparing them would take too long. */
const MAX_COMPARED = 10_000;

/** The same type to the last parameter. */
export function sameType(a: CelType, b: CelType): boolean {
  if (a === b) return true;
  if (a.kind !== b.kind || a.name !== b.name || a.size !== b.size || a.size > MAX_COMPARED) return false;
  return a.params.every((type, i) => sameType(type, b.params[i]!));
}
