import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import type { KubeObject } from "../api/meta.ts";
import { parseQuantity } from "../api/quantity.ts";
import { parseLabelSelector } from "../api/selectors.ts";
import { SimulatedClock } from "../api/simulated.ts";
import { listerRegistry } from "../client/lister-registry.ts";
import { createServer, type ExtensionServer } from "../sdk/index.ts";
import { metricsResources, VERSIONS } from "./metrics-api.ts";
import type { PodUsage, Usage } from "./two-point-store.ts";

const NOW = Date.UTC(2026, 8, 10, 8, 0, 20);
const servers: ExtensionServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

const usage = (cpuNanocores: number, memoryBytes: number): Usage => ({
  timestamp: NOW - 9_450,
  windowNanoseconds: 15_004_000_000,
  cpuNanocores,
  memoryBytes,
});
const podUsage = (...containers: [name: string, cpu: number, memory: number][]): PodUsage => ({
  timestamp: NOW - 11_000,
  windowNanoseconds: 60_500_000_000,
  containers: containers.map(([name, cpu, memory]) => ({ name, ...usage(cpu, memory) })),
});
const object = (name: string, namespace?: string, labels?: Record<string, string>): KubeObject => ({
  metadata: { name, ...(namespace && { namespace }), ...(labels && { labels }), uid: "u", resourceVersion: "7" },
});

const NODE_USAGE = new Map([
  ["n1", usage(1_733_889_133, 7_516_192_768)],
  ["n2", usage(0, 14_868_480)],
]);
const POD_USAGE = new Map([
  ["shop/cart", podUsage(["api", 125_083, 94_371_840], ["proxy", 1_500_000, 16 << 20])],
  ["shop/bill", podUsage(["api", 250_000_000, 2000])],
  ["app/cart", podUsage(["api", 1e9, 1000])],
  ["gone/pod", podUsage(["api", 1, 1])],
]);

async function serving(nodeSelector?: string) {
  const nodes = listerRegistry<KubeObject>(() => {});
  const pods = listerRegistry<KubeObject>(() => {});
  nodes.replace([object("n2"), object("n1", undefined, { pool: "a" }), object("n3")]);
  pods.replace([
    object("cart", "shop", { app: "cart" }),
    object("bill", "shop", { app: "bill" }),
    object("cart", "app"),
    object("new", "shop"),
  ]);
  const ages: number[] = [];
  const sources = {
    store: {
      node: (name: string) => NODE_USAGE.get(name),
      pod: (ns: string, name: string) => POD_USAGE.get(`${ns}/${name}`),
    },
    nodes,
    pods,
    clock: new SimulatedClock(NOW),
    served: (age: number) => ages.push(age),
    ...(nodeSelector !== undefined && { nodeSelector: parseLabelSelector(nodeSelector) }),
  };
  const server = createServer({ resources: VERSIONS.flatMap((version) => metricsResources(version, sources)) });
  servers.push(server);
  await server.listen({ port: 0, insecure: true });
  const transport = server.shell!.inMemory();
  const call = async (path: string, headers: Record<string, string> = {}, method = "GET") => {
    const url = /^\/(apis|openapi)/.test(path) ? path : `/apis/metrics.k8s.io/v1beta1${path}`;
    const response = await transport.request({ method, path: url, headers });
    const chunks: Uint8Array[] = [];
    for await (const chunk of response.body) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    return { status: response.status, bytes, text: bytes.toString(), json: () => JSON.parse(bytes.toString()) };
  };
  const names = async (path: string) =>
    (await call(path)).json().items.map(({ metadata }: KubeObject) => [metadata.namespace, metadata.name].join("/"));
  return { call, names, ages };
}

