/** What `crd-or-aggregation` serves in every way: a resource like the readings of a pod. */
import { defineResource } from "../src/sdk/index.ts";

export const NAMESPACE = "default";
/** So many applications share the objects; an autoscaler reads one of them at a time. */
export const APPLICATIONS = 100;

const text = { type: "string" } as const;
export const Usage = defineResource({
  group: "usage.example.com",
  version: "v1",
  kind: "Usage",
  plural: "usages",
  namespaced: true,
  spec: {
    type: "object",
    properties: {
      timestamp: { type: "string", format: "date-time" },
      window: text,
      containers: {
        type: "array",
        items: {
          type: "object",
          required: ["name"],
          properties: { name: text, usage: { type: "object", additionalProperties: text } },
        },
      },
    },
  },
});

/** The `n`-th object as it is after so many rewrites. */
export function usageOf(n: number, round: number) {
  const container = (name: string, seed: number) => ({
    name,
    usage: {
      cpu: `${(seed * 7919 + round * 104_729) % 999_999_937}n`,
      memory: `${65_536 + ((seed + round) % 9973)}Ki`,
    },
  });
  return {
    apiVersion: "usage.example.com/v1",
    kind: "Usage",
    metadata: {
      name: `pod-${String(n).padStart(5, "0")}`,
      namespace: NAMESPACE,
      labels: { app: `app-${n % APPLICATIONS}`, "pod-template-hash": "7d9f8b6c4" },
    },
    spec: {
      timestamp: new Date(1_789_000_000_000 + round * 15_000).toISOString(),
      window: "15s",
      containers: [container("server", n), container("proxy", n + 1)],
    },
  };
}
