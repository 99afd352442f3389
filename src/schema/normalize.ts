/** What happens to an object before anybody looks at it: unknown fields go, nulls go where null is no value, embedded metadata is decoded, defaults come (spec: apiserver 8.4). */
import { invalidValue, Printed } from "../api/field-errors.ts";
import { stringifySorted } from "../api/json/canonical.ts";
import { cloneJSON, isObject } from "../api/json/object.ts";
import { sortKeys } from "../api/json/utf8.ts";
import type { JSONObject, JSONValue } from "../api/meta.ts";
import { Cursor, DecodeError } from "../api/types/fault.ts";
import { decodeObjectMeta, salvageObjectMeta } from "./embedded.ts";
import type { SchemaNode } from "./node.ts";

/** How many pruned paths are remembered. */
const MAX_UNKNOWN = 1_000;
/** Deeper than any schema goes that the API accepts; what lies below is left alone. */
const MAX_DEPTH = 2_000;

const META = new Set(["apiVersion", "kind", "metadata"]);

/** Something embedded is no object at all; the message is upstream's. */
export class CoercionError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "CoercionError";
  }
}

/**
 * Changes `object` in place. The paths of what was pruned come back sorted, those inside embedded metadata last. `stored`: the object was
 * accepted before, what cannot be decoded is dropped; otherwise throws CoercionError.
 */
export function normalize(node: SchemaNode, object: JSONObject, resource: boolean, stored = false): string[] {
  const pass = new Pass(stored);
  pass.object(node, object, resource || node.embedded, false, true);
  return [...sortKeys(pass.unknown), ...sortKeys(pass.unknownInMetadata)];
}

class Pass {
  readonly unknown: string[] = [];
  readonly unknownInMetadata: string[] = [];
  readonly #stored: boolean;
  readonly #steps: (string | number)[] = [];
  /** Steps that upstream writes in brackets when it speaks about metadata: members of maps. */
  readonly #members = new Set<number>();

  constructor(stored: boolean) {
    this.#stored = stored;
  }

  /** `embedded`: apiVersion, kind and metadata are known. `keep`: unknown fields stay. `prunes`: false inside of defaults, which nobody wrote. */
  object(node: SchemaNode, object: JSONObject, embedded: boolean, keep: boolean, prunes: boolean): void {
    const { additional } = node;
    const preserve = keep || node.preserve || !prunes;
    for (const name of Object.keys(object)) {
      const property = node.property(name);
      const child = property ?? additional;
      const value = object[name]!;
      const meta = embedded && META.has(name);
      if (child === undefined) {
        if (meta) {
          if (node.embedded && prunes) this.#embedded(object, name, value);
        } else if (node.anyMember) {
          if (prunes && typeof value === "object") this.#visit(name, () => this.#empty(value));
        } else if (!preserve) {
          this.#forget(name);
          delete object[name];
        }
        continue;
      }
      if (value === null && !child.nullable) {
        if (child.default === undefined) {
          delete object[name];
          continue;
        }
        object[name] = cloneJSON(child.default);
        this.#within(child, object[name], name, false);
        continue;
      }
      if (meta && node.embedded && prunes) this.#embedded(object, name, value);
      const kept = object[name];
      if (typeof kept !== "object" || kept === null) continue;
      if (property === undefined) this.#members.add(this.#steps.length);
      this.#within(child, kept, name, prunes && !meta);
      if (property === undefined) this.#members.delete(this.#steps.length);
    }
    for (const [name, value] of node.defaults) {
      if (Object.hasOwn(object, name)) continue;
      const filled = cloneJSON(value);
      object[name] = filled;
      this.#within(node.property(name)!, filled, name, false);
    }
  }

  #within(node: SchemaNode, value: JSONValue | undefined, step: string | number, prunes: boolean, keep = false): void {
    if (typeof value !== "object" || value === null || this.#steps.length >= MAX_DEPTH) return;
    this.#steps.push(step);
    if (Array.isArray(value)) this.#list(node, value, prunes, keep);
    else this.object(node, value, node.embedded, keep, prunes);
    this.#steps.pop();
  }

  #list(node: SchemaNode, list: JSONValue[], prunes: boolean, keep: boolean): void {
    const { items } = node;
    // Below a list whose own unknown fields are preserved, those of its items are too.
    const preserve = keep || node.preserve;
    if (items === undefined) {
      if (prunes && !preserve) this.#empty(list);
      return;
    }
    for (let index = 0; index < list.length; index++) {
      if (list[index] === null && !items.nullable && items.default !== undefined)
        list[index] = cloneJSON(items.default);
      const item = list[index]!;
      if (typeof item === "object" && item !== null) this.#within(items, item, index, prunes, preserve);
    }
  }

  /** Nothing is specified here: objects lose all they have. */
  #empty(value: JSONValue): void {
    if (Array.isArray(value)) {
      for (const [index, item] of value.entries()) this.#visit(index, () => this.#empty(item));
    } else if (isObject(value)) {
      for (const name of Object.keys(value)) {
        this.#forget(name);
        delete value[name];
      }
    }
  }

  #visit(step: string | number, act: () => void): void {
    if (this.#steps.length >= MAX_DEPTH) return;
    this.#steps.push(step);
    act();
    this.#steps.pop();
  }

  #forget(name: string): void {
    if (this.unknown.length >= MAX_UNKNOWN) return;
    let path = "";
    for (const step of this.#steps) path += typeof step === "number" ? `[${step}]` : path === "" ? step : `.${step}`;
    this.unknown.push(path === "" ? name : `${path}.${name}`);
  }

  #embedded(object: JSONObject, name: string, value: JSONValue): void {
    if (name !== "metadata") {
      if (typeof value === "string") return;
      if (!this.#stored) {
        const shown = typeof value === "object" ? new Printed(stringifySorted(value)) : value;
        const { field, message } = invalidValue(`${this.#field()}${name}`, shown, "must be a string");
        throw new CoercionError(`${field}: ${message}`);
      }
      delete object[name];
      return;
    }
    if (this.#stored) {
      object[name] = salvageObjectMeta(value ?? undefined) as JSONObject;
      return;
    }
    const cursor = new Cursor();
    try {
      object[name] = decodeObjectMeta(value ?? undefined, cursor, true) as JSONObject;
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      const shown = typeof value === "object" ? new Printed(stringifySorted(value)) : value;
      const { field, message } = invalidValue(`${this.#field()}${name}`, shown, error.message);
      throw new CoercionError(`${field}: ${message}`);
    }
    for (const problem of cursor.problems) {
      if (this.unknownInMetadata.length >= MAX_UNKNOWN) return;
      this.unknownInMetadata.push(`${this.#field()}metadata.${problem.slice('unknown field "'.length, -1)}`);
    }
  }

  /** As a prefix, the way the texts about metadata write paths: members of maps in brackets. */
  #field(): string {
    let path = "";
    this.#steps.forEach((step, index) => {
      if (typeof step === "number" || this.#members.has(index)) path += `[${step}]`;
      else path += path === "" ? step : `.${step}`;
    });
    return path === "" ? "" : `${path}.`;
  }
}