describe("metrics.k8s.io", () => {
  it("is discovered with two resources that can be got and listed", async () => {
    const { call } = await serving();
    expect((await call("")).json()).toEqual({
      kind: "APIResourceList",
      apiVersion: "v1",
      groupVersion: "metrics.k8s.io/v1beta1",
      resources: [
        { name: "nodes", singularName: "", namespaced: false, kind: "NodeMetrics", verbs: ["get", "list"] },
        { name: "pods", singularName: "", namespaced: true, kind: "PodMetrics", verbs: ["get", "list"] },
      ],
    });
  });

  it("answers a pod byte for byte as upstream orders it", async () => {
    const { call } = await serving();
    expect((await call("/namespaces/shop/pods/cart")).text).toBe(
      '{"kind":"PodMetrics","apiVersion":"metrics.k8s.io/v1beta1",' +
        '"metadata":{"name":"cart","namespace":"shop","creationTimestamp":"2026-09-10T08:00:20Z","labels":{"app":"cart"}},' +
        '"timestamp":"2026-09-10T08:00:09Z","window":"1m0.5s",' +
        '"containers":[{"name":"api","usage":{"cpu":"125083n","memory":"90Mi"}},{"name":"proxy","usage":{"cpu":"1500u","memory":"16Mi"}}]}\n',
    );
  });

  it("answers a list of nodes, sorted, without those that have no readings", async () => {
    const { call } = await serving();
    expect((await call("/nodes")).text).toBe(
      '{"kind":"NodeMetricsList","apiVersion":"metrics.k8s.io/v1beta1","metadata":{},"items":[' +
        '{"metadata":{"name":"n1","creationTimestamp":"2026-09-10T08:00:20Z","labels":{"pool":"a"}},' +
        '"timestamp":"2026-09-10T08:00:10Z","window":"15.004s","usage":{"cpu":"1733889133n","memory":"7Gi"}},' +
        '{"metadata":{"name":"n2","creationTimestamp":"2026-09-10T08:00:20Z"},' +
        '"timestamp":"2026-09-10T08:00:10Z","window":"15.004s","usage":{"cpu":"0","memory":"14520Ki"}}]}\n',
    );
  });

  it.each([
    ["/pods", ["app/cart", "shop/bill", "shop/cart"]],
    ["/namespaces/shop/pods", ["shop/bill", "shop/cart"]],
    ["/namespaces/none/pods", []],
    ["/pods?labelSelector=app%3Dcart", ["shop/cart"]],
    ["/pods?labelSelector=app%20in%20(cart,bill)", ["shop/bill", "shop/cart"]],
    ["/pods?fieldSelector=metadata.name%3Dcart", ["app/cart", "shop/cart"]],
    ["/pods?fieldSelector=metadata.namespace%3Dapp", ["app/cart"]],
    ["/pods?fieldSelector=metadata.namespace!%3Dapp", ["shop/bill", "shop/cart"]],
    ["/nodes?fieldSelector=metadata.name%3Dn2", ["/n2"]],
    ["/nodes?fieldSelector=metadata.namespace%3Dx", []],
    ["/nodes?labelSelector=pool%3Da", ["/n1"]],
  ])("lists %s", async (path, expected) => {
    const { names } = await serving();
    expect(await names(path)).toEqual(expected);
  });

  it("lists the nodes of the node selector only, and gets any", async () => {
    const { names, call } = await serving("pool=a");
    expect(await names("/nodes")).toEqual(["/n1"]);
    expect((await call("/nodes/n2")).status).toBe(200);
    expect(await names("/pods")).toHaveLength(3);
  });

  it.each([
    [
      "/nodes/n3",
      404,
      'nodemetrics.metrics.k8s.io "n3" not found',
      { name: "n3", group: "metrics.k8s.io", kind: "nodemetrics" },
    ],
    ["/nodes/n9", 404, 'node "n9" not found', { name: "n9", kind: "node" }],
    [
      "/namespaces/shop/pods/new",
      404,
      'podmetrics.metrics.k8s.io "shop/new" not found',
      { name: "shop/new", group: "metrics.k8s.io", kind: "podmetrics" },
    ],
    ["/namespaces/shop/pods/none", 404, 'pods "none" not found', { name: "none", kind: "pods" }],
    // Its readings are there, the pod is not.
    ["/namespaces/gone/pods/pod", 404, 'pods "pod" not found', { name: "pod", kind: "pods" }],
    [
      "/pods?fieldSelector=spec.nodeName%3Dx",
      400,
      '"spec.nodeName" is not a known field selector: only "metadata.name", "metadata.namespace"',
      undefined,
    ],
    ["/namespaces/shop/nodes", 404, "the server could not find the requested resource", {}],
    ["/things", 404, "the server could not find the requested resource", {}],
  ])("refuses %s", async (path, code, message, details) => {
    const { call } = await serving();
    const status = (await call(path)).json();
    expect([status.code, status.message, status.details]).toEqual([code, message, details]);
  });

  it("cannot be watched, in the words of the original", async () => {
    const { call } = await serving();
    const { code, message, details } = (await call("/pods?watch=true")).json();
    expect([code, message, details]).toEqual([
      405,
      'watch is not supported on resources of kind "pods.metrics.k8s.io"',
      { group: "metrics.k8s.io", kind: "pods" },
    ]);
  });

  it.each([
    ["POST", "/namespaces/shop/pods"],
    ["DELETE", "/namespaces/shop/pods/cart"],
    ["PUT", "/nodes/n1"],
  ])("has no %s %s", async (method, path) => {
    const { call } = await serving();
    const answer = await call(path, {}, method);
    expect([answer.status, answer.json().reason]).toEqual([405, "MethodNotAllowed"]);
  });

  it("pages for a client that asks, and gives everything to one that does not", async () => {
    const { call, names } = await serving();
    const first = (await call("/pods?limit=2")).json();
    expect(first.items).toHaveLength(2);
    expect(await names(`/pods?limit=2&continue=${first.metadata.continue}`)).toEqual(["shop/cart"]);
    expect(await names("/pods?limit=500")).toHaveLength(3);
  });

  const TABLE = { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" };

  it("shows tables: a pod is the sum of its containers", async () => {
    const { call } = await serving();
    const table = (await call("/pods", TABLE)).json();
    expect(
      table.columnDefinitions.map(({ name, type, format }: Record<string, string>) => [name, type, format]),
    ).toEqual([
      ["Name", "string", "name"],
      ["cpu", "string", "quantity"],
      ["memory", "string", "quantity"],
      ["Window", "string", "duration"],
    ]);
    expect(table.rows.map(({ cells }: { cells: string[] }) => cells)).toEqual([
      ["cart", "1", "1k", "1m0.5s"],
      ["bill", "250m", "2000", "1m0.5s"],
      ["cart", "1625083n", "106Mi", "1m0.5s"],
    ]);
  });

  it("shows the same columns without rows", async () => {
    const { call } = await serving();
    const table = (await call("/namespaces/none/pods", TABLE)).json();
    expect([table.columnDefinitions.length, table.rows, table.metadata]).toEqual([4, [], {}]);
  });

  it("speaks protobuf, with times in whole seconds", async () => {
    const { call } = await serving();
    const { bytes } = await call("/namespaces/shop/pods/bill", { accept: "application/vnd.kubernetes.protobuf,*/*" });
    expect(bytes.subarray(0, 4).toString("latin1")).toBe("k8s\0");
    // timestamp{seconds, nanos: 0}, then window as nanoseconds.
    const seconds = Buffer.from([0x08, ...varint(Math.floor((NOW - 11_000) / 1000)), 0x10, 0]);
    const window = Buffer.from([0x08, ...varint(60_500_000_000)]);
    expect(bytes.includes(Buffer.concat([Buffer.from([0x12, seconds.length]), seconds]))).toBe(true);
    expect(bytes.includes(Buffer.concat([Buffer.from([0x1a, window.length]), window]))).toBe(true);
    expect(bytes.includes("250m") && bytes.includes("2000") && bytes.includes("cpu")).toBe(true);
  });

  it("speaks YAML", async () => {
    const { call } = await serving();
    expect((await call("/nodes/n2", { accept: "application/yaml" })).text).toMatch(/^window: "?15.004s"?$/m);
  });

  it("serves v1 and v1beta1 alike but for their name", async () => {
    const { call } = await serving();
    for (const path of ["/nodes", "/pods", "/nodes/n1", "/namespaces/shop/pods/cart"]) {
      const old = await call(`/apis/metrics.k8s.io/v1beta1${path}`);
      const now = await call(`/apis/metrics.k8s.io/v1${path}`);
      expect(now.text).toBe(old.text.replace("metrics.k8s.io/v1beta1", "metrics.k8s.io/v1"));
    }
  });

  it("publishes schemas under upstream's names", async () => {
    const { call } = await serving();
    const index = (await call("/openapi/v3")).json();
    for (const version of VERSIONS) {
      const document = (await call(index.paths[`apis/metrics.k8s.io/${version}`].serverRelativeURL)).json();
      const schema = document.components.schemas[`io.k8s.metrics.pkg.apis.metrics.${version}.PodMetrics`];
      expect(schema.required).toEqual(["timestamp", "window", "containers"]);
      expect(schema["x-kubernetes-group-version-kind"]).toEqual([
        { group: "metrics.k8s.io", version, kind: "PodMetrics" },
      ]);
    }
  });

  it("observes the age of what it serves", async () => {
    const { call, ages } = await serving();
    await call("/nodes");
    expect(ages).toEqual([9.45, 9.45]);
  });
});

describe("quantities on the wire", () => {
  const served = async (cpu: number, memory: number) => {
    NODE_USAGE.set("n3", usage(cpu, memory));
    try {
      const { call } = await serving();
      return (await call("/nodes/n3")).json().usage;
    } finally {
      NODE_USAGE.delete("n3");
    }
  };

  it.each([
    [1_500_000, 14_868_480, "1500u", "14520Ki"],
    [250_000_000, 1_073_741_824, "250m", "1Gi"],
    [0, 2000, "0", "2000"],
    [20_000, 1023, "20u", "1023"],
    [1e9, 1000, "1", "1k"],
    // Beyond an int64 a decimal place is lost.
    [1, 2 ** 63, "1n", "9223372036854775800"],
    [Number.NaN, Number.POSITIVE_INFINITY, "0", "18446744073709549560"],
    [-5, -1, "0", "0"],
  ])("%d nanocores and %d bytes", async (cpu, memory, cpuText, memoryText) => {
    expect(await served(cpu, memory)).toEqual({ cpu: cpuText, memory: memoryText });
  });

  it("keep every whole value", async () => {
    const { call } = await serving();
    await fc.assert(
      fc.asyncProperty(fc.maxSafeNat(), fc.maxSafeNat(), async (cpu, memory) => {
        NODE_USAGE.set("n3", usage(cpu, memory));
        const { usage: printed } = (await call("/nodes/n3")).json();
        expect(parseQuantity(printed.cpu).scaled(-9)).toBe(BigInt(cpu));
        expect(parseQuantity(printed.memory).value()).toBe(BigInt(memory));
      }),
      { numRuns: 50 },
    );
    NODE_USAGE.delete("n3");
  });
});

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = BigInt(value);
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return [...bytes, Number(rest)];
}
