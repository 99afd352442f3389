/** Protobuf messages to the canonical object that their JSON would become (spec: apiserver 6.3). Lengths, depths and wire types are checked, never trusted. */
import { newObject, parseJSON } from "../json/index.ts";
import type { JSONObject, JSONValue } from "../meta.ts";
import { formatDurationNanos, formatTime } from "../time.ts";
import { toBase64 } from "./base64.ts";
import { absentValue, isOmitted } from "./empty.ts";
import { DecodeError } from "./fault.ts";
import { readQuantity } from "./scalars.ts";
import type { Field, FlatField, Struct, Type } from "./table.ts";
import { BYTES, Reader, VARINT, wireTypeOf } from "./wire.ts";

/** Deeper messages are refused; no type but the JSON schema nests more than 20 levels. */
const MAX_DEPTH = 1_000;

/** Reads one value into the slots of a message. The reader stands behind the tag. */
type SlotReader = (reader: Reader, slots: Slots, wireType: number, depth: number) => void;
type Slots = (JSONValue | Message | undefined)[];
type ValueReader = (reader: Reader, depth: number) => JSONValue;

/** A message whose fields may still be merged with those of a later occurrence, as protobuf wants. */
class Message {
  readonly plan: Plan;
  readonly slots: Slots;

  constructor(plan: Plan) {
    this.plan = plan;
    this.slots = new Array(plan.fields.length);
  }
}

/** Sparse, by field number. */
type Readers = readonly (SlotReader | undefined)[];

interface Plan {
  readonly struct: Struct;
  readonly fields: readonly FlatField[];
  /** By field number. */
  readonly readers: Readers;
  readonly absent: readonly (JSONValue | undefined)[];
}

const plans = new WeakMap<Struct, Plan>();

function planOf(struct: Struct): Plan {
  let plan = plans.get(struct);
  if (plan !== undefined) return plan;
  const { fields } = struct;
  plan = { struct, fields, readers: slotReaders(struct, 0), absent: fields.map(absentValue) };
  plans.set(struct, plan);
  return plan;
}

/** Decodes a whole message into `out`, which may hold kind and apiVersion already. Throws DecodeError. */
export function readMessage(struct: Struct, bytes: Uint8Array, out: JSONObject = newObject()): JSONObject {
  const message = new Message(planOf(struct));
  readFields(message.plan.readers, struct.name, new Reader(bytes), message.slots, 0);
  return assemble(message, out);
}

function readFields(readers: Readers, name: string, reader: Reader, slots: Slots, depth: number): void {
  if (depth > MAX_DEPTH) throw new DecodeError("exceeded max depth");
  while (reader.at < reader.end) {
    const tag = reader.uint32();
    const wireType = tag & 7;
    const number = tag >>> 3;
    if (wireType === 4) throw new DecodeError(`proto: ${name}: wiretype end group for non-group`);
    if (number === 0) throw new DecodeError(`proto: ${name}: illegal tag 0 (wire type ${tag})`);
    const read = readers[number];
    if (read === undefined) reader.skip(wireType);
    else read(reader, slots, wireType, depth);
  }
}

/** Runs `body` on the window of a length-delimited value. */
function within<T>(reader: Reader, body: (reader: Reader) => T): T {
  const end = reader.span();
  const outer = reader.end;
  reader.end = end;
  const result = body(reader);
  reader.at = end;
  reader.end = outer;
  return result;
}

function assemble(message: Message, out: JSONObject = newObject()): JSONObject {
  const { plan, slots } = message;
  for (let index = 0; index < slots.length; index++) {
    const field = plan.fields[index]!;
    const slot = slots[index];
    const value = slot instanceof Message ? assemble(slot) : slot;
    if (value !== undefined && !isOmitted(field, value)) {
      out[field.name] = value;
      continue;
    }
    const absent = plan.absent[index];
    if (absent === undefined) continue;
    if (value !== undefined) out[field.name] = value;
    else out[field.name] = typeof absent === "object" && absent !== null ? absentValue(field)! : absent;
  }
  return out;
}

/** Readers of a structure whose flat fields start at `base` of an outer one. */
function slotReaders(struct: Struct, base: number): Readers {
  const readers: (SlotReader | undefined)[] = [];
  let index = base;
  for (const member of struct.members) {
    if (member.embedded && member.type.kind === "struct") {
      const inner = member.type.struct();
      if (member.number > 0) {
        const nested = slotReaders(inner, index);
        readers[member.number] = expecting(BYTES, member, (reader, slots, depth) =>
          within(reader, (window) => readFields(nested, inner.name, window, slots, depth + 1)),
        );
      }
      index += inner.fields.length;
      continue;
    }
    if (member.number > 0) readers[member.number] = slotReader(member, index);
    index++;
  }
  return readers;
}

