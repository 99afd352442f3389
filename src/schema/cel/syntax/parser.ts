/**
 * From tokens to the tree, by recursive descent over CEL's grammar. Depth, size and the growth of macros are bounded, so that no
 * expression can do more than be refused; the limits and their texts are upstream's.
 */
import { Double } from "../values/numbers.ts";
import {
  ACCUMULATOR,
  call,
  copy,
  type Entry,
  type Expr,
  type Field,
  ident,
  literal,
  memberCall,
  OPERATOR,
  sizeOf,
} from "./ast.ts";
import { lex, type Token } from "./lexer.ts";
import { parseDouble, parseInt64, parseUint64, unescapeBytes, unescapeString } from "./literals.ts";
import { MacroError, type Macros } from "./macros.ts";
import { Errors, NOWHERE } from "./source.ts";

/** How deep rules may nest, and how high the tree may grow. */
const MAX_DEPTH = 250;
const MAX_CODE_POINTS = 100_000;
/** Nodes that macros may copy: a chain of `optMap` doubles its target with each link. */
const MAX_COPIES = 100_000;

/** Identifiers no variable may have; as field names they are fine. */
const RESERVED = new Set(
  "as break const continue else for function if import let loop package namespace return var void while".split(" "),
);
const RELATIONS: Record<string, string> = {
  "<": OPERATOR.less,
  "<=": OPERATOR.lessEquals,
  ">": OPERATOR.greater,
  ">=": OPERATOR.greaterEquals,
  "==": OPERATOR.equals,
  "!=": OPERATOR.notEquals,
  in: OPERATOR.in,
};
const SUMS: Record<string, string> = { "+": OPERATOR.add, "-": OPERATOR.subtract };
const PRODUCTS: Record<string, string> = { "*": OPERATOR.multiply, "/": OPERATOR.divide, "%": OPERATOR.modulo };

const LITERAL_STARTS = "'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER";
const EXPRESSION_STARTS = `'[', '{', '(', '.', '-', '!', ${LITERAL_STARTS}`;
const ARGUMENT_STARTS = `'[', '{', '(', ')', '.', '-', '!', ${LITERAL_STARTS}`;
const INDEX_STARTS = `'[', '{', '(', '.', '-', '!', '?', ${LITERAL_STARTS}`;
const ELEMENT_STARTS = `'[', ']', '{', '(', '.', ',', '-', '!', '?', ${LITERAL_STARTS}`;
const ENTRY_STARTS = `'[', '{', '}', '(', '.', ',', '-', '!', '?', ${LITERAL_STARTS}`;

/** Ends a parse; the error is reported already. */
class Stop extends Error {}

/** The tree of `text`, or the errors in it. Never throws; time is linear in the text. */
export function parse(text: string, macros: Macros, escapedNames = false): { expr: Expr } | { errors: Errors } {
  const errors = new Errors();
  if (text.length > MAX_CODE_POINTS) {
    const size = [...text].length;
    if (size > MAX_CODE_POINTS) {
      errors.report(NOWHERE, `expression code point size exceeds limit: size: ${size}, limit ${MAX_CODE_POINTS}`);
      return { errors };
    }
  }
  try {
    const expr = new Parser(lex(text, errors), macros, errors, escapedNames).start();
    return errors.any ? { errors } : { expr };
  } catch (error) {
    if (error instanceof Stop) return { errors };
    throw error;
  }
}

class Parser {
  readonly #tokens: Token[];
  readonly #macros: Macros;
  readonly #errors: Errors;
  readonly #escapedNames: boolean;
  #at = 0;
  #depth = 0;
  #copies = 0;
  /** A place where more than expressions may begin, and what else may. */
  #more = { at: -1, signs: EXPRESSION_STARTS };
  /** How high the tree of the last expression is. */
  #height = 0;

  constructor(tokens: Token[], macros: Macros, errors: Errors, escapedNames: boolean) {
    this.#escapedNames = escapedNames;
    this.#tokens = tokens;
    this.#macros = macros;
    this.#errors = errors;
  }

  start(): Expr {
    const expr = this.#expr();
    const token = this.#peek();
    if (token.kind !== "end") {
      const last = this.#tokens[this.#at + 1]!.kind === "end";
      this.#syntax(token, `${last ? "extraneous" : "mismatched"} input '${token.text}' expecting <EOF>`);
    }
    return expr;
  }

