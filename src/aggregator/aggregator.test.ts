/** The aggregator with one registry and real backends behind it: availability, routes, discovery and OpenAPI are views of one state, so one rig serves them all. */
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTCPServer, type Socket } from "node:net";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { systemClock, systemRandom } from "../api/machine.ts";
import { SimulatedClock, seededRandom } from "../api/simulated.ts";
import { conflict } from "../api/status.ts";
import { type ListerRegistry, listerRegistry, type ResourceClient } from "../client/index.ts";
import {
  headerValues,
  startBackend,
  type TestAuthority,
  type TestBackend,
  type TestCertificate,
  testAuthority,
} from "../dial/backend.test-support.ts";
import type { APIService, EndpointSlice, Service } from "../kinds/generated/types.ts";
import { requestInfo } from "../server/request-info.ts";
import { RouteTable } from "../server/routes.ts";
import { memoryTransport } from "../server/transports/memory.ts";
import { type Aggregator, type AggregatorOptions, createAggregator } from "./aggregator.ts";
import { availableCondition } from "./api-service.ts";
import { V2_ACCEPT } from "./discovery-documents.ts";
import { STAGES } from "./findings.ts";

const GROUP = "fun.example.com";
let authority: TestAuthority;
let serving: TestCertificate;
const open: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  authority = await testAuthority();
  serving = await authority.issue({ names: ["jokes.fun.svc"] });
});
afterEach(async () => {
  for (const item of open.splice(0).reverse()) await item.close();
});

/** Lets real I/O happen until `condition` holds. */
async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; !condition(); turn++) {
    if (turn > 4000) throw new Error("never happened");
    await systemClock.sleep(2);
  }
}

/** A minute in which checks are answered before time goes on: a leap of it would look like silence to them. */
async function minute({ clock, condition }: World): Promise<void> {
  for (let half = 0; half < 2; half++) {
    await until(() => condition().startsWith("True"));
    let [turns, waiting] = [0, clock.waiting];
    await until(() => {
      turns = clock.waiting === waiting ? turns + 1 : 0;
      waiting = clock.waiting;
      return turns > 20;
    });
    await clock.advance(30_000);
  }
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const resources = (name: string) => [
  {
    resource: name,
    responseKind: { group: GROUP, version: "v1", kind: "Joke" },
    scope: "Namespaced",
    singularResource: "joke",
    verbs: ["get", "list"],
  },
];

/** An extension server with aggregated discovery. */
function extension(script: { down?: boolean; etag?: string; resource?: string; versions?: string[] } = {}): Handler {
  return (request, response) => {
    if (script.down) return void response.writeHead(500).end();
    const url = request.url ?? "";
    if (url === "/apis") {
      const etag = script.etag ?? '"1"';
      if (request.headers["if-none-match"] === etag) return void response.writeHead(304).end();
      const versions = (script.versions ?? ["v1"]).map((version) => ({
        version,
        resources: resources(script.resource ?? "jokes"),
      }));
      response.writeHead(200, { "Content-Type": V2_ACCEPT, ETag: etag });
      return void response.end(
        JSON.stringify({
          kind: "APIGroupDiscoveryList",
          items: [
            { metadata: { name: GROUP }, versions },
            { metadata: { name: "other" }, versions },
          ],
        }),
      );
    }
    if (url === "/openapi/v3") {
      const paths = {
        [`apis/${GROUP}/v1`]: { serverRelativeURL: `/openapi/v3/apis/${GROUP}/v1?hash=ABC` },
        "apis/apps/v1": { serverRelativeURL: "/openapi/v3/apis/apps/v1?hash=EVIL" },
      };
      return void response.end(JSON.stringify({ paths }));
    }
    response.end(`served ${url}`);
  };
}

interface World extends ReturnType<typeof plain> {
  readonly clock: SimulatedClock;
  readonly routes: RouteTable;
  readonly aggregator: Aggregator;
  readonly errors: string[];
  readonly writes: APIService[];
  readonly gauges: Map<string, number>;
  readonly counted: string[];
  get(path: string): Promise<{ status: number; text: string; headers: Readonly<Record<string, string>> }>;
  condition(name?: string): string;
}

function plain() {
  return {
    apiServices: listerRegistry<APIService>(() => {}),
    services: listerRegistry<Service>(() => {}),
    slices: listerRegistry<EndpointSlice>(() => {}),
  };
}

let version = 0;
const meta = (name: string, namespace?: string) => ({
  name,
  uid: `uid-${name}`,
  resourceVersion: String(++version),
  ...(namespace !== undefined && { namespace }),
});

const apiService = (name = `v1.${GROUP}`, spec: Partial<APIService["spec"]> = {}): APIService => ({
  metadata: meta(name),
  spec: {
    group: name.slice(name.indexOf(".") + 1),
    version: name.slice(0, name.indexOf(".")),
    service: { namespace: "fun", name: "jokes", port: 443 },
    caBundle: Buffer.from(authority.cert).toString("base64"),
    groupPriorityMinimum: 1000,
    versionPriority: 15,
    ...spec,
  },
});
const service = (spec: Partial<Service["spec"]> = {}): Service => ({
  metadata: meta("jokes", "fun"),
  spec: { type: "ClusterIP", clusterIP: "None", ports: [{ port: 443 }], ...spec },
});
const slice = (port: number, more: Partial<EndpointSlice> = {}): EndpointSlice => ({
  metadata: { ...meta("jokes-1", "fun"), labels: { "kubernetes.io/service-name": "jokes" } },
  addressType: "IPv4",
  endpoints: [{ addresses: ["127.0.0.1"] }],
  ports: [{ name: "", port }],
  ...more,
});

/** Conditions are written back into the lister, as an informer would. */
function statusClient(registry: ListerRegistry<APIService>, writes: APIService[], refuse: { conflicts: number }) {
  const client: Partial<ResourceClient<APIService>> = {
    async updateStatus(object) {
      if (refuse.conflicts-- > 0)
        throw conflict({ group: "apiregistration.k8s.io", resource: "apiservices" }, object.metadata.name!, "x");
      writes.push(object);
      const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(++version) } };
      registry.apply("MODIFIED", stored);
      return stored;
    },
  };
  return client as ResourceClient<APIService>;
}

