/** What a URL asks for, parsed once (spec: apiserver 1.2). What was authorized is exactly what is routed and executed. */
import { badRequest, type StatusError } from "../api/status.ts";

export interface RequestInfo {
  readonly isResourceRequest: boolean;
  /** The decoded URL path. */
  readonly path: string;
  /** get, list, watch, create, update, patch, delete, deletecollection, proxy; for non-resource requests the method in lower case. */
  readonly verb: string;
  /** "api", "apis" or "". */
  readonly apiPrefix: string;
  readonly group: string;
  readonly version: string;
  readonly namespace: string;
  readonly resource: string;
  readonly subresource: string;
  readonly name: string;
  /** Resource, name, sub-resource and what follows. */
  readonly parts: readonly string[];
  /** Raw selectors of list, watch and deletecollection. */
  readonly fieldSelector: string;
  readonly labelSelector: string;
}

const NAMESPACE_SUBRESOURCES = new Set(["status", "finalize"]);
const LONG_RUNNING_SUBRESOURCES = new Set(["attach", "exec", "proxy", "log", "portforward"]);

export interface RequestInfoOptions {
  /**
   * Whether this group-version is answered by another server. Its paths are decoded and split as that server will do it;
   * for our own, dot segments and encoded slashes are refused.
   */
  isRemote?(group: string, version: string): boolean;
}

/** What `requestInfo` reads of an exchange. */
export interface RequestLine {
  readonly method: string;
  readonly rawPath: string;
  readonly query: URLSearchParams;
  readonly rawQuery: string;
}

/** Parses a request line (spec: apiserver 1.2). Throws a 400 StatusError for broken escapes and for paths that could be read in two ways. */
export function requestInfo(request: RequestLine, options: RequestInfoOptions = {}): RequestInfo {
  const { method, rawPath } = request;
  const path = rawPath.includes("%") ? decodePath(rawPath) : rawPath;
  let parts = split(path);
  const prefix = parts[0];
  if (prefix !== "api" && prefix !== "apis") return nonResource(path, method);

  const remote = options.isRemote !== undefined && isRemote(parts, options.isRemote);
  let ambiguous = -1;
  if (!remote) {
    if (path !== rawPath) parts = split(rawPath).map((part) => (part.includes("%") ? decodePath(part) : part));
    ambiguous = parts.findIndex((part) => part === "." || part === ".." || part.includes("/"));
  }

  const head = prefix === "api" ? 2 : 3;
  if (parts.length <= head) {
    if (ambiguous >= 0) throw ambiguity(parts[ambiguous]!);
    return nonResource(path, method);
  }
  const group = prefix === "api" ? "" : parts[1]!;
  const version = parts[head - 1]!;
  let first = head;

  let verb: string;
  let viaPath = false;
  const word = parts[first]!;
  if (word === "watch" || word === "proxy") {
    if (parts.length < first + 2)
      throw badRequest(`unable to determine kind and namespace from url, ${request.rawPath}`);
    verb = word;
    viaPath = true;
    first++;
  } else verb = VERBS.get(method) ?? "";

  let namespace = "";
  if (parts[first] === "namespaces" && parts.length > first + 1) {
    namespace = parts[first + 1]!;
    if (parts.length > first + 2 && !NAMESPACE_SUBRESOURCES.has(parts[first + 2]!)) first += 2;
  }
  const own = parts.slice(first);
  const resource = own[0]!;
  let name = own[1] ?? "";
  const subresource = own.length >= 3 && verb !== "proxy" ? own[2]! : "";

  // Behind …/{name}/proxy everything belongs to the server on the other side.
  const checked = subresource === "proxy" ? first + 3 : parts.length;
  if (ambiguous >= 0 && ambiguous < checked) throw ambiguity(parts[ambiguous]!);

  let fieldSelector = "";
  let labelSelector = "";
  const unnamedGet = name === "" && verb === "get";
  if (unnamedGet) {
    verb = "list";
    if (request.rawQuery !== "") {
      const { query } = request;
      const asked = query.get("watch");
      if (asked !== null && isTrue(asked)) verb = "watch";
      const selector = query.get("fieldSelector");
      if (selector !== null && selector !== "" && listOptionsDecode(query)) name = pinnedName(selector);
    }
  }
  if (name === "" && verb === "delete") verb = "deletecollection";
  if (!viaPath && request.rawQuery !== "" && (verb === "list" || verb === "watch" || verb === "deletecollection")) {
    fieldSelector = request.query.get("fieldSelector") ?? "";
    labelSelector = request.query.get("labelSelector") ?? "";
  }
  return {
    isResourceRequest: true,
    path,
    verb,
    apiPrefix: prefix,
    group,
    version,
    namespace,
    resource,
    subresource,
    name,
    parts: own,
    fieldSelector,
    labelSelector,
  };
}

