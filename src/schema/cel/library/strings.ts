/** The strings library, version 2. */
import { declare, type Overload } from "../check/declarations.ts";
import { CelError } from "../values/errors.ts";
import { ListValue } from "../values/list.ts";
import type { Int } from "../values/numbers.ts";
import { characters, codePoints, slice } from "../values/strings.ts";
import type { Value } from "../values/value.ts";
import { format } from "./format.ts";

const outOfRange = (index: Int): CelError => new CelError(`index out of range: ${index}`);

function charAt(text: string, index: Int): Value {
  const all = characters(text);
  if (index < 0 || index > all.length) return outOfRange(index);
  return all[Number(index)] ?? "";
}

function find(text: string, part: string, from: Int): Value {
  if (part === "") return from;
  if (from < 0) return outOfRange(from);
  const all = characters(text);
  if (from >= all.length) return -1;
  if (typeof all === "string") return all.indexOf(part, Number(from));
  const skipped = all.slice(0, Number(from)).join("").length;
  const at = text.indexOf(part, skipped);
  return at === -1 ? -1 : codePoints(text.slice(0, at));
}

function findLast(text: string, part: string, from: Int): Value {
  if (part === "") return from;
  if (from < 0) return outOfRange(from);
  const all = characters(text);
  if (from >= all.length) return -1;
  if (typeof all === "string") return all.lastIndexOf(part, Number(from));
  const skipped = all.slice(0, Number(from)).join("").length;
  const at = text.lastIndexOf(part, skipped);
  return at === -1 ? -1 : codePoints(text.slice(0, at));
}

function findLastOfAll(text: string, part: string): Value {
  if (part === "") return codePoints(text);
  return text.length < part.length ? -1 : findLast(text, part, codePoints(text) - 1);
}

/** The first `limit` occurrences, all of them when it is negative. An empty `old` is before each character and at the end. */
function replace(text: string, old: string, replacement: string, limit: Int): string {
  if (limit === 0) return text;
  if (limit < 0 && old !== "") return text.split(old).join(replacement);
  const most = limit < 0 ? Number.POSITIVE_INFINITY : Number(limit);
  if (old === "") {
    let count = 0;
    let out = "";
    for (const character of text) out += count++ < most ? replacement + character : character;
    return count < most ? out + replacement : out;
  }
  const parts = text.split(old);
  if (parts.length - 1 <= most) return parts.join(replacement);
  return parts.slice(0, most + 1).join(replacement) + old + parts.slice(most + 1).join(old);
}

function split(text: string, separator: string, limit: Int): Value {
  if (limit === 0) return new ListValue([]);
  const parts = separator === "" ? [...text] : text.split(separator);
  if (limit < 0 || parts.length <= limit) return new ListValue(parts);
  const kept = parts.slice(0, Number(limit) - 1);
  kept.push(parts.slice(Number(limit) - 1).join(separator));
  return new ListValue(kept);
}

function substring(text: string, start: Int, end: Int | undefined): Value {
  const all = characters(text);
  const stop = end ?? all.length;
  if (end !== undefined && start > end) return new CelError(`invalid substring range. start: ${start}, end: ${end}`);
  if (start < 0 || start > all.length) return outOfRange(start);
  if (stop < 0 || stop > all.length) return outOfRange(stop);
  return slice(all, Number(start), Number(stop));
}

function join(list: ListValue, separator: string): Value {
  const parts: string[] = [];
  for (const value of list.values()) {
    if (typeof value !== "string")
      return value instanceof CelError ? value : new CelError(`join: invalid input: ${String(value)}`);
    parts.push(value);
  }
  return parts.join(separator);
}

const QUOTED: Record<string, string> = {
  "\x07": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  "\\": "\\\\",
  '"': '\\"',
};

function quote(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is escaped
  return `"${text.toWellFormed().replace(/[\x07\b\f\n\r\t\v\\"]/g, (character) => QUOTED[character]!)}"`;
}

/** White space as Go has it: JavaScript's trim takes a byte order mark too and leaves U+0085. */
const BLANK = "[\\t\\n\\v\\f\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const LEADING = new RegExp(`^${BLANK}+`);
const TRAILING = new RegExp(`${BLANK}$`);

function trim(text: string): string {
  const start = text.replace(LEADING, "");
  let end = start.length;
  while (end > 0 && TRAILING.test(start[end - 1]!)) end--;
  return start.slice(0, end);
}

export const STRING_FUNCTIONS: readonly Overload[] = [
  declare("charAt: string.(int) string @string_char_at_int", charAt),
  declare("format: string.(list(dyn)) string @string_format", format),
  declare("indexOf: string.(string) int @string_index_of_string", (text: string, part: string) => find(text, part, 0)),
  declare("indexOf: string.(string, int) int @string_index_of_string_int", find),
  declare("join: list(string).() string @list_join", (list: ListValue) => join(list, "")),
  declare("join: list(string).(string) string @list_join_string", join),
  declare("lastIndexOf: string.(string) int @string_last_index_of_string", findLastOfAll),
  declare("lastIndexOf: string.(string, int) int @string_last_index_of_string_int", findLast),
  declare("lowerAscii: string.() string @string_lower_ascii", (text: string) =>
    text.replace(/[A-Z]+/g, (part) => part.toLowerCase()),
  ),
  declare(
    "replace: string.(string, string) string @string_replace_string_string",
    (text: string, old: string, by: string) => replace(text, old, by, -1),
  ),
  declare("replace: string.(string, string, int) string @string_replace_string_string_int", replace),
  declare("split: string.(string) list(string) @string_split_string", (text: string, separator: string) =>
    split(text, separator, -1),
  ),
  declare("split: string.(string, int) list(string) @string_split_string_int", split),
  declare("strings.quote: (string) string @strings_quote", quote),
  declare("substring: string.(int) string @string_substring_int", (text: string, start: Int) =>
    substring(text, start, undefined),
  ),
  declare("substring: string.(int, int) string @string_substring_int_int", substring),
  declare("trim: string.() string @string_trim", trim),
  declare("upperAscii: string.() string @string_upper_ascii", (text: string) =>
    text.replace(/[a-z]+/g, (part) => part.toUpperCase()),
  ),
];