async function world(
  objects: { apiServices?: APIService[]; services?: Service[]; slices?: EndpointSlice[] },
  options: Partial<AggregatorOptions> & { conflicts?: number } = {},
): Promise<World> {
  const listers = plain();
  listers.apiServices.replace(objects.apiServices ?? [apiService()]);
  listers.services.replace(objects.services ?? [service()]);
  listers.slices.replace(objects.slices ?? []);
  const clock = new SimulatedClock();
  const routes = new RouteTable();
  const errors: string[] = [];
  const writes: APIService[] = [];
  const gauges = new Map<string, number>();
  const counted: string[] = [];
  const aggregator = createAggregator({
    clock,
    random: seededRandom(5),
    routes,
    apiServices: listers.apiServices,
    services: listers.services,
    endpointSlices: listers.slices,
    client: statusClient(listers.apiServices, writes, { conflicts: options.conflicts ?? 0 }),
    allowLoopbackEndpoints: true,
    onError: (error, where) => errors.push(`${where}: ${(error as Error).message}`),
    metrics: {
      unavailable: (name, value) => (value === undefined ? gauges.delete(name) : gauges.set(name, value)),
      becameUnavailable: (name, reason) => counted.push(`${name} ${reason}`),
      missingSAN: () => counted.push("missing SAN"),
      terminated: ({ resource }, code) => counted.push(`${resource} ${code}`),
      proxyFailed: () => {},
    },
    ...options,
  });
  open.push({ close: () => aggregator.stop() });
  await aggregator.start();
  const transport = memoryTransport(
    async (exchange) => {
      exchange.info = requestInfo(exchange, { isRemote: () => true });
      exchange.user = { name: "anna", uid: "1", groups: ["a"], extra: {} };
      const key = /^\/openapi\/v3\/apis\/([^/]+)\/([^/?]+)/.exec(exchange.rawPath);
      if (key !== null) {
        const document = routes.current.at(key[1]!, key[2]!)?.backends[0]?.openapi?.();
        if (document === undefined) return exchange.response.send(404, "text/plain", "");
        return await document.serve(exchange);
      }
      const { group, version } = exchange.info;
      const [, , g = "", v = ""] = exchange.rawPath.split("/");
      const route = routes.current.at(group || g, version || v);
      if (route?.backends[0] === undefined) return exchange.response.send(404, "text/plain", "nobody");
      await route.backends[0].serve(exchange);
    },
    { clock: systemClock, random: systemRandom },
  );
  return {
    ...listers,
    clock,
    routes,
    aggregator,
    errors,
    writes,
    gauges,
    counted,
    async get(path) {
      const response = await transport.request({ method: "GET", path });
      const chunks: Uint8Array[] = [];
      for await (const chunk of response.body) chunks.push(chunk);
      return { status: response.status, headers: response.headers, text: Buffer.concat(chunks).toString() };
    },
    condition(name = `v1.${GROUP}`) {
      const found = availableCondition(listers.apiServices.get(name)!);
      return found === undefined ? "none" : `${found.status} ${found.reason} ${found.message}`;
    },
  };
}

async function backendOf(handler: Handler, certificate = serving): Promise<TestBackend> {
  const backend = await startBackend(certificate, handler);
  open.push(backend);
  return backend;
}

