/** From text to tokens, in one pass that looks at each character a bounded number of times. */
import type { Errors } from "./source.ts";

export type TokenKind =
  | "ident"
  | "escaped"
  | "int"
  | "uint"
  | "double"
  | "string"
  | "bytes"
  | "keyword"
  | "sign"
  | "end";

export interface Token {
  readonly kind: TokenKind;
  /** As written. */
  readonly text: string;
  readonly at: number;
}

/** Words that are tokens of their own; the other reserved words are identifiers nobody may use as a variable. */
const KEYWORDS = new Set(["in", "true", "false", "null"]);
const DOUBLE_SIGNS = new Set(["==", "!=", "<=", ">=", "&&", "||"]);
const SINGLE_SIGNS = new Set("<>[]{}().,-!?:+*/%");

const IDENT = /[A-Za-z_][A-Za-z0-9_]*/y;
const ESCAPED = /`[A-Za-z0-9_.\-/ ]+`/y;
const ESCAPED_PART = /`[A-Za-z0-9_.\-/ ]*/y;
const DOUBLE = /[0-9]*\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+/y;
const INT = /(?:0x[0-9a-fA-F]+|[0-9]+)[uU]?/y;
const BLANK = /(?:[\t \r\n\f]+|\/\/[^\n]*)+/y;
const ESCAPE = String.raw`\\(?:[abfnrtv"'\\?${"`"}]|[0-3][0-7][0-7]|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})`;
const CLOSED = {
  "'": new RegExp(`(?:[^\\\\'\\n\\r]|${ESCAPE})*'`, "y"),
  '"': new RegExp(`(?:[^\\\\"\\n\\r]|${ESCAPE})*"`, "y"),
  "'''": new RegExp(`(?:[^\\\\']|${ESCAPE}|'(?!''))*'''`, "y"),
  '"""': new RegExp(`(?:[^\\\\"]|${ESCAPE}|"(?!""))*"""`, "y"),
};

function match(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : -1;
}

/** All tokens, the last one `end`. Characters that begin no token are reported and skipped. */
export function lex(text: string, errors: Errors): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (true) {
    const blank = match(BLANK, text, at);
    if (blank !== -1) at = blank;
    if (at >= text.length) break;
    const token = next(text, at, errors);
    if (token.kind !== "end") tokens.push(token);
    at = token.at + token.text.length;
  }
  tokens.push({ kind: "end", text: "<EOF>", at: text.length });
  return tokens;
}

/** The token at this place; kind `end` for text that is none. */
function next(text: string, at: number, errors: Errors): Token {
  const c = text[at]!;
  const string = stringEnd(text, at);
  if (string > 0) {
    return { kind: c === "b" || c === "B" ? "bytes" : "string", text: text.slice(at, string), at };
  }
  if (string < 0) return unknown(text, at, -string, errors);
  let end = match(IDENT, text, at);
  if (end !== -1) {
    const word = text.slice(at, end);
    return { kind: KEYWORDS.has(word) ? "keyword" : "ident", text: word, at };
  }
  if ((c >= "0" && c <= "9") || c === ".") {
    end = match(DOUBLE, text, at);
    if (end !== -1) return { kind: "double", text: text.slice(at, end), at };
    end = match(INT, text, at);
    if (end !== -1) {
      const number = text.slice(at, end);
      return { kind: /[uU]$/.test(number) ? "uint" : "int", text: number, at };
    }
  }
  if (c === "`") {
    end = match(ESCAPED, text, at);
    if (end !== -1) return { kind: "escaped", text: text.slice(at, end), at };
    return unknown(text, at, Math.min(match(ESCAPED_PART, text, at) + 1, text.length), errors);
  }
  const two = text.slice(at, at + 2);
  if (DOUBLE_SIGNS.has(two)) return { kind: "sign", text: two, at };
  if (SINGLE_SIGNS.has(c)) return { kind: "sign", text: c, at };
  // The first half of a sign of two takes what follows it along.
  if (c === "|" || c === "&" || c === "=") return unknown(text, at, Math.min(at + 2, text.length), errors);
  return unknown(text, at, at + String.fromCodePoint(text.codePointAt(at)!).length, errors);
}

/** Where the string that begins here ends; 0 when none begins; minus the end of what could be read when it is not closed. */
function stringEnd(text: string, at: number): number {
  let start = at;
  const bytes = text[start] === "b" || text[start] === "B";
  if (bytes) start++;
  const raw = text[start] === "r" || text[start] === "R";
  if (raw) start++;
  const quote = text[start];
  if (quote !== "'" && quote !== '"') return 0;
  const triple = quote + quote + quote;
  if (text.startsWith(triple, start)) {
    const end = raw ? after(text.indexOf(triple, start + 3), 3) : match(CLOSED[triple as "'''"], text, start + 3);
    if (end !== -1) return end;
  }
  const line = raw
    ? match(quote === "'" ? /[^'\n\r]*'/y : /[^"\n\r]*"/y, text, start + 1)
    : match(CLOSED[quote], text, start + 1);
  if (line !== -1) return line;
  return start > at ? 0 : -unclosedEnd(text, start);
}

const PARTIAL = new RegExp(`(?:[^\\\\\\n\\r'"]|${ESCAPE})*`, "y");
const PARTIAL_ESCAPE = /\\(?:[xX][0-9a-fA-F]?|u[0-9a-fA-F]{0,3}|U[0-9a-fA-F]{0,7}|[0-3][0-7]?)?/y;

/** What was read of a string that goes wrong: up to the first character that cannot belong to it, that one included. */
function unclosedEnd(text: string, start: number): number {
  const quote = text[start]!;
  let end = start + 1;
  while (true) {
    end = Math.max(end, match(PARTIAL, text, end));
    if ((text[end] === "'" || text[end] === '"') && text[end] !== quote) end++;
    else break;
  }
  end = Math.max(end, match(PARTIAL_ESCAPE, text, end));
  return Math.min(end + 1, text.length);
}

function after(index: number, length: number): number {
  return index === -1 ? -1 : index + length;
}

function unknown(text: string, at: number, end: number, errors: Errors): Token {
  const part = text.slice(at, end);
  const shown = part.replaceAll("\n", "\\n").replaceAll("\t", "\\t").replaceAll("\r", "\\r");
  errors.report(at, `Syntax error: token recognition error at: '${shown}'`);
  return { kind: "end", text: part, at };
}
