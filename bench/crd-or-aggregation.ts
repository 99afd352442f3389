/**
 * What it costs to serve short-lived readings as custom resources and as an aggregated API: 1,000 objects rewritten every 15 s, read by an
 * autoscaler, as a CRD on SQLite, as a CRD on etcd, as an in-memory aggregated API, and as a CRD on a real kube-apiserver.
 *
 *     npm run bench -- crd-or-aggregation [--objects 1000] [--interval 15] [--seconds 60] [--rounds 3]
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Client, connect } from "../src/client/index.ts";
import { missingEtcd, startEtcd } from "../src/store/engines/etcd-process.test-support.ts";
import { startPeer } from "../tools/peers/start.ts";
import { cpuSeconds, figure, interleaved, machine, median, percentile, table } from "./measure.ts";
import { hasPeer, startChild, tenonCommand } from "./servers.ts";
import { APPLICATIONS, NAMESPACE, Usage, usageOf } from "./usage.ts";

const { values } = parseArgs({
  options: {
    objects: { type: "string", default: "1000" },
    interval: { type: "string", default: "15" },
    seconds: { type: "string", default: "60" },
    rounds: { type: "string", default: "3" },
    help: { type: "boolean" },
  },
});
if (values.help) {
  console.log("crd-or-aggregation [--objects 1000] [--interval 15] [--seconds 60] [--rounds 3]");
  process.exit(0);
}
const objects = Number(values.objects);
const interval = Number(values.interval) * 1000;
const seconds = Number(values.seconds);
const rounds = Number(values.rounds);

const USAGES = { group: "usage.example.com", version: "v1", resource: "usages" };
const DEFINITIONS = { group: "apiextensions.k8s.io", version: "v1", resource: "customresourcedefinitions" };

interface Contender {
  readonly name: string;
  readonly client: Client;
  readonly pids: readonly number[];
  /** Where its objects are on disk; empty when they are not. */
  readonly folders: readonly string[];
  /** Whether somebody must write the objects through the API. */
  readonly written: boolean;
  stop(): Promise<void>;
}

const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function until<T>(what: string, ask: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (performance.now() > deadline) throw new Error(`${what} did not come up`, { cause: error });
    }
    await sleep(100);
  }
}

/** Installs the definition and makes the objects. */
async function prepare(client: Client): Promise<void> {
  await client.resource(DEFINITIONS).create(Usage.toCRD());
  const usages = client.resource(USAGES, NAMESPACE);
  await until("the custom resource", () => usages.list({ limit: 1 }));
  for (let n = 0; n < objects; n += 20) {
    const batch = Array.from({ length: Math.min(20, objects - n) }, (_, at) =>
      usages.create(usageOf(n + at, 0) as never),
    );
    await Promise.all(batch);
  }
}

async function tenon(
  name: string,
  command: readonly string[],
  store: readonly string[],
  more: Partial<Contender> = {},
) {
  const folder = mkdtempSync(join(tmpdir(), "tenon-bench-"));
  const own = ["apiserver", "--data-dir", folder, "--port", "0", "--allow-loopback-endpoints"];
  const child = await startChild([...command, ...own, ...store], /^ready/);
  const kubeconfig = join(folder, "kubeconfig");
  const client = await connect({ kubeconfig });
  const contender: Contender = {
    name,
    client,
    written: true,
    ...more,
    folders: more.folders ?? [folder],
    pids: [child.pid, ...(more.pids ?? [])],
    async stop() {
      await client.close();
      await child.stop();
      await more.stop?.();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return { contender, kubeconfig };
}

async function contenders(): Promise<Contender[]> {
  const command = tenonCommand();
  const all: Contender[] = [];
  try {
    all.push((await tenon("CRD on sqlite", command, ["--store", "sqlite"])).contender);
    const missing = missingEtcd();
    if (missing !== undefined) console.error(`CRD on etcd is not measured: ${missing}`);
    else {
      const folder = mkdtempSync(join(tmpdir(), "etcd-bench-"));
      const etcd = await startEtcd([`--data-dir=${folder}`]);
      const store = ["--store", `etcd://${etcd.endpoint}`];
      const stop = async () => {
        await etcd.remove();
        rmSync(folder, { recursive: true, force: true });
      };
      all.push((await tenon("CRD on etcd", command, store, { pids: [etcd.pid], folders: [folder], stop })).contender);
    }
    if (!hasPeer()) console.error("CRD on kube-apiserver is not measured: node tools/peers/build.ts builds one");
    else {
      const folder = mkdtempSync(join(tmpdir(), "peer-bench-"));
      const peer = await startPeer({ folder });
      const client = await connect({ kubeconfig: peer.kubeconfig });
      const { etcd, kubeAPIServer } = peer.processes;
      all.push({
        name: "CRD on kube-apiserver",
        client,
        pids: [kubeAPIServer, etcd],
        folders: [join(folder, "etcd")],
        written: true,
        async stop() {
          await client.close();
          await peer.stop();
          rmSync(folder, { recursive: true, force: true });
        },
      });
    }
    for (const { client } of all) await prepare(client);
    all.push(await aggregated(command));
  } catch (error) {
    for (const one of all) await one.stop();
    throw error;
  }
  return all;
}

async function aggregated(command: readonly string[]): Promise<Contender> {
  const main = await tenon("aggregated, in memory", command, ["--store", "sqlite"]);
  const script = join(import.meta.dirname, "usage-extension.ts");
  const args = [main.kubeconfig, "127.0.0.1", String(objects), String(interval / 1000)];
  const node = [process.execPath, "--disable-warning=ExperimentalWarning"];
  const extension = await startChild([...node, script, ...args], /^ready/);
  const { contender } = main;
  const usages = contender.client.resource(USAGES, NAMESPACE);
  await until("the extension server", () => usages.list({ limit: 1 }));
  return {
    ...contender,
    written: false,
    pids: [...contender.pids, extension.pid],
    async stop() {
      await extension.stop();
      await contender.stop();
    },
  };
}

/** Bytes a process has caused to be written to disk; NaN where the system does not say. */
function writtenBytes(pid: number): number {
  try {
    return Number(/^write_bytes: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, "latin1"))?.[1] ?? Number.NaN);
  } catch {
    return Number.NaN;
  }
}