describe("availability without a connection", () => {
  const named = { ports: [{ port: 443, name: "https" }] };
  it.each<[string, { services?: Service[]; slices?: EndpointSlice[] }, string]>([
    ["no service", { services: [] }, 'False ServiceNotFound service/jokes in "fun" is not present'],
    [
      "another port",
      { services: [service({ ports: [{ port: 444 }] })] },
      'False ServicePortError service/jokes in "fun" is not listening on port 443',
    ],
    ["no slices", {}, 'False EndpointsNotFound cannot find endpointslices for service/jokes in "fun"'],
    [
      "a slice without the label",
      { slices: [{ ...slice(1), metadata: meta("x", "fun") }] },
      'False EndpointsNotFound cannot find endpointslices for service/jokes in "fun"',
    ],
    [
      "nothing ready",
      { slices: [slice(1, { endpoints: [{ addresses: ["127.0.0.1"], conditions: { ready: false } }] })] },
      'False MissingEndpoints endpointslices for service/jokes in "fun" have no addresses with port name ""',
    ],
    [
      "port and endpoint in different slices",
      {
        services: [service(named)],
        slices: [
          slice(1, { ports: [{ name: "other", port: 1 }] }),
          {
            ...slice(1, { ports: [{ name: "https", port: 1 }], endpoints: [] }),
            metadata: { ...slice(1).metadata, name: "b" },
          },
        ],
      },
      'False MissingEndpoints endpointslices for service/jokes in "fun" have no addresses with port name "https"',
    ],
  ])("%s", async (_, objects, expected) => {
    const { condition, gauges, get, counted } = await world(objects);
    await until(() => condition() !== "none");
    expect(condition()).toBe(expected);
    expect(gauges.get(`v1.${GROUP}`)).toBe(1);
    expect(counted).toEqual([]);
    const answer = await get(`/apis/${GROUP}/v1/namespaces/a/jokes`);
    expect([answer.status, answer.text]).toEqual([503, "service unavailable\n"]);
    expect(answer.headers["x-content-type-options"]).toBe("nosniff");
  });

  it("local ones are always available", async () => {
    const { apiServices, condition } = await world({
      apiServices: [apiService("v1.local.example", { service: undefined, caBundle: undefined })],
    });
    await until(() => condition("v1.local.example") !== "none");
    expect(condition("v1.local.example")).toBe("True Local Local APIServices are always available");
    expect(apiServices.get("v1.local.example")!.metadata.resourceVersion).not.toBe("");
  });
});

