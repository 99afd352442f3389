/** YAML in request bodies and answers, read as sigs.k8s.io/yaml reads it: YAML 1.1 scalars, exact int64, duplicate keys as problems (spec: apiserver 6.4). */
import {
  EVENT_ALIAS,
  EVENT_DOCUMENT,
  EVENT_POP,
  EVENT_SCALAR,
  EVENT_SEQUENCE,
  type Event,
  getScalarValue,
  parseEvents,
  SCALAR_STYLE_PLAIN,
  type ScalarEvent,
  YAMLException,
} from "js-yaml";
import { formatNumber } from "./json/encode.ts";
import { newObject } from "./json/object.ts";
import { MAX_PROBLEMS, type Parsed } from "./json/parse.ts";
import { decodeStrictUTF8, decodeUTF8, sortKeys } from "./json/utf8.ts";
import type { JSONObject, JSONValue } from "./meta.ts";

export class YAMLSyntaxError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "YAMLSyntaxError";
  }
}

/** An alias repeats what its anchor holds: this bounds what a small document can grow to (CVE-2019-11253). */
const MAX_ALIAS_COPIES = 100_000;
const MAX_DEPTH = 1_000;

/** Parses one document. Problems read `line 4: key "replicas" already set in map`; the last value wins. Throws YAMLSyntaxError. */
export function parseYAML(input: Uint8Array | string): Parsed {
  const text = typeof input === "string" ? input : decodeStrictUTF8(input);
  if (text === undefined) throw new YAMLSyntaxError("yaml: invalid leading UTF-8 octet");
  let events: Event[];
  try {
    events = parseEvents(text, { maxDepth: MAX_DEPTH });
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const line = error.mark === undefined ? "" : ` line ${error.mark.line + 1}:`;
    throw new YAMLSyntaxError(`yaml:${line} ${error.reason}`);
  }
  return new Composer(text, events).run();
}

interface Anchored {
  readonly value: JSONValue;
  /** How many values it holds, itself included. */
  readonly size: number;
}

class Composer {
  readonly #text: string;
  readonly #events: readonly Event[];
  #at = 0;
  #size = 0;
  #aliasCopies = 0;
  readonly #anchors = new Map<string, Anchored>();
  readonly #problems: string[] = [];

  constructor(text: string, events: readonly Event[]) {
    this.#text = text;
    this.#events = events;
  }