  #peek(): Token {
    return this.#tokens[this.#at]!;
  }

  #next(): Token {
    const token = this.#tokens[this.#at]!;
    if (token.kind !== "end") this.#at++;
    return token;
  }

  /** Whether the next token is this sign or keyword. */
  #is(text: string): boolean {
    const token = this.#peek();
    return token.text === text && (token.kind === "sign" || token.kind === "keyword");
  }

  #accept(sign: string): boolean {
    if (!this.#is(sign)) return false;
    this.#at++;
    return true;
  }

  /** `several`: another sign may stand here, and the error names both. */
  #expect(sign: string, several = ""): Token {
    if (this.#is(sign)) return this.#next();
    const token = this.#peek();
    const following = this.#tokens[this.#at + 1];
    const closes = sign === ")" || sign === "]";
    const extraneous = following?.kind === "sign" && following.text === sign;
    const one = closes && sign === ")" && (extraneous || token.kind === "end");
    const expected = several === "" || one ? `'${sign}'` : several;
    if (token.kind === "end" && closes && !expected.startsWith("{"))
      this.#syntax(token, `missing '${sign}' at '<EOF>'`);
    this.#syntax(token, `${extraneous ? "extraneous" : "mismatched"} input '${token.text}' expecting ${expected}`);
  }

  #syntax(token: Token, message: string): never {
    this.#errors.report(token.at, `Syntax error: ${message}`);
    throw new Stop();
  }

  #fatal(message: string): never {
    this.#errors.report(NOWHERE, message);
    throw new Stop();
  }

  /** An error that does not keep the rest from being read. */
  #wrong(at: number, message: string): Expr {
    this.#errors.report(at, message);
    return literal(at, null);
  }

  #grow(height: number): void {
    if (height > MAX_DEPTH) this.#fatal("max recursion depth exceeded");
    this.#height = height;
  }

  /** conditionalOr ('?' conditionalOr ':' expr)? */
  #expr(): Expr {
    if (++this.#depth > MAX_DEPTH) this.#fatal(`expression recursion limit exceeded: ${MAX_DEPTH}`);
    const condition = this.#or();
    if (!this.#is("?")) {
      this.#depth--;
      return condition;
    }
    const mark = this.#next();
    let height = this.#height;
    const yes = this.#or();
    height = Math.max(height, this.#height);
    this.#expect(":");
    const no = this.#expr();
    this.#grow(Math.max(height, this.#height) + 1);
    this.#depth--;
    return call(mark.at, OPERATOR.conditional, condition, yes, no);
  }

  #or(): Expr {
    return this.#logic("||", OPERATOR.or, () => this.#logic("&&", OPERATOR.and, () => this.#relation()));
  }

  /** Terms of the same operator are one call, however many they are. */
  #logic(sign: string, operator: string, term: () => Expr): Expr {
    const first = term();
    if (!this.#is(sign)) return first;
    const at = this.#peek().at;
    const terms = [first];
    let height = this.#height;
    while (this.#accept(sign)) {
      terms.push(term());
      height = Math.max(height, this.#height);
    }
    this.#height = height;
    return call(at, operator, ...terms);
  }

  #relation(): Expr {
    return this.#binary(RELATIONS, () => this.#binary(SUMS, () => this.#binary(PRODUCTS, () => this.#unary())));
  }

  /** Left-associative operators of one rank. */
  #binary(operators: Record<string, string>, operand: () => Expr): Expr {
    let left = operand();
    while (true) {
      const token = this.#peek();
      if (token.kind !== "sign" && token.kind !== "keyword") return left;
      const operator = Object.hasOwn(operators, token.text) ? operators[token.text] : undefined;
      if (operator === undefined) return left;
      this.#at++;
      const height = this.#height;
      const right = operand();
      this.#grow(Math.max(height, this.#height) + 1);
      left = call(token.at, operator, left, right);
    }
  }

  #unary(): Expr {
    const sign = this.#is("!") ? "!" : this.#is("-") ? "-" : undefined;
    if (sign === undefined) return this.#member();
    const first = this.#peek();
    if (sign === "-") {
      const number = this.#tokens[this.#at + 1]!.kind;
      if (number === "int" || number === "double") return this.#member();
    }
    let count = 0;
    while (this.#accept(sign)) count++;
    if (sign === "-" && this.#peek().kind === "end")
      this.#errors.report(this.#peek().at, "Syntax error: no viable alternative at input '-'");
    const operand = this.#member();
    if (count % 2 === 0) return operand;
    return call(first.at, sign === "!" ? OPERATOR.not : OPERATOR.negate, operand);
  }

  #member(): Expr {
    let operand = this.#primary();
    while (true) {
      if (this.#is(".")) operand = this.#dot(operand);
      else if (this.#is("[")) operand = this.#index(operand);
      else return operand;
    }
  }

  #dot(operand: Expr): Expr {
    const dot = this.#next();
    const optional = this.#accept("?");
    const name = this.#next();
    if (name.kind !== "ident" && name.kind !== "escaped") {
      if (name.kind === "keyword" && name.text !== "in")
        this.#syntax(name, `mismatched input '${name.text}' expecting IDENTIFIER`);
      this.#syntax(name, `no viable alternative at input '.${name.kind === "end" ? "" : name.text}'`);
    }
    const field = this.#fieldName(name);
    const height = this.#height;
    if (!optional && name.kind === "ident" && this.#is("(")) {
      const open = this.#next();
      const args = this.#arguments();
      this.#grow(Math.max(height, this.#height) + 1);
      return this.#expand(open.at, field, operand, args);
    }
    this.#grow(height + 1);
    if (optional) return call(dot.at, OPERATOR.optSelect, operand, literal(name.at, field));
    return { kind: "select", at: dot.at, operand, field, test: false };
  }

  /** A name, or one in backticks where those are allowed. */
  #fieldName(token: Token): string {
    if (token.kind !== "escaped") return token.text;
    if (!this.#escapedNames) this.#errors.report(token.at, "unsupported syntax: '`'");
    return token.text.slice(1, -1);
  }

  #index(operand: Expr): Expr {
    const open = this.#next();
    this.#more = { at: this.#at, signs: INDEX_STARTS };
    const optional = this.#accept("?");
    const height = this.#height;
    const index = this.#expr();
    this.#expect("]");
    this.#grow(Math.max(height, this.#height) + 1);
    return call(open.at, optional ? OPERATOR.optIndex : OPERATOR.index, operand, index);
  }

  /** The arguments after `(`, the closing `)` included. Height: the highest of them. */
  #arguments(): Expr[] {
    const args: Expr[] = [];
    this.#height = 0;
    if (this.#accept(")")) return args;
    this.#more = { at: this.#at, signs: ARGUMENT_STARTS };
    let height = 0;
    do {
      args.push(this.#expr());
      height = Math.max(height, this.#height);
    } while (this.#accept(","));
    this.#expect(")", "{')', ','}");
    this.#height = height;
    return args;
  }

  #primary(): Expr {
    const token = this.#peek();
    this.#height = 0;
    switch (token.kind) {
      case "ident":
        return this.#name(undefined);
      case "int":
      case "uint":
      case "double":
        return this.#number(undefined);
      case "string": {
        this.#at++;
        const string = unescapeString(token.text);
        return "error" in string ? this.#wrong(token.at, string.error) : literal(token.at, string.value);
      }
      case "bytes": {
        this.#at++;
        const bytes = unescapeBytes(token.text.slice(1));
        return "error" in bytes ? this.#wrong(token.at, bytes.error) : literal(token.at, bytes.value);
      }
      case "keyword":
        if (token.text === "in") break;
        this.#at++;
        return literal(token.at, token.text === "null" ? null : token.text === "true");
      case "sign":
        return this.#signed(token);
      default:
    }
    return this.#noExpression(token);
  }

  #signed(token: Token): Expr {
    switch (token.text) {
      case ".":
        this.#at++;
        if (this.#peek().kind === "ident") return this.#name(token);
        this.#at--;
        break;
      case "-":
        return this.#number(this.#next());
      case "(": {
        this.#at++;
        const expr = this.#expr();
        this.#expect(")");
        return expr;
      }
      case "[":
        return this.#list();
      case "{":
        return this.#map();
      default:
    }
    return this.#noExpression(token);
  }

  /** One sign too many is dropped, as upstream's recovery does, to find more errors behind it. */
  #noExpression(token: Token): Expr {
    const following = this.#tokens[this.#at + 1];
    const extraneous = token.kind !== "end" && following !== undefined && startsExpression(following);
    const starts = this.#more.at === this.#at ? this.#more.signs : EXPRESSION_STARTS;
    const message = `${extraneous ? "extraneous" : "mismatched"} input '${token.text}' expecting {${starts}}`;
    this.#errors.report(token.at, `Syntax error: ${message}`);
    if (!extraneous) {
      if (following?.kind !== "end" || starts !== EXPRESSION_STARTS || token.kind === "escaped") throw new Stop();
      this.#syntax(following, `mismatched input '<EOF>' expecting {${EXPRESSION_STARTS}}`);
    }
    this.#at++;
    return this.#primary();
  }

  #number(sign: Token | undefined): Expr {
    const token = this.#next();
    const at = sign?.at ?? token.at;
    if (token.kind === "int") {
      const value = parseInt64(sign?.text ?? "", token.text);
      return value === undefined ? this.#wrong(at, "invalid int literal") : literal(at, value);
    }
    if (token.kind === "uint") {
      const value = parseUint64(token.text.slice(0, -1));
      return value === undefined ? this.#wrong(at, "invalid uint literal") : literal(at, value);
    }
    if (token.kind !== "double") return this.#noExpression(token);
    const value = parseDouble(token.text);
    if (value === undefined) return this.#wrong(at, "invalid double literal");
    return literal(at, sign === undefined ? value : new Double(-value.value));
  }

  /** An identifier, a call of a function, or a message: whatever begins with a name. */
  #name(dot: Token | undefined): Expr {
    const brace = this.#messageBrace();
    if (brace !== -1) return this.#message(dot, brace);
    const token = this.#next();
    const name = dot === undefined ? token.text : `.${token.text}`;
    if (this.#is("(")) {
      const open = this.#next();
      if (RESERVED.has(token.text)) this.#errors.report(dot?.at ?? token.at, `reserved identifier: ${token.text}`);
      const args = this.#arguments();
      return this.#expand(open.at, name, undefined, args);
    }
    if (RESERVED.has(token.text)) return this.#wrong(dot?.at ?? token.at, `reserved identifier: ${token.text}`);
    return ident(token.at, name);
  }

  /** Where the `{` of a message of this name is, -1 when none is. */
  #messageBrace(): number {
    let i = this.#at + 1;
    while (this.#tokens[i]!.text === "." && this.#tokens[i]!.kind === "sign" && this.#tokens[i + 1]!.kind === "ident")
      i += 2;
    const token = this.#tokens[i]!;
    return token.kind === "sign" && token.text === "{" ? i : -1;
  }

  #message(dot: Token | undefined, brace: number): Expr {
    let name = dot === undefined ? "" : ".";
    while (this.#at < brace) name += this.#next().text;
    const open = this.#next();
    const fields: Field[] = [];
    let height = 0;
    while (!this.#is("}") && !this.#is(",")) {
      const optional = this.#accept("?");
      const key = this.#next();
      if (key.kind !== "ident" && key.kind !== "escaped")
        this.#syntax(key, `mismatched input '${key.text}' expecting {'}', ',', '?', IDENTIFIER, ESC_IDENTIFIER}`);
      const colon = this.#expect(":");
      const value = this.#expr();
      height = Math.max(height, this.#height);
      fields.push({
        at: colon.at,
        name: this.#fieldName(key),
        value,
        optional,
      });
      if (!this.#is(",") || this.#tokens[this.#at + 1]!.text === "}") break;
      this.#at++;
    }
    this.#accept(",");
    this.#expect("}", "{'}', ','}");
    this.#grow(height + 1);
    return { kind: "struct", at: open.at, name, fields };
  }

  #list(): Expr {
    const open = this.#next();
    const elements: Expr[] = [];
    let optional: boolean[] | undefined;
    let height = 0;
    this.#more = { at: this.#at, signs: ELEMENT_STARTS };
    while (!this.#is("]") && !this.#is(",")) {
      const mayLack = this.#accept("?");
      if (mayLack) optional ??= elements.map(() => false);
      elements.push(this.#expr());
      optional?.push(mayLack);
      height = Math.max(height, this.#height);
      if (!this.#is(",") || this.#tokens[this.#at + 1]!.text === "]") break;
      this.#at++;
    }
    this.#accept(",");
    this.#expect("]", "{']', ','}");
    this.#grow(height + 1);
    return { kind: "list", at: open.at, elements, optional };
  }

  #map(): Expr {
    const open = this.#next();
    const entries: Entry[] = [];
    let height = 0;
    this.#more = { at: this.#at, signs: ENTRY_STARTS };
    while (!this.#is("}") && !this.#is(",")) {
      const optional = this.#accept("?");
      const key = this.#expr();
      height = Math.max(height, this.#height);
      const colon = this.#expect(":");
      const value = this.#expr();
      height = Math.max(height, this.#height);
      entries.push({ at: colon.at, key, value, optional });
      if (!this.#is(",") || this.#tokens[this.#at + 1]!.text === "}") break;
      this.#at++;
    }
    this.#accept(",");
    this.#expect("}", "{'}', ','}");
    this.#grow(height + 1);
    return { kind: "map", at: open.at, entries };
  }

  /** A call, or what the macro of that name makes of it. */
  #expand(at: number, name: string, target: Expr | undefined, args: Expr[]): Expr {
    const macro = this.#macros.find(name, args.length, target !== undefined);
    if (macro !== undefined) {
      try {
        const expanded = macro({ at, target, args, accumulator: ACCUMULATOR, copy: (expr) => this.#copy(expr) });
        if (expanded !== undefined) return expanded;
      } catch (error) {
        if (error instanceof MacroError) return this.#wrong(error.at, error.message);
        throw error;
      }
    }
    return target === undefined ? call(at, name, ...args) : memberCall(at, name, target, ...args);
  }

  #copy(expr: Expr): Expr {
    const copied = copy(expr);
    this.#copies += sizeOf(copied);
    if (this.#copies > MAX_COPIES) this.#fatal(`macros expand to more than ${MAX_COPIES} nodes`);
    return copied;
  }
}

function startsExpression(token: Token): boolean {
  if (token.kind === "sign") return "[{(.-!".includes(token.text);
  if (token.kind === "keyword") return token.text !== "in";
  return token.kind !== "end" && token.kind !== "escaped";
}