describe("availability by probe", () => {
  it("a service that appears is probed at once and passes; the probe is the aggregator's own", async () => {
    const backend = await backendOf(extension());
    const { slices, condition, gauges, get, aggregator } = await world({});
    await until(() => condition().includes("EndpointsNotFound"));
    slices.apply("ADDED", slice(backend.port));
    await until(() => condition().startsWith("True"));
    expect(condition()).toBe("True Passed all checks passed");
    expect(gauges.get(`v1.${GROUP}`)).toBe(0);
    expect(backend.requests).toContain(`GET /apis/${GROUP}/v1`);
    expect(backend.connections[0]!.serverName).toBe("jokes.fun.svc");
    const answer = await get(`/apis/${GROUP}/v1/namespaces/a/jokes`);
    expect(answer.text).toBe(`served /apis/${GROUP}/v1/namespaces/a/jokes`);
    expect(aggregator.remote(`v1.${GROUP}`)!.available).toBe(true);
  });

  it("identity of the probe", async () => {
    const seen: (readonly string[])[] = [];
    const backend = await backendOf((request, response) => {
      if (request.url === `/apis/${GROUP}/v1`) seen.push(request.rawHeaders);
      response.end();
    });
    const { condition } = await world({ slices: [slice(backend.port)] });
    await until(() => condition().startsWith("True"));
    for (const raw of seen) {
      expect(headerValues(raw, "x-remote-user")).toEqual(["system:kube-aggregator"]);
      expect(headerValues(raw, "x-remote-group")).toEqual(["system:masters"]);
      for (const name of ["authorization", "x-remote-uid", "accept"]) expect(headerValues(raw, name)).toEqual([]);
    }
  });

  it.each([204, 200])("%i is healthy", async (code) => {
    const backend = await backendOf((_, response) => void response.writeHead(code).end());
    const { condition } = await world({ slices: [slice(backend.port)] });
    await until(() => condition() !== "none");
    expect(condition()).toBe("True Passed all checks passed");
  });

  it.each([301, 304, 401, 403, 404, 500])("%i is not", async (code) => {
    const backend = await backendOf((_, response) => void response.writeHead(code, { Location: "/x" }).end());
    const { condition } = await world({ slices: [slice(backend.port)] });
    await until(() => condition() !== "none");
    const url = `https://127.0.0.1:${backend.port}/apis/${GROUP}/v1`;
    const upstream = `False FailedDiscoveryCheck failing or missing response from ${url}: bad status from ${url}: ${code}`;
    expect(condition().slice(0, upstream.length)).toBe(upstream);
    expect(condition().slice(upstream.length)).toMatch(
      /^; stage: (Authorized|DiscoveryValid), address: 127\.0\.0\.1:\d+, remedy: ./,
    );
  });

  it("one success of five is enough", async () => {
    let turn = 0;
    const backend = await backendOf((request, response) => {
      const probe = request.url === `/apis/${GROUP}/v1`;
      void response.writeHead(probe && turn++ < 4 ? 403 : 200).end();
    });
    const { condition } = await world({ slices: [slice(backend.port)] });
    await until(() => condition() !== "none");
    expect(condition()).toBe("True Passed all checks passed");
  });

  it("what hangs fails after 5 s and is retried ever more slowly", async () => {
    const backend = await backendOf(() => {});
    const { condition, clock } = await world({ slices: [slice(backend.port)] });
    const probes = () => backend.requests.filter((r) => r === `GET /apis/${GROUP}/v1`).length;
    await until(() => probes() === 5);
    await clock.advance(5000);
    await until(() => condition() !== "none");
    expect(condition()).toContain("False FailedDiscoveryCheck failing or missing response from https://127.0.0.1:");
    expect(condition()).toContain("context deadline exceeded (Client.Timeout exceeded while awaiting headers)");
    await clock.advance(5);
    await until(() => probes() === 10);
  });

  it("F-01: what dies without an event is found within 30 s, what comes back within 5 s", async () => {
    const script = { down: false };
    const handler: Handler = (request, response) => extension(script)(request, response);
    const backend = await backendOf(handler);
    const { condition, clock, counted, writes } = await world({ slices: [slice(backend.port)] });
    const told = () => writes.at(-1)?.status?.conditions?.every(({ status }) => status === "True");
    await until(() => told() === true);
    const before = writes.length;
    script.down = true;
    await clock.advance(30_000);
    await until(() => condition().startsWith("False"));
    expect(counted).toEqual([`v1.${GROUP} FailedDiscoveryCheck`]);
    // A check that was under way when the clock was moved may have run out of time first.
    expect(writes.slice(before).map((one) => availableCondition(one)?.status)).not.toContain("True");
    script.down = false;
    await clock.advance(5_000);
    await until(() => condition().startsWith("True"));
  });

  it("a request that fails makes it be checked at once, not in the next round", async () => {
    const backend = await backendOf((request, response) => extension({})(request, response));
    const { condition, clock, get } = await world({ slices: [slice(backend.port)] });
    await until(() => condition().startsWith("True"));
    await backend.close();
    expect((await get(`/apis/${GROUP}/v1/jokes`)).status).toBe(503);
    await clock.advance(1_000);
    await until(() => condition().startsWith("False"));
    expect(condition()).toContain("FailedDiscoveryCheck");
  });

  it("the same failure is written once, and a conflict is retried", async () => {
    const backend = await backendOf((_, response) => void response.writeHead(500).end());
    const { condition, clock, writes, errors } = await world({ slices: [slice(backend.port)] }, { conflicts: 1 });
    const rounds = () =>
      errors.filter((error) => error.startsWith(`v1.${GROUP}`) && !error.includes("discovery")).length;
    await until(() => errors.some((error) => error.includes("Operation cannot be fulfilled")));
    for (const delay of [5, 10, 20, 40, 80]) {
      const before = rounds();
      await clock.advance(delay);
      await until(() => rounds() > before);
    }
    expect(condition()).toContain("bad status from");
    expect(backend.requests.filter((r) => r === `GET /apis/${GROUP}/v1`).length).toBeGreaterThan(25);
    expect(writes).toHaveLength(1);
  });

  it("a garbage caBundle leaves no condition and a 503 (F-14: the reason goes to the operator)", async () => {
    const backend = await backendOf(extension());
    const garbage = apiService(undefined, { caBundle: Buffer.from("garbage").toString("base64") });
    const { condition, errors, get } = await world({ apiServices: [garbage], slices: [slice(backend.port)] });
    await until(() => errors.some((error) => error.includes("unable to load root certificates")));
    expect(condition()).toBe("none");
    expect((await get(`/apis/${GROUP}/v1/jokes`)).status).toBe(503);
  });

  it("forced to be available, a garbage caBundle is a 500", async () => {
    const forced = apiService(undefined, { caBundle: Buffer.from("garbage").toString("base64") });
    forced.status = { conditions: [{ type: "Available", status: "True" }] };
    const { get, counted } = await world({ apiServices: [forced], slices: [slice(1)] });
    const answer = await get(`/apis/${GROUP}/v1/jokes`);
    expect(counted).toContain("jokes 500");
    expect([answer.status, answer.text]).toEqual([
      500,
      "unable to load root certificates: unable to parse bytes as PEM block\n",
    ]);
  });

  it("F-14: an untrusted certificate is in the condition", async () => {
    const other = await (await testAuthority("other")).issue({ names: ["jokes.fun.svc"] });
    const backend = await backendOf(extension(), other);
    const { condition } = await world({ slices: [slice(backend.port)] });
    await until(() => condition() !== "none");
    expect(condition()).toContain("tls: failed to verify certificate: x509: certificate signed by unknown authority");
  });

  it("headless in cluster-IP mode fails with upstream's words", async () => {
    const { condition } = await world({ slices: [slice(1)] }, { routing: "cluster-ip" });
    await until(() => condition() !== "none");
    expect(condition()).toMatch(
      /^False FailedDiscoveryCheck cannot route to service with ClusterIP "None"; stage: Resolved, remedy: ./,
    );
  });

  it("loopback endpoints are refused unless allowed", async () => {
    const { condition } = await world({ slices: [slice(1)] }, { allowLoopbackEndpoints: false });
    await until(() => condition() !== "none");
    expect(condition()).toContain("127.0.0.1 is a loopback address");
  });

  it("F-35: 20 that hang do not delay one that answers, and all are judged in one round", async () => {
    const hung = await backendOf(() => {});
    const fine = await backendOf(extension());
    const named = (name: string, port: number) => ({
      service: { ...service(), metadata: meta(name, "fun") },
      slice: { ...slice(port), metadata: { ...meta(name, "fun"), labels: { "kubernetes.io/service-name": name } } },
    });
    const dead = Array.from({ length: 20 }, (_, index) => named(`dead-${index}`, hung.port));
    const insecure = { caBundle: undefined, insecureSkipTLSVerify: true };
    const deadServices = dead.map((_, index) =>
      apiService(`v1.g${index}.example`, { service: { namespace: "fun", name: `dead-${index}` }, ...insecure }),
    );
    const { condition, clock } = await world({
      apiServices: [...deadServices, apiService()],
      services: [...dead.map((one) => one.service), service()],
      slices: [...dead.map((one) => one.slice), slice(fine.port)],
    });
    await until(() => condition().startsWith("True"));
    await until(() => hung.requests.filter((r) => r.endsWith("/v1")).length >= 100);
    await clock.advance(5000);
    await until(() => deadServices.every(({ metadata }) => condition(metadata.name).startsWith("False")));
  });
});