function expecting(
  wanted: number,
  field: Field,
  read: (reader: Reader, slots: Slots, depth: number) => void,
): SlotReader {
  return (reader, slots, wireType, depth) => {
    if (wireType !== wanted) throw wrongWireType(wireType, field);
    read(reader, slots, depth);
  };
}

function wrongWireType(wireType: number, field: Field): DecodeError {
  const name = field.name[0]!.toUpperCase() + field.name.slice(1);
  return new DecodeError(`proto: wrong wireType = ${wireType} for field ${name}`);
}

function slotReader(field: Field, index: number): SlotReader {
  const { type } = field;
  switch (type.kind) {
    case "list":
      return type.wrapped ? wrappedSlot(field, index, type.element) : listSlot(field, index, type.element);
    case "map":
      return mapSlot(field, index, type.element);
    case "struct": {
      let plan: Plan | undefined;
      return expecting(BYTES, field, (reader, slots, depth) => {
        plan ??= planOf(type.struct());
        const held = slots[index];
        const message = held instanceof Message ? held : new Message(plan);
        slots[index] = message;
        const end = reader.span();
        const outer = reader.end;
        reader.end = end;
        readFields(plan.readers, plan.struct.name, reader, message.slots, depth + 1);
        reader.end = outer;
      });
    }
    default: {
      const read = valueReader(type);
      return expecting(wireTypeOf(type), field, (reader, slots, depth) => {
        slots[index] = read(reader, depth);
      });
    }
  }
}

function wrappedSlot(field: Field, index: number, element: Type): SlotReader {
  const inner: Readers = [undefined, listSlot(field, 0, element)];
  return expecting(BYTES, field, (reader, slots, depth) => {
    const holder: Slots = [slots[index] ?? []];
    within(reader, (window) => readFields(inner, field.name, window, holder, depth + 1));
    slots[index] = holder[0];
  });
}

function listSlot(field: Field, index: number, element: Type): SlotReader {
  const wanted = wireTypeOf(element);
  const read = valueReader(element);
  return (reader, slots, wireType, depth) => {
    let list = slots[index] as JSONValue[] | undefined;
    if (list === undefined) {
      list = [];
      slots[index] = list;
    }
    if (wireType === wanted) {
      list.push(read(reader, depth));
    } else if (wireType === BYTES && wanted !== BYTES) {
      const packed = list;
      within(reader, (window) => {
        while (window.at < window.end) packed.push(read(window, depth));
      });
    } else {
      throw wrongWireType(wireType, field);
    }
  };
}

function mapSlot(field: Field, index: number, element: Type): SlotReader {
  const read = valueReader(element);
  const wanted = wireTypeOf(element);
  const zero = () => zeroOf(element);
  return expecting(BYTES, field, (reader, slots, depth) => {
    let map = slots[index] as JSONObject | undefined;
    if (map === undefined) {
      map = newObject();
      slots[index] = map;
    }
    const end = reader.span();
    const outer = reader.end;
    reader.end = end;
    let key = "";
    let value: JSONValue | undefined;
    while (reader.at < end) {
      const tag = reader.uint32();
      if (tag === 0x0a) key = reader.string();
      else if (tag === ((2 << 3) | wanted)) value = read(reader, depth + 1);
      else if (tag >>> 3 === 1 || tag >>> 3 === 2) throw wrongWireType(tag & 7, field);
      else reader.skip(tag & 7);
    }
    reader.end = outer;
    map[key] = value ?? zero();
  });
}

function zeroOf(type: Type): JSONValue {
  return valueReader(type)(EMPTY_READER(), 0);
}

/** A reader on one zero byte: a zero integer, an empty string, an empty message. */
const EMPTY_READER = () => new Reader(new Uint8Array(8));

