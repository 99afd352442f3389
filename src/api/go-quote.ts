/** Strings and numbers as Go's `%q` and `%v` print them: validation messages contain them. */

const NAMED = new Map([
  [0x07, "\\a"],
  [0x08, "\\b"],
  [0x0c, "\\f"],
  [0x0a, "\\n"],
  [0x0d, "\\r"],
  [0x09, "\\t"],
  [0x0b, "\\v"],
  [0x22, '\\"'],
  [0x5c, "\\\\"],
]);
const PLAIN = /^[ !#-[\]-~]*$/;
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;

/** Whether Go's unicode.IsPrint holds for the first code point of `character`. */
export function isPrintable(character: string): boolean {
  return PRINTABLE.test(character);
}

/** `text` in double quotes, escaped as strconv.Quote does. */
export function goQuote(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`;
  let quoted = '"';
  for (const character of text) {
    const point = character.codePointAt(0)!;
    const named = NAMED.get(point);
    if (named !== undefined) quoted += named;
    else if (point >= 0xd800 && point <= 0xdfff) quoted += "\ufffd";
    else if (isPrintable(character)) quoted += character;
    else if (point < 0x80) quoted += `\\x${point.toString(16).padStart(2, "0")}`;
    else if (point < 0x10000) quoted += `\\u${point.toString(16).padStart(4, "0")}`;
    else quoted += `\\U${point.toString(16).padStart(8, "0")}`;
  }
  return `${quoted}"`;
}

/** A float64 as `%v` prints it: shortest digits, with an exponent of at least two digits below 1e-4 and from 1e6 on. */
export function goFloat(value: number): string {
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
  const magnitude = Math.abs(value);
  if (magnitude >= 1e-4 && magnitude < 1e6) return `${value}`;
  const [digits, exponent] = value.toExponential().split("e") as [string, string];
  return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}
