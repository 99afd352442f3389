/** The one implementation of Exchange behind all transports; a transport brings a request, a body and a response. */
import type { Exchange, Peer, RequestBody, UpgradedConnection } from "../exchange.ts";
import { warningHeaders } from "../filters/warnings.ts";
import type { UserInfo } from "../identity.ts";
import type { RequestInfo } from "../request-info.ts";
import { fromWire } from "./header-text.ts";
import type { TransportResponse } from "./response.ts";

export interface ExchangeParts {
  readonly method: string;
  readonly target: string;
  readonly rawHeaders: readonly string[];
  readonly peer: Peer;
  readonly response: TransportResponse;
  /** Milliseconds since the epoch. */
  readonly received: number;
  /** Makes an audit id when the client sent none. */
  newAuditID(): string;
  readonly upgrade?: (() => UpgradedConnection) | undefined;
}

/** Why a request's signal aborted. */
export class RequestCancelled extends Error {
  override readonly cause: "client-gone" | "deadline" | "shutdown";

  constructor(cause: "client-gone" | "deadline" | "shutdown") {
    super(`request cancelled: ${cause}`);
    this.name = "RequestCancelled";
    this.cause = cause;
  }
}

export class ServedExchange implements Exchange {
  readonly method: string;
  readonly target: string;
  readonly rawPath: string;
  readonly rawQuery: string;
  readonly rawHeaders: readonly string[];
  readonly peer: Peer;
  readonly response: TransportResponse;
  readonly received: number;
  readonly auditID: string;
  readonly upgrade: (() => UpgradedConnection) | undefined;
  /** Set by the transport right after construction. */
  body!: RequestBody;
  #query: URLSearchParams | undefined;
  #abort: AbortController | undefined;
  #cancelled: RequestCancelled | undefined;
  #info: RequestInfo | undefined;
  #user: UserInfo | undefined;
  #originalUser: UserInfo | undefined;
  #warnings: string[] | undefined;

  constructor(parts: ExchangeParts) {
    this.method = parts.method;
    this.target = parts.target;
    const mark = parts.target.indexOf("?");
    this.rawPath = mark < 0 ? parts.target : parts.target.slice(0, mark);
    this.rawQuery = mark < 0 ? "" : parts.target.slice(mark + 1);
    this.rawHeaders = parts.rawHeaders;
    this.peer = parts.peer;
    this.response = parts.response;
    this.received = parts.received;
    this.auditID = this.header("audit-id") || parts.newAuditID();
    this.upgrade = parts.upgrade;
  }

  get query(): URLSearchParams {
    this.#query ??= parseQuery(this.rawQuery);
    return this.#query;
  }

  header(name: string): string | undefined {
    const raw = this.rawHeaders;
    for (let i = 0; i < raw.length; i += 2) {
      const candidate = raw[i]!;
      if (candidate.length === name.length && (candidate === name || candidate.toLowerCase() === name))
        return fromWire(raw[i + 1]!);
    }
    return undefined;
  }

  headers(name: string): readonly string[] {
    const raw = this.rawHeaders;
    const values: string[] = [];
    for (let i = 0; i < raw.length; i += 2) {
      const candidate = raw[i]!;
      if (candidate.length === name.length && candidate.toLowerCase() === name) values.push(fromWire(raw[i + 1]!));
    }
    return values;
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#cancelled !== undefined) this.#abort.abort(this.#cancelled);
    }
    return this.#abort.signal;
  }

  /** Why the request was cancelled, without creating the signal. */
  get cancelled(): RequestCancelled | undefined {
    return this.#cancelled;
  }

  /** Aborts the signal; the first reason stays. */
  cancel(cause: RequestCancelled["cause"]): void {
    if (this.#cancelled !== undefined) return;
    this.#cancelled = new RequestCancelled(cause);
    this.#abort?.abort(this.#cancelled);
  }

  get info(): RequestInfo {
    if (this.#info === undefined) throw new Error("request info is read before the request-info filter ran");
    return this.#info;
  }

  set info(info: RequestInfo) {
    if (this.#info !== undefined) throw new Error("request info is set once");
    this.#info = info;
  }

  /** Whether the request-info filter ran. */
  get parsed(): boolean {
    return this.#info !== undefined;
  }

  get user(): UserInfo {
    if (this.#user === undefined) throw new Error("the user is read before authentication");
    return this.#user;
  }

  set user(user: UserInfo) {
    if (this.#originalUser !== undefined) throw new Error("the user is set once, and once more by impersonation");
    if (this.#user !== undefined) this.#originalUser = this.#user;
    this.#user = user;
  }

  get originalUser(): UserInfo | undefined {
    return this.#originalUser;
  }

  warn(text: string): void {
    if (text === "") return;
    if (this.#warnings === undefined) {
      this.#warnings = [];
      this.response.beforeHead = () => {
        for (const line of warningHeaders(this.#warnings ?? [])) this.response.addHeader("Warning", line);
      };
    }
    // More than the budget of characters could ever print is not worth keeping.
    if (this.#warnings.length < 4096) this.#warnings.push(text);
  }
}

/** Go's rules: pairs with broken escapes or a semicolon are dropped, `+` is a space. */
function parseQuery(raw: string): URLSearchParams {
  const query = new URLSearchParams();
  if (raw === "") return query;
  for (const pair of raw.split("&")) {
    if (pair === "" || pair.includes(";")) continue;
    const equals = pair.indexOf("=");
    const key = decodePart(equals < 0 ? pair : pair.slice(0, equals));
    const value = equals < 0 ? "" : decodePart(pair.slice(equals + 1));
    if (key !== undefined && value !== undefined) query.append(key, value);
  }
  return query;
}

function decodePart(text: string): string | undefined {
  const spaced = text.includes("+") ? text.replaceAll("+", " ") : text;
  if (!spaced.includes("%")) return spaced;
  if (/%(?![0-9A-Fa-f]{2})/.test(spaced)) return undefined;
  try {
    return decodeURIComponent(spaced);
  } catch {
    return spaced.replace(/(?:%[0-9A-Fa-f]{2})+/g, (run) =>
      Buffer.from(run.replaceAll("%", ""), "hex").toString("utf8"),
    );
  }
}
