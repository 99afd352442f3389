/** A parsed JSON value to the canonical object of a structure: what Go would hold after strict decoding, in the form Go would write it. */
import { newObject } from "../json/index.ts";
import type { JSONObject, JSONValue } from "../meta.ts";
import { toBase64 } from "./base64.ts";
import { absentValue, isOmitted, zeroValue } from "./empty.ts";
import { type Cursor, DecodeError, describe } from "./fault.ts";
import { decodeBase64, readDuration, readMicroTime, readQuantity, readTime } from "./scalars.ts";
import type { FlatField, Struct, Type } from "./table.ts";

/** Reads a value that is not null; undefined after a saved mismatch. */
type Reader = (value: JSONValue, cursor: Cursor) => JSONValue | undefined;

interface Slot {
  readonly field: FlatField;
  readonly read: Reader;
  /** The constant for an absent field; undefined to leave it out. */
  readonly absent: JSONValue | undefined;
  /** Whether absent values are objects and must be made anew. */
  readonly fresh: boolean;
  /** Whether an empty list is another word than none: who empties `managedFields` wants every manager forgotten. */
  readonly emptyMatters: boolean;
}

interface Plan {
  readonly struct: Struct;
  readonly slots: readonly Slot[];
  readonly byName: ReadonlyMap<string, Slot>;
}

const plans = new WeakMap<Struct, Plan>();

function planOf(struct: Struct): Plan {
  let plan = plans.get(struct);
  if (plan !== undefined) return plan;
  const slots = struct.fields.map((field): Slot => {
    const absent = absentValue(field);
    return {
      field,
      read: readerOf(field.type),
      absent,
      fresh: typeof absent === "object" && absent !== null,
      emptyMatters: field.name === "managedFields",
    };
  });
  plan = { struct, slots, byName: new Map(slots.map((slot) => [slot.field.name, slot])) };
  plans.set(struct, plan);
  return plan;
}

/** Decodes an object into `out`, which may hold kind and apiVersion already; problems and the first type error stay in the cursor. Throws DecodeError when a value refuses itself. */
export function decodeStruct(struct: Struct, value: JSONObject, cursor: Cursor, out?: JSONObject): JSONObject {
  return readStruct(planOf(struct), value, cursor, out);
}

function readStruct(plan: Plan, value: JSONObject, cursor: Cursor, out: JSONObject = newObject()): JSONObject {
  const { slots, byName } = plan;
  const found: (JSONValue | undefined)[] = new Array(slots.length);
  cursor.enter(plan.struct);
  // The document's order decides which error comes first.
  for (const key in value) {
    const slot = byName.get(key);
    if (slot === undefined) {
      cursor.unknown(key);
      continue;
    }
    const member = value[key];
    if (member === undefined || member === null) continue;
    cursor.steps.push(slot.field);
    found[slot.field.index] = slot.read(member, cursor);
    cursor.steps.pop();
  }
  cursor.leave();
  for (let index = 0; index < found.length; index++) {
    const item = found[index];
    const slot = slots[index]!;
    if (item === undefined || (isOmitted(slot.field, item) && !slot.emptyMatters)) {
      if (slot.absent === undefined) continue;
      out[slot.field.name] = item ?? (slot.fresh ? absentValue(slot.field)! : slot.absent);
    } else {
      out[slot.field.name] = item;
    }
  }
  return out;
}

