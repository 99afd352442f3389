/** `'…'.format([…])` with both written out: the clauses and the types of what they print are checked beforehand. */
import type { Call, Expr } from "../syntax/ast.ts";
import type { Errors, Located } from "../syntax/source.ts";
import type { CelType, Kind } from "./types.ts";

const CLAUSE = /%(?:%|(?:\.(\d*))?(.)?)/gsu;

interface Clause {
  readonly takes: readonly Kind[];
  readonly wrong: string;
}

const clause = (takes: Kind[], wrong: string): Clause => ({ takes, wrong });
const real = (kind: string): Clause => clause(["double", "string"], `${kind} clause can only be used on doubles`);
const HEX = clause(
  ["string", "bytes", "int", "uint"],
  "only integers, byte buffers, and strings can be formatted as hex",
);
const CLAUSES: Record<string, Clause> = {
  s: clause(
    ["string", "bool", "bytes", "int", "uint", "double", "map", "list", "type", "duration", "timestamp", "null"],
    "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps",
  ),
  d: clause(["int", "uint"], "decimal clause can only be used on integers"),
  f: real("fixed-point"),
  e: real("scientific"),
  b: clause(["int", "uint", "bool"], "only integers and bools can be formatted as binary"),
  o: clause(["int", "uint"], "octal clause can only be used on integers"),
  x: HEX,
  X: HEX,
};

/** Reports the first clause that is wrong, or arguments that no clause prints. */
export function checkFormat(call: Call, errors: Errors): void {
  const wrong = firstWrong(call);
  if (wrong !== undefined) errors.report(wrong.at, wrong.message);
}

function firstWrong(call: Call): Located | undefined {
  const { at, target, args } = call;
  const list = args[0];
  if (call.name !== "format" || target?.kind !== "literal" || typeof target.value !== "string" || list?.kind !== "list")
    return undefined;
  let used = 0;
  for (const match of target.value.matchAll(CLAUSE)) {
    const [text, , verb] = match;
    if (text === "%%") continue;
    if (verb === undefined) return { at, message: "unexpected end of string" };
    const arg = list.elements[used];
    if (arg === undefined) return { at, message: `index ${used} out of range` };
    used++;
    const known = Object.hasOwn(CLAUSES, verb) ? CLAUSES[verb] : undefined;
    if (known === undefined)
      return { at, message: `could not parse formatting clause: unrecognized formatting clause "${verb}"` };
    const odd = oddOne(arg, known);
    if (odd !== undefined)
      return { at: odd.at, message: `error during formatting: ${known.wrong}, was given ${odd.type!.name}` };
  }
  if (used === list.elements.length) return undefined;
  return {
    at,
    message: `too many arguments supplied to string.format (expected ${used}, got ${list.elements.length})`,
  };
}

function takes({ takes: kinds }: Clause, type: CelType): boolean {
  return type.kind === "dyn" || type.kind === "any" || kinds.includes(type.kind);
}

/** The part of an argument the clause cannot print: `%s` prints lists and maps element by element. */
function oddOne(arg: Expr, known: Clause): Expr | undefined {
  if (!takes(known, arg.type!)) return arg;
  if (known !== CLAUSES["s"]) return undefined;
  if (arg.kind === "list") return first(arg.elements.map((element) => oddOne(element, known)));
  if (arg.kind === "map")
    return first(arg.entries.flatMap(({ key, value }) => [oddOne(key, known), oddOne(value, known)]));
  return undefined;
}

function first(exprs: (Expr | undefined)[]): Expr | undefined {
  return exprs.find((expr) => expr !== undefined);
}
