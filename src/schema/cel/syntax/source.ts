/** An expression's text, and the errors found in it, each shown under the line it is in as upstream shows them. */

/** Where an error is: an offset into the text in UTF-16 units, or nowhere. */
export type Offset = number;
export const NOWHERE: Offset = -1;

export interface Located {
  readonly at: Offset;
  readonly message: string;
}

const MAX_ERRORS = 100;
/** Longer lines are not shown. */
const MAX_SNIPPET = 16_384;
const WIDE_DOT = "．";
const WIDE_MARK = "＾";

/** Errors of one text in the order they were found. */
export class Errors {
  readonly list: Located[] = [];
  #more = 0;

  report(at: Offset, message: string): void {
    if (this.list.length < MAX_ERRORS) this.list.push({ at, message });
    else this.#more++;
  }

  get any(): boolean {
    return this.list.length > 0;
  }

  /** One block of text: `ERROR: <input>:1:5: message`, the line, and a mark under the place. */
  render(text: string): string {
    const starts = lineStarts(text);
    const placed = this.list.map((error) => ({ error, ...place(text, starts, error.at) }));
    placed.sort((a, b) => a.line - b.line || a.column - b.column);
    const blocks = placed.map(({ error, line, column }) => show(text, starts, line, column, error.message));
    if (this.#more > 0) blocks.push(`${this.#more} more errors were truncated`);
    return blocks.join("\n");
  }
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let i = text.indexOf("\n"); i !== -1; i = text.indexOf("\n", i + 1)) starts.push(i + 1);
  return starts;
}

/** The line from 1 and the column from 0, in code points. */
function place(text: string, starts: number[], at: Offset): { line: number; column: number } {
  if (at < 0) return { line: -1, column: -1 };
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (starts[middle]! <= at) low = middle;
    else high = middle - 1;
  }
  return { line: low + 1, column: [...text.slice(starts[low], at)].length };
}

function show(text: string, starts: number[], line: number, column: number, message: string): string {
  const head = `ERROR: <input>:${line}:${column + 1}: ${message}`;
  if (line < 1) return head;
  const end = starts[line];
  const snippet = text.slice(starts[line - 1], end === undefined ? text.length : end - 1).replaceAll("\t", " ");
  if (snippet.length > MAX_SNIPPET) return head;
  const characters = [...snippet];
  let under = "";
  for (let i = 0; i < column && i < characters.length; i++) under += isWide(characters[i]!) ? WIDE_DOT : ".";
  const marked = characters[column];
  return `${head}\n | ${snippet}\n | ${under}${marked !== undefined && isWide(marked) ? WIDE_MARK : "^"}`;
}

function isWide(character: string): boolean {
  return character.codePointAt(0)! > 0x7f;
}
