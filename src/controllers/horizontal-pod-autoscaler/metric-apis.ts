/** The three metric APIs as the autoscaler asks them (spec: metrics 3, 4.7). Every failure carries upstream's text. */
import type { JSONValue } from "../../api/meta.ts";
import { type GroupResource, qualified } from "../../api/meta.ts";
import type { LabelSelector } from "../../api/selectors.ts";
import { parseDurationNanos, parseTime } from "../../api/time.ts";
import type { Client } from "../../client/client.ts";
import type { ObjectReference } from "./autoscaler.ts";
import type { PodMetrics } from "./grouping.ts";
import { wrap64 } from "./integers.ts";
import { type KindsServed, kindText } from "./kinds-served.ts";
import { LabelIndex } from "./label-index.ts";
import { milli } from "./pod.ts";

export interface ResourceQuestion {
  readonly namespace: string;
  readonly selector: LabelSelector;
  readonly resource: string;
  /** "" for the sum of all containers. */
  readonly container: string;
  /** Whether many ask about this namespace: one list is then shared between them. */
  readonly shared: boolean;
}

export interface MetricAPIs {
  resource(question: ResourceQuestion): Promise<PodMetrics>;
  pods(metric: string, namespace: string, selector: LabelSelector, metricSelector: LabelSelector): Promise<PodMetrics>;
  object(metric: string, namespace: string, object: ObjectReference, metricSelector: LabelSelector): Promise<bigint>;
  external(metric: string, namespace: string, metricSelector: LabelSelector): Promise<bigint[]>;
}

interface ContainerUse {
  readonly name: string;
  readonly usage?: Readonly<Record<string, string>>;
}

interface PodMetricsItem {
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  readonly timestamp?: string | null;
  readonly window?: string;
  readonly containers?: readonly ContainerUse[] | null;
}

/** Of a custom metric, in either version. */
interface MetricValueItem {
  readonly describedObject?: { readonly name?: string };
  readonly timestamp?: string | null;
  /** v1beta2, seconds. */
  readonly windowSeconds?: number;
  /** v1beta1, seconds. */
  readonly window?: number;
  readonly value?: string;
}

const METRICS = "metrics.k8s.io";
const CUSTOM = "custom.metrics.k8s.io";
const EXTERNAL = "external.metrics.k8s.io";
const CUSTOM_VERSIONS = ["v1beta2", "v1beta1"];
/** A list that took long is shared for this many times as long, so that listing takes a fifth of the time at most. */
const PATIENCE = 4;
/** What a custom metric is measured over when it does not say, nanoseconds. */
const DEFAULT_WINDOW = 60e9;

const textOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
const timeOf = (text: string | null | undefined) => (text ? (parseTime(text) ?? 0) : 0);

export interface MetricAPIOptions {
  /** How long a list of a namespace is shared, milliseconds. */
  readonly shareFor: number;
  readonly signal?: AbortSignal;
}

