/** What the store costs, in figures: `node --expose-gc bench/store.ts`. Every latency stands beside one fsync on the same disk, measured in turns with it. */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { systemClock } from "../src/api/machine.ts";
import { type Engine, memoryEngine, openState, type State, sqliteEngine } from "../src/store/index.ts";

const folder = mkdtempSync(join(process.env["TENON_BENCH_DIR"] ?? tmpdir(), "tenon-bench-"));
const value = Buffer.from(`{"metadata":{"name":"x","resourceVersion":""},"data":"${"y".repeat(1_950)}"}`);
const clock = systemClock;

function quantiles(samples: number[]): string {
  const sorted = Float64Array.from(samples).sort();
  const at = (share: number) => (sorted[Math.floor(share * (sorted.length - 1))]! * 1_000).toFixed(0).padStart(6);
  return `p50 ${at(0.5)} µs, p99 ${at(0.99)} µs`;
}

let files = 0;
const engines: Record<string, () => Engine> = {
  memory: () => memoryEngine({ clock }),
  sqlite: () => sqliteEngine({ path: join(folder, `${files++}.db`), clock }),
};
const open = (engine: Engine, maxChanges = 200_000) => openState(engine, { clock, history: { maxChanges } });

async function put(state: State, key: string, expected: number): Promise<number> {
  const result = await state.commit({ key, expected, value });
  if (!result.committed) throw new Error(`nobody else writes ${key}`);
  return result.revision;
}

/** One client: an update, then one write and fdatasync of the same size to a file of its own, 2,000 times in turns of 50. */
async function oneClient(): Promise<void> {
  const raw = openSync(join(folder, "raw"), "w");
  const states = await Promise.all(
    Object.entries(engines).map(async ([name, engine]) => [name, await open(engine())] as const),
  );
  const samples: Record<string, number[]> = { fsync: [] };
  const expected: Record<string, number> = {};
  for (let turn = 0; turn < 40; turn++) {
    for (let round = 0; round < 50; round++) {
      const start = performance.now();
      writeSync(raw, value);
      fdatasyncSync(raw);
      samples["fsync"]!.push(performance.now() - start);
    }
    for (const [name, state] of states) {
      const taken = samples[name] ?? [];
      samples[name] = taken;
      for (let round = 0; round < 50; round++) {
        const start = performance.now();
        expected[name] = await put(state, "/registry/pods/default/x", expected[name] ?? 0);
        taken.push(performance.now() - start);
      }
    }
  }
  for (const [name, taken] of Object.entries(samples)) console.log(`one client  ${name.padEnd(7)} ${quantiles(taken)}`);
  closeSync(raw);
  for (const [, state] of states) await state.close();
}

/** `flight` writers, each of its own key, as fast as they are acknowledged. */
async function inFlight(name: string, flight: number, total: number): Promise<void> {
  const state = await open(engines[name]!());
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const samples: number[] = [];
  let left = total;
  delay.enable();
  const start = performance.now();
  await Promise.all(
    Array.from({ length: flight }, async (_, writer) => {
      for (let expected = 0; left-- > 0; ) {
        const from = performance.now();
        expected = await put(state, `/registry/pods/default/${writer}`, expected);
        samples.push(performance.now() - from);
      }
    }),
  );
  const seconds = (performance.now() - start) / 1_000;
  delay.disable();
  const loop = (delay.percentile(99) / 1e6).toFixed(1);
  console.log(
    `${String(flight).padStart(4)} in flight  ${name.padEnd(7)} ${(total / seconds).toFixed(0).padStart(7)}/s, ${quantiles(samples)}, loop delay p99 ${loop} ms`,
  );
  await state.close();
}

/** A memory engine keeps every value itself, so the objects arrive by `scan`, as they do from a file. */
function loaded(count: number): Engine {
  const engine = memoryEngine({ revision: count });
  return {
    ...engine,
    oldest: async () => count,
    async *scan() {
      for (let from = 0; from < count; from += 1_000) {
        const rows = Array.from({ length: 1_000 }, (_, index) => ({
          key: `/registry/pods/namespace-${Math.floor((from + index) / 100)}/some-deployment-5d4f8c7b9-${from + index}`,
          value,
          revision: from + index + 1,
        }));
        yield { revision: count, rows };
      }
    },
  };
}

