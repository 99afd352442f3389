/** `metrics.k8s.io`: what is stored, as API objects in both versions (spec: metrics 2.7, 3.1). */
import type { Clock } from "../api/clock.ts";
import type { ObjectCodec } from "../api/codec.ts";
import { tables as metricsTables } from "../api/generated/metrics.ts";
import { tables as metaTables } from "../api/generated/tables.ts";
import { encodeUTF8 } from "../api/json/index.ts";
import type { JSONObject, KubeObject, ObjectMeta } from "../api/meta.ts";
import { parseQuantity, Quantity, quantityOf, ZERO } from "../api/quantity.ts";
import type { LabelSelector } from "../api/selectors.ts";
import { notFound } from "../api/status.ts";
import { formatDurationNanos, formatTime } from "../api/time.ts";
import { structCodec } from "../api/types/codec.ts";
import { encodeStruct } from "../api/types/encode-json.ts";
import { openapiSchemas } from "../api/types/openapi.ts";
import { Types } from "../api/types/table.ts";
import type { Lister } from "../client/lister.ts";
import type { Answer, AskedForMany, Schema, Served } from "../sdk/index.ts";
import { serveTyped } from "../sdk/typed.ts";
import type { PodUsage, TwoPointStore, Usage } from "./two-point-store.ts";

export const GROUP = "metrics.k8s.io";
/** Identical but for their name; the first is what upstream's server has. */
export const VERSIONS = ["v1beta1", "v1"] as const;
export type MetricsVersion = (typeof VERSIONS)[number];

export interface ResourceUsage {
  cpu: string;
  memory: string;
}

export interface NodeMetrics extends KubeObject {
  timestamp: string | null;
  window: string;
  usage: ResourceUsage;
}

export interface PodMetrics extends KubeObject {
  timestamp: string | null;
  window: string;
  containers: { name: string; usage: ResourceUsage }[];
}

const V1BETA1 = "metrics/v1beta1";
const types = new Types(metaTables, metricsTables, {
  "metrics/v1": metricsTables[V1BETA1]!.replaceAll("v1beta1", "v1"),
});

export interface MetricsSources {
  readonly store: Pick<TwoPointStore, "node" | "pod">;
  readonly nodes: Lister;
  /** Running pods; metadata is enough. */
  readonly pods: Lister;
  /** Nodes it does not match are left out of lists. */
  readonly nodeSelector?: LabelSelector;
  readonly clock: Clock;
  /** Told of the age of every object served. */
  served?(ageSeconds: number): void;
}

/** The resources of one version. */
export function metricsResources(version: MetricsVersion, sources: MetricsSources): Served[] {
  const { store, nodes, pods, nodeSelector, clock } = sources;

  const fresh = (timestamp: number) => sources.served?.((clock.now() - timestamp) / 1000);
  const metadata = (object: KubeObject): ObjectMeta => {
    const { name = "", namespace, labels } = object.metadata;
    return {
      name,
      ...(namespace !== undefined && { namespace }),
      ...(labels !== undefined && { labels }),
      creationTimestamp: formatTime(clock.now()),
    };
  };
  const nodeMetrics = (node: KubeObject): Answer<NodeMetrics> | undefined => {
    const used = store.node(node.metadata.name ?? "");
    if (used === undefined) return undefined;
    fresh(used.timestamp);
    return { metadata: metadata(node), ...measured(used), usage: usageOf(used) };
  };
  const podMetrics = (pod: KubeObject): Answer<PodMetrics> | undefined => {
    const used = store.pod(pod.metadata.namespace ?? "", pod.metadata.name ?? "");
    if (used === undefined) return undefined;
    fresh(used.timestamp);
    return {
      metadata: metadata(pod),
      ...measured(used),
      containers: used.containers.map((container) => ({ name: container.name, usage: usageOf(container) })),
    };
  };
  const matching = (objects: readonly KubeObject[], { labels }: AskedForMany) =>
    objects.filter((object) => labels.matches(object.metadata.labels)).sort(byNamespaceAndName);
  const present = <T>(object: T | undefined): object is T => object !== undefined;

  return [
    serveTyped<NodeMetrics>(
      {
        ...typed<NodeMetrics>(version, "NodeMetrics"),
        plural: "nodes",
        singular: "",
        namespaced: false,
        table: columns((object) => object.usage),
      },
      {
        get({ name }) {
          const node = nodes.get(name);
          // The singular is upstream's.
          if (node === undefined) throw notFound({ group: "", resource: "node" }, name);
          const answer = nodeMetrics(node);
          if (answer === undefined) throw notFound({ group: GROUP, resource: "nodemetrics" }, name);
          return answer;
        },
        list(asked) {
          const chosen = matching(nodes.list(), asked);
          return chosen
            .filter((node) => nodeSelector?.matches(node.metadata.labels ?? {}) ?? true)
            .map(nodeMetrics)
            .filter(present);
        },
      },
    ),
    serveTyped<PodMetrics>(
      {
        ...typed<PodMetrics>(version, "PodMetrics"),
        plural: "pods",
        singular: "",
        namespaced: true,
        table: columns((object) => sumOf(object.containers.map(({ usage }) => usage))),
      },
      {
        get({ namespace, name }) {
          const pod = pods.get(name, namespace);
          if (pod === undefined) throw notFound({ group: "", resource: "pods" }, name);
          const answer = podMetrics(pod);
          if (answer === undefined) throw notFound({ group: GROUP, resource: "podmetrics" }, `${namespace}/${name}`);
          return answer;
        },
        list(asked) {
          return matching(pods.list(asked.namespace || undefined), asked)
            .map(podMetrics)
            .filter(present);
        },
      },
    ),
  ];
}

