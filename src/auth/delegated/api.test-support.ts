/** A handful of objects behind a ClientTransport: just enough of an API server for tests of this room. */
import type { KubeObject } from "../../api/meta.ts";
import { type SimulatedClock, seededRandom } from "../../api/simulated.ts";
import { StatusError } from "../../api/status.ts";
import { type Client, createClient } from "../../client/client.ts";
import type { ClientRequest, ClientResponse } from "../../client/transport.ts";

type Event = { readonly type: string; readonly object: KubeObject };

export interface FakeAPI {
  readonly client: Client;
  /** Objects by path. */
  readonly objects: Map<string, KubeObject>;
  /** `METHOD path` of every request. */
  readonly log: string[];
  /** Answers instead of the store when it returns something; may throw a StatusError. */
  intercept: (method: string, path: string, body: KubeObject | undefined) => unknown;
  /** Stores and tells watchers. */
  put(path: string, object: KubeObject): void;
}

const bytes = (value: unknown) => new TextEncoder().encode(`${JSON.stringify(value)}\n`);

export function fakeAPI(clock: SimulatedClock): FakeAPI {
  const objects = new Map<string, KubeObject>();
  const watchers = new Set<{ readonly prefix: string; push(event: Event): void }>();
  let version = 0;
  const api: FakeAPI = {
    objects,
    log: [],
    intercept: () => undefined,
    put(path, object) {
      const type = objects.has(path) ? "MODIFIED" : "ADDED";
      const stored = {
        ...object,
        metadata: { uid: `uid-${path}`, ...object.metadata, resourceVersion: String(++version) },
      };
      objects.set(path, stored);
      for (const watcher of watchers) if (path.startsWith(watcher.prefix)) watcher.push({ type, object: stored });
    },
    client: createClient({ request, close: async () => {} }, { clock, random: seededRandom(5), maxRetries: 0 }),
  };

  function handle(method: string, path: string, body: KubeObject | undefined): unknown {
    const intercepted = api.intercept(method, path, body);
    if (intercepted !== undefined) return intercepted;
    const isItem = objects.has(path);
    if (method === "GET") {
      if (isItem) return objects.get(path);
      const items = [...objects].filter(([key]) => key.startsWith(`${path}/`)).map(([, object]) => object);
      const isCollection = /^\/(api\/v1|apis\/[^/]+\/v1)(\/namespaces\/[^/]+)?\/[a-z]+$/.test(path);
      const name = path.split("/").at(-1)!;
      const across = items.length === 0 && !path.includes("/namespaces/") && isCollection;
      if (across)
        items.push(...[...objects].filter(([key]) => key.split("/").at(-2) === name).map(([, object]) => object));
      if (isCollection)
        return { kind: "List", apiVersion: "v1", metadata: { resourceVersion: String(version) }, items };
      throw new StatusError(404, "NotFound", `${name} not found`);
    }
    if (method === "POST") {
      const target = `${path}/${body?.metadata.name}`;
      if (objects.has(target)) throw new StatusError(409, "AlreadyExists", "already exists");
      api.put(target, body!);
      return objects.get(target);
    }
    if (!isItem) throw new StatusError(404, "NotFound", "not found");
    if (method === "PUT") {
      api.put(path, body!);
      return objects.get(path);
    }
    objects.delete(path);
    return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success" };
  }

  async function request(request: ClientRequest): Promise<ClientResponse> {
    const [path = "", query = ""] = request.path.split("?");
    if (new URLSearchParams(query).has("watch")) return { status: 200, headers: {}, body: watch(path, request.signal) };
    api.log.push(`${request.method} ${path}`);
    const text = typeof request.body === "string" ? request.body : new TextDecoder().decode(request.body);
    let status = 200;
    let answer: unknown;
    try {
      answer = handle(request.method, path, text === "" ? undefined : JSON.parse(text));
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      status = error.code;
      answer = error.status;
    }
    return { status, headers: { "content-type": "application/json" }, body: once(bytes(answer)) };
  }

  async function* once(chunk: Uint8Array) {
    yield chunk;
  }

  async function* watch(prefix: string, signal: AbortSignal | undefined) {
    const queue: Event[] = [];
    let wake = () => {};
    const watcher = {
      prefix,
      push(event: Event) {
        queue.push(event);
        wake();
      },
    };
    watchers.add(watcher);
    try {
      for (;;) {
        for (const event of queue.splice(0)) yield bytes(event);
        if (signal?.aborted) return;
        await new Promise<void>((resolve) => {
          wake = resolve;
          signal?.addEventListener("abort", () => resolve(), { once: true });
        });
      }
    } finally {
      watchers.delete(watcher);
    }
  }
  return api;
}
