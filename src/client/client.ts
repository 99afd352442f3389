/** A client of any Kubernetes API server: requests with retries, and typed access to resources. */
import type { Clock, Random } from "../api/clock.ts";
import type { GroupVersionResource, JSONValue, KubeObject } from "../api/meta.ts";
import { collect, encodeBody, parseBody } from "./json.ts";
import { type ResourceClient, resourceClient } from "./resource.ts";
import { errorOfResponse, type FailedRequest, retryAfterSeconds } from "./response-error.ts";
import type { ClientResponse, ClientTransport } from "./transport.ts";

export interface ClientOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Sent as `User-Agent`. */
  readonly userAgent?: string;
  /** How often a 429 or 5xx with `Retry-After` is repeated. Default 10, as client-go. */
  readonly maxRetries?: number;
  /** The longest `Retry-After` that is waited for, milliseconds; longer ones are cut to it. Default 30 s. */
  readonly maxRetryWait?: number;
  /** The largest response body that is collected, bytes. Default 512 MiB. */
  readonly maxResponseBytes?: number;
}

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface CallOptions {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query?: Query;
  readonly headers?: Readonly<Record<string, string>>;
  /** Strings and bytes are sent as they are, anything else as JSON. */
  readonly body?: unknown;
  readonly contentType?: string;
  readonly signal?: AbortSignal;
  /** What the call is about, for error texts. */
  readonly about?: Omit<FailedRequest, "method">;
}

export interface Client {
  readonly clock: Clock;
  readonly random: Random;
  /** Typed access to one resource; without a namespace: cluster-scoped resources, or all namespaces. */
  resource<T extends KubeObject = KubeObject>(resource: GroupVersionResource, namespace?: string): ResourceClient<T>;
  /** One call with a JSON answer. Throws a StatusError for codes of 400 and above. */
  call(options: CallOptions): Promise<JSONValue>;
  /** One call whose answer is streamed. Throws a StatusError for codes of 400 and above; honours `Retry-After`. */
  stream(options: CallOptions): Promise<ClientResponse>;
  close(): Promise<void>;
}

/** A client over `transport`; closing it closes the transport. */
export function createClient(transport: ClientTransport, options: ClientOptions): Client {
  const { clock, random } = options;
  const maxRetries = options.maxRetries ?? 10;
  const maxRetryWait = options.maxRetryWait ?? 30_000;
  const maxResponseBytes = options.maxResponseBytes ?? 512 * 1024 * 1024;

  async function stream(call: CallOptions): Promise<ClientResponse> {
    const headers: Record<string, string> = { accept: "application/json" };
    if (options.userAgent !== undefined) headers["user-agent"] = options.userAgent;
    let body: Uint8Array | string | undefined;
    if (call.body !== undefined) {
      body = typeof call.body === "string" || call.body instanceof Uint8Array ? call.body : encodeBody(call.body);
      headers["content-type"] = call.contentType ?? "application/json";
    }
    Object.assign(headers, call.headers);
    const request = {
      method: call.method,
      path: call.path + printQuery(call.query),
      headers,
      ...(body !== undefined && { body }),
      ...(call.signal !== undefined && { signal: call.signal }),
    };
    for (let attempt = 0; ; attempt++) {
      call.signal?.throwIfAborted();
      const response = await transport.request(request);
      if (response.status < 400) return response;
      const failure = await collect(response.body, 1024 * 1024);
      const wait = retryAfterSeconds(response.headers);
      const repeat = wait !== undefined && (response.status === 429 || response.status >= 500) && attempt < maxRetries;
      if (!repeat) {
        throw errorOfResponse(response.status, response.headers, failure, { method: call.method, ...call.about });
      }
      await clock.sleep(Math.min(wait * 1000, maxRetryWait), call.signal);
    }
  }

  const client: Client = {
    clock,
    random,
    stream,
    async call(call) {
      const response = await stream(call);
      const bytes = await collect(response.body, maxResponseBytes);
      return bytes.length === 0 ? null : parseBody(bytes);
    },
    resource: <T extends KubeObject>(resource: GroupVersionResource, namespace?: string) =>
      resourceClient<T>(client, resource, namespace),
    close: () => transport.close(),
  };
  return client;
}

function printQuery(query: Query | undefined): string {
  if (query === undefined) return "";
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== "") params.append(name, String(value));
  }
  const text = params.toString();
  return text === "" ? "" : `?${text}`;
}
