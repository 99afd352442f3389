/**
 * JSON Patch (RFC 6902) as kube-apiserver applies it, errors included (spec: apiserver 5.3). Copy-on-write: the original is untouched, and what no
 * operation reaches is shared with it.
 *
 * Upstream's library is laxer than the RFC, and clients rely on it: `replace` of an absent member adds it, negative indices count from the end,
 * a `test` for null passes on an absent member, an absent value is null.
 */
import { encodeJSON } from "../json/encode.ts";
import { copyObject, equalJSON, isObject } from "../json/object.ts";
import { parseJSON } from "../json/parse.ts";
import { MAX_DEPTH } from "../json/tokenizer.ts";
import type { JSONObject, JSONValue } from "../meta.ts";
import { badRequest, requestEntityTooLarge, StatusError } from "../status.ts";

export const MAX_OPERATIONS = 10_000;
/** Members and items that may be shifted, copied or compared: far beyond any honest patch, and a fraction of a second. */
const MAX_WORK = 20_000_000;
/** What all `copy` operations of a patch may add together, in bytes. */
export const MAX_COPY_BYTES = 3 * 1024 * 1024;

export interface Operation {
  readonly op: string;
  readonly path?: string;
  readonly from?: string;
  readonly value?: JSONValue;
}

export interface DecodedPatch {
  readonly operations: readonly Operation[];
  /** `json patch duplicate field "[0].path"` and the like. */
  readonly problems: readonly string[];
}

/** Reads the body of a JSON patch. 400 when it is none, 413 beyond 10,000 operations. */
export function decodeJSONPatch(body: Uint8Array): DecodedPatch {
  let parsed: ReturnType<typeof parseJSON>;
  try {
    parsed = parseJSON(body);
  } catch (error) {
    throw badRequest(`error decoding patch: ${(error as Error).message}`);
  }
  const operations = asOperations(parsed.value);
  return { operations, problems: parsed.problems.map((problem) => `json patch ${problem}`) };
}

function asOperations(value: JSONValue): Operation[] {
  if (value === null) return [];
  if (!Array.isArray(value)) {
    throw badRequest(
      `error decoding patch: json: cannot unmarshal ${kindOf(value)} into Go value of type []interface {}`,
    );
  }
  if (value.length > MAX_OPERATIONS) {
    throw requestEntityTooLarge(
      `The allowed maximum operations in a JSON patch is ${MAX_OPERATIONS}, got ${value.length}`,
    );
  }
  return value.map((item) => {
    if (item !== null && !isObject(item)) {
      throw badRequest(`json: cannot unmarshal ${kindOf(item)} into Go value of type jsonpatch.Operation`);
    }
    const text = (field: string) => {
      const member = item !== null && Object.hasOwn(item, field) ? item[field] : undefined;
      if (member === undefined || member === null || typeof member === "string") return member ?? undefined;
      throw badRequest(
        `error decoding patch: json: cannot unmarshal ${kindOf(member)} into Go struct field jsonPatchOp.${field} of type string`,
      );
    };
    return {
      op: text("op") ?? "unknown",
      path: text("path"),
      from: text("from"),
      value: item !== null && Object.hasOwn(item, "value") ? item["value"] : undefined,
    };
  });
}

function kindOf(value: JSONValue): string {
  if (Array.isArray(value)) return "array";
  if (typeof value === "bigint") return "number";
  return typeof value === "boolean" ? "bool" : typeof value;
}

/** The patch does not apply. Upstream's answer keeps the reason to itself; here it is the error's `cause`, for logs and tests. */
function fail(message: string): never {
  const error = new StatusError(422, "Invalid", "the server rejected our request due to an error in our request", {});
  error.cause = new Error(message);
  throw error;
}

/** Applies operations in order. 422 as soon as one fails; nothing is applied then. */
export function applyJSONPatch(original: JSONValue, operations: readonly Operation[]): JSONValue {
  const document = new Document(original);
  for (const operation of operations) document.apply(operation);
  return document.root;
}

type Container = JSONObject | JSONValue[];

interface Target {
  readonly container: Container;
  readonly key: string;
}

class Document {
  #root: JSONValue;
  /** Containers made by this patch: they may be changed in place. */
  readonly #owned = new WeakSet<object>();
  #copied = 0;
  #work = 0;

  constructor(root: JSONValue) {
    this.#root = root;
  }

  get root(): JSONValue {
    return this.#root;
  }

