/** A custom resource of 20 KB whose schema has 30 rules: what pruning, defaulting, validation and the rules of a write cost, for a create and an update. */
import { parseArgs } from "node:util";
import { encodeUTF8, parseJSON, stringifyJSON } from "../src/api/json/index.ts";
import type { JSONObject, JSONValue } from "../src/api/meta.ts";
import { compileSchema } from "../src/schema/structural.ts";
import type { Schema } from "../src/schema/types.ts";
import { figure, interleaved, machine, median, table } from "./measure.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "30" },
    times: { type: "string", default: "100" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log("npm run bench -- validate [--rounds 30] [--times 100]   (objects in each round)");
  process.exit(0);
}
const rounds = Number(values.rounds);
const times = Number(values.times);

const rules = (...texts: string[]) => ({ "x-kubernetes-validations": texts.map((rule) => ({ rule })) });
const text = (maxLength: number, more: Schema = {}): Schema => ({ type: "string", maxLength, ...more });

const port: Schema = {
  type: "object",
  required: ["port"],
  properties: {
    name: text(63, { pattern: "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" }),
    port: { type: "integer", minimum: 1, maximum: 65_535 },
    protocol: text(10, { enum: ["TCP", "UDP"], default: "TCP" }),
  },
  ...rules("self.port > 0", "!has(self.name) || self.name.size() < 64", "self.protocol in ['TCP', 'UDP']"),
};
const env: Schema = {
  type: "object",
  required: ["name"],
  properties: { name: text(100), value: text(1_000) },
  ...rules("self.name.matches('^[A-Z_]+$')", "!has(self.value) || self.value != self.name"),
};
const container: Schema = {
  type: "object",
  required: ["name", "image"],
  properties: {
    name: text(63, { pattern: "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", ...rules("self == oldSelf || self != ''") }),
    image: text(300, rules("self.contains('/')", "!self.endsWith(':')")),
    pullPolicy: text(20, { enum: ["Always", "Never", "IfNotPresent"], default: "IfNotPresent" }),
    ports: {
      type: "array",
      maxItems: 20,
      items: port,
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["port"],
      ...rules("self.all(p, p.port < 65536)"),
    },
    env: {
      type: "array",
      maxItems: 50,
      items: env,
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["name"],
      ...rules("self.exists(e, e.name == 'MODE')"),
    },
    resources: {
      type: "object",
      properties: {
        cpu: { "x-kubernetes-int-or-string": true },
        memory: text(20),
      },
      ...rules("has(self.cpu) == has(self.memory)", "!has(self.memory) || self.memory.endsWith('i')"),
    },
  },
  ...rules("self.name != self.image", "size(self.ports) <= 3", "!has(self.pullPolicy) || self.pullPolicy != 'Never'"),
};
const schema: Schema = {
  type: "object",
  required: ["spec"],
  properties: {
    spec: {
      type: "object",
      properties: {
        replicas: {
          type: "integer",
          minimum: 0,
          maximum: 1_000,
          default: 1,
          ...rules("self < 500", "self >= oldSelf - 100"),
        },
        minReplicas: { type: "integer", minimum: 0 },
        maxReplicas: { type: "integer", minimum: 0 },
        mode: text(20, { enum: ["Fast", "Safe"], ...rules("self == oldSelf") }),
        labels: {
          type: "object",
          maxProperties: 100,
          additionalProperties: text(63),
          ...rules("self.all(k, k.size() < 64)"),
        },
        containers: {
          type: "array",
          maxItems: 100,
          items: container,
          "x-kubernetes-list-type": "map",
          "x-kubernetes-list-map-keys": ["name"],
          ...rules("self.size() > 0", "oldSelf.size() <= self.size() + 10"),
        },
      },
      ...rules(
        "self.minReplicas <= self.replicas",
        "self.replicas <= self.maxReplicas",
        "self.maxReplicas - self.minReplicas < 100",
        "self.mode == 'Safe' || self.replicas > 0",
        "has(self.labels) && 'app' in self.labels",
        "self.containers.all(c, c.name.size() > 0)",
      ),
    },
  },
  ...rules(
    "self.metadata.name.startsWith('bench')",
    "has(self.spec)",
    "self.metadata.name.size() < 64",
    "self.kind == 'Bench'",
  ),
};

