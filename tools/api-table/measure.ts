/** Measures the tables and the codecs of a Deployment with three containers: `node tools/api-table/measure.ts`. */
import { statSync } from "node:fs";

const size = (path: string) => statSync(new URL(`../../src/${path}`, import.meta.url)).size;
const kb = (bytes: number) => `${(bytes / 1000).toFixed(1)} kB`;
console.log(`tables: kinds ${kb(size("kinds/generated/tables.ts"))}, api ${kb(size("api/generated/tables.ts"))}`);

let start = performance.now();
await import("../../src/kinds/generated/tables.ts");
await import("../../src/api/generated/tables.ts");
console.log(`import of the generated tables: ${(performance.now() - start).toFixed(2)} ms`);
await import("../../src/api/types/codec.ts");
start = performance.now();
const { builtinTypes, codecFor } = await import("../../src/kinds/tables.ts");
console.log(`kinds/tables.ts itself: ${(performance.now() - start).toFixed(2)} ms`);
start = performance.now();
const codec = codecFor({ group: "apps", version: "v1", kind: "Deployment" });
console.log(`first codec: ${(performance.now() - start).toFixed(2)} ms`);

const container = (name: string) => ({
  name,
  image: `registry.example.com/team/${name}:1.2.3`,
  args: ["--port=8080", "--verbose"],
  ports: [{ name: "http", containerPort: 8080, protocol: "TCP" }],
  env: [
    { name: "A", value: "1" },
    { name: "POD", valueFrom: { fieldRef: { apiVersion: "v1", fieldPath: "metadata.name" } } },
  ],
  resources: { limits: { cpu: "500m", memory: "256Mi" }, requests: { cpu: "100m", memory: "128Mi" } },
  volumeMounts: [{ name: "data", mountPath: "/data" }],
  livenessProbe: {
    httpGet: { path: "/healthz", port: 8080, scheme: "HTTP" },
    timeoutSeconds: 1,
    periodSeconds: 10,
    successThreshold: 1,
    failureThreshold: 3,
  },
  terminationMessagePath: "/dev/termination-log",
  terminationMessagePolicy: "File",
  imagePullPolicy: "IfNotPresent",
});
const deployment = {
  kind: "Deployment",
  apiVersion: "apps/v1",
  metadata: {
    name: "web",
    namespace: "default",
    uid: "8a6ad1f4-3a0b-4d2e-9f0e-3f6d1c2b7a55",
    resourceVersion: "12345",
    generation: 3,
    creationTimestamp: "2026-01-01T00:00:00Z",
    labels: { app: "web", tier: "front" },
    annotations: { "deployment.kubernetes.io/revision": "3" },
  },
  spec: {
    replicas: 3,
    selector: { matchLabels: { app: "web" } },
    template: {
      metadata: { labels: { app: "web", tier: "front" } },
      spec: {
        volumes: [{ name: "data", emptyDir: {} }],
        containers: [container("web"), container("sidecar"), container("metrics")],
        restartPolicy: "Always",
        terminationGracePeriodSeconds: 30,
        dnsPolicy: "ClusterFirst",
        securityContext: {},
        schedulerName: "default-scheduler",
      },
    },
    strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: "25%", maxSurge: "25%" } },
    revisionHistoryLimit: 10,
    progressDeadlineSeconds: 600,
  },
  status: { observedGeneration: 3, replicas: 3, updatedReplicas: 3, readyReplicas: 3, availableReplicas: 3 },
};
const json = new TextEncoder().encode(JSON.stringify(deployment));
const object = codec.decode(json, "application/json").object;
const proto = codec.encodeProtobuf!(object);
console.log(`Deployment: ${json.length} bytes of JSON, ${proto.length} bytes of protobuf`);
const patch = { spec: { template: { spec: { containers: [{ name: "sidecar", image: "new" }] } } } };
const parsed = () => JSON.parse(new TextDecoder().decode(json));
const tasks: [string, () => unknown][] = [
  ["native JSON.parse", parsed],
  ["JSON body → object", () => codec.decode(json, "application/json")],
  ["parsed value → object", () => codec.fromValue(object as never)],
  ["object → JSON", () => codec.encode(object, "12345")],
  ["protobuf → object", () => codec.decode(proto, "application/vnd.kubernetes.protobuf")],
  ["object → protobuf", () => codec.encodeProtobuf!(object)],
  ["strategic merge", () => codec.strategicMerge!(object, patch)],
];
// Interleaved rounds; the median of rounds counts. Processor time of the whole process (the collector's threads too), so that neighbours do not.
const rounds = new Map<string, number[]>();
const COUNT = 1000;
for (let round = 0; round < 15; round++) {
  for (const [name, task] of tasks) {
    const begin = process.cpuUsage();
    for (let index = 0; index < COUNT; index++) task();
    const { user, system } = process.cpuUsage(begin);
    const list = rounds.get(name) ?? [];
    list.push((user + system) / COUNT);
    rounds.set(name, list);
  }
}
for (const [name, list] of rounds) {
  list.sort((a, b) => a - b);
  console.log(`${name}: ${list[7]!.toFixed(1)} µs (best ${list[0]!.toFixed(1)})`);
}
start = performance.now();
for (const kind of builtinTypes.kinds()) codecFor(kind).encode({ metadata: {} });
console.log(
  `every codec of ${builtinTypes.kinds().length} kinds built and used once: ${(performance.now() - start).toFixed(1)} ms`,
);