  /** Long lists make single operations expensive; ten thousand of those would hold the event loop. */
  #spend(container: JSONValue): void {
    this.#work += Array.isArray(container) ? container.length : isObject(container) ? Object.keys(container).length : 0;
    if (this.#work > MAX_WORK) throw requestEntityTooLarge("the JSON patch moves too many list items");
  }

  apply(operation: Operation): void {
    const { op } = operation;
    const value = operation.value ?? null;
    switch (op) {
      case "add": {
        const path = operation.path ?? fail("add operation failed to decode path: missing value");
        const target =
          this.#find(path, true) ??
          fail(`add operation does not apply: doc is missing path: ${quoted(path)}: missing value`);
        guarded(`error in add for path: '${path}'`, () => insert(target, value));
        break;
      }
      case "remove": {
        const path = operation.path ?? fail("remove operation failed to decode path: missing value");
        const target =
          this.#find(path, true) ??
          fail(`remove operation does not apply: doc is missing path: ${quoted(path)}: missing value`);
        guarded(`error in remove for path: '${path}'`, () => remove(target));
        break;
      }
      case "replace":
        this.#replace(
          operation.path ??
            fail("replace operation failed to decode path: operation missing path field: missing value"),
          value,
        );
        break;
      case "move":
        this.#move(operation);
        break;
      case "test":
        this.#test(
          operation.path ?? fail("test operation failed to decode path: operation missing path field: missing value"),
          value,
        );
        break;
      case "copy":
        this.#copy(operation);
        break;
      default:
        fail(`Unexpected kind: ${op}`);
    }
  }

  #replace(path: string, value: JSONValue): void {
    if (path === "") {
      if (typeof value !== "object" || value === null) {
        fail("replace operation value must be object or array: %!w(<nil>)");
      }
      this.#root = value;
      return;
    }
    const target =
      this.#find(path, true) ?? fail(`replace operation does not apply: doc is missing path: ${path}: missing value`);
    const { container, key } = target;
    if (!Array.isArray(container)) {
      container[key] = value;
      return;
    }
    let index: number;
    try {
      index = existingIndex(container, key);
    } catch {
      fail(`replace operation does not apply: doc is missing key: ${path}: missing value`);
    }
    container[index!] = value;
  }

  #move(operation: Operation): void {
    const from =
      operation.from ?? fail("move operation failed to decode from: operation, missing from field: missing value");
    const source =
      this.#find(from, true) ?? fail(`move operation does not apply: doc is missing from path: ${from}: missing value`);
    const value = guarded(`error in move for path: '${source.key}'`, () => {
      const found = get(source);
      remove(source);
      return found;
    });
    const path =
      operation.path ?? fail("move operation failed to decode path: operation missing path field: missing value");
    // What was moved is gone from where it was, so a move into its own child finds no destination.
    const target =
      this.#find(path, true) ??
      fail(`move operation does not apply: doc is missing destination path: ${path}: missing value`);
    guarded(`error in move for path: '${path}'`, () => insert(target, value ?? null));
  }

  #test(path: string, value: JSONValue): void {
    let actual: JSONValue;
    if (path === "") actual = this.#root;
    else {
      const target =
        this.#find(path, false) ?? fail(`test operation does not apply: is missing path: ${path}: missing value`);
      actual = guarded(`error in test for path: '${path}'`, () => get(target)) ?? null;
    }
    this.#spend(actual);
    if (!equalJSON(actual, value)) fail(`testing value ${path} failed: test failed`);
  }

  #copy(operation: Operation): void {
    const from =
      operation.from ?? fail("copy operation failed to decode from: operation, missing from field: missing value");
    const source =
      this.#find(from, false) ??
      fail(`copy operation does not apply: doc is missing from path: ${from}: missing value`);
    const value = guarded(`error in copy for from: '${from}'`, () => get(source)) ?? null;
    // From here on nobody changes the value in place: it may even be what holds the target.
    this.#share(value);
    const path = operation.path ?? fail("copy operation failed to decode path: missing value");
    const target =
      this.#find(path, true) ??
      fail(`copy operation does not apply: doc is missing destination path: ${path}: missing value`);
    this.#copied += this.#measure(value);
    if (this.#copied > MAX_COPY_BYTES) {
      fail(
        `Unable to complete the copy, the accumulated size increase of copy is ${this.#copied}, exceeding the limit ${MAX_COPY_BYTES}`,
      );
    }
    guarded("error while adding value during copy", () => insert(target, value));
  }

  readonly #sizes = new WeakMap<object, number>();

  /** Bytes of a shared `value` as JSON. It cannot change any more, so it is measured once. */
  #measure(value: JSONValue): number {
    if (typeof value !== "object" || value === null) return encodeJSON(value).length;
    const known = this.#sizes.get(value);
    if (known !== undefined) return known;
    const size = encodeJSON(value).length;
    this.#sizes.set(value, size);
    return size;
  }

  /** Lets `value` stand in two places: whoever changes it next must copy it first. */
  #share(value: JSONValue): void {
    const work: JSONValue[] = [value];
    for (let next = work.pop(); next !== undefined; next = work.pop()) {
      if (typeof next !== "object" || next === null || !this.#owned.has(next)) continue;
      this.#owned.delete(next);
      for (const inner of Array.isArray(next) ? next : Object.values(next)) work.push(inner);
    }
  }

  /** The container the last part of `path` belongs to; undefined when a part before it leads nowhere. `writable`: copied if it is not ours. */
  #find(path: string, writable: boolean): Target | undefined {
    const parts = path.split("/");
    if (parts.length < 2) return undefined;
    if (parts.length > MAX_DEPTH) return undefined;
    if (typeof this.#root !== "object" || this.#root === null) return undefined;
    let container: Container = this.#root;
    if (writable) this.#root = container = this.#own(container);
    for (let index = 1; index < parts.length - 1; index++) {
      const target = { container, key: unescapePart(parts[index]!) };
      let next: JSONValue | undefined;
      try {
        next = get(target);
      } catch {
        return undefined;
      }
      if (typeof next !== "object" || next === null) return undefined;
      if (writable && !this.#owned.has(next)) {
        const fresh = this.#own(next);
        if (Array.isArray(container)) container[existingIndex(container, target.key)] = fresh;
        else container[target.key] = fresh;
        next = fresh;
      }
      container = next;
    }
    const key = unescapePart(parts.at(-1)!);
    if (Array.isArray(container) && key !== "-") this.#spend(container);
    return { container, key };
  }

  #own(container: Container): Container {
    if (this.#owned.has(container)) return container;
    this.#spend(container);
    const fresh = Array.isArray(container) ? container.slice() : copyObject(container);
    this.#owned.add(fresh);
    return fresh;
  }
}