describe("the conditions beside Available", () => {
  /** `True`, `False (Reason)` or `Unknown` for each link, in order. */
  const chain = (registry: ListerRegistry<APIService>, name = `v1.${GROUP}`) =>
    STAGES.map((stage) => {
      const found = registry.get(name)?.status?.conditions?.find(({ type }) => type === stage);
      return found?.status === "False" ? `False (${found.reason})` : (found?.status ?? "none");
    }).join(" ");
  const about = (registry: ListerRegistry<APIService>, stage: string) =>
    registry.get(`v1.${GROUP}`)?.status?.conditions?.find(({ type }) => type === stage);

  it.each<[string, Handler, string]>([
    ["all is well", extension(), "True True True True True"],
    [
      "identity refused",
      (_, response) => void response.writeHead(401).end(),
      "True True True False (ProxyIdentityRejected) Unknown",
    ],
    ["another version", extension({ versions: ["v2"] }), "True True True True False (VersionNotServed)"],
    [
      "no discovery",
      (request, response) => void (request.url === "/apis" ? response.writeHead(503).end() : response.end("[]")),
      "True True True True False (DiscoveryInvalid)",
    ],
    ["errors", (_, response) => void response.writeHead(500).end(), "True True True True False (BadStatus)"],
    ["hangs up", (request) => void request.socket.destroy(), "True True True Unknown False (ConnectionReset)"],
  ])("%s", async (_, handler, expected) => {
    const backend = await backendOf(handler);
    const { apiServices } = await world({ slices: [slice(backend.port)] });
    await until(() => !chain(apiServices).includes("none") && !/^True True True True Unknown/.test(chain(apiServices)));
    expect(chain(apiServices)).toBe(expected);
  });

  it.each<[string, () => Promise<TestCertificate>, string, RegExp]>([
    [
      "another authority",
      async () => (await testAuthority()).issue({ names: ["jokes.fun.svc"] }),
      "TLSUntrusted",
      /remedy: put the authority that signed the serving certificate into spec\.caBundle/,
    ],
    [
      "another name",
      () => authority.issue({ names: ["other.fun.svc"] }),
      "TLSNameMismatch",
      /valid for other\.fun\.svc, not jokes\.fun\.svc; .*for the name jokes\.fun\.svc/,
    ],
    [
      "no alternative name",
      () => authority.issue({ commonName: "jokes.fun.svc" }),
      "TLSNoSAN",
      /subject alternative name/,
    ],
    [
      "an expired certificate",
      () => authority.issue({ names: ["jokes.fun.svc"], notAfter: new Date(systemClock.now() - 1000) }),
      "TLSExpired",
      /renew the serving certificate/,
    ],
  ])("%s", async (_, certificate, reason, message) => {
    const backend = await backendOf(extension(), await certificate());
    const { apiServices, condition } = await world({ slices: [slice(backend.port)] });
    await until(() => condition() !== "none");
    expect(chain(apiServices)).toBe(`True True False (${reason}) Unknown Unknown`);
    expect(about(apiServices, "TLSVerified")!.message).toMatch(message);
    expect(condition()).toContain(`stage: TLSVerified, address: 127.0.0.1:${backend.port}, remedy: `);
  });

  it("refused connections, missing services and unusable bundles", async () => {
    const backend = await backendOf(extension());
    await backend.close();
    const { apiServices, services, condition } = await world({ slices: [slice(backend.port)] });
    await until(() => condition() !== "none");
    expect(chain(apiServices)).toBe("True False (ConnectionRefused) Unknown Unknown Unknown");
    services.apply("DELETED", services.get("jokes", "fun")!);
    await until(() => condition().includes("ServiceNotFound"));
    expect(chain(apiServices)).toBe("False (ServiceNotFound) Unknown Unknown Unknown Unknown");
    expect(condition()).toBe('False ServiceNotFound service/jokes in "fun" is not present');
    expect(about(apiServices, "Resolved")!.message).toBe(
      'service/jokes in "fun" is not present; remedy: create the Service, or correct spec.service',
    );
    const garbage = apiService(undefined, { caBundle: Buffer.from("garbage").toString("base64") });
    const second = await world({ apiServices: [garbage], slices: [slice(1)] });
    await until(() => chain(second.apiServices) !== "none none none none none");
    expect(chain(second.apiServices)).toBe("True Unknown False (InvalidCABundle) Unknown Unknown");
    expect(second.condition()).toBe("none");
  });

  it("a connection that is accepted and begins no TLS is not called a lost packet", async () => {
    const silent = createTCPServer(() => {}).listen(0, "127.0.0.1");
    await once(silent, "listening");
    const sockets: Socket[] = [];
    silent.on("connection", (socket) => sockets.push(socket));
    open.push({
      async close() {
        for (const socket of sockets) socket.destroy();
        silent.close();
      },
    });
    const { apiServices, condition, clock } = await world({ slices: [slice((silent.address() as AddressInfo).port)] });
    await until(() => sockets.length >= 5);
    await systemClock.sleep(20);
    await clock.advance(5000);
    await until(() => condition() !== "none");
    expect(chain(apiServices)).toBe("True True False (TLSHandshakeTimeout) Unknown Unknown");
  });

  it("go when it becomes local, and what others wrote stays", async () => {
    const backend = await backendOf(extension());
    const mine = { type: "Mine", status: "True", reason: "R", message: "m" };
    const remote = { ...apiService(), status: { conditions: [mine] } };
    const { apiServices } = await world({ apiServices: [remote], slices: [slice(backend.port)] });
    await until(() => chain(apiServices) === "True True True True True");
    const types = () => apiServices.get(`v1.${GROUP}`)!.status!.conditions!.map(({ type }) => type);
    expect(types()).toEqual(["Available", ...STAGES, "Mine"]);
    const { service: _, caBundle: __, ...local } = apiServices.get(`v1.${GROUP}`)!.spec;
    const stored = apiServices.get(`v1.${GROUP}`)!;
    const metadata = { ...stored.metadata, resourceVersion: String(++version) };
    apiServices.apply("MODIFIED", { ...stored, metadata, spec: local });
    await until(() => types().length === 2);
    expect(types()).toEqual(["Available", "Mine"]);
  });

  it("another address alone is no news, until the endpoints change", async () => {
    const dead = await backendOf(extension());
    const gone = await backendOf(extension());
    await dead.close();
    await gone.close();
    const two = (port: number, name: string) => ({
      ...slice(port),
      metadata: { ...slice(port).metadata, name },
    });
    const { slices, condition, errors, clock, writes } = await world({
      slices: [two(dead.port, "a"), two(gone.port, "b")],
    });
    const met = () => new Set(errors.flatMap((error) => /address: (\S+),/.exec(error)?.[1] ?? []));
    await until(() => condition() !== "none");
    // Longer steps would let a check run out of time before its connections are refused.
    for (let turn = 0; turn < 400 && met().size < 2; turn++) {
      await clock.advance(20);
      await systemClock.sleep(2);
    }
    expect(met().size).toBe(2);
    expect(writes).toHaveLength(1);
    const named =
      /address: \S+:(\d+),/.exec(condition())![1] === String(dead.port)
        ? (["a", gone] as const)
        : (["b", dead] as const);
    slices.apply("DELETED", slices.get(named[0], "fun")!);
    await until(() => condition().includes(`address: 127.0.0.1:${named[1].port},`));
    expect(writes).toHaveLength(2);
  });
});