export function metricAPIs(client: Client, served: KindsServed, options: MetricAPIOptions): MetricAPIs {
  const { shareFor, signal } = options;
  const shared = new Map<string, { until: number; readonly list: Promise<NamespaceMetrics> }>();

  async function get<T>(path: readonly string[], query: Record<string, string>, about: GroupResource, name?: string) {
    const answer = (await client.call({
      method: "GET",
      path: `/apis/${path.map((part) => encodeURIComponent(part)).join("/")}`,
      query,
      about: { resource: about, ...(name !== undefined && { name }) },
      ...(signal && { signal }),
    })) as { items?: JSONValue } | null;
    const items = answer?.items;
    return (Array.isArray(items) ? items : []) as unknown as T[];
  }

  /** v1beta1 as upstream of this version; v1 where only that is served. */
  async function metricsVersion(): Promise<string> {
    const versions = await served.versionsOf(METRICS);
    return versions.includes("v1") && !versions.includes("v1beta1") ? "v1" : "v1beta1";
  }

  async function listPods(namespace: string, labelSelector: string): Promise<PodMetricsItem[]> {
    const about = { group: METRICS, resource: "pods" };
    return get([METRICS, await metricsVersion(), "namespaces", namespace, "pods"], { labelSelector }, about);
  }

  function sharedList(namespace: string): Promise<NamespaceMetrics> {
    const from = client.clock.monotonic();
    const known = shared.get(namespace);
    if (known !== undefined && from < known.until) return known.list;
    for (const [other, { until }] of shared) if (from >= until) shared.delete(other);
    const list = listPods(namespace, "").then((items) => new NamespaceMetrics(items));
    // Nobody asks again while it is on its way.
    const one = { until: Number.POSITIVE_INFINITY, list };
    shared.set(namespace, one);
    const settle = () => {
      const now = client.clock.monotonic();
      one.until = Math.max(from + shareFor, now + PATIENCE * (now - from));
    };
    list.then(settle, settle);
    return list;
  }

  async function itemsFor({ namespace, selector, shared: many }: ResourceQuestion): Promise<PodMetricsItem[]> {
    if (many) {
      const list = await sharedList(namespace);
      // Without labels nobody but the server can tell which are meant.
      if (list.labelled) return list.items.select(selector);
    }
    return listPods(namespace, `${selector}`);
  }

  async function customVersion(): Promise<string> {
    const versions = await served.versionsOf(CUSTOM);
    if (versions.length === 0) throw new Error(`no custom metrics API (${CUSTOM}) registered`);
    const known = versions.find((version) => CUSTOM_VERSIONS.includes(version));
    if (known === undefined) throw new Error("no known available metric versions found");
    return known;
  }

  async function resourceName(kind: { readonly group: string; readonly kind: string }): Promise<string> {
    try {
      const { resource, group } = (await served.resourcesOf(kind))[0]!;
      return qualified(resource, group);
    } catch (error) {
      throw new Error(`unable to map kind ${kindText(kind)} to resource: ${textOf(error)}`);
    }
  }

  return {
    async resource(question) {
      let items: PodMetricsItem[];
      try {
        items = await itemsFor(question);
      } catch (error) {
        throw new Error(`unable to fetch metrics from resource metrics API: ${textOf(error)}`);
      }
      if (items.length === 0) throw new Error("no metrics returned from resource metrics API");
      return useOf(items, question.resource, question.container);
    },

    async pods(metric, namespace, selector, metricSelector) {
      let items: MetricValueItem[];
      try {
        const version = await customVersion();
        items = await get<MetricValueItem>(
          [CUSTOM, version, "namespaces", namespace, "pods", "*", metric],
          { labelSelector: `${selector}`, metricLabelSelector: `${metricSelector}` },
          { group: CUSTOM, resource: "pods" },
          "*",
        );
      } catch (error) {
        throw new Error(`unable to fetch metrics from custom metrics API: ${textOf(error)}`);
      }
      if (items.length === 0) throw new Error("no metrics returned from custom metrics API");
      return new Map(
        items.map(({ describedObject, timestamp, windowSeconds, window, value = "0" }) => {
          const seconds = windowSeconds ?? window;
          return [
            describedObject?.name ?? "",
            {
              timestamp: timeOf(timestamp),
              window: seconds === undefined ? DEFAULT_WINDOW : seconds * 1e9,
              value: milli(value),
            },
          ];
        }),
      );
    },

    async object(metric, namespace, { apiVersion = "", kind, name }, metricSelector) {
      try {
        const version = await customVersion();
        const group = apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
        const query = { metricLabelSelector: `${metricSelector}` };
        const isNamespace = kind === "Namespace" && group === "";
        const resource = isNamespace ? "metrics" : await resourceName({ group, kind });
        const place = [CUSTOM, version, "namespaces", namespace, resource];
        const items = await get<MetricValueItem>(
          isNamespace ? [...place, metric] : [...place, name, metric],
          query,
          { group: CUSTOM, resource },
          isNamespace ? metric : name,
        );
        if (items.length !== 1) {
          throw new Error(
            `the custom metrics API server returned ${items.length} results when we asked for exactly one`,
          );
        }
        return milli(items[0]!.value ?? "0");
      } catch (error) {
        throw new Error(`unable to fetch metrics from custom metrics API: ${textOf(error)}`);
      }
    },

    async external(metric, namespace, metricSelector) {
      let items: { value?: string }[];
      try {
        items = await get<{ value?: string }>(
          [EXTERNAL, "v1beta1", "namespaces", namespace, metric],
          { labelSelector: `${metricSelector}` },
          { group: EXTERNAL, resource: metric },
        );
      } catch (error) {
        throw new Error(`unable to fetch metrics from external metrics API: ${textOf(error)}`);
      }
      if (items.length === 0) throw new Error("no metrics returned from external metrics API");
      return items.map(({ value = "0" }) => milli(value));
    },
  };
}

/** One namespace's readings, shared by all who ask within a short time. */
class NamespaceMetrics {
  readonly items: LabelIndex<PodMetricsItem>;
  /** Whether every reading says which labels its pod has. */
  readonly labelled: boolean;

  constructor(items: readonly PodMetricsItem[]) {
    this.items = new LabelIndex(({ metadata }) => metadata.labels, items);
    this.labelled = items.every(({ metadata }) => metadata.labels !== undefined);
  }
}

/** A pod that does not say what all of its containers (or the one asked for) use is left out. */
function useOf(items: readonly PodMetricsItem[], resource: string, container: string): PodMetrics {
  const metrics: PodMetrics = new Map();
  for (const { metadata, timestamp, window = "0s", containers } of items) {
    const asked = (containers ?? []).filter(({ name }) => container === "" || name === container);
    // Names are unique in a pod; upstream takes the first.
    const counted = container === "" ? asked : asked.slice(0, 1);
    const values = counted.map(({ usage }) => (usage && Object.hasOwn(usage, resource) ? usage[resource] : undefined));
    if (values.length === 0 || values.includes(undefined)) continue;
    metrics.set(metadata.name, {
      timestamp: timeOf(timestamp),
      window: Number(parseDurationNanos(window)),
      value: values.reduce((sum, value) => wrap64(sum + milli(value!)), 0n),
    });
  }
  return metrics;
}