/** Requests without a deadline, an in-flight slot or a place in the wait group (spec: apiserver 1.2). */
export function isLongRunning(info: RequestInfo): boolean {
  if (info.verb === "watch" || info.verb === "proxy") return true;
  if (info.isResourceRequest) return LONG_RUNNING_SUBRESOURCES.has(info.subresource);
  return info.path.startsWith("/debug/pprof/");
}

const VERBS = new Map([
  ["GET", "get"],
  ["HEAD", "get"],
  ["POST", "create"],
  ["PUT", "update"],
  ["PATCH", "patch"],
  ["DELETE", "delete"],
]);

const NO_PARTS: readonly string[] = [];

function nonResource(path: string, method: string): RequestInfo {
  return {
    isResourceRequest: false,
    path,
    verb: method === "GET" ? "get" : method.toLowerCase(),
    apiPrefix: "",
    group: "",
    version: "",
    namespace: "",
    resource: "",
    subresource: "",
    name: "",
    parts: NO_PARTS,
    fieldSelector: "",
    labelSelector: "",
  };
}

/** Slashes at both ends do not count; empty segments between them do, as upstream. */
function split(path: string): string[] {
  let start = 0;
  let end = path.length;
  while (start < end && path.charCodeAt(start) === 47) start++;
  while (end > start && path.charCodeAt(end - 1) === 47) end--;
  return start === end ? [] : path.slice(start, end).split("/");
}

function decodePath(raw: string): string {
  try {
    return decodeURIComponent(raw);
  } catch {
    throw badRequest(
      `the path of the request is not valid percent-encoded UTF-8: ${JSON.stringify(raw.slice(0, 256))}`,
    );
  }
}

function isRemote(parts: readonly string[], ask: NonNullable<RequestInfoOptions["isRemote"]>): boolean {
  if (parts[0] === "api") return parts.length > 1 && ask("", parts[1]!);
  return parts.length > 2 && ask(parts[1]!, parts[2]!);
}

function ambiguity(part: string): StatusError {
  const why = part === "." || part === ".." ? `may not be '${part}'` : "may not contain '/'";
  return badRequest(`Name parameter invalid: ${JSON.stringify(part)}: ${why}`);
}

/** A boolean in a query: only `false` and `0` are false (spec: apiserver 1.2). */
function isTrue(text: string): boolean {
  const lower = text.toLowerCase();
  return lower !== "false" && lower !== "0";
}

/** When a list option cannot be decoded, upstream forgets the field selector here; the list itself then answers 400. */
function listOptionsDecode(query: URLSearchParams): boolean {
  for (const key of ["limit", "timeoutSeconds"]) {
    const value = query.get(key);
    if (value !== null && value !== "" && !/^[+-]?\d+$/.test(value)) return false;
  }
  return true;
}

/** The name a field selector pins with `metadata.name=`, or "". Any broken requirement voids the whole selector. */
function pinnedName(selector: string): string {
  let pinned = "";
  let found = false;
  for (const term of selectorTerms(selector)) {
    if (term === "") continue;
    const match = /^([^=!]*)(!=|==|=)(.*)$/s.exec(term);
    if (match === null) return "";
    if (match[2] === "!=" || match[1] !== "metadata.name" || found) continue;
    const value = unescapeTerm(match[3]!);
    if (value === undefined) return "";
    pinned = value;
    found = true;
  }
  return pinned === "." || pinned === ".." || pinned.includes("/") || pinned.includes("%") ? "" : pinned;
}

function selectorTerms(selector: string): string[] {
  const terms: string[] = [];
  let start = 0;
  for (let i = 0; i < selector.length; i++) {
    if (selector[i] === "\\") i++;
    else if (selector[i] === ",") {
      terms.push(selector.slice(start, i));
      start = i + 1;
    }
  }
  terms.push(selector.slice(start));
  return terms;
}

/** Undoes `\,`, `\=` and `\\`; undefined for any other escape and for a bare comma or equals sign. */
function unescapeTerm(text: string): string | undefined {
  let plain = "";
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    if (char === "\\") {
      const next = text[++i];
      if (next !== "," && next !== "=" && next !== "\\") return undefined;
      plain += next;
    } else if (char === "=" || char === ",") return undefined;
    else plain += char;
  }
  return plain;
}