class Failure extends Error {}

/** Upstream wraps what a container answers with where it was asked. */
function guarded<T>(context: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof Failure) fail(`${context}: ${error.message}`);
    throw error;
  }
}

/** Upstream puts double quotes around the path and escapes nothing. */
function quoted(path: string): string {
  return `"${path}"`;
}

function unescapePart(part: string): string {
  return part.includes("~") ? part.replaceAll(/~[01]/g, (pair) => (pair === "~1" ? "/" : "~")) : part;
}

function parseIndex(key: string): number {
  if (!/^[+-]?[0-9]+$/.test(key)) throw new Failure(`strconv.Atoi: parsing ${JSON.stringify(key)}: invalid syntax`);
  const index = Number(key);
  if (!Number.isSafeInteger(index)) {
    throw new Failure(`strconv.Atoi: parsing ${JSON.stringify(key)}: value out of range`);
  }
  return index;
}

/** An index that is there; negative ones count from the end. */
function existingIndex(list: JSONValue[], key: string): number {
  const index = parseIndex(key);
  if (index >= list.length || index < -list.length) {
    throw new Failure(`Unable to access invalid index: ${index}: invalid index referenced`);
  }
  return index < 0 ? index + list.length : index;
}

function get({ container, key }: Target): JSONValue | undefined {
  if (Array.isArray(container)) return container[existingIndex(container, key)];
  return Object.hasOwn(container, key) ? container[key] : undefined;
}

function insert({ container, key }: Target, value: JSONValue): void {
  if (!Array.isArray(container)) {
    container[key] = value;
    return;
  }
  if (key === "-") {
    container.push(value);
    return;
  }
  let index: number;
  try {
    index = parseIndex(key);
  } catch (error) {
    throw new Failure(`value was not a proper array index: '${key}': ${(error as Error).message}`);
  }
  const size = container.length + 1;
  if (index >= size || index < -size) {
    throw new Failure(`Unable to access invalid index: ${index}: invalid index referenced`);
  }
  container.splice(index < 0 ? index + size : index, 0, value);
}

function remove({ container, key }: Target): void {
  if (Array.isArray(container)) {
    container.splice(existingIndex(container, key), 1);
    return;
  }
  if (!Object.hasOwn(container, key)) throw new Failure(`Unable to remove nonexistent key: ${key}: missing value`);
  delete container[key];
}
