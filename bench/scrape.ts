/**
 * What one sweep over a fleet costs after the network: payloads of 1,000 simulated kubelets (30 pods of two containers each)
 * unpacked, decoded and stored: `node bench/scrape.ts [sweeps] [nodes]`. The first sweep, in which every name is new, stands apart.
 */
import { gunzipSync, gzipSync } from "node:zlib";
import { resourceMetrics } from "../src/kubelet/exposition.ts";
import { type NodeBatch, ResourceMetricsDecoder } from "../src/metrics-server/resource-metrics.ts";
import { TwoPointStore } from "../src/metrics-server/two-point-store.ts";

const sweeps = Number(process.argv[2] ?? 9);
const nodeCount = Number(process.argv[3] ?? 1000);
const PODS = 30;
const CONTAINERS = 2;
const RESOLUTION = 15_000;
const START = 1_789_000_000_000;

/** Deterministic, so that runs compare: the n-th value of a scrambled sequence in [0, 1). */
function scrambled(n: number): number {
  let mixed = Math.imul(n ^ 0x9e3779b9, 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
}

/** What node `node` answers in sweep `sweep`: names of realistic length, counters that grow. */
function payload(node: number, sweep: number): Buffer {
  const at = START + sweep * RESOLUTION;
  const containers = [];
  for (let pod = 0; pod < PODS; pod++) {
    const id = node * PODS + pod;
    const suffix = Math.floor(scrambled(id) * 36 ** 5)
      .toString(36)
      .padStart(5, "0");
    for (let container = 0; container < CONTAINERS; container++) {
      const seed = id * CONTAINERS + container;
      containers.push({
        namespace: `team-${(id % 97).toString().padStart(3, "0")}-prod`,
        pod: `checkout-${(id % 211).toString(16).padStart(2, "0")}-7d9f8b6c4-${suffix}`,
        container: container === 0 ? "server" : "proxy",
        timestamp: at - Math.floor(scrambled(seed + sweep * 7919) * 5000),
        cpuSeconds: 1000 * scrambled(seed) + sweep * 15 * scrambled(seed + 1) + 0.000123,
        workingSetBytes: Math.floor(scrambled(seed + 2) * 2 ** 28) + 4096,
        startSeconds: START / 1000 - 86_400 * scrambled(seed + 3) - 100,
      });
    }
  }
  return Buffer.from(
    resourceMetrics(
      { timestamp: at, cpuSeconds: 99_321.004417 + sweep * 12.5, workingSetBytes: 7_516_192_768 },
      containers,
    ),
  );
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
const cpuMilliseconds = (work: () => void) => {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
};

const decoders = Array.from({ length: nodeCount }, () => new ResourceMetricsDecoder());
const store = new TwoPointStore(RESOLUTION);
const results = { gunzip: [] as number[], decode: [] as number[], store: [] as number[] };
let bytes = 0;
let packedBytes = 0;
let samples = 0;
let first = 0;

for (let sweep = 0; sweep <= sweeps; sweep++) {
  const packed = Array.from({ length: nodeCount }, (_, node) => gzipSync(payload(node, sweep), { level: 6 }));
  const bodies: Buffer[] = [];
  const batches = new Map<string, NodeBatch>();
  const gunzip = cpuMilliseconds(() => {
    for (const body of packed) bodies.push(gunzipSync(body));
  });
  const decode = cpuMilliseconds(() => {
    for (const [node, body] of bodies.entries()) batches.set(`node-${node}`, decoders[node]!.decode(body, START));
  });
  const stored = cpuMilliseconds(() => void store.store(batches));
  if (sweep === 0) {
    first = gunzip + decode + stored;
    bytes = bodies.reduce((sum, body) => sum + body.length, 0);
    packedBytes = packed.reduce((sum, body) => sum + body.length, 0);
    samples = bodies.reduce((sum, body) => sum + body.toString("latin1").split("\n").filter(isSample).length, 0);
    continue;
  }
  results.gunzip.push(gunzip);
  results.decode.push(decode);
  results.store.push(stored);
}

function isSample(line: string): boolean {
  return line !== "" && !line.startsWith("#");
}

const expected = { nodes: nodeCount, containers: nodeCount * PODS * CONTAINERS };
if (JSON.stringify(store.pairs) !== JSON.stringify(expected)) {
  throw new Error(`stored ${JSON.stringify(store.pairs)}, expected ${JSON.stringify(expected)}`);
}

const megabytes = bytes / 1e6;
console.log(
  `${nodeCount} nodes × ${PODS} pods × ${CONTAINERS} containers: ${megabytes.toFixed(1)} MB (${(packedBytes / 1e6).toFixed(1)} MB packed), ` +
    `${samples} samples a sweep; medians of ${sweeps} sweeps after the first (first: ${first.toFixed(0)} ms)\n`,
);
console.log("| step | CPU ms per sweep | MB/s | ns per sample | of one core at 15 s |");
console.log("|---|---|---|---|---|");
const row = (name: string, milliseconds: number) =>
  console.log(
    `| ${name} | ${milliseconds.toFixed(0)} | ${((megabytes / milliseconds) * 1000).toFixed(0)} | ${((milliseconds * 1e6) / samples).toFixed(0)} | ${((milliseconds / RESOLUTION) * 100).toFixed(1)} % |`,
  );
const { gunzip, decode, store: storing } = results;
row("gunzip", median(gunzip));
row("decode", median(decode));
row("store", median(storing));
row("decode + store", median(decode.map((value, sweep) => value + storing[sweep]!)));
row("all", median(decode.map((value, sweep) => value + storing[sweep]! + gunzip[sweep]!)));
