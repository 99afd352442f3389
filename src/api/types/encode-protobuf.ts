/** A canonical object to the bytes that Go's generated marshallers write: every field that is no pointer, even when it is zero (spec: apiserver 6.3). */
import { stringifySorted } from "../json/canonical.ts";
import { encodeUTF8, newObject, sortKeys, stringifyJSON } from "../json/index.ts";
import type { JSONObject, JSONValue } from "../meta.ts";
import { parseDurationNanos, parseTime } from "../time.ts";
import { base64Length, writeBase64 } from "./base64.ts";
import { zeroValue } from "./empty.ts";
import type { Field, Struct, Type } from "./table.ts";
import { BYTES, type Writer, wireTypeOf } from "./wire.ts";

/** Writes a value with its tag; called with undefined or null for an absent one. */
type FieldWriter = (out: Writer, value: JSONValue | undefined) => void;
/** Writes the contents of a value that is there, without a tag. */
type ValueWriter = (out: Writer, value: JSONValue) => void;

interface Slot {
  readonly name: string;
  /** Flat in JSON, a message in protobuf: the writer gets the whole object. */
  readonly embedded: boolean;
  readonly write: FieldWriter;
}

/** Slots from the highest field number to the lowest. */
type Plan = readonly Slot[];

const plans = new WeakMap<Struct, Plan>();
const EMPTY: JSONObject = Object.freeze(newObject());

function planOf(struct: Struct): Plan {
  let plan = plans.get(struct);
  if (plan !== undefined) return plan;
  plan = struct.members
    .filter((member) => member.number > 0)
    .sort((a, b) => b.number - a.number)
    .map((member) => ({ name: member.name, embedded: member.embedded, write: fieldWriter(member) }));
  plans.set(struct, plan);
  return plan;
}

/** Whether the structure has a protobuf form at all. */
export function hasProtobuf(struct: Struct): boolean {
  return struct.members.some((member) => member.number > 0);
}

/** Appends (in front, see Writer) the message of `value`. */
export function writeMessage(struct: Struct, out: Writer, value: JSONObject): void {
  writeSlots(planOf(struct), out, value);
}

function writeSlots(plan: Plan, out: Writer, value: JSONObject): void {
  for (let index = 0; index < plan.length; index++) {
    const slot = plan[index]!;
    slot.write(out, slot.embedded ? value : value[slot.name]);
  }
}

function fieldWriter(field: Field): FieldWriter {
  const { type, number } = field;
  if (type.kind === "list") return listWriter(number, type.element, type.wrapped);
  if (type.kind === "map") return mapWriter(number, type.element);
  const tag = (number << 3) | wireTypeOf(type);
  const write = valueWriter(type);
  // A nil slice and a nil pointer are not written; everything else is.
  const nullable = field.pointer || type.kind === "bytes" || type.kind === "any";
  const zero = nullable ? null : zeroOf(type);
  return (out, value) => {
    if (value === undefined || value === null) {
      if (nullable) return;
      write(out, zero as JSONValue);
    } else {
      write(out, value);
    }
    out.varint(tag);
  };
}

/** The zero value to write; null for types whose writer knows null as their zero. */
function zeroOf(type: Type): JSONValue {
  return type.kind === "struct" ? EMPTY : zeroValue(type);
}

function listWriter(number: number, element: Type, wrapped: boolean): FieldWriter {
  const tag = (number << 3) | BYTES;
  const write = wrapped ? wrappedList(element) : elements(number, element);
  if (!wrapped) return write;
  return (out, value) => {
    if (value === undefined || value === null) return;
    const before = out.size;
    write(out, value);
    out.varint(out.size - before);
    out.varint(tag);
  };
}

function wrappedList(element: Type): FieldWriter {
  return elements(1, element);
}

function elements(number: number, element: Type): FieldWriter {
  const tag = (number << 3) | wireTypeOf(element);
  const write = valueWriter(element);
  const zero = zeroOf(element);
  return (out, value) => {
    if (value === undefined || value === null) return;
    const list = value as JSONValue[];
    for (let index = list.length - 1; index >= 0; index--) {
      write(out, list[index] ?? zero);
      out.varint(tag);
    }
  };
}