function valueReader(type: Type): ValueReader {
  switch (type.kind) {
    case "string":
      return (reader) => reader.string();
    case "bool":
      return (reader) => reader.bool();
    case "int32":
      return (reader) => reader.int32();
    case "int64":
      return (reader) => reader.int64();
    case "double":
      return (reader) => reader.double();
    case "bytes":
      return (reader) => toBase64(reader.view());
    case "time":
      return (reader) => {
        if (reader.at < reader.end && reader.bytes[reader.at] === 0) {
          reader.at++;
          return null;
        }
        const [seconds] = readTimestamp(reader);
        return timeText(seconds);
      };
    case "microTime":
      return (reader) => {
        if (reader.at < reader.end && reader.bytes[reader.at] === 0) {
          reader.at++;
          return null;
        }
        const [seconds, nanos] = readTimestamp(reader);
        const text = timeText(seconds);
        const micros = Math.trunc(nanos / 1000);
        return text === null ? null : `${text.slice(0, -1)}.${`${Math.max(0, micros)}`.padStart(6, "0")}Z`;
      };
    case "duration":
      return (reader) => formatDurationNanos(BigInt(numbered(reader, VARINT, 1, (window) => window.int64()) ?? 0));
    case "quantity":
      return (reader) => {
        const text = numbered(reader, BYTES, 1, (window) => window.string());
        return text === undefined ? "0" : readQuantity(text);
      };
    case "intOrString":
      return readIntOrString;
    case "raw":
    case "json":
    case "fieldsV1":
    case "any":
      return (reader) => {
        const bytes = numbered(reader, BYTES, 1, (window) => window.view());
        if (bytes === undefined || bytes.length === 0) return null;
        return parseRaw(bytes);
      };
    case "list": {
      const field = { name: "items" } as Field;
      const slot: Readers = [undefined, listSlot(field, 0, type.element)];
      return (reader, depth) => {
        const holder: Slots = [[]];
        within(reader, (window) => readFields(slot, "items", window, holder, depth + 1));
        return holder[0] as JSONValue[];
      };
    }
    case "map":
      throw new Error("a map inside a list or a map has no protobuf form");
    case "struct":
      return structReader(type.struct);
    case "schemaOrArray":
    case "schemaOrBool":
    case "schemaOrStrings":
      return schemaReader(type.kind, structReader(type.schema!));
  }
}

/** Go keeps such bytes as they are and fails when it writes them as JSON. */
function parseRaw(bytes: Uint8Array): JSONValue {
  try {
    return parseJSON(bytes).value;
  } catch (error) {
    throw new DecodeError((error as Error).message);
  }
}

function structReader(struct: () => Struct): ValueReader {
  let plan: Plan | undefined;
  return (reader, depth) => {
    plan ??= planOf(struct());
    const message = new Message(plan);
    const end = reader.span();
    const outer = reader.end;
    reader.end = end;
    readFields(plan.readers, plan.struct.name, reader, message.slots, depth + 1);
    reader.end = outer;
    return assemble(message);
  };
}

/** The last field with this number in a length-delimited message; others are skipped. */
function numbered<T>(reader: Reader, wanted: number, number: number, read: (window: Reader) => T): T | undefined {
  return within(reader, (window) => {
    let found: T | undefined;
    while (window.at < window.end) {
      const tag = window.uint32();
      if (tag === ((number << 3) | wanted)) found = read(window);
      else if (tag >>> 3 === number) throw new DecodeError(`proto: wrong wireType = ${tag & 7} for field ${number}`);
      else window.skip(tag & 7);
    }
    return found;
  });
}

function readTimestamp(reader: Reader): [seconds: number, nanos: number] {
  return within(reader, (window) => {
    let seconds = 0;
    let nanos = 0;
    while (window.at < window.end) {
      const tag = window.uint32();
      if (tag === 0x08) seconds = Number(window.int64());
      else if (tag === 0x10) nanos = window.int32();
      else window.skip(tag & 7);
    }
    return [seconds, nanos];
  });
}

const FIRST_SECOND = -62135596800;
const LAST_SECOND = 253402300799;

/** Years 1 to 9999 only: Go cannot write others as JSON either. */
function timeText(seconds: number): string | null {
  if (seconds === FIRST_SECOND) return null;
  if (!(seconds > FIRST_SECOND && seconds <= LAST_SECOND)) {
    throw new DecodeError("Time.MarshalJSON: year outside of range [0,9999]");
  }
  return formatTime(seconds * 1000);
}

function readIntOrString(reader: Reader): JSONValue {
  return within(reader, (window) => {
    let type = 0;
    let number = 0;
    let text = "";
    while (window.at < window.end) {
      const tag = window.uint32();
      if (tag === 0x08) type = Number(window.int64());
      else if (tag === 0x10) number = window.int32();
      else if (tag === 0x1a) text = window.string();
      else window.skip(tag & 7);
    }
    if (type === 0) return number;
    if (type === 1) return text;
    throw new DecodeError("impossible IntOrString.Type");
  });
}

function schemaReader(kind: "schemaOrArray" | "schemaOrBool" | "schemaOrStrings", one: ValueReader): ValueReader {
  return (reader, depth) =>
    within(reader, (window) => {
      let schema: JSONValue | undefined;
      let allows = false;
      const list: JSONValue[] = [];
      while (window.at < window.end) {
        const tag = window.uint32();
        if (kind === "schemaOrBool") {
          if (tag === 0x08) allows = window.bool();
          else if (tag === 0x12) schema = one(window, depth + 1);
          else window.skip(tag & 7);
        } else if (tag === 0x0a) schema = one(window, depth + 1);
        else if (tag === 0x12) list.push(kind === "schemaOrStrings" ? window.string() : one(window, depth + 1));
        else window.skip(tag & 7);
      }
      if (kind === "schemaOrBool") return schema ?? allows;
      return list.length > 0 ? list : (schema ?? null);
    });
}
