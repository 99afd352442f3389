/** A backend with small hand-made kinds over the memory engine and a simulated clock, for the tests of this folder. */
import type { ObjectCodec } from "../../api/codec.ts";
import { encodeJSON, isObject, JSONSyntaxError, OBJECT_META_FIELDS, parseJSON } from "../../api/json/index.ts";
import type { GroupVersionKind, JSONValue, KubeObject } from "../../api/meta.ts";
import { apiVersionOf } from "../../api/meta.ts";
import { dns1123Subdomain } from "../../api/names.ts";
import { SimulatedClock, seededRandom } from "../../api/simulated.ts";
import { badRequest, type Status } from "../../api/status.ts";
import { type History, memoryEngine, openState, type State } from "../../store/index.ts";
import type { UserInfo } from "../identity.ts";
import { requestInfo } from "../request-info.ts";
import type { ResourceDefinition, Verb } from "../resource.ts";
import { type MemoryResponse, memoryTransport } from "../transports/memory.ts";
import { type LocalBackend, type LocalBackendOptions, localBackend, type ServedResource } from "./local-backend.ts";

/** A codec for kinds whose known fields are `spec`, `status` and `data`. */
export function tinyCodec(kind: GroupVersionKind): ObjectCodec {
  const apiVersion = apiVersionOf(kind);
  const fromValue = (value: JSONValue) => {
    if (!isObject(value)) throw badRequest("not an object");
    const known = ["kind", "apiVersion", "metadata", "spec", "status", "data"];
    const problems = Object.keys(value)
      .filter((key) => !known.includes(key))
      .map((key) => `unknown field "${key}"`);
    const object: KubeObject = { kind: kind.kind, apiVersion, metadata: {} };
    for (const key of known) if (value[key] !== undefined && value[key] !== null) object[key] = value[key];
    return { object, problems };
  };
  return {
    kind,
    fromValue,
    decode(body) {
      try {
        const { value, problems } = parseJSON(body);
        const decoded = fromValue(value);
        return { object: decoded.object, problems: [...problems, ...decoded.problems] };
      } catch (error) {
        if (error instanceof JSONSyntaxError) throw badRequest(error.message);
        throw error;
      }
    },
    encode(object, resourceVersion = object.metadata.resourceVersion ?? "") {
      const metadata: Record<string, unknown> = {};
      for (const key of OBJECT_META_FIELDS) {
        const value = object.metadata[key];
        if (key === "resourceVersion") metadata[key] = resourceVersion;
        else if (value !== undefined && value !== null && !(Array.isArray(value) && value.length === 0)) {
          metadata[key] = value;
        }
      }
      const { kind: _, apiVersion: __, metadata: ___, ...rest } = object;
      return encodeJSON({ kind: kind.kind, apiVersion, metadata, ...rest });
    },
  };
}

const ALL_VERBS: readonly Verb[] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

export const WIDGET: GroupVersionKind = { group: "test.example.com", version: "v1", kind: "Widget" };

/** Widgets of test.example.com/v1: namespaced, with a generation, a status sub-resource and the selectable field `spec.color`. */
export function widgets(changes: Partial<ResourceDefinition> = {}): ResourceDefinition {
  return {
    ...WIDGET,
    listKind: "WidgetList",
    plural: "widgets",
    singular: "widget",
    namespaced: true,
    verbs: ALL_VERBS,
    codec: tinyCodec({ ...WIDGET, ...(changes.kind !== undefined && { kind: changes.kind }) }),
    strategy: {
      prepareForCreate(object) {
        delete object["status"];
        object.metadata.generation = 1;
      },
      prepareForUpdate(object, old) {
        object["status"] = old["status"];
        if (JSON.stringify(object["spec"]) !== JSON.stringify(old["spec"])) {
          object.metadata.generation = (object.metadata.generation ?? 0) + 1;
        }
      },
      validate: (object) =>
        object["spec"]?.color === "invisible"
          ? [
              {
                reason: "FieldValueInvalid",
                field: "spec.color",
                message: 'Invalid value: "invisible": must be visible',
              },
            ]
          : [],
    },
    nameRule: (name, prefix) => dns1123Subdomain(prefix ? `${name}a` : name),
    fields: { "spec.color": (object) => String(object["spec"]?.color ?? "") },
    subresources: [
      {
        name: "status",
        verbs: ["get", "patch", "update"],
        strategy: {
          prepareForUpdate(object, old) {
            object["spec"] = old["spec"];
          },
        },
      },
    ],
    storagePrefix: "/registry/test.example.com/widgets/",
    ...changes,
  };
}

export const ALICE: UserInfo = { name: "alice", uid: "", groups: ["system:authenticated"], extra: {} };

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  /** The body as JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever came back
  readonly json: any;
}

export interface Bench {
  readonly clock: SimulatedClock;
  readonly state: State;
  readonly backend: LocalBackend;
  /** Sends a request; a body that is no string is sent as JSON. */
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** A request whose body arrives piece by piece. */
  open(path: string, headers?: Record<string, string>, signal?: AbortSignal): Promise<MemoryResponse>;
  close(): Promise<void>;
}

export interface BenchOptions extends Partial<Omit<LocalBackendOptions, "resources" | "state">> {
  readonly resources?: readonly ServedResource[];
  readonly history?: Partial<History>;
  readonly state?: State;
  readonly highWaterMark?: number;
}

export const BASE = "/apis/test.example.com/v1";

export async function bench(options: BenchOptions = {}): Promise<Bench> {
  const clock = new SimulatedClock();
  const random = seededRandom(1);
  const state = options.state ?? (await openState(memoryEngine({ clock }), { clock, history: options.history ?? {} }));
  const backend = localBackend({
    group: WIDGET.group,
    version: WIDGET.version,
    resources: [{ definition: widgets() }],
    clock,
    random,
    ...options,
    state,
  });
  const transport = memoryTransport(
    async (exchange) => {
      exchange.info = requestInfo(exchange);
      exchange.user = ALICE;
      await backend.serve(exchange);
    },
    { clock, random, ...(options.highWaterMark !== undefined && { highWaterMark: options.highWaterMark }) },
  );
  return {
    clock,
    state,
    backend,
    async send(method, path, body, headers = {}) {
      const response = await transport.request({
        method,
        path,
        headers,
        ...(body !== undefined && {
          body: typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body),
        }),
      });
      const chunks: Uint8Array[] = [];
      for await (const chunk of response.body) chunks.push(chunk);
      const bytes = Buffer.concat(chunks);
      const text = bytes.toString("utf8");
      return {
        status: response.status,
        headers: response.headers,
        text,
        get json() {
          return JSON.parse(text);
        },
      };
    },
    open: (path, headers = {}, signal) =>
      transport.request({ method: "GET", path, headers, ...(signal !== undefined && { signal }) }),
    async close() {
      await transport.close();
      await state.close();
    },
  };
}

export function widget(name: string, more: Partial<KubeObject> = {}): KubeObject {
  const { metadata, ...rest } = more;
  return { apiVersion: "test.example.com/v1", kind: "Widget", metadata: { name, ...metadata }, spec: {}, ...rest };
}

export type { Status };