const object = {
  apiVersion: "bench.example.com/v1",
  kind: "Bench",
  metadata: { name: "bench-0" },
  spec: {
    replicas: 3,
    minReplicas: 1,
    maxReplicas: 9,
    mode: "Fast",
    labels: Object.fromEntries([
      ["app", "bench"],
      ...Array.from({ length: 20 }, (_, i) => [`label-${i}`, `value-${i}`]),
    ]),
    containers: Array.from({ length: 28 }, (_, i) => ({
      name: `container-${i}`,
      image: `registry.example.com/team/program-${i}:v1.${i}.0`,
      ports: [
        { name: "http", port: 8080, protocol: "TCP" },
        { name: "metrics", port: 9090 + i },
      ],
      env: ["MODE", "LEVEL", "REGION", "CLUSTER", "TOKEN_FILE"].map((name) => ({
        name,
        value: `a value that says something about ${name} number ${i}`,
      })),
      resources: { cpu: i % 2 === 0 ? "500m" : 2, memory: "128Mi" },
    })),
  },
};

function countRules(node: JSONValue): number {
  if (Array.isArray(node)) return node.reduce((sum: number, one) => sum + countRules(one), 0);
  if (typeof node !== "object" || node === null) return 0;
  return Object.entries(node).reduce(
    (sum, [key, one]) => sum + (key === "x-kubernetes-validations" ? (one as JSONValue[]).length : countRules(one)),
    0,
  );
}

const bytes = encodeUTF8(stringifyJSON(object));
const fresh = () => parseJSON(bytes).value as JSONObject;
const old = fresh();
const compiled = compileSchema(schema);
compiled.normalize(old);
const ready = fresh();
compiled.normalize(ready);
(ready["spec"] as JSONObject)["replicas"] = 4;

const startedCompiling = performance.now();
const first = await compiled.validateRules(ready, undefined, []);
const firstMilliseconds = performance.now() - startedCompiling;
const wrong = [...compiled.validate(ready), ...compiled.validateUpdate(ready, old), ...(first ?? [])];
if (wrong.length > 0) throw new Error(`the object is to be valid: ${JSON.stringify(wrong)}`);

interface Contender {
  readonly name: string;
  run(objects: readonly JSONObject[]): Promise<void> | void;
}

const contenders: readonly Contender[] = [
  { name: "parse", run: (objects) => objects.forEach(() => void fresh()) },
  { name: "prune and default", run: (objects) => objects.forEach((one) => void compiled.normalize(one)) },
  { name: "validate a create", run: (objects) => objects.forEach(() => void compiled.validate(ready)) },
  { name: "validate an update", run: (objects) => objects.forEach(() => void compiled.validateUpdate(ready, old)) },
  {
    name: "rules of a create",
    async run(objects) {
      for (const _ of objects) await compiled.validateRules(ready, undefined, []);
    },
  },
  {
    name: "rules of an update",
    async run(objects) {
      for (const _ of objects) await compiled.validateRules(ready, old, []);
    },
  },
];

const results = await interleaved(rounds, contenders, async ({ run }) => {
  const objects = Array.from({ length: times }, fresh);
  const started = performance.now();
  await run(objects);
  return ((performance.now() - started) * 1_000) / times;
});

console.log(machine());
console.log(
  `an object of ${(bytes.length / 1_000).toFixed(1)} KB, ${countRules(schema as unknown as JSONValue)} rules; the engine and all rules loaded and compiled, and run once: ${figure(firstMilliseconds)} ms\n`,
);
console.log(
  table(
    ["", "µs for each object"],
    contenders.map((contender) => [contender.name, figure(median(results.get(contender)!))]),
  ),
);
