/** The three metric APIs behind a target, answering what a story says. */
import type { IncomingMessage } from "node:http";
import { type Extension, expose, json, startExtension } from "./extension.ts";
import { eventually } from "./story.ts";
import type { Target } from "./target.ts";

export interface ScriptedMetrics {
  /** By pod: what its container `c` uses. */
  readonly pods: Map<string, { readonly app: string; readonly usage: Readonly<Record<string, string>> }>;
  /** By path below the namespace, without the query: `pods/*​/rps`, `services/main/hits`, `queue`. */
  readonly values: Map<string, readonly { readonly name?: string; readonly value: string }[]>;
  stop(): Promise<void>;
}

const GROUPS = [
  ["metrics.k8s.io", "v1beta1"],
  ["custom.metrics.k8s.io", "v1beta2"],
  ["external.metrics.k8s.io", "v1beta1"],
] as const;

/** Makes a namespace for the servers, and registers them; resolves when the target reaches all of them. */
export async function startScriptedMetrics(target: Target, namespace: string): Promise<ScriptedMetrics> {
  const pods: ScriptedMetrics["pods"] = new Map();
  const values: ScriptedMetrics["values"] = new Map();
  const extensions: Extension[] = [];
  const timestamp = () => `${new Date().toISOString().slice(0, 19)}Z`;
  const resource = (query: URLSearchParams) => {
    const app = /^app=(.+)$/.exec(query.get("labelSelector") ?? "")?.[1];
    return [...pods]
      .filter(([, pod]) => app === undefined || pod.app === app)
      .map(([name, pod]) => ({
        metadata: { name, namespace, labels: { app: pod.app } },
        timestamp: timestamp(),
        window: "15s",
        containers: [{ name: "c", usage: pod.usage }],
      }));
  };
  const custom = (path: string) =>
    (values.get(path) ?? []).map(({ name, value }) => ({
      describedObject: { kind: "Pod", namespace, name: name ?? "main", apiVersion: "v1" },
      metric: { name: path.slice(path.lastIndexOf("/") + 1) },
      timestamp: timestamp(),
      value,
    }));
  const external = (path: string) =>
    (values.get(path) ?? []).map(({ value }) => ({
      metricName: path,
      metricLabels: {},
      timestamp: timestamp(),
      value,
    }));
  const kinds = ["PodMetricsList", "MetricValueList", "ExternalMetricValueList"];
  for (const [index, [group, version]] of GROUPS.entries()) {
    const service = { namespace, name: group.replaceAll(".", "-") };
    const extension = await startExtension({ group, version, service });
    extensions.push(extension);
    extension.behave((request: IncomingMessage, response) => {
      const url = new URL(request.url ?? "", "https://extension");
      const path = decodeURIComponent(url.pathname).split("/").slice(6).join("/");
      const items = index === 0 ? resource(url.searchParams) : index === 1 ? custom(path) : external(path);
      json(response, 200, { kind: kinds[index], apiVersion: `${group}/${version}`, metadata: {}, items });
    });
    const port = await expose(target, extension, service);
    const made = await target.call("POST", "/apis/apiregistration.k8s.io/v1/apiservices", {
      body: {
        metadata: { name: `${version}.${group}` },
        spec: {
          group,
          version,
          groupPriorityMinimum: 100,
          versionPriority: 100,
          service: { ...service, port },
          caBundle: Buffer.from(extension.ca).toString("base64"),
        },
      },
    });
    if (made.status !== 201) throw new Error(`cannot register ${group}: ${made.text}`);
  }
  for (const [group, version] of GROUPS) {
    const path = `/apis/apiregistration.k8s.io/v1/apiservices/${version}.${group}`;
    await eventually(
      async () => (await target.call("GET", path)).json.status?.conditions?.[0]?.status,
      (status) => status === "True",
    );
  }
  return {
    pods,
    values,
    async stop() {
      for (const [group, version] of GROUPS) {
        await target.call("DELETE", `/apis/apiregistration.k8s.io/v1/apiservices/${version}.${group}`);
      }
      for (const extension of extensions) await extension.kill();
    },
  };
}
