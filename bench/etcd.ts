/**
 * Create, update, LIST and the lag of a watch over etcd, through one and through two API servers, next to kube-apiservers over the same build of etcd.
 * The load comes from this process, spread evenly over the servers; every pair has an etcd of its own.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openTarget, type Target } from "../interop/target.ts";
import { findEtcd, missingEtcd, startEtcd } from "../src/store/engines/etcd-process.test-support.ts";
import { PEERS } from "../tools/peers/build.ts";
import { startPeer } from "../tools/peers/start.ts";
import { cpuSeconds, figure, interleaved, machine, median, megabytes, memoryOf, percentile, table } from "./measure.ts";
import { startChild, tenonCommand } from "./servers.ts";

const { values: options } = parseArgs({
  options: {
    count: { type: "string", default: "2000" },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "2" },
    clients: { type: "string", default: "16" },
    help: { type: "boolean", default: false },
  },
});
if (options.help) {
  console.log(
    "etcd [--count 2000: objects that are listed] [--rounds 3] [--seconds 2: of each work] [--clients 16: requests in flight]",
  );
  process.exit(0);
}
const why = missingEtcd();
if (why !== undefined) {
  console.error(`nothing to measure: ${why}`);
  process.exit(1);
}
const COUNT = Number(options.count);
const CLIENTS = Number(options.clients);
const MILLISECONDS = Number(options.seconds) * 1000;
const COLLECTION = "/api/v1/namespaces/default/configmaps";
const LAG_WRITES = 50;
const PADDING = "x".repeat(1_000);

/** One or two API servers and their etcd. */
interface Side {
  readonly name: string;
  readonly targets: readonly Target[];
  readonly servers: readonly number[];
  readonly etcd: number;
  stop(): Promise<void>;
}

