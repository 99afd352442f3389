/** What expressions compute with. JSON's own values where they suffice; classes where CEL tells apart what JavaScript does not. */
import {
  BOOL,
  BYTES,
  type CelType,
  DOUBLE,
  DURATION,
  DYN,
  ERROR,
  INT,
  listOf,
  mapOf,
  NULL,
  opaque,
  optionalOf,
  STRING,
  TIMESTAMP,
  TYPE,
  UINT,
} from "../check/types.ts";
import { CelError } from "./errors.ts";
import type { List } from "./list.ts";
import { ListValue } from "./list.ts";
import { MapValue } from "./map.ts";
import { Double, Uint } from "./numbers.ts";
import { Duration, Timestamp } from "./time.ts";

/** A type as a value. */
export class TypeValue {
  readonly type: CelType;
  constructor(type: CelType) {
    this.type = type;
  }
}

export class Optional {
  /** Undefined: there is none. */
  readonly value: Value | undefined;
  constructor(value: Value | undefined) {
    this.value = value;
  }
}

export const NONE = new Optional(undefined);

/** A value only the functions of a library make and take. */
export abstract class Opaque {
  abstract readonly typeName: string;
  abstract equals(other: Opaque): boolean;
  /** What the cost of a call counts it as, as `size()` does of lists; most count as one. */
  size(): number {
    return 1;
  }
}

export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint
  | Double
  | Uint8Array
  | Timestamp
  | Duration
  | List
  | MapValue
  | Optional
  | TypeValue
  | Opaque
  | CelError;

const LIST = listOf(DYN);
const MAP = mapOf(DYN, DYN);
const OPTIONAL = optionalOf(DYN);

/** The type a value has at run time; elements of lists and maps are not looked at. */
export function typeOfValue(value: Value): CelType {
  switch (typeof value) {
    case "string":
      return STRING;
    case "number":
    case "bigint":
      return INT;
    case "boolean":
      return BOOL;
    default:
  }
  if (value === null) return NULL;
  if (value instanceof ListValue) return LIST;
  if (value instanceof MapValue) return MAP;
  if (value instanceof Double) return DOUBLE;
  if (value instanceof Uint) return UINT;
  if (value instanceof Optional) return OPTIONAL;
  if (value instanceof Timestamp) return TIMESTAMP;
  if (value instanceof Duration) return DURATION;
  if (value instanceof Uint8Array) return BYTES;
  if (value instanceof TypeValue) return TYPE;
  if (value instanceof CelError) return ERROR;
  return opaque((value as Opaque).typeName);
}

/** Whether the value may be an argument of the type; of lists and maps the first element speaks for all. */
export function isOfType(value: Value, type: CelType): boolean {
  switch (type.kind) {
    case "dyn":
    case "any":
    case "param":
      return true;
    case "int":
      return typeof value === "number" || typeof value === "bigint";
    case "string":
      return typeof value === "string";
    case "bool":
      return typeof value === "boolean";
    case "double":
      return value instanceof Double;
    case "uint":
      return value instanceof Uint;
    case "null":
      return value === null;
    case "bytes":
      return value instanceof Uint8Array;
    case "timestamp":
      return value instanceof Timestamp;
    case "duration":
      return value instanceof Duration;
    case "type":
      return value instanceof TypeValue;
    case "list":
      return value instanceof ListValue && (value.size === 0 || isOfType(value.get(0), type.params[0]!));
    case "map": {
      if (!(value instanceof MapValue)) return false;
      for (const key of value.keys())
        return isOfType(key, type.params[0]!) && isOfType(value.find(key)!, type.params[1]!);
      return true;
    }
    case "opaque":
      return type.name === "optional_type"
        ? value instanceof Optional
        : value instanceof Opaque && value.typeName === type.name;
    case "struct":
      return value instanceof MapValue;
    case "error":
      return false;
  }
}

/** What Go calls the type of a value; some errors name it. */
export function goTypeName(value: Value): string {
  if (value === null) return "types.Null";
  const { name } = typeOfValue(value);
  const last = name.slice(name.lastIndexOf(".") + 1);
  return `types.${last[0]!.toUpperCase()}${last.slice(1)}`;
}
