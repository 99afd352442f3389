/** What apply must know of a kind: which lists and maps are one value, and by what their elements are told apart (spec: apiserver 5.5). */

import { quoteJSON, stringifyJSON } from "../json/encode.ts";
import { isObject, newObject, own } from "../json/object.ts";
import type { JSONValue } from "../meta.ts";
import type { PathElement } from "./field-set.ts";

export type ScalarName = "numeric" | "string" | "boolean" | "untyped";

export interface ScalarShape {
  readonly type: "scalar";
  readonly scalar: ScalarName;
}

export interface ListShape {
  readonly type: "list";
  readonly relation: "atomic" | "set" | "map";
  /** What tells elements of a `map` list apart. */
  readonly keys: readonly string[];
  readonly element: () => Shape;
}

export interface MapShape {
  readonly type: "map";
  readonly atomic: boolean;
  /** The shape of a declared field. */
  field(name: string): Shape | undefined;
  /** The shape of members that are not declared; undefined: there are none. */
  readonly members: (() => Shape) | undefined;
  /** What a key of a list element is when it is left out. */
  defaultOf?(name: string): JSONValue | undefined;
}

/** Whatever the value says it is; `atomic`: owned as one. */
export interface AnyShape {
  readonly type: "any";
  readonly atomic: boolean;
}

export type Shape = ScalarShape | ListShape | MapShape | AnyShape;

/** Free-form values that nobody described: maps merge, lists do not. */
export const DEDUCED: AnyShape = { type: "any", atomic: false };
/** Free-form values that are owned whole. */
export const UNTYPED: AnyShape = { type: "any", atomic: true };

const SCALAR: ScalarShape = { type: "scalar", scalar: "untyped" };
const DEDUCED_LIST: ListShape = { type: "list", relation: "atomic", keys: [], element: () => UNTYPED };
const DEDUCED_MAP: MapShape = { type: "map", atomic: false, field: () => undefined, members: () => DEDUCED };
const ATOMIC_MAP: MapShape = { type: "map", atomic: true, field: () => undefined, members: () => UNTYPED };

export type Determined = ScalarShape | ListShape | MapShape;

/** The shape of an `any` is that of its value. */
export function determined(shape: Shape, value: JSONValue | undefined): Determined {
  if (shape.type !== "any") return shape;
  if (Array.isArray(value)) return DEDUCED_LIST;
  if (value !== null && typeof value === "object") return shape.atomic ? ATOMIC_MAP : DEDUCED_MAP;
  return SCALAR;
}

export function memberShape(shape: MapShape, name: string): Shape {
  return shape.field(name) ?? shape.members?.() ?? DEDUCED;
}

/** What is wrong with an element that cannot be told apart from others. */
export class ElementError extends Error {}

/** The path element of a list's element. Throws an ElementError when it has none. */
export function elementOf(list: ListShape, value: JSONValue): PathElement {
  if (list.relation === "map") return keyedElement(list, value);
  if (value === null) throw new ElementError("associative list without keys has an element that's an explicit null");
  if (Array.isArray(value)) throw new ElementError("not supported: associative list with lists as elements");
  if (typeof value === "object")
    throw new ElementError("associative list without keys has an element that's a map type");
  return `v:${stringifyJSON(value)}`;
}

function keyedElement(list: ListShape, value: JSONValue): PathElement {
  if (value === null) throw new ElementError("associative list with keys may not have a null element");
  if (!isObject(value)) throw new ElementError("associative list with keys may not have non-map elements");
  const element = list.element();
  const defaults = element.type === "map" ? element : undefined;
  const parts: string[] = [];
  for (const key of [...list.keys].sort()) {
    const held = own(value, key) ?? defaults?.defaultOf?.(key);
    if (held !== undefined) parts.push(`${quoteJSON(key)}:${stringifyJSON(held)}`);
  }
  if (parts.length === 0 && list.keys.length > 0) {
    const names = list.keys.map((key) => JSON.stringify(key)).join(" ");
    throw new ElementError(
      `associative list with keys has an element that omits all key fields [${names}] (and doesn't have default values for any key fields)`,
    );
  }
  return `k:{${parts.join(",")}}`;
}

/** A path element as messages show it: `.name`, `[port=80,protocol="TCP"]`, `[="x"]`. */
export function showElement(element: PathElement): string {
  const rest = element.slice(2);
  switch (element[0]) {
    case "f":
      return `.${rest}`;
    case "k": {
      const keys = JSON.parse(rest) as Record<string, JSONValue>;
      return `[${Object.entries(keys)
        .map(([name, value]) => `${name}=${stringifyJSON(value)}`)
        .join(",")}]`;
    }
    case "v":
      return `[=${rest}]`;
    default:
      return `[${rest}]`;
  }
}

export const showPath = (path: readonly PathElement[]): string => path.map(showElement).join("");

/** A map's members as own properties, whatever it is given. */
export function entriesOf(value: JSONValue | undefined): readonly (readonly [string, JSONValue])[] {
  return value !== null && typeof value === "object" && !Array.isArray(value) ? Object.entries(value) : [];
}

export const emptyLike = (value: JSONValue): JSONValue => (Array.isArray(value) ? [] : newObject());