describe("routes", () => {
  it("follow APIServices: claimed, changed, gone (cases 58, 63)", async () => {
    const backend = await backendOf(extension());
    const { routes, apiServices, gauges, get, condition } = await world({ slices: [slice(backend.port)] });
    await until(() => condition().startsWith("True"));
    expect(routes.current.groups.map(({ group }) => group)).toEqual([GROUP]);
    apiServices.apply("DELETED", apiServices.get(`v1.${GROUP}`)!);
    expect(routes.current.at(GROUP, "v1")).toBeUndefined();
    expect((await get(`/apis/${GROUP}/v1/jokes`)).status).toBe(404);
    await until(() => !gauges.has(`v1.${GROUP}`));
  });

  it("an APIService for apps/v1 takes it over, one for apiregistration.k8s.io takes nothing (case 59)", async () => {
    const { routes } = await world({ apiServices: [apiService("v1.apps"), apiService("v1.apiregistration.k8s.io")] });
    expect(routes.current.at("apps", "v1")?.backends.map(({ source }) => source)).toEqual(["remote"]);
    expect(routes.current.at("apiregistration.k8s.io", "v1")).toBeUndefined();
  });

  it("one that becomes local stops being remote", async () => {
    const { routes, apiServices } = await world({});
    const local = apiService(undefined, { service: undefined, caBundle: undefined });
    apiServices.apply("MODIFIED", local);
    expect(routes.current.at(GROUP, "v1")?.backends).toEqual([]);
  });
});