function mapWriter(number: number, element: Type): FieldWriter {
  const tag = (number << 3) | BYTES;
  const valueTag = (2 << 3) | wireTypeOf(element);
  const write = valueWriter(element);
  const zero = zeroOf(element);
  const nullable = element.kind === "bytes";
  return (out, value) => {
    if (value === undefined || value === null) return;
    const map = value as JSONObject;
    const keys = sortKeys(Object.keys(map));
    for (let index = keys.length - 1; index >= 0; index--) {
      const key = keys[index]!;
      const item = map[key];
      const before = out.size;
      if (!nullable || (item !== null && item !== undefined)) {
        write(out, item ?? zero);
        out.varint(valueTag);
      }
      out.string(key);
      out.byte(0x0a);
      out.varint(out.size - before);
      out.varint(tag);
    }
  };
}

/** Wraps a writer of contents into one that puts their length in front. */
function message(contents: ValueWriter): ValueWriter {
  return (out, value) => {
    const before = out.size;
    contents(out, value);
    out.varint(out.size - before);
  };
}

const writeText: ValueWriter = (out, value) => out.string(value as string);

function valueWriter(type: Type): ValueWriter {
  switch (type.kind) {
    case "string":
      return writeText;
    case "bool":
      return (out, value) => out.byte(value ? 1 : 0);
    case "int32":
    case "int64":
      return (out, value) => out.integer(value as number | bigint);
    case "double":
      return (out, value) => out.double(Number(value));
    case "bytes":
      return (out, value) => {
        const text = value as string;
        const length = base64Length(text);
        out.block(length, (buffer, at) => writeBase64(text, buffer, at));
        out.varint(length);
      };
    case "time":
      return message((out, value) => {
        if (value !== null) writeTimestamp(out, Math.floor(milliseconds(value as string) / 1000), 0);
      });
    case "microTime":
      return message((out, value) => {
        if (value === null) return;
        const text = value as string;
        writeTimestamp(out, Math.floor(milliseconds(text) / 1000), Number(text.slice(20, 26)) * 1000);
      });
    case "duration":
      return message((out, value) => {
        out.integer(parseDurationNanos(value as string));
        out.byte(0x08);
      });
    case "quantity":
      return message((out, value) => {
        out.string(`${value}`);
        out.byte(0x0a);
      });
    case "intOrString":
      return message((out, value) => {
        const text = typeof value === "string";
        out.string(text ? value : "");
        out.byte(0x1a);
        out.integer(text ? 0 : (value as number));
        out.byte(0x10);
        out.byte(text ? 1 : 0);
        out.byte(0x08);
      });
    case "raw":
    case "json":
    case "fieldsV1":
    case "any":
      return message((out, value) => {
        if (value === null) return;
        const bytes = encodeUTF8(type.kind === "json" ? stringifySorted(value) : stringifyJSON(value));
        out.raw(bytes);
        out.varint(bytes.length);
        out.byte(0x0a);
      });
    case "list": {
      const write = wrappedList(type.element);
      return message((out, value) => write(out, value));
    }
    case "map":
      throw new Error("a map inside a list or a map has no protobuf form");
    case "struct": {
      let plan: Plan | undefined;
      return message((out, value) => {
        plan ??= planOf(type.struct());
        writeSlots(plan, out, (value ?? EMPTY) as JSONObject);
      });
    }
    case "schemaOrArray":
    case "schemaOrBool":
    case "schemaOrStrings":
      return schemaWriter(type.kind, type.schema!);
  }
}

function schemaWriter(kind: "schemaOrArray" | "schemaOrBool" | "schemaOrStrings", schema: () => Struct): ValueWriter {
  const one = message((out, value) => writeMessage(schema(), out, value as JSONObject));
  return message((out, value) => {
    if (kind === "schemaOrBool") {
      if (typeof value === "object" && value !== null) {
        one(out, value);
        out.byte(0x12);
      }
      out.byte(value === false || value === null ? 0 : 1);
      out.byte(0x08);
      return;
    }
    if (Array.isArray(value)) {
      for (let index = value.length - 1; index >= 0; index--) {
        if (kind === "schemaOrStrings") out.string(value[index] as string);
        else one(out, value[index]!);
        out.byte(0x12);
      }
    } else if (value !== null) {
      one(out, value);
      out.byte(0x0a);
    }
  });
}

function writeTimestamp(out: Writer, seconds: number, nanos: number): void {
  out.integer(nanos);
  out.byte(0x10);
  out.integer(seconds);
  out.byte(0x08);
}

function milliseconds(text: string): number {
  return parseTime(text) ?? 0;
}
