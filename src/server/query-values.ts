/** Scalar query parameters, read as upstream reads them (spec: apiserver 2.7): the first value counts, booleans are lenient, integers must parse. */
import { goQuote } from "../api/go-quote.ts";
import { badRequest } from "../api/status.ts";

export function textParameter(query: URLSearchParams, name: string): string {
  return query.get(name) ?? "";
}

/** Absent: undefined. Present and neither `0` nor `false` (in any case): true, even when empty. */
export function booleanParameter(query: URLSearchParams, name: string): boolean | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  return text !== "0" && text.toLowerCase() !== "false";
}

/** Throws 400 for what is no int64. */
export function integerParameter(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  if (!/^[+-]?[0-9]+$/.test(text)) throw badRequest(`strconv.ParseInt: parsing ${goQuote(text)}: invalid syntax`);
  const value = BigInt(text.replace("+", ""));
  if (BigInt.asIntN(64, value) !== value) {
    throw badRequest(`strconv.ParseInt: parsing ${goQuote(text)}: value out of range`);
  }
  return Number(value);
}
