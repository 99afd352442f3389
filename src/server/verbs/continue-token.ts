/** Continue tokens, in upstream's format so that clients that look inside find what they expect (spec: apiserver 2.12). */
import { isObject, JSONSyntaxError, parseJSON, stringifyJSON } from "../../api/json/index.ts";
import { badRequest } from "../../api/status.ts";

export interface ContinueToken {
  /** The revision all pages show; -1: the rest may come from the current one. */
  readonly revision: number;
  /** The first key to look at, behind the resource's prefix. */
  readonly start: string;
}

const VERSION = "meta.k8s.io/v1";

/** `lastKey`: of the last item returned, behind the resource's prefix. */
export function encodeContinue(revision: number, lastKey: string): string {
  return encodeContinueAt(revision, `${lastKey}\0`);
}

export function encodeContinueAt(revision: number, start: string): string {
  return Buffer.from(stringifyJSON({ v: VERSION, rv: revision, start })).toString("base64url");
}

const refuse = (detail: string) => badRequest(`invalid continue token: continue key is not valid${detail}`);

/** Whether a path has no empty, `.` or `..` segment: it then cannot leave the prefix it is appended to. */
function isClean(path: string): boolean {
  return path.split("/").every((segment) => segment !== "" && segment !== "." && segment !== "..");
}

/** Throws 400 for anything that is not a token of ours. */
export function decodeContinue(token: string): ContinueToken {
  if (!/^[A-Za-z0-9_-]*$/.test(token)) {
    const at = token.search(/[^A-Za-z0-9_-]/);
    throw refuse(`: illegal base64 data at input byte ${at}`);
  }
  let value: unknown;
  try {
    value = parseJSON(Buffer.from(token, "base64url")).value;
  } catch (error) {
    throw refuse(`: ${error instanceof JSONSyntaxError ? error.message : "not JSON"}`);
  }
  const found = isObject(value) ? value : {};
  const { v, rv, start } = found as { v?: unknown; rv?: unknown; start?: unknown };
  if (v !== VERSION) {
    throw refuse(`: server does not recognize this encoded version ${typeof v === "string" ? v : ""}`.trimEnd());
  }
  if (rv === undefined || rv === 0) throw refuse(`: incorrect encoded start resourceVersion (version ${VERSION})`);
  if (typeof rv !== "number" || !Number.isSafeInteger(rv) || rv < -1) throw refuse("");
  if (start === undefined || start === "") throw refuse(`: encoded start key empty (version ${VERSION})`);
  if (typeof start !== "string") throw refuse("");
  const relative = start.startsWith("/") ? start.slice(1) : start;
  if (!isClean(relative)) throw refuse(`: ${start}`);
  return { revision: rv, start: relative };
}