function readerOf(type: Type): Reader {
  const { go } = type;
  const wrong = (value: JSONValue, cursor: Cursor): undefined => {
    cursor.mismatch(describe(value), go);
  };
  switch (type.kind) {
    case "string":
      return (value, cursor) => (typeof value === "string" ? value : wrong(value, cursor));
    case "bool":
      return (value, cursor) => (typeof value === "boolean" ? value : wrong(value, cursor));
    case "int32":
      return (value, cursor) => {
        if (typeof value === "number" && (value | 0) === value) return value | 0;
        if (typeof value !== "number" && typeof value !== "bigint") return wrong(value, cursor);
        cursor.mismatch(`number ${value}`, go);
      };
    case "int64":
      return (value, cursor) => {
        if (typeof value === "number") {
          if (Number.isSafeInteger(value)) return value;
        } else if (typeof value === "bigint") {
          if (BigInt.asIntN(64, value) === value) return value;
        } else return wrong(value, cursor);
        cursor.mismatch(`number ${value}`, go);
      };
    case "double":
      return (value, cursor) => {
        if (typeof value === "number") return value;
        return typeof value === "bigint" ? Number(value) : wrong(value, cursor);
      };
    case "bytes":
      return (value, cursor) => {
        if (typeof value !== "string")
          return Array.isArray(value) ? readByteList(value, cursor, go) : wrong(value, cursor);
        return decodeBase64(value, cursor);
      };
    case "time":
      return (value, cursor) =>
        typeof value === "string" ? readTime(value) : cursor.refuse(describe(value), "string");
    case "microTime":
      return (value, cursor) =>
        typeof value === "string" ? readMicroTime(value) : cursor.refuse(describe(value), "string");
    case "duration":
      return (value, cursor) =>
        typeof value === "string" ? readDuration(value) : cursor.refuse(describe(value), "string");
    case "quantity":
      return (value) => readQuantity(value);
    case "intOrString":
      return (value, cursor) => {
        if (typeof value === "string") return value;
        if (typeof value === "number" && (value | 0) === value) return value | 0;
        return cursor.refuse(
          typeof value === "number" || typeof value === "bigint" ? `number ${value}` : describe(value),
          "int32",
        );
      };
    case "raw":
    case "json":
    case "fieldsV1":
    case "any":
      return (value) => value;
    case "list":
      return listReader(type.element, go);
    case "map":
      return mapReader(type.element, go);
    case "struct": {
      let plan: Plan | undefined;
      return (value, cursor) => {
        if (typeof value !== "object" || Array.isArray(value)) return wrong(value, cursor);
        plan ??= planOf(type.struct());
        return readStruct(plan, value as JSONObject, cursor);
      };
    }
    case "schemaOrArray":
      return schemaReader(type.schema!, (value, one, cursor) => {
        if (!Array.isArray(value)) return null;
        return value.map((item) => one(item, cursor));
      });
    case "schemaOrBool":
      return schemaReader(type.schema!, (value) => {
        if (typeof value === "boolean") return value;
        throw new DecodeError("boolean or JSON schema expected");
      });
    case "schemaOrStrings":
      return schemaReader(type.schema!, (value) => {
        if (!Array.isArray(value)) return null;
        for (const item of value) {
          if (typeof item !== "string")
            throw new DecodeError(`json: cannot unmarshal ${describe(item)} into Go value of type string`);
        }
        return value;
      });
  }
}

/** Types that hold either one JSON schema or something else. Their own decoders are lenient: nested unknown fields are not reported. */
function schemaReader(
  schema: () => Struct,
  other: (value: JSONValue, one: (item: JSONValue, cursor: Cursor) => JSONValue, cursor: Cursor) => JSONValue,
): Reader {
  const one = (item: JSONValue, cursor: Cursor): JSONValue => {
    if (item === null || typeof item !== "object" || Array.isArray(item)) {
      throw new DecodeError(`json: cannot unmarshal ${describe(item)} into Go value of type v1.JSONSchemaProps`);
    }
    const before = cursor.problems.length;
    const out = readStruct(planOf(schema()), item, cursor);
    cursor.problems.length = before;
    return out;
  };
  return (value, cursor) => {
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return one(value, cursor);
    return other(value, one, cursor);
  };
}

function listReader(element: Type, go: string): Reader {
  const read = readerOf(element);
  return (value, cursor) => {
    if (!Array.isArray(value)) {
      cursor.mismatch(describe(value), go);
      return undefined;
    }
    const out: JSONValue[] = new Array(value.length);
    for (let index = 0; index < value.length; index++) {
      const item = value[index]!;
      if (item === null) {
        out[index] = zeroValue(element);
        continue;
      }
      cursor.steps.push(index);
      out[index] = read(item, cursor) ?? null;
      cursor.steps.pop();
    }
    return out;
  };
}

function mapReader(element: Type, go: string): Reader {
  const read = readerOf(element);
  const strings = element.kind === "string";
  return (value, cursor) => {
    if (typeof value !== "object" || Array.isArray(value)) {
      cursor.mismatch(describe(value), go);
      return undefined;
    }
    const out = newObject();
    const from = value as JSONObject;
    for (const key in from) {
      const item = from[key]!;
      if (item === null) {
        out[key] = zeroValue(element);
      } else if (strings && typeof item === "string") {
        out[key] = item;
      } else {
        cursor.steps.push(key);
        out[key] = read(item, cursor) ?? null;
        cursor.steps.pop();
      }
    }
    return out;
  };
}

/** Go also reads a byte slice from a list of numbers. */
function readByteList(value: readonly JSONValue[], cursor: Cursor, go: string): JSONValue | undefined {
  const bytes = new Uint8Array(value.length);
  for (let index = 0; index < value.length; index++) {
    const item = value[index]!;
    if (typeof item !== "number" || (item & 0xff) !== item) {
      cursor.mismatch(typeof item === "number" ? `number ${item}` : describe(item), go === "[]uint8" ? "uint8" : go);
      return undefined;
    }
    bytes[index] = item;
  }
  return toBase64(bytes);
}