function sizeOf(folder: string): number {
  mkdirSync(folder, { recursive: true });
  let sum = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) sum += statSync(join(entry.parentPath, entry.name)).blocks * 512;
  }
  return sum;
}

interface Window {
  readonly writes: number;
  readonly disk: number;
  readonly growth: number;
  readonly cpu: number;
  readonly watched: number;
  readonly reads: number[];
  readonly writeTimes: number[];
  readonly failed: number;
}

let round = 1;

/** One stretch of load: the writer, an autoscaler that lists one application after the other, and one watch where there is one. */
async function load(contender: Contender): Promise<Window> {
  const { client, pids, folders } = contender;
  const usages = client.resource(USAGES, NAMESPACE);
  const stop = new AbortController();
  const sum = (of: (pid: number) => number) => pids.reduce((total, pid) => total + of(pid), 0);
  const size = () => folders.reduce((total, folder) => total + sizeOf(folder), 0);
  const failed: unknown[] = [];
  let watched = 0;
  const watching = contender.written
    ? (async () => {
        const { metadata } = await usages.list({ limit: 1 });
        const response = await client.stream({
          method: "GET",
          path: `/apis/usage.example.com/v1/namespaces/${NAMESPACE}/usages`,
          query: { watch: true, resourceVersion: metadata.resourceVersion },
          signal: stop.signal,
        });
        for await (const chunk of response.body) watched += chunk.length;
      })().catch((error: unknown) => !stop.signal.aborted && failed.push(error))
    : undefined;

  const began = performance.now();
  const before = { cpu: sum(cpuSeconds), disk: sum(writtenBytes), size: size() };
  const reads: number[] = [];
  const writeTimes: number[] = [];
  const timed = async (times: number[], work: Promise<unknown>) => {
    const start = performance.now();
    await work;
    times.push(performance.now() - start);
  };
  const pending = new Set<Promise<unknown>>();
  /** Calls `work` evenly, so often in an interval, whether or not the last one is done. */
  const evenly = async (often: number, work: (n: number) => Promise<unknown>) => {
    for (let n = 0; ; n++) {
      const due = began + (n * interval) / often;
      if (due >= began + seconds * 1000) return;
      const wait = due - performance.now();
      if (wait > 0) await sleep(wait);
      const one = work(n)
        .catch((error: unknown) => failed.push(error))
        .finally(() => pending.delete(one));
      pending.add(one);
    }
  };
  const first = round++;
  await Promise.all([
    contender.written &&
      evenly(objects, (n) => {
        const { metadata, spec } = usageOf(n % objects, first * 1000 + Math.floor(n / objects));
        return timed(writeTimes, usages.patch(metadata.name, "merge", { spec }));
      }),
    evenly(APPLICATIONS, (n) => timed(reads, usages.list({ labelSelector: `app=app-${n % APPLICATIONS}` }))),
  ]);
  await Promise.all(pending);
  const elapsed = (performance.now() - began) / 1000;
  const window = {
    writes: writeTimes.length / elapsed,
    disk: (sum(writtenBytes) - before.disk) / elapsed,
    growth: (size() - before.size) / elapsed,
    cpu: (sum(cpuSeconds) - before.cpu) / elapsed,
    watched: watched / elapsed,
    reads,
    writeTimes,
    failed: failed.length,
  };
  stop.abort(new Error("the window is over"));
  await watching;
  if (failed.length > 0)
    console.error(`${contender.name}: ${failed.length} requests failed, the first with: ${failed[0]}`);
  return window;
}

const kilobytes = (bytes: number) => (Number.isNaN(bytes) ? "-" : `${figure(bytes / 1000)} kB/s`);
const milliseconds = (times: readonly number[], share: number) =>
  times.length === 0 ? "-" : `${figure(percentile(times, share))} ms`;

const all = await contenders();
try {
  console.log(
    `${objects} objects rewritten every ${interval / 1000} s, ${APPLICATIONS} LISTs of ${objects / APPLICATIONS} in that time, one watch`,
  );
  console.log(`${rounds} rounds of ${seconds} s each, in turn; ${machine()}\n`);
  const results = await interleaved(rounds, all, load);
  const rows = all.map((one) => {
    const windows = results.get(one)!;
    const middle = (of: (window: Window) => number) => median(windows.map(of));
    const reads = windows.flatMap((window) => window.reads);
    const writes = windows.flatMap((window) => window.writeTimes);
    return [
      one.name,
      one.written ? figure(middle((window) => window.writes)) : "none",
      kilobytes(middle((window) => window.disk)),
      kilobytes(middle((window) => window.growth)),
      `${figure(100 * middle((window) => window.cpu))} %`,
      one.written ? kilobytes(middle((window) => window.watched)) : "none",
      milliseconds(reads, 0.5),
      milliseconds(reads, 0.99),
      milliseconds(writes, 0.5),
      milliseconds(writes, 0.99),
      String(windows.reduce((sum, window) => sum + window.failed, 0)),
    ];
  });
  const header = [
    "",
    "writes/s",
    "to disk",
    "growth",
    "CPU of a core",
    "each watch",
    "LIST p50",
    "p99",
    "write p50",
    "p99",
    "failed",
  ];
  console.log(table(header, rows));
} finally {
  for (const one of all) await one.stop();
}
