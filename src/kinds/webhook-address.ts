/** Where a webhook may be reached: a URL or a service (spec: apiserver 9.2). */
import { child, type FieldError, invalidValue, required } from "../api/field-errors.ts";
import { goQuote } from "../api/go-quote.ts";
import { dns1123Subdomain, portNumber } from "../api/names.ts";
import type { ApiextensionsServiceReference } from "./generated/types.ts";

const FORM = "; desired format: https://host[/path]";

/** The parts of a URL as Go's net/url sees them. */
interface Parts {
  readonly scheme: string;
  readonly host: string;
  readonly user: string | undefined;
  readonly query: string;
  readonly fragment: string;
}

export function webhookURLErrors(url: string, path: string): FieldError[] {
  const parts = partsOf(url);
  if (typeof parts === "string") return [required(path, `url must be a valid URL: ${parts}${FORM}`)];
  const errors: FieldError[] = [];
  const refuse = (value: string, detail: string) => errors.push(invalidValue(path, value, detail));
  if (parts.scheme !== "https") refuse(parts.scheme, `'https' is the only allowed URL scheme${FORM}`);
  if (parts.host === "") refuse("", `host must be specified${FORM}`);
  if (parts.user !== undefined) refuse(parts.user, "user information is not permitted in the URL");
  if (parts.fragment !== "") refuse(parts.fragment, "fragments are not permitted in the URL");
  if (parts.query !== "") refuse(parts.query, "query parameters are not permitted in the URL");
  return errors;
}

/** The parts, or why Go would not parse it. */
function partsOf(url: string): Parts | string {
  const hash = url.indexOf("#");
  const beforeFragment = hash < 0 ? url : url.slice(0, hash);
  const fragment = hash < 0 ? "" : url.slice(hash + 1);
  const wrong = (text: string) => `parse ${goQuote(beforeFragment)}: ${text}`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (/[\u0000-\u001f\u007f]/.test(url)) return `parse ${goQuote(url)}: net/url: invalid control character in URL`;
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(beforeFragment)?.[1] ?? "";
  if (scheme === "" && beforeFragment.startsWith(":")) return wrong("missing protocol scheme");
  const afterScheme = scheme === "" ? beforeFragment : beforeFragment.slice(scheme.length + 1);
  const mark = afterScheme.indexOf("?");
  const query = mark < 0 ? "" : afterScheme.slice(mark + 1);
  const rest = mark < 0 ? afterScheme : afterScheme.slice(0, mark);
  if (scheme === "" && !rest.startsWith("/")) {
    const colon = rest.indexOf(":");
    const slash = rest.indexOf("/");
    if (colon >= 0 && (slash < 0 || colon < slash)) return wrong("first path segment in URL cannot contain colon");
  }
  const badEscape = /%(?![0-9A-Fa-f]{2}).{0,2}/.exec(rest)?.[0];
  if (badEscape !== undefined) return wrong(`invalid URL escape ${goQuote(badEscape)}`);
  if (!rest.startsWith("//")) return { scheme: scheme.toLowerCase(), host: "", user: undefined, query, fragment };
  const authority = rest.slice(2).split("/", 1)[0]!;
  const atSign = authority.lastIndexOf("@");
  const host = authority.slice(atSign + 1);
  if (/[ "<>\\^`{|}]/.test(host)) {
    return wrong(`invalid character ${goQuote(/[ "<>\\^`{|}]/.exec(host)![0])} in host name`);
  }
  if (host.startsWith("[") && !host.includes("]")) return wrong("missing ']' in host");
  const port = host.startsWith("[") ? host.slice(host.lastIndexOf("]") + 1) : (/:[^:]*$/.exec(host)?.[0] ?? "");
  if (port !== "" && !/^:\d*$/.test(port)) return wrong(`invalid port ${goQuote(port)} after host`);
  const user = atSign < 0 ? undefined : authority.slice(0, atSign);
  return { scheme: scheme.toLowerCase(), host, user, query, fragment };
}

/** Upstream hands name and namespace over in the wrong order, so that each is reported under the other's name. */
export function webhookServiceErrors(service: ApiextensionsServiceReference, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const { name = "", namespace = "", port = 0, path: urlPath } = service;
  if (namespace === "") errors.push(required(child(path, "name")));
  if (name === "") errors.push(required(child(path, "namespace")));
  const messages = portNumber(port);
  if (messages.length > 0) {
    errors.push(invalidValue(child(path, "port"), port, `port is not valid: ${messages.join(", ")}`));
  }
  if (urlPath !== undefined) errors.push(...servicePathErrors(urlPath, child(path, "path")));
  return errors;
}

function servicePathErrors(path: string, field: string): FieldError[] {
  if (path === "/" || path === "") return [];
  const refuse = (detail: string) => invalidValue(field, path, detail);
  if (path === "//") return [refuse("segment[0] may not be empty")];
  const errors: FieldError[] = [];
  if (!path.startsWith("/")) errors.push(refuse("must start with a '/'"));
  for (const [index, step] of path.slice(1).replace(/\/$/, "").split("/").entries()) {
    if (step === "") errors.push(refuse(`segment[${index}] may not be empty`));
    else errors.push(...dns1123Subdomain(step).map((message) => refuse(`segment[${index}]: ${message}`)));
  }
  return errors;
}
