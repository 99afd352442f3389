/** The canonical JSON of a structure: Go's field order, Go's empty values, Go's escapes. */
import { stringifySorted } from "../json/canonical.ts";
import { formatNumber, quoteJSON, sortKeys, stringifyJSON } from "../json/index.ts";
import { apiVersionOf, type GroupVersionKind, type JSONObject, type JSONValue } from "../meta.ts";
import { absentValue, isOmitted, zeroValue } from "./empty.ts";
import type { FlatField, Struct, Type } from "./table.ts";

type Writer = (value: JSONValue) => string;

interface Slot {
  readonly field: FlatField;
  readonly name: string;
  /** `"name":` */
  readonly label: string;
  readonly write: Writer;
  /** `"name":<empty>`, or "" when Go leaves an absent field out. */
  readonly absent: string;
}

interface Plan {
  readonly slots: readonly Slot[];
}

const plans = new WeakMap<Struct, Plan>();

function planOf(struct: Struct): Plan {
  let plan = plans.get(struct);
  if (plan !== undefined) return plan;
  const slots = struct.fields.map((field): Slot => {
    const label = `${quoteJSON(field.name)}:`;
    const empty = absentValue(field);
    return {
      field,
      name: field.name,
      label,
      write: writerOf(field.type),
      absent: empty === undefined ? "" : label + stringifyJSON(empty),
    };
  });
  plan = { slots };
  plans.set(struct, plan);
  return plan;
}

/** Writes a value of the structure. Unknown members are dropped; the value is trusted to have the types of the table. */
export function encodeStruct(struct: Struct, value: JSONObject): string {
  return writeStruct(planOf(struct), value);
}

/** A whole object: `kind`, `apiVersion` and `metadata` first, the slot of the resourceVersion always present. */
export function encodeObject(
  kind: GroupVersionKind,
  struct: Struct,
  value: JSONObject,
  resourceVersion: string,
): string {
  let text = `{"kind":${quoteJSON(kind.kind)},"apiVersion":${quoteJSON(apiVersionOf(kind))}`;
  for (const slot of planOf(struct).slots) {
    if (slot.name === "kind" || slot.name === "apiVersion") continue;
    const member = value[slot.name];
    const isMetadata =
      slot.name === "metadata" && slot.field.type.kind === "struct" && slot.field.type.go === "v1.ObjectMeta";
    const part = isMetadata
      ? slot.label + encodeMetadata(slot.field.type.struct(), (member ?? {}) as JSONObject, resourceVersion)
      : writeSlot(slot, member);
    if (part !== "") text += `,${part}`;
  }
  return `${text}}`;
}

function encodeMetadata(struct: Struct, value: JSONObject, resourceVersion: string): string {
  let text = "";
  for (const slot of planOf(struct).slots) {
    const part =
      slot.name === "resourceVersion" ? slot.label + quoteJSON(resourceVersion) : writeSlot(slot, value[slot.name]);
    if (part !== "") text += text === "" ? part : `,${part}`;
  }
  return `{${text}}`;
}

function writeSlot(slot: Slot, value: JSONValue | undefined): string {
  if (value === undefined || value === null || isOmitted(slot.field, value)) return slot.absent;
  return slot.label + slot.write(value);
}

function writeStruct(plan: Plan, value: JSONObject): string {
  let text = "{";
  const { slots } = plan;
  for (let index = 0; index < slots.length; index++) {
    const slot = slots[index]!;
    const member = value[slot.name];
    if (member === undefined || member === null || isOmitted(slot.field, member)) {
      if (slot.absent !== "") text += text.length === 1 ? slot.absent : `,${slot.absent}`;
    } else {
      text += (text.length === 1 ? slot.label : `,${slot.label}`) + slot.write(member);
    }
  }
  return `${text}}`;
}

const writeString: Writer = (value) => quoteJSON(value as string);
const writeInteger: Writer = (value) => `${value}`;

function writerOf(type: Type): Writer {
  switch (type.kind) {
    case "string":
    case "bytes":
    case "time":
    case "microTime":
    case "duration":
    case "quantity":
      return writeString;
    case "bool":
      return (value) => (value ? "true" : "false");
    case "int32":
    case "int64":
      return writeInteger;
    case "double":
      return (value) => formatNumber(Number(value));
    case "intOrString":
      return (value) => (typeof value === "string" ? quoteJSON(value) : `${value}`);
    case "json":
      // Upstream keeps these values parsed.
      return stringifySorted;
    case "raw":
    case "fieldsV1":
    case "any":
      return stringifyJSON;
    case "list": {
      const write = writerOf(type.element);
      const empty = stringifyJSON(zeroValue(type.element));
      return (value) => {
        const list = value as JSONValue[];
        let text = "[";
        for (let index = 0; index < list.length; index++) {
          const item = list[index];
          if (index > 0) text += ",";
          text += item === null || item === undefined ? empty : write(item);
        }
        return `${text}]`;
      };
    }
    case "map": {
      const write = writerOf(type.element);
      const empty = stringifyJSON(zeroValue(type.element));
      return (value) => {
        const map = value as JSONObject;
        let text = "{";
        for (const key of sortKeys(Object.keys(map))) {
          const item = map[key];
          if (item === undefined) continue;
          if (text.length > 1) text += ",";
          text += `${quoteJSON(key)}:${item === null ? empty : write(item)}`;
        }
        return `${text}}`;
      };
    }
    case "struct": {
      let plan: Plan | undefined;
      return (value) => {
        plan ??= planOf(type.struct());
        return writeStruct(plan, value as JSONObject);
      };
    }
    case "schemaOrArray":
    case "schemaOrBool":
    case "schemaOrStrings": {
      let plan: Plan | undefined;
      const one: Writer = (value) => {
        if (typeof value !== "object" || value === null) return stringifyJSON(value);
        plan ??= planOf(type.schema!());
        return writeStruct(plan, value as JSONObject);
      };
      return (value) => (Array.isArray(value) ? `[${value.map(one).join(",")}]` : one(value));
    }
  }
}
