/** The class of every object that comes from outside: its prototype is an empty, frozen null object, so no key can reach or change a prototype. */
import type { JSONObject, JSONValue } from "../meta.ts";

function Fields(this: JSONObject): void {}
Fields.prototype = Object.freeze(Object.create(null));

const Constructor = Fields as unknown as new () => JSONObject;

/** An empty object that takes any key, `__proto__` included, as plain data. All share one hidden class, unlike `Object.create(null)`. */
export function newObject(): JSONObject {
  return new Constructor();
}

/** Whether `value` is a JSON object: neither null nor an array. */
export function isObject(value: unknown): value is JSONObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The own value of `key`; never anything inherited. */
export function own(object: JSONObject, key: string): JSONValue | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** A shallow copy with the same class. */
export function copyObject(source: JSONObject): JSONObject {
  const copy = newObject();
  for (const key of Object.keys(source)) copy[key] = source[key]!;
  return copy;
}

/** A deep copy whose objects are all of the safe class. Iterates, so that depth costs memory and not stack. */
export function cloneJSON(value: JSONValue): JSONValue {
  if (typeof value !== "object" || value === null) return value;
  const root: JSONValue[] | JSONObject = Array.isArray(value) ? [] : newObject();
  const work: [JSONValue[] | JSONObject, JSONValue[] | JSONObject][] = [[value, root]];
  for (let next = work.pop(); next !== undefined; next = work.pop()) {
    const [from, to] = next;
    if (Array.isArray(from)) {
      for (const item of from) (to as JSONValue[]).push(place(item, work));
    } else {
      for (const key of Object.keys(from)) (to as JSONObject)[key] = place(from[key]!, work);
    }
  }
  return root;
}

function place(value: JSONValue, work: [JSONValue[] | JSONObject, JSONValue[] | JSONObject][]): JSONValue {
  if (typeof value !== "object" || value === null) return value;
  const copy: JSONValue[] | JSONObject = Array.isArray(value) ? [] : newObject();
  work.push([value, copy]);
  return copy;
}

/** Deep equality of JSON values; the order of keys does not matter, `1n` equals `1`. Iterates. */
export function equalJSON(a: JSONValue, b: JSONValue): boolean {
  const work: JSONValue[] = [a, b];
  while (work.length > 0) {
    const right = work.pop()!;
    const left = work.pop()!;
    if (left === right) continue;
    if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) {
      // biome-ignore lint/suspicious/noDoubleEquals: a bigint and a number of the same value are the same JSON number
      if (isNumeric(left) && isNumeric(right) && left == right) continue;
      return false;
    }
    if (Array.isArray(left) || Array.isArray(right)) {
      if (!Array.isArray(left) || !Array.isArray(right) || left.length !== right.length) return false;
      for (let index = 0; index < left.length; index++) work.push(left[index]!, right[index]!);
      continue;
    }
    const keys = Object.keys(left);
    if (keys.length !== Object.keys(right).length) return false;
    for (const key of keys) {
      if (!Object.hasOwn(right, key)) return false;
      work.push(left[key]!, right[key]!);
    }
  }
  return true;
}

function isNumeric(value: JSONValue): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}
