/** Why Go's time.Parse refuses a text: at which element of the layout it stopped. */
import { goQuote } from "../go-quote.ts";

type Step = readonly [element: string, pattern: RegExp, range?: readonly [name: string, low: number, high: number]];

const DATE: readonly Step[] = [
  ["2006", /^\d{4}/],
  ["-", /^-/],
  ["01", /^\d\d/, ["month", 1, 12]],
  ["-", /^-/],
  ["02", /^[ \d]\d/],
  ["T", /^T/],
  ["15", /^\d\d/, ["hour", 0, 23]],
  [":", /^:/],
  ["04", /^\d\d/, ["minute", 0, 59]],
  [":", /^:/],
  ["05", /^\d\d/, ["second", 0, 59]],
];
const ZONE: Step = ["Z07:00", /^(?:Z|[+-]\d\d:\d\d)/];
const SECONDS: readonly Step[] = [...DATE, ["", /^(?:[.,]\d+)?/], ZONE];
const MICROS: readonly Step[] = [...DATE, [".000000", /^[.,]\d{6}/], ZONE];

/** The text of Go's error for `text`, which metav1.Time (or MicroTime, if `micro`) could not read. */
export function goTimeError(text: string, micro: boolean): string {
  const layout = goQuote(micro ? "2006-01-02T15:04:05.000000Z07:00" : "2006-01-02T15:04:05Z07:00");
  const parsing = `parsing time ${goQuote(text)}`;
  let rest = text;
  for (const [element, pattern, range] of micro ? MICROS : SECONDS) {
    const found = pattern.exec(rest)?.[0];
    if (found === undefined) return `${parsing} as ${layout}: cannot parse ${goQuote(rest)} as ${goQuote(element)}`;
    if (range !== undefined && (Number(found) < range[1] || Number(found) > range[2])) {
      return `${parsing}: ${range[0]} out of range`;
    }
    rest = rest.slice(found.length);
  }
  return rest === "" ? `${parsing}: day out of range` : `${parsing}: extra text: ${goQuote(rest)}`;
}
