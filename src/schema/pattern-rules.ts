/** Whether a pattern may stand in a schema: RE2, and small enough to be compiled between two requests (spec: security A-32). */
import { RE2JS } from "re2js";

/** The most instructions a pattern may need, about; upstream's own limit is seventy times as high. */
const MAX_SIZE = 50_000;
/** What is known of patterns is kept for so many characters: those of any one definition. */
const KEPT = 4_000_000;

const known = new Map<string, string | undefined>();
let keptCharacters = 0;

/** Why a pattern is none, in the words of Go's parser; undefined when it is one. */
export function patternProblem(pattern: string): string | undefined {
  if (known.has(pattern)) return known.get(pattern);
  const problem = find(pattern);
  keptCharacters += pattern.length;
  if (keptCharacters > KEPT) {
    known.clear();
    keptCharacters = pattern.length;
  }
  known.set(pattern, problem);
  return problem;
}

function find(pattern: string): string | undefined {
  if (patternSize(pattern) > MAX_SIZE) return "error parsing regexp: expression too large";
  try {
    RE2JS.compile(pattern);
    return undefined;
  } catch (error) {
    const { message } = error as Error;
    return message.endsWith("trailing backslash at end of expression") ? `${message}: \`\`` : message;
  }
}

/** About how many instructions a pattern compiles to: characters, and as often as they are counted. Never parses, so anything goes. */
export function patternSize(pattern: string): number {
  if (pattern.length > MAX_SIZE) return pattern.length;
  /** Sizes of what is open: the whole, and groups. */
  const open = [0];
  /** What a count would multiply. */
  let last = 0;
  const add = (size: number) => {
    last = size;
    open[open.length - 1]! += size;
  };
  const tokens = /\\[pPx](?:\{[^}]*\}|.)|\\.|\[(?:\\.|[^\]\\])*\]|\{(\d+)(?:,(\d*))?\}|[\s\S]/g;
  for (const { 0: token, 1: least, 2: most } of pattern.matchAll(tokens)) {
    if (least !== undefined) {
      const count = Math.max(Number(least), Number(most || least));
      open[open.length - 1]! += last * Math.max(count - 1, 0);
      last *= Math.max(count, 1);
    } else if (token === "(") open.push(1);
    else if (token === ")" && open.length > 1) add(open.pop()!);
    else if (token === "*" || token === "+" || token === "?") open[open.length - 1]! += 1;
    else add(token.length > 2 ? 1 + Math.ceil(token.length / 4) : 1);
  }
  const size = open.reduce((sum, part) => sum + part, 0);
  // RE2 counts to a thousand, however deep counts are nested.
  return Math.min(size, 1000 * pattern.length);
}