/** The codec of a kind and its schemas, from the generated table. */
function typed<T extends KubeObject>(version: MetricsVersion, kind: "NodeMetrics" | "PodMetrics") {
  const gvk = { group: GROUP, version, kind };
  const listKind = { ...gvk, kind: `${kind}List` };
  const struct = types.kind(gvk)!;
  const codec: ObjectCodec<T> = {
    ...structCodec<T>(gvk, struct),
    // These objects are stored nowhere: they have no resourceVersion, not even an empty one.
    encode: (object) => encodeUTF8(encodeStruct(struct, object as unknown as JSONObject)),
  };
  const schemas = openapiSchemas([
    { struct, kinds: [gvk] },
    { struct: types.kind(listKind)!, kinds: [listKind] },
  ]);
  return { codec, schemas: schemas as Readonly<Record<string, Schema>>, schemaName: struct.model };
}

function columns<T extends NodeMetrics | PodMetrics>(usage: (object: T) => ResourceUsage) {
  return {
    columns: [
      { name: "Name", type: "string", format: "name", description: "Name of the resource" },
      { name: "cpu", type: "string", format: "quantity" },
      { name: "memory", type: "string", format: "quantity" },
      { name: "Window", type: "string", format: "duration" },
    ],
    cells(object: T) {
      const { cpu, memory } = usage(object);
      return [object.metadata.name ?? "", cpu, memory, object.window];
    },
  } as const;
}

function sumOf(usages: readonly ResourceUsage[]): ResourceUsage {
  const sum = (texts: string[]) => texts.map(parseQuantity).reduce((total, one) => total.add(one), ZERO);
  return {
    cpu: sum(usages.map(({ cpu }) => cpu)).toString(),
    // Text of less than a kibibyte does not tell that it counts in powers of two.
    memory: quantityOf(sum(usages.map(({ memory }) => memory)).value(), "BinarySI").toString(),
  };
}

function byNamespaceAndName(a: KubeObject, b: KubeObject): number {
  return (
    compare(a.metadata.namespace ?? "", b.metadata.namespace ?? "") ||
    compare(a.metadata.name ?? "", b.metadata.name ?? "")
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function measured({ timestamp, windowNanoseconds }: Usage | PodUsage): { timestamp: string | null; window: string } {
  return {
    // A pod none of whose containers can be measured has no time.
    timestamp: timestamp === 0 ? null : formatTime(Math.min(timestamp, LATEST)),
    window: formatDurationNanos(BigInt(Math.trunc(windowNanoseconds))),
  };
}

function usageOf({ cpuNanocores, memoryBytes }: Usage): ResourceUsage {
  return {
    cpu: quantity(cpuNanocores, -9, "DecimalSI"),
    memory: quantity(memoryBytes, 0, "BinarySI"),
  };
}

/** The end of the year 9999, milliseconds: a kubelet may send any number. */
const LATEST = 253402300799000;
const INT64_MAX = 9223372036854775807n;
/** The largest double below 2^64. */
const UINT64_MAX = 2 ** 64 - 2048;

/** Go counts in 64 bits: beyond an int64 one decimal place is lost. What is no number is 0. */
function quantity(value: number, exponent: number, format: "DecimalSI" | "BinarySI"): string {
  const whole = BigInt(Math.trunc(Math.min(Math.max(value || 0, 0), UINT64_MAX)));
  if (whole <= INT64_MAX) return new Quantity(whole, exponent, format).toString();
  return new Quantity(whole / 10n, exponent + 1, format).toString();
}
