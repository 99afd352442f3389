/** Acting as somebody else, as far as one may (spec: apiserver 1.4; KEP-5284 for the constrained forms). */
import { badRequest } from "../api/status.ts";
import type { AuthorizationAttributes, Authorizer } from "../server/authorization.ts";
import type { Filter } from "../server/exchange.ts";
import { attributesOf, forbiddenStatus } from "../server/filters/authorization.ts";
import { ANONYMOUS, SYSTEM_AUTHENTICATED, SYSTEM_MASTERS, type UserInfo } from "../server/identity.ts";
import { collectPrefixed, firstOf, newExtra, type RawHeaders, valuesOf } from "./delegated/headers.ts";

const UNAUTHENTICATED = "system:unauthenticated";
const AUTHENTICATION = { group: "authentication.k8s.io", version: "v1" } as const;
const CORE = { group: "", version: "v1" } as const;
/** From this many on, a constrained form first asks for all at once. */
const MANY = 4;

/** Replaces `exchange.user` when impersonation headers ask for it and every part of it is allowed. Throws 400 or 403 StatusErrors. */
export function impersonationFilter(authorizer: Authorizer): Filter {
  return async (exchange, next) => {
    let wanted: UserInfo | undefined;
    try {
      wanted = wantedUser(exchange.rawHeaders);
      if (wanted !== undefined)
        exchange.user = await impersonate(
          exchange.user,
          wanted,
          attributesOf(exchange.user, exchange.info),
          authorizer,
        );
    } catch (error) {
      exchange.response.setHeader("X-Content-Type-Options", "nosniff");
      throw error;
    }
    return next(exchange);
  };
}

/** Whether a header belongs to impersonation and must not travel on. `name` in any case. */
export function isImpersonationHeader(name: string): boolean {
  const lower = name.toLowerCase();
  return (
    lower === "impersonate-user" ||
    lower === "impersonate-group" ||
    lower === "impersonate-uid" ||
    lower.startsWith("impersonate-extra-")
  );
}

/** Whom the headers ask for, exactly as said; undefined when nobody. Throws 400. */
export function wantedUser(raw: RawHeaders): UserInfo | undefined {
  let any = false;
  for (let at = 0; at < raw.length; at += 2) {
    const first = raw[at]!.charCodeAt(0);
    if ((first === 0x49 || first === 0x69) && isImpersonationHeader(raw[at]!)) any = true;
  }
  if (!any) return undefined;
  const extra = newExtra();
  collectPrefixed(raw, "impersonate-extra-", extra);
  const user = {
    name: firstOf(raw, "impersonate-user"),
    uid: firstOf(raw, "impersonate-uid"),
    groups: valuesOf(raw, "impersonate-group"),
    extra,
  };
  if (user.name !== "") return user;
  if (user.uid !== "" || user.groups.length > 0 || Object.keys(extra).length > 0)
    throw badRequest(`requested ${printGo(user)} without impersonating a user name`);
  return undefined;
}

/** Go's `%#v` of a user. */
function printGo(user: UserInfo): string {
  const strings = (values: readonly string[]) => `[]string{${values.map((value) => JSON.stringify(value)).join(", ")}}`;
  const groups = user.groups.length === 0 ? "[]string(nil)" : strings(user.groups);
  const keys = Object.keys(user.extra).sort();
  const extra =
    keys.length === 0
      ? "map[string][]string(nil)"
      : `map[string][]string{${keys.map((key) => `${JSON.stringify(key)}:${strings(user.extra[key]!)}`).join(", ")}}`;
  return `&user.DefaultInfo{Name:${JSON.stringify(user.name)}, UID:${JSON.stringify(user.uid)}, Groups:${groups}, Extra:${extra}}`;
}

type Request = Omit<AuthorizationAttributes, "user">;

/** The user `requestor` becomes: constrained forms first, the plain verb `impersonate` last; the first refusal is the one told. Rejects with 403. */
export async function impersonate(
  requestor: UserInfo,
  wanted: UserInfo,
  request: Request,
  authorizer: Authorizer,
): Promise<UserInfo> {
  let refusal: unknown;
  for (const mode of modesFor(requestor, wanted)) {
    try {
      const effective = mode === "associated-node" ? withoutExtraValues(requestor) : requestor;
      if (mode !== undefined)
        await check(authorizer, { ...request, user: effective, verb: `impersonate-on:${mode}:${request.verb}` });
      return await authorizeParts(effective, wanted, mode, authorizer);
    } catch (error) {
      refusal ??= error;
    }
  }
  throw refusal;
}

type Mode = "associated-node" | "arbitrary-node" | "serviceaccount" | "user-info" | undefined;

function modesFor(requestor: UserInfo, wanted: UserInfo): Mode[] {
  const modes: Mode[] = [];
  const onlyName = wanted.uid === "" && wanted.groups.length === 0 && Object.keys(wanted.extra).length === 0;
  const node = nodeName(wanted.name);
  const account = serviceAccount(wanted.name);
  if (onlyName && node !== undefined) {
    const bound = requestor.extra["authentication.kubernetes.io/node-name"];
    if (serviceAccount(requestor.name) !== undefined && bound?.length === 1 && bound[0] === node)
      modes.push("associated-node");
    modes.push("arbitrary-node");
  }
  if (onlyName && account !== undefined) modes.push("serviceaccount");
  if (node === undefined && account === undefined) modes.push("user-info");
  modes.push(undefined);
  return modes;
}

/** The association is checked already; which keys there were is all an authorizer may look at. */
function withoutExtraValues(user: UserInfo): UserInfo {
  return {
    ...user,
    extra: { "authentication.kubernetes.io/associated-node-keys": Object.keys(user.extra).sort() },
  };
}