describe("discovery", () => {
  const shown = ({ routes }: World, v = "v1") => routes.current.at(GROUP, v)!.backends[0]!.discovery();

  it("v2 with an ETag: shown, kept on 304, changed when it changes (cases 66, 70)", async () => {
    const script = { etag: '"1"', resource: "jokes" };
    const backend = await backendOf((request, response) => extension(script)(request, response));
    const here = await world({ apiServices: [apiService(), apiService(`v9.${GROUP}`)], slices: [slice(backend.port)] });
    await until(() => shown(here).fresh && shown(here, "v9").fresh);
    expect(shown(here).resources.map(({ resource }) => resource)).toEqual(["jokes"]);
    expect(shown(here, "v9").resources).toEqual([]);
    const asked = () => backend.requests.filter((r) => r === "GET /apis").length;
    const before = asked();
    await minute(here);
    await until(() => asked() > before);
    expect(shown(here).resources.map(({ resource }) => resource)).toEqual(["jokes"]);
    Object.assign(script, { etag: '"2"', resource: "puns" });
    await minute(here);
    await until(() => shown(here).resources[0]?.resource === "puns");
  });

  it("two group-versions of one server cost one download a round (case 67)", async () => {
    const backend = await backendOf(extension({ versions: ["v1", "v2"] }));
    const here = await world({ apiServices: [apiService(), apiService(`v2.${GROUP}`)], slices: [slice(backend.port)] });
    await until(() => shown(here).fresh && shown(here, "v2").fresh && here.condition(`v2.${GROUP}`).startsWith("True"));
    const asked = () => backend.requests.filter((r) => r === "GET /apis").length;
    const before = asked();
    for (let round = 1; round <= 3; round++) {
      await here.clock.advance(60_000);
      await until(() => asked() >= before + round);
    }
    expect(asked()).toBe(before + 3);
  });

  it("a server that knows only the old form is asked for its list (case 68)", async () => {
    const seen: (readonly string[])[] = [];
    const backend = await backendOf((request, response) => {
      if (request.url !== `/apis/${GROUP}/v1`) return void response.writeHead(404).end();
      seen.push(request.rawHeaders);
      response.end(
        JSON.stringify({
          kind: "APIResourceList",
          groupVersion: `${GROUP}/v1`,
          resources: [
            { name: "jokes", singularName: "joke", namespaced: true, kind: "Joke", verbs: ["get"], shortNames: ["j"] },
            { name: "jokes/status", singularName: "", namespaced: true, kind: "Joke", verbs: ["update"] },
          ],
        }),
      );
    });
    const here = await world({ slices: [slice(backend.port)] });
    await until(() => shown(here).fresh);
    const kind = { group: GROUP, version: "v1", kind: "Joke" };
    expect(shown(here).resources).toEqual([
      {
        resource: "jokes",
        responseKind: kind,
        scope: "Namespaced",
        singularResource: "joke",
        verbs: ["get"],
        shortNames: ["j"],
        subresources: [{ subresource: "status", responseKind: kind, verbs: ["update"] }],
      },
    ]);
    const polls = seen.filter((raw) => headerValues(raw, "accept").length > 0);
    expect(headerValues(polls[0]!, "x-remote-user")).toEqual(["system:kube-aggregator"]);
    expect(headerValues(polls[0]!, "x-remote-group")).toEqual([]);
  });

  it("what does not answer is shown empty and stale, tried after 0.5, 1, 2 s, and shown again when it is back (case 69)", async () => {
    const script = { down: false };
    const backend = await backendOf((request, response) =>
      script.down && request.url === "/apis"
        ? void response.writeHead(503).end()
        : extension({ etag: "" })(request, response),
    );
    const here = await world({ slices: [slice(backend.port)] });
    await until(() => shown(here).fresh && here.condition().startsWith("True"));
    const asked = () => backend.requests.filter((r) => r === "GET /apis").length;
    script.down = true;
    let count = asked();
    await minute(here);
    await until(() => !shown(here).fresh);
    expect(shown(here).resources).toEqual([]);
    expect(here.aggregator.remote(`v1.${GROUP}`)!.lastKnown).toHaveLength(1);
    for (const delay of [500, 1000, 2000]) {
      await until(() => here.errors.filter((error) => error.includes("/apis: 503")).length > asked() - count - 1);
      count = asked();
      await here.clock.advance(delay - 1);
      expect(asked()).toBe(count);
      await here.clock.advance(1);
      await until(() => asked() === count + 1);
    }
    script.down = false;
    await until(() => here.errors.filter((error) => error.includes("/apis: 503")).length > asked() - count - 1);
    await here.clock.advance(4000);
    await until(() => shown(here).fresh);
  });

  it("one that becomes unavailable is asked again at once, and shown stale", async () => {
    const script = { down: false };
    const backend = await backendOf((request, response) =>
      script.down ? void response.writeHead(503).end() : extension({ etag: "" })(request, response),
    );
    const here = await world({ slices: [slice(backend.port)] });
    await until(() => shown(here).fresh && here.condition().startsWith("True"));
    script.down = true;
    await here.clock.advance(30_000);
    await until(() => !shown(here).fresh);
    expect(here.condition()).toMatch(/^False/);
  });

  it("F-08: garbage is a failure, the last good list is kept inside and shown where asked for", async () => {
    let garbage = false;
    const backend = await backendOf((request, response) => {
      if (!garbage || request.url !== "/apis") return extension({ etag: "" })(request, response);
      response.writeHead(200, { "Content-Type": V2_ACCEPT });
      response.end('{"kind":"APIGroupDiscoveryList","items":[[[');
    });
    const here = await world({ slices: [slice(backend.port)] }, { showLastKnown: true });
    await until(() => shown(here).fresh);
    garbage = true;
    await here.clock.advance(60_000);
    await until(() => !shown(here).fresh);
    expect(shown(here).resources).toHaveLength(1);
  });

  it("F-11: a document without end is cut off at 16 MiB and reported", async () => {
    let sent = 0;
    const backend = await backendOf((request, response) => {
      if (request.url !== "/apis") return extension()(request, response);
      response.writeHead(200, { "Content-Type": V2_ACCEPT });
      const chunk = Buffer.alloc(1024 * 1024, " ");
      const more = () => {
        while (!response.destroyed && response.write(chunk)) sent++;
        if (!response.destroyed) response.once("drain", more);
      };
      more();
    });
    const here = await world({ slices: [slice(backend.port)] });
    await until(() => here.errors.some((error) => error.includes("exceeds 16777216 bytes")));
    const stopped = sent;
    expect(stopped).toBeLessThan(64);
    expect(shown(here)).toEqual({ resources: [], fresh: false });
  });

  it("readiness waits until each was tried once, and no longer than 10 s (case 73)", async () => {
    const hung = await backendOf(() => {});
    const { aggregator, clock } = await world({ slices: [slice(hung.port)] });
    expect(aggregator.untried()).toEqual([`v1.${GROUP}`]);
    await until(() => hung.requests.includes("GET /apis"));
    await clock.advance(5000);
    await until(() => aggregator.untried().length === 0);
    const late = await world({ slices: [] });
    await late.clock.advance(10_000);
    expect(late.aggregator.untried()).toEqual([]);
  });
});

