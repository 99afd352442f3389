/** Exchanges without a transport, for tests and measurements of this room. */
import type { Exchange, Peer } from "../../server/exchange.ts";
import type { UserInfo } from "../../server/identity.ts";
import type { RequestInfo } from "../../server/request-info.ts";

export interface FakeRequest {
  readonly headers?: readonly (readonly [string, string])[];
  readonly certificates?: readonly Uint8Array[];
  readonly transport?: Peer["transport"];
  readonly vouched?: UserInfo;
  readonly peer?: Peer;
  readonly user?: UserInfo;
  readonly info?: Partial<RequestInfo>;
}

export const NOBODY_ASKED: RequestInfo = {
  isResourceRequest: true,
  path: "/api/v1/namespaces/ns/pods",
  verb: "list",
  apiPrefix: "api",
  group: "",
  version: "v1",
  namespace: "ns",
  resource: "pods",
  subresource: "",
  name: "",
  parts: ["pods"],
  fieldSelector: "",
  labelSelector: "",
};

export function fakePeer(request: FakeRequest = {}): Peer {
  return {
    transport: request.transport ?? "h1",
    address: "127.0.0.1",
    port: 50000,
    certificates: request.certificates ?? [],
    ...(request.vouched !== undefined && { vouched: request.vouched }),
  };
}

/** What it answered, for assertions. */
export interface Answer {
  status?: number;
  contentType?: string;
  body?: string;
  readonly headers: Map<string, string>;
}

export function fakeExchange(request: FakeRequest = {}): Exchange & { readonly answer: Answer } {
  const rawHeaders = (request.headers ?? []).flat();
  const headers = (name: string) =>
    (request.headers ?? []).filter(([candidate]) => candidate.toLowerCase() === name).map(([, value]) => value);
  const answer: Answer = { headers: new Map() };
  const exchange = {
    method: "GET",
    rawHeaders,
    headers,
    header: (name: string) => headers(name)[0],
    peer: request.peer ?? fakePeer(request),
    signal: new AbortController().signal,
    received: 0,
    auditID: "",
    upgrade: undefined,
    info: { ...NOBODY_ASKED, ...request.info },
    user: request.user,
    warn: () => {},
    answer,
    response: {
      setHeader: (name: string, value: string) => answer.headers.set(name.toLowerCase(), value),
      send(status: number, contentType: string, body: Uint8Array | string) {
        answer.status = status;
        answer.contentType = contentType;
        answer.body = typeof body === "string" ? body : new TextDecoder().decode(body);
      },
    },
  };
  // Authentication looks at nothing else of an Exchange.
  return exchange as unknown as Exchange & { readonly answer: Answer };
}

/** A lister over a fixed set that a test may change. */
export function fakeLister<T extends { metadata: { name?: string; namespace?: string } }>(initial: readonly T[] = []) {
  const objects = new Map<string, T>();
  const subscribers = new Set<{ added?(o: T): void; updated?(o: T, old: T): void; deleted?(o: T): void }>();
  const key = (name: string, namespace = "") => `${namespace}/${name}`;
  const keyOf = (object: T) => key(object.metadata.name ?? "", object.metadata.namespace ?? "");
  for (const object of initial) objects.set(keyOf(object), object);
  return {
    synced: true,
    ready: async () => {},
    get: (name: string, namespace?: string) => objects.get(key(name, namespace)),
    list: (namespace?: string) =>
      [...objects.values()].filter((object) => namespace === undefined || object.metadata.namespace === namespace),
    subscribe(events: { added?(o: T): void; updated?(o: T, old: T): void; deleted?(o: T): void }) {
      subscribers.add(events);
      for (const object of objects.values()) events.added?.(object);
      return () => void subscribers.delete(events);
    },
    put(object: T) {
      const old = objects.get(keyOf(object));
      objects.set(keyOf(object), object);
      for (const events of subscribers) old === undefined ? events.added?.(object) : events.updated?.(object, old);
    },
    remove(name: string, namespace?: string) {
      const old = objects.get(key(name, namespace));
      objects.delete(key(name, namespace));
      if (old !== undefined) for (const events of subscribers) events.deleted?.(old);
    },
  };
}