async function authorizeParts(
  requestor: UserInfo,
  wanted: UserInfo,
  mode: Mode,
  authorizer: Authorizer,
): Promise<UserInfo> {
  const constrained = mode !== undefined;
  const verb = constrained ? `impersonate:${mode}` : "impersonate";
  const names = constrained ? AUTHENTICATION : CORE;
  const attributes = (
    gv: typeof CORE | typeof AUTHENTICATION,
    resource: string,
    name: string,
  ): AuthorizationAttributes => ({
    ...gv,
    user: requestor,
    verb,
    isResourceRequest: true,
    resource,
    subresource: "",
    namespace: "",
    name,
    path: "",
  });

  let groups = wanted.groups;
  let username = attributes(names, "users", wanted.name);
  const node = constrained ? nodeName(wanted.name) : undefined;
  const account = serviceAccount(wanted.name);
  if (node !== undefined) {
    username = { ...username, resource: "nodes", name: mode === "associated-node" ? "*" : node };
    groups = ["system:nodes"];
  } else if (account !== undefined) {
    username = { ...username, resource: "serviceaccounts", namespace: account.namespace, name: account.name };
    if (groups.length === 0) groups = ["system:serviceaccounts", `system:serviceaccounts:${account.namespace}`];
  }
  await check(authorizer, username);
  if (wanted.uid !== "") await check(authorizer, attributes(AUTHENTICATION, "uids", wanted.uid));
  await authorizeGroups(wanted.groups, attributes(names, "groups", ""), constrained, authorizer);
  await authorizeExtra(wanted.extra, attributes(AUTHENTICATION, "userextras", ""), constrained, authorizer);

  const missing =
    wanted.name === ANONYMOUS.name
      ? UNAUTHENTICATED
      : groups.includes(UNAUTHENTICATED)
        ? undefined
        : SYSTEM_AUTHENTICATED;
  if (missing !== undefined && !groups.includes(missing)) groups = [...groups, missing];
  return { name: wanted.name, uid: wanted.uid, groups, extra: wanted.extra };
}

async function authorizeGroups(
  groups: readonly string[],
  attributes: AuthorizationAttributes,
  constrained: boolean,
  authorizer: Authorizer,
): Promise<void> {
  if (constrained && groups.includes(""))
    throw forbiddenStatus(attributes, "impersonating the empty string group is not allowed");
  if (constrained && groups.includes(SYSTEM_MASTERS))
    throw forbiddenStatus(
      { ...attributes, name: SYSTEM_MASTERS },
      "impersonating the system:masters group is not allowed",
    );
  if (constrained && groups.length >= MANY && (await passes(authorizer, { ...attributes, name: "*" }))) return;
  for (const name of groups) await check(authorizer, { ...attributes, name });
}

async function authorizeExtra(
  extra: UserInfo["extra"],
  attributes: AuthorizationAttributes,
  constrained: boolean,
  authorizer: Authorizer,
): Promise<void> {
  const entries = Object.entries(extra);
  if (constrained) {
    const problem = entries.map(([key, values]) => extraProblem(key, values)).find((one) => one !== undefined);
    if (problem !== undefined) throw forbiddenStatus(attributes, problem);
    const large = entries.length >= MANY || entries.reduce((sum, [, values]) => sum + values.length, 0) >= MANY;
    if (large && (await passes(authorizer, { ...attributes, subresource: "*", name: "*" }))) return;
  }
  for (const [subresource, values] of entries)
    for (const name of values) await check(authorizer, { ...attributes, subresource, name });
}

/** The constrained forms take only keys like `example.com/path` in lower case, and no empty values. */
function extraProblem(key: string, values: readonly string[]): string | undefined {
  if (key === "") return "impersonating the empty string key in extra is not allowed";
  const [domain = "", path] = splitOnce(key, "/");
  if (
    !/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(domain) ||
    path === undefined ||
    path === ""
  )
    return `impersonating an invalid key in extra is not allowed: extra.key: Invalid value: ${JSON.stringify(key)}: must be a domain-prefixed path (such as "acme.io/foo")`;
  if (key !== key.toLowerCase())
    return `impersonating a non-lowercase key in extra is not allowed: ${JSON.stringify(key)}`;
  if (values.includes("")) return "impersonating the empty string value in extra is not allowed";
  return undefined;
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}

async function passes(authorizer: Authorizer, attributes: AuthorizationAttributes): Promise<boolean> {
  return (await authorizer.authorize(attributes)).verdict === "Allow";
}

async function check(authorizer: Authorizer, attributes: AuthorizationAttributes): Promise<void> {
  const { verdict, reason, error } = await authorizer.authorize(attributes);
  if (verdict === "Allow") return;
  const text = error === undefined ? reason : reason === "" ? error.message : `${error.message}: ${reason}`;
  throw forbiddenStatus(attributes, text);
}

/** `system:serviceaccount:<namespace>:<name>` taken apart; undefined for anything else. */
export function serviceAccount(username: string): { readonly namespace: string; readonly name: string } | undefined {
  const match =
    /^system:serviceaccount:([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?):([a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?)$/.exec(
      username,
    );
  if (match === null || /\.\.|\.-|-\./.test(match[2]!)) return undefined;
  return { namespace: match[1]!, name: match[2]! };
}

function nodeName(username: string): string | undefined {
  const name = /^system:node:([a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?)$/.exec(username)?.[1];
  return name === undefined || /\.\.|\.-|-\./.test(name) ? undefined : name;
}
