/** A CronTab: one definition. `main.ts` serves it from a store; `examples/operator/crd.yaml` is what `CronTab.toCRD()` prints. */
import { defineResource } from "tenon";
import { z } from "zod";

export const CronTab = defineResource({
  group: "stable.example.com",
  version: "v1",
  kind: "CronTab",
  namespaced: true,
  shortNames: ["ct"],
  categories: ["all"],
  description: "Runs an image at the times of a cron expression.",
  spec: z.object({
    cronSpec: z
      .string()
      .regex(/^(\S+ ){4}\S+$/)
      .describe("When: minute, hour, day of month, month, day of week."),
    image: z.string().min(1).describe("What."),
    replicas: z.int32().min(0).max(10).default(1).describe("How many at a time."),
  }),
  status: z.object({
    replicas: z.int32().optional().describe("How many are written down."),
    configMap: z.string().optional().describe("Where they are written down."),
  }),
  columns: {
    Schedule: ".spec.cronSpec",
    Image: ".spec.image",
    Replicas: { path: ".spec.replicas", type: "integer" },
    ConfigMap: { path: ".status.configMap", priority: 1 },
  },
  scale: { specReplicasPath: ".spec.replicas", statusReplicasPath: ".status.replicas" },
  selectableFields: [".spec.image"],
});