async function memory(): Promise<void> {
  const count = 150_000;
  const collect = () => {
    globalThis.gc?.();
    globalThis.gc?.();
    return process.memoryUsage();
  };
  const before = collect();
  const started = performance.now();
  const state = await open(loaded(count));
  const took = performance.now() - started;
  const after = collect();
  const heap = (after.heapUsed - before.heapUsed) / count;
  const beside = (after.arrayBuffers - before.arrayBuffers) / count - value.length;
  console.log(
    `${count} objects of 2 KB: ${heap.toFixed(0)} B heap each (key included), ${beside.toFixed(0)} B of buffers beside the value; loaded in ${took.toFixed(0)} ms`,
  );
  const time = (label: string, rounds: number, action: (round: number) => unknown) => {
    const start = performance.now();
    for (let round = 0; round < rounds; round++) action(round);
    console.log(`${label}: ${(((performance.now() - start) / rounds) * 1_000).toFixed(2)} µs`);
  };
  if (globalThis.gc) time("full collection", 3, () => globalThis.gc?.());
  time("view()", 100_000, () => state.view());
  time("count(prefix)", 100_000, (round) => state.view().count(`/registry/pods/namespace-${round % 1_500}/`));
  time("range of 100 with values", 2_000, (round) => {
    let bytes = 0;
    for (const entry of state.view().range(`/registry/pods/namespace-${round % 1_500}/`)) bytes += entry.value.length;
    return bytes;
  });
  await state.close();

  // The same objects, a Buffer each: what the slabs are compared with.
  const base = collect();
  const plain: { key: string; revision: number; value: Buffer }[] = [];
  for (let index = 0; index < count; index++)
    plain.push({
      key: `/registry/pods/namespace-${Math.floor(index / 100)}/some-deployment-5d4f8c7b9-${index}`,
      revision: index,
      value: Buffer.from(new Uint8Array(value).buffer),
    });
  const buffers = collect();
  console.log(
    `one Buffer each: ${((buffers.heapUsed - base.heapUsed) / count).toFixed(0)} B heap each, without a tree`,
  );
  if (globalThis.gc) time("full collection", 3, () => globalThis.gc?.());
  if (plain.length !== count) throw new Error("unreachable");
}

/** What an update costs with a snapshot taken at each revision, and with idle watches of other prefixes, in turns. */
async function fanOut(): Promise<void> {
  const state = await open(loaded(150_000), 10_000);
  let revision = 0;
  const run = async (label: string, rounds: number, after?: () => void) => {
    const start = performance.now();
    for (let round = 0; round < rounds; round++) {
      revision = await put(state, "/registry/leases/default/x", revision);
      after?.();
    }
    return `${label} ${(((performance.now() - start) / rounds) * 1_000).toFixed(2)} µs`;
  };
  await run("", 5_000);
  for (let turn = 0; turn < 3; turn++) {
    const alone = await run("update", 5_000);
    const snapshots = await run("with view() kept at each", 5_000, () => void state.view());
    const idle = Array.from({ length: 10_000 }, (_, index) => {
      const cursor = state.cursor(`/registry/secrets/namespace-${index}/`, state.revision);
      cursor.onReady(() => {});
      return cursor;
    });
    const watched = await run("with 10,000 idle watches elsewhere", 5_000);
    for (const cursor of idle) cursor.close();
    let seen = 0;
    const followers = Array.from({ length: 1_000 }, () => {
      const cursor = state.cursor("/registry/leases/", state.revision);
      const pull = () => {
        seen += cursor.next(100).length;
        cursor.onReady(pull);
      };
      pull();
      return cursor;
    });
    const followed = await run("with 1,000 watches of it", 200);
    for (const cursor of followers) cursor.close();
    console.log([alone, snapshots, watched, followed].join("; "));
    if (seen === 0) throw new Error("the watches saw nothing");
  }
  await state.close();
}

await oneClient();
for (let turn = 0; turn < 2; turn++) {
  for (const flight of [64, 1_000])
    for (const name of Object.keys(engines)) await inFlight(name, flight, name === "memory" ? 100_000 : 30_000);
}
await memory();
await fanOut();
rmSync(folder, { recursive: true });