async function startSide(name: "tenon" | "kube-apiserver", size: number, command: readonly string[]): Promise<Side> {
  const folder = mkdtempSync(join(tmpdir(), "bench-etcd-"));
  const etcd = await startEtcd();
  const pki = join(folder, "pki");
  const stops: (() => Promise<void>)[] = [];
  const targets: Target[] = [];
  const servers: number[] = [];
  for (let index = 0; index < size; index++) {
    const own = join(folder, String(index));
    if (name === "tenon") {
      const child = await startChild(
        [
          ...[...command, "apiserver", "--port", "0", "--allow-loopback-endpoints"],
          ...["--store", `etcd://${etcd.endpoint}`, "--data-dir", own, "--pki-dir", pki],
        ],
        /^ready/,
      );
      stops.push(child.stop);
      servers.push(child.pid);
      targets.push(openTarget(join(own, "kubeconfig")));
    } else {
      const peer = await startPeer({ folder: own, etcd: `http://${etcd.endpoint}`, pki });
      stops.push(peer.stop);
      servers.push(peer.processes.kubeAPIServer);
      targets.push(openTarget(peer.kubeconfig));
    }
  }
  return {
    name: `${size} × ${name}`,
    targets,
    servers,
    etcd: etcd.pid,
    async stop() {
      for (const stop of stops) await stop();
      await etcd.remove();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function ok(target: Target, method: string, path: string, body?: unknown): Promise<void> {
  const answer = await target.call(method, path, body === undefined ? {} : { body });
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text.slice(0, 300)}`);
}

/** Requests one after another on each of some connections, spread over the servers, until the time is over. */
async function repeated(side: Side, clients: number, work: (target: Target, index: number) => Promise<void>) {
  const latencies: number[] = [];
  const began = performance.now();
  let next = 0;
  await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      const target = side.targets[client % side.targets.length]!;
      while (performance.now() - began < MILLISECONDS) {
        const from = performance.now();
        await work(target, next++);
        latencies.push(performance.now() - from);
      }
    }),
  );
  return { latencies, seconds: (performance.now() - began) / 1000 };
}

let names = 0;
const body = (name: string, text: string) => ({
  metadata: { name, labels: { set: name.startsWith("listed-") ? "listed" : "other" } },
  data: { text, padding: PADDING },
});

interface Work {
  readonly name: string;
  run(side: Side): Promise<{ latencies: number[]; seconds: number }>;
}

const WORKS: readonly Work[] = [
  {
    name: "create",
    run: (side) => repeated(side, CLIENTS, (target) => ok(target, "POST", COLLECTION, body(`made-${++names}`, ""))),
  },
  {
    name: "update",
    run: (side) =>
      repeated(side, CLIENTS, (target, index) => {
        const name = `listed-${index % COUNT}`;
        return ok(target, "PUT", `${COLLECTION}/${name}`, body(name, String(++names)));
      }),
  },
  {
    name: `LIST of ${COUNT}, consistent`,
    run: (side) => repeated(side, 2, (target) => ok(target, "GET", `${COLLECTION}?labelSelector=set%3Dlisted`)),
  },
  { name: "watch lag: from a write sent to the first server to its event on the last", run: watchLag },
];

/** One write after another; each waits for its event. */
async function watchLag(side: Side) {
  const latencies: number[] = [];
  const writer = side.targets[0]!;
  const reader = side.targets.at(-1)!;
  const stopping = new AbortController();
  let arrived = (_: string) => {};
  const path = `${COLLECTION}?watch=1&resourceVersion=0&fieldSelector=metadata.name%3Dlag`;
  await writer.call("POST", COLLECTION, { body: body("lag", "start") });
  const first = new Promise<void>((resolve) => {
    arrived = () => resolve();
  });
  const reading = (async () => {
    for await (const event of reader.stream(path, { signal: stopping.signal })) arrived(event.object.data.text);
  })().catch(() => {});
  await first;
  const began = performance.now();
  for (let round = 0; round < LAG_WRITES; round++) {
    const text = String(++names);
    const from = performance.now();
    const seen = new Promise<void>((resolve) => {
      arrived = (found) => found === text && resolve();
    });
    await Promise.all([
      ok(writer, "PUT", `${COLLECTION}/lag`, body("lag", text)),
      seen.then(() => latencies.push(performance.now() - from)),
    ]);
  }
  const seconds = (performance.now() - began) / 1000;
  stopping.abort();
  await reading;
  return { latencies, seconds };
}

const where = machine();
const command = tenonCommand();
const sides: Side[] = [];
try {
  const kinds = existsSync(join(PEERS, "bin/kube-apiserver"))
    ? (["tenon", "kube-apiserver"] as const)
    : (["tenon"] as const);
  if (kinds.length === 1) console.error("no real kube-apiserver to compare with: node tools/peers/build.ts builds one");
  for (const kind of kinds) for (const size of [1, 2]) sides.push(await startSide(kind, size, command));
  for (const side of sides) {
    let next = 0;
    await Promise.all(
      Array.from({ length: 16 }, async () => {
        while (next < COUNT) {
          await ok(side.targets[0]!, "POST", COLLECTION, body(`listed-${next++}`, ""));
        }
      }),
    );
  }
  console.log(
    `${where}\netcd: ${findEtcd()}; medians of ${options.rounds} interleaved rounds; ${CLIENTS} writers, 2 readers\n`,
  );
  for (const work of WORKS) {
    const results = await interleaved(Number(options.rounds), sides, async (side) => {
      const cpu = () => ({
        servers: side.servers.reduce((sum, pid) => sum + cpuSeconds(pid), 0),
        etcd: cpuSeconds(side.etcd),
      });
      const before = cpu();
      const { latencies, seconds } = await work.run(side);
      const after = cpu();
      return {
        rate: latencies.length / seconds,
        p50: percentile(latencies, 0.5),
        p99: percentile(latencies, 0.99),
        servers: (1e6 * (after.servers - before.servers)) / latencies.length,
        etcd: (1e6 * (after.etcd - before.etcd)) / latencies.length,
      };
    });
    const rows = [...results].map(([side, rounds]) => {
      const of = (field: keyof (typeof rounds)[number]) => figure(median(rounds.map((round) => round[field])));
      return [side.name, of("rate"), `${of("p50")} ms`, `${of("p99")} ms`, `${of("servers")} µs`, `${of("etcd")} µs`];
    });
    const header = [work.name, "per second", "p50", "p99", "CPU of servers, each", "of etcd"];
    console.log(`${table(header, rows)}\n`);
  }
  // What a server does for changes that another one made: it follows them all.
  const rows: string[][] = [];
  for (const side of sides.filter(({ targets }) => targets.length === 2)) {
    const follower = side.servers[1]!;
    const before = cpuSeconds(follower);
    const alone = { ...side, targets: side.targets.slice(0, 1) };
    const { latencies, seconds } = await WORKS[1]!.run(alone);
    const used = cpuSeconds(follower) - before;
    rows.push([side.name, figure(latencies.length / seconds), `${figure((1e6 * used) / latencies.length)} µs`]);
  }
  console.log(
    `${table(["updates through the other server", "per second", "CPU of the one that follows, each"], rows)}\n`,
  );
  const memory = sides.map((side) =>
    [side.name, ...side.servers.map((pid) => megabytes(memoryOf(pid).resident)), ""].slice(0, 3),
  );
  console.log(table(["resident at the end", "first", "second"], memory));
} finally {
  for (const side of sides) await side.stop();
}
