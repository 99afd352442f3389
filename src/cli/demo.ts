/** What `tenon up --demo` puts into a new cluster: a Deployment under a load that comes and goes, and an autoscaler that follows it. */
import type { GroupVersionResource, KubeObject } from "../api/meta.ts";
import type { Client } from "../client/client.ts";
import { createIfMissing } from "../client/ensure.ts";

const NAME = "shop";
const NAMESPACE = "default";
const labels = { app: NAME };

/** Quiet for half a minute, busy, and quiet again: one pod is enough for the one, ten for the other. */
const LOAD = "steps(100m for 30s, 1200m for 90s, 100m for 30s)";

const DEPLOYMENT: KubeObject = {
  metadata: { name: NAME, namespace: NAMESPACE, labels },
  spec: {
    replicas: 1,
    selector: { matchLabels: labels },
    template: {
      metadata: {
        labels,
        annotations: {
          "simulate.tenon.dev/load": LOAD,
          "simulate.tenon.dev/memory": "sine(48Mi..64Mi, 1m)",
          "simulate.tenon.dev/startup": "1s",
        },
      },
      spec: {
        containers: [
          {
            name: "web",
            image: "example.com/shop:1",
            ports: [{ containerPort: 8080 }],
            resources: { requests: { cpu: "200m", memory: "64Mi" } },
          },
        ],
      },
    },
  },
};

const SERVICE: KubeObject = {
  metadata: { name: NAME, namespace: NAMESPACE, labels },
  spec: { selector: labels, ports: [{ port: 80, targetPort: 8080 }] },
};

/** Down again soon after the load is gone; by itself an autoscaler would wait for five minutes. */
const AUTOSCALER: KubeObject = {
  metadata: { name: NAME, namespace: NAMESPACE },
  spec: {
    scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: NAME },
    minReplicas: 1,
    maxReplicas: 10,
    metrics: [{ type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 60 } } }],
    behavior: { scaleDown: { stabilizationWindowSeconds: 15 } },
  },
};

const OBJECTS: readonly (readonly [GroupVersionResource, KubeObject])[] = [
  [{ group: "apps", version: "v1", resource: "deployments" }, DEPLOYMENT],
  [{ group: "", version: "v1", resource: "services" }, SERVICE],
  [{ group: "autoscaling", version: "v2", resource: "horizontalpodautoscalers" }, AUTOSCALER],
];

/** Creates what is missing; what somebody changed stays as it is. */
export async function createDemo(client: Client): Promise<void> {
  for (const [resource, object] of OBJECTS) {
    await createIfMissing(client.resource(resource, NAMESPACE), object);
  }
}