describe("OpenAPI v3", () => {
  it("only the claimed group-version is taken from the index; the document is fetched as the caller (case 80)", async () => {
    const seen: (readonly string[])[] = [];
    const backend = await backendOf((request, response) => {
      if (request.url?.startsWith("/openapi/v3/")) seen.push(request.rawHeaders);
      extension()(request, response);
    });
    const { routes, get, condition, aggregator } = await world({
      apiServices: [apiService(), apiService("v1.apps", { service: { namespace: "fun", name: "else" } })],
      slices: [slice(backend.port)],
    });
    await until(() => condition().startsWith("True") && aggregator.remote(`v1.${GROUP}`)!.openapiHash !== undefined);
    expect(routes.current.at(GROUP, "v1")!.backends[0]!.openapi!()!.hash).toBe("ABC");
    expect(routes.current.at("apps", "v1")!.backends[0]!.openapi!()).toBeUndefined();
    expect((await get(`/openapi/v3/apis/${GROUP}/v1?hash=ABC`)).text).toBe(
      `served /openapi/v3/apis/${GROUP}/v1?hash=ABC`,
    );
    expect((await get(`/openapi/v3/apis/${GROUP}/v1?hash=OLD`)).text).toBe(`served /openapi/v3/apis/${GROUP}/v1`);
    expect(headerValues(seen[0]!, "x-remote-user")).toEqual(["anna"]);
  });
});

it("the proxy's certificate is replaced without a restart (case 50)", async () => {
  const backend = await backendOf(extension());
  let clientCertificate = await authority.issue({ commonName: "first" });
  const { condition, get } = await world(
    { slices: [slice(backend.port)] },
    { clientCertificate: () => clientCertificate },
  );
  await until(() => condition().startsWith("True"));
  clientCertificate = await authority.issue({ commonName: "second" });
  expect((await get(`/apis/${GROUP}/v1/jokes`)).status).toBe(200);
  expect(backend.connections.at(-1)!.clientCN).toBe("second");
});