  run(): Parsed {
    if (this.#events.length === 0) return { value: null, problems: [] };
    this.#at = 1;
    const value = this.#events[1]?.type === EVENT_POP ? null : this.#node();
    const rest = this.#events.slice(this.#at + 1).filter((event) => event.type === EVENT_DOCUMENT);
    if (rest.length > 0) throw new YAMLSyntaxError("yaml: only one document is expected");
    return { value, problems: this.#problems };
  }

  #node(): JSONValue {
    const event = this.#events[this.#at++]!;
    this.#size++;
    if (event.type === EVENT_ALIAS) return this.#alias(this.#text.slice(event.anchorStart, event.anchorEnd));
    if (event.type === EVENT_DOCUMENT || event.type === EVENT_POP)
      throw new YAMLSyntaxError("yaml: a value is missing");
    const before = this.#size;
    let value: JSONValue;
    if (event.type === EVENT_SCALAR) value = this.#scalar(event);
    else if (event.type === EVENT_SEQUENCE) value = this.#sequence();
    else value = this.#mapping();
    if (event.anchorStart >= 0) {
      this.#anchors.set(this.#text.slice(event.anchorStart, event.anchorEnd), { value, size: this.#size - before + 1 });
    }
    return value;
  }

  #alias(name: string): JSONValue {
    const anchored = this.#anchors.get(name);
    if (anchored === undefined) throw new YAMLSyntaxError(`yaml: unknown anchor '${name}' referenced`);
    // Sizes add up through aliases of aliases, so that exponential growth is noticed before it is written out.
    this.#size += anchored.size;
    this.#aliasCopies += anchored.size;
    if (this.#aliasCopies > MAX_ALIAS_COPIES) throw new YAMLSyntaxError("yaml: document contains excessive aliasing");
    return copy(anchored.value);
  }

  #sequence(): JSONValue[] {
    const list: JSONValue[] = [];
    while (this.#events[this.#at]!.type !== EVENT_POP) list.push(this.#node());
    this.#at++;
    return list;
  }

  #mapping(): JSONObject {
    const object = newObject();
    const merged: JSONValue[] = [];
    while (this.#events[this.#at]!.type !== EVENT_POP) {
      const keyEvent = this.#events[this.#at]!;
      const plain = keyEvent.type === EVENT_SCALAR && keyEvent.style === SCALAR_STYLE_PLAIN;
      const key = keyText(this.#node());
      const line = this.#events[this.#at]!;
      const value = this.#node();
      if (key === "<<" && plain) merged.push(value);
      else {
        if (Object.hasOwn(object, key)) this.#duplicate(key, keyEvent.type === EVENT_SCALAR ? keyEvent : line);
        object[key] = value;
      }
    }
    this.#at++;
    for (const source of merged.flatMap((value) => (Array.isArray(value) ? value : [value]))) {
      if (typeof source !== "object" || source === null || Array.isArray(source)) {
        throw new YAMLSyntaxError("yaml: map merge requires map or sequence of maps as the value");
      }
      for (const key of Object.keys(source)) if (!Object.hasOwn(object, key)) object[key] = source[key]!;
    }
    return object;
  }

  #duplicate(key: string, event: Event): void {
    if (this.#problems.length >= MAX_PROBLEMS) return;
    const offset = event.type === EVENT_SCALAR ? event.valueStart : 0;
    let line = 1;
    for (let at = this.#text.indexOf("\n"); at >= 0 && at < offset; at = this.#text.indexOf("\n", at + 1)) line++;
    this.#problems.push(`line ${line}: key ${JSON.stringify(key)} already set in map`);
  }

  #scalar(event: ScalarEvent): JSONValue {
    const source = getScalarValue(this.#text, event).toWellFormed();
    if (event.tagStart < 0) return event.style === SCALAR_STYLE_PLAIN ? resolvePlain(source) : source;
    const tag = this.#text.slice(event.tagStart, event.tagEnd).replace(/^!<tag:yaml\.org,2002:(.*)>$/, "!!$1");
    switch (tag) {
      case "!":
      case "!!str":
        return source;
      case "!!binary":
        return binary(source);
      case "!!null":
      case "!!bool":
      case "!!int":
      case "!!float":
        return resolvePlain(source);
      default:
        throw new YAMLSyntaxError(`yaml: unsupported tag ${JSON.stringify(tag)}`);
    }
  }
}

/** Values below an alias must not be shared: whoever gets the document may change it. */
function copy(value: JSONValue): JSONValue {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copy);
  const result = newObject();
  for (const key of Object.keys(value)) result[key] = copy(value[key]!);
  return result;
}

function keyText(key: JSONValue): string {
  if (typeof key === "string") return key;
  if (typeof key === "number") return formatNumber(key);
  if (typeof key === "bigint" || typeof key === "boolean") return `${key}`;
  if (key === null) return "null";
  throw new YAMLSyntaxError("yaml: a map key must be a scalar");
}

const WORDS = new Map<string, JSONValue>([
  ["", null],
  ["~", null],
  ...["null", "Null", "NULL"].map((word) => [word, null] as const),
  ...["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"].map((word) => [word, true] as const),
  ...["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"].map((word) => [word, false] as const),
]);
const INTEGER = /^[-+]?(?:0[bB][01]+|0[oO]?[0-7]+|0[xX][0-9a-fA-F]+|0|[1-9][0-9]*)$/;
const FLOAT = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/;

/** A plain scalar as go-yaml v2 resolves it. */
function resolvePlain(source: string): JSONValue {
  const word = WORDS.get(source);
  if (word !== undefined) return word;
  if (!/^[-+.0-9]/.test(source)) return source;
  const digits = source.replaceAll("_", "");
  // 64 binary digits and a sign fit; longer ones are floats or text, and would cost too much as bigints.
  if (digits.length <= 67 && INTEGER.test(digits)) {
    const negative = digits.startsWith("-");
    const magnitude = digits.replace(/^[-+]/, "").replace(/^0[oO]?(?=[0-7])/, "0o");
    const value = negative ? -BigInt(magnitude) : BigInt(magnitude);
    if (BigInt.asIntN(64, value) !== value) return Number(value);
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
  if (FLOAT.test(digits)) {
    const value = Number(digits);
    if (Number.isFinite(value)) return value;
  }
  if (/^[-+]?\.(?:inf|Inf|INF|nan|NaN|NAN)$/.test(source)) {
    throw new YAMLSyntaxError(`json: unsupported value: ${source}`);
  }
  return source;
}

/** A value as YAML: block style, keys sorted by bytes, as sigs.k8s.io/yaml writes it; ends with a newline. */
export function stringifyYAML(value: JSONValue): string {
  if (typeof value !== "object" || value === null) return `${writeScalar(value, "")}\n`;
  const lines: string[] = [];
  writeCollection(value, "", lines);
  return `${lines.join("\n")}\n`;
}

function isEmpty(value: JSONValue[] | JSONObject): boolean {
  return (Array.isArray(value) ? value : Object.keys(value)).length === 0;
}

function writeCollection(value: JSONValue[] | JSONObject, indent: string, lines: string[]): void {
  if (isEmpty(value)) lines.push(indent + (Array.isArray(value) ? "[]" : "{}"));
  else if (Array.isArray(value)) {
    for (const item of value) {
      if (typeof item !== "object" || item === null) lines.push(`${indent}- ${writeScalar(item, indent)}`);
      else {
        const first = lines.length;
        writeCollection(item, `${indent}  `, lines);
        lines[first] = `${indent}- ${lines[first]!.slice(indent.length + 2)}`;
      }
    }
  } else {
    for (const key of sortKeys(Object.keys(value))) {
      const member = value[key];
      if (member === undefined) continue;
      const name = `${indent}${writeScalar(key, indent).replace(/^\|[\s\S]*$/, () => JSON.stringify(key))}:`;
      if (typeof member !== "object" || member === null) lines.push(`${name} ${writeScalar(member, indent)}`);
      else if (isEmpty(member)) lines.push(`${name} ${Array.isArray(member) ? "[]" : "{}"}`);
      else {
        lines.push(name);
        writeCollection(member, Array.isArray(member) ? indent : `${indent}  `, lines);
      }
    }
  }
}

/** Letters, digits and a few signs, nothing a reader of YAML 1.1 or 1.2 could take for something else. */
const PLAIN = /^[A-Za-z_/][A-Za-z0-9_./+()@-]*(?:[ :][A-Za-z0-9_./+()@-]+)*$/;
const AMBIGUOUS = /^(?:y|n|yes|no|on|off|true|false|null|~)$/i;
/** What a literal block can hold: printable characters that no reader folds, the first one visible. */
const LITERAL =
  /^[!-~\u00a1-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd][\t\n -~\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]*$/;

function writeScalar(value: null | boolean | number | bigint | string, indent: string): string {
  if (typeof value === "number") return formatNumber(value);
  if (typeof value !== "string") return `${value}`;
  if (PLAIN.test(value) && !AMBIGUOUS.test(value)) return value;
  if (value.includes("\n") && LITERAL.test(value)) {
    const body = value.replace(/\n+$/, "");
    const chomping = body === value ? "|-" : value.length === body.length + 1 ? "|" : "|+";
    const kept = chomping === "|+" ? value.slice(0, -1) : body;
    return [chomping, ...kept.split("\n").map((line) => (line === "" ? "" : `${indent}  ${line}`))].join("\n");
  }
  return JSON.stringify(value);
}

function binary(source: string): string {
  let bytes: string;
  try {
    bytes = atob(source.replace(/\s/g, ""));
  } catch {
    throw new YAMLSyntaxError("yaml: !!binary value contains invalid base64 data");
  }
  return decodeUTF8(Uint8Array.from(bytes, (character) => character.charCodeAt(0)));
}
