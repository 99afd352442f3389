/** What a case gets: a server to ask, a namespace and a group of its own, extension servers, and everything removed afterwards. */
import { eventually } from "../story.ts";
import { type Answer, type Target, uniqueName } from "../target.ts";
import { type ExtensionServer, type ServerOptions, startServer } from "./extension-server.ts";
import type { Setting } from "./worlds.ts";

export const APISERVICES = "/apis/apiregistration.k8s.io/v1/apiservices";

export interface ServiceReference {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
}

export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime: string;
}

/** An extension server that is registered and available. */
export interface Behind {
  readonly server: ExtensionServer;
  readonly group: string;
  /** Of its (first) APIService. */
  readonly name: string;
  readonly service: ServiceReference;
  /** The URL of its `things` in the namespace of the case. */
  readonly things: string;
}

export interface BehindOptions extends Partial<ServerOptions> {
  /** Of the APIServices, beside the usual. */
  readonly spec?: object;
  /** Called before it is registered. */
  prepare?(server: ExtensionServer): void;
  /** Default true: wait until it is available. */
  readonly available?: boolean;
}

export interface OwnServer {
  readonly stage: Stage;
  /** The same store, the same keys; resolves when it is ready. */
  restart(setting?: Setting): Promise<void>;
}

export interface Stage {
  readonly target: Target;
  /** A real kube-apiserver, not Tenon. */
  readonly upstream: boolean;
  readonly routing: "endpoint" | "cluster-ip";
  /** The folder of the server's keys and certificates. */
  readonly pki: string;
  /** Where extension servers listen. */
  readonly host: string;
  readonly namespace: string;
  /** Nobody else uses it. */
  readonly group: string;
  /** POST; what was made is deleted afterwards. */
  create(path: string, body: { metadata: { name: string } }): Promise<Answer>;
  /** The same; throws when it was not made. */
  make(path: string, body: { metadata: { name: string } }): Promise<Answer>;
  server(options?: Partial<ServerOptions>): Promise<ExtensionServer>;
  /** Makes a Service that leads to it. */
  expose(server: ExtensionServer, name?: string): Promise<ServiceReference>;
  behind(options?: BehindOptions): Promise<Behind>;
  /** The Available condition, once `good`; the last one after `seconds` (default 30). */
  condition(
    name: string,
    good: (condition: Condition | undefined) => boolean,
    seconds?: number,
  ): Promise<Condition | undefined>;
  /** The same case on the shared server with the other routing. */
  also(routing: Setting["routing"]): Promise<Stage>;
  /** A server of its own. */
  start(setting?: Setting): Promise<OwnServer>;
}

export interface StageOptions {
  /** Undefined: the case starts its own. */
  readonly server: { readonly target: Target; readonly pki: string } | undefined;
  readonly upstream: boolean;
  readonly routing: "endpoint" | "cluster-ip";
  readonly host: string;
  /** Part of the names it makes. */
  readonly name: string;
  readonly start: Stage["start"];
  readonly also: Stage["also"];
}

export const apiService = (group: string, spec: object = {}, version = "v1") => ({
  apiVersion: "apiregistration.k8s.io/v1",
  kind: "APIService",
  metadata: { name: `${version}.${group}` },
  spec: { group, version, groupPriorityMinimum: 100, versionPriority: 100, ...spec },
});

export const base64 = (text: string) => Buffer.from(text).toString("base64");

/** `close` removes what the case made. */
export async function openStage(options: StageOptions): Promise<{ stage: Stage; close(): Promise<void> }> {
  const { upstream, routing, host } = options;
  const running = () => {
    if (options.server === undefined) throw new Error("this case starts its own server");
    return options.server;
  };
  const target = () => running().target;
  const unique = uniqueName(options.name);
  const namespace = unique;
  const group = `${unique}.example.com`;
  const endings: (() => Promise<unknown>)[] = [];

  const stage: Stage = {
    get target() {
      return target();
    },
    get pki() {
      return running().pki;
    },
    upstream,
    routing,
    host,
    namespace,
    group,
    async create(path, body) {
      const answer = await target().call("POST", path, { body });
      if (answer.status === 201) endings.push(() => target().call("DELETE", `${path}/${body.metadata.name}`));
      return answer;
    },
    async make(path, body) {
      const answer = await stage.create(path, body);
      if (answer.status !== 201) throw new Error(`POST ${path}: ${answer.status} ${answer.text}`);
      return answer;
    },
    async server(wanted = {}) {
      const server = await startServer({ group, host, names: [`s.${namespace}.svc`], ...wanted });
      endings.push(() => server.kill());
      return server;
    },
    async expose(server, name = "s") {
      const { port } = server;
      if (routing === "cluster-ip") {
        const spec = { type: "ExternalName", externalName: "localhost", ports: [{ name: "https", port }] };
        await stage.make(`/api/v1/namespaces/${namespace}/services`, { metadata: { name }, spec } as never);
        return { namespace, name, port };
      }
      await stage.make(`/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`, {
        metadata: { name, labels: { "kubernetes.io/service-name": name } },
        addressType: "IPv4",
        endpoints: [{ addresses: [server.host], conditions: { ready: true } }],
        ports: [{ name: "https", port, protocol: "TCP" }],
      } as never);
      await stage.make(`/api/v1/namespaces/${namespace}/services`, {
        metadata: { name },
        spec: { ports: [{ name: "https", port: 443 }] },
      } as never);
      return { namespace, name, port: 443 };
    },
    async behind({ spec = {}, prepare, available = true, ...wanted } = {}) {
      const server = await stage.server(wanted);
      prepare?.(server);
      const service = await stage.expose(server, wanted.names?.[0]?.split(".")[0]);
      const versions = wanted.versions ?? ["v1"];
      for (const version of versions) {
        const trust = "insecureSkipTLSVerify" in spec ? {} : { caBundle: base64(server.ca) };
        await stage.make(APISERVICES, apiService(server.group, { service, ...trust, ...spec }, version));
      }
      for (const version of available ? versions : []) {
        const name = `${version}.${server.group}`;
        const condition = await stage.condition(name, (found) => found?.status === "True", 45);
        if (condition?.status !== "True") throw new Error(`${name} is not available: ${JSON.stringify(condition)}`);
        // The condition is seen before the proxy may have seen it.
        await eventually(
          () => target().call("GET", `/apis/${server.group}/${version}`),
          ({ status }) => status !== 503 && status !== 404,
          10,
        );
      }
      const version = versions[0] ?? "v1";
      const things = `/apis/${server.group}/${version}/namespaces/${namespace}/things`;
      return { server, group: server.group, name: `${version}.${server.group}`, service, things };
    },
    condition: (name, good, seconds = 30) =>
      eventually(
        async () => {
          const answer = await target().call("GET", `${APISERVICES}/${name}`);
          return (answer.json.status?.conditions ?? []).find(({ type }: Condition) => type === "Available") as
            | Condition
            | undefined;
        },
        good,
        seconds,
      ),
    start: options.start,
    also: options.also,
  };
  if (options.server !== undefined) await stage.make("/api/v1/namespaces", { metadata: { name: namespace } });
  return {
    stage,
    async close() {
      for (const end of endings.reverse()) await end().catch(() => undefined);
    },
  };
}
