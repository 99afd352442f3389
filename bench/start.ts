/** How long a start takes: the process until `/readyz` answers ok, and a first and a second control plane inside a test's process. */
import { fork, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";
import { cpuSeconds, figure, interleaved, machine, median, table } from "./measure.ts";

const DIST = join(import.meta.dirname, "../dist");
const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "7" },
    "in-process": { type: "string" },
    help: { type: "boolean", default: false },
  },
});
if (options.help) {
  console.log("start [--rounds 7]    of the built dist/ (npm run build); every run in a process of its own");
  process.exit(0);
}
if (options["in-process"] !== undefined) await inside(options["in-process"] as "memory" | "sqlite");

/** Milliseconds of wall-clock time and of CPU time. */
interface Cost {
  readonly wall: number;
  readonly cpu: number;
}

/** Runs in the child: prints the costs of loading the package, of a first and of a second control plane. */
async function inside(store: "memory" | "sqlite"): Promise<never> {
  const costs: Record<string, Cost> = {};
  async function measured<T>(name: string, work: () => Promise<T>): Promise<T> {
    const [wall, cpu] = [performance.now(), process.cpuUsage()];
    const result = await work();
    const used = process.cpuUsage(cpu);
    costs[name] = { wall: performance.now() - wall, cpu: (used.user + used.system) / 1000 };
    return result;
  }
  const { startControlPlane } = await measured(
    "import",
    () => import(join(DIST, "testing/index.js")) as Promise<typeof import("../src/testing/index.ts")>,
  );
  const first = await measured("first", () => startControlPlane({ store }));
  // What the first one's controllers do in their first moments is not part of the second one's start.
  await wait(500);
  const second = await measured("second", () => startControlPlane({ store, pki: first.pki }));
  await wait(500);
  const bare = await measured("bare", () =>
    startControlPlane({ store, pki: first.pki, listen: false, controllers: false }),
  );
  await Promise.all([first.close(), second.close(), bare.close()]);
  console.log(JSON.stringify(costs));
  process.exit(0);
}

const ready = (url: string) =>
  new Promise<boolean>((resolve) => {
    get(`${url}/readyz`, { rejectUnauthorized: false, agent: false }, (response) => {
      response.resume();
      response.once("end", () => resolve(response.statusCode === 200));
    }).once("error", () => resolve(false));
  });

/** `tenon apiserver` over a folder, empty or with what an earlier start left. */
async function startProcess(store: string, folder: string): Promise<Cost> {
  const began = performance.now();
  const child = fork(
    join(DIST, "bin/main.js"),
    ["apiserver", "--port", "0", "--data-dir", folder, "--store", store, "--log-level", "error"],
    { execArgv: ["--disable-warning=ExperimentalWarning"], stdio: ["ignore", "ignore", "inherit", "ipc"] },
  );
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const { url } = await new Promise<{ url: string }>((resolve, reject) => {
    child.once("message", (message) => resolve(message as { url: string }));
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
  });
  while (!(await ready(url)));
  const cost = { wall: performance.now() - began, cpu: cpuSeconds(child.pid!) * 1000 };
  child.kill("SIGTERM");
  await ended;
  return cost;
}

async function startInside(store: string): Promise<Record<string, Cost>> {
  const child = spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", import.meta.filename, "--in-process", store],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let text = "";
  for await (const chunk of child.stdout) text += chunk;
  return JSON.parse(text) as Record<string, Cost>;
}

if (!existsSync(join(DIST, "bin/main.js"))) throw new Error("nothing is built: npm run build");
const where = machine();
const rounds = Number(options.rounds);
const contenders = ["process, memory", "process, sqlite", "process, sqlite, again", "inside, memory", "inside, sqlite"];
const results = await interleaved(rounds, contenders, async (contender): Promise<Record<string, Cost>> => {
  const store = contender.includes("sqlite") ? "sqlite" : "memory";
  if (contender.startsWith("inside")) return startInside(store);
  const folder = mkdtempSync(join(tmpdir(), "tenon-bench-start-"));
  try {
    if (contender.endsWith("again")) await startProcess(store, folder);
    return { ready: await startProcess(store, folder) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

const LABELS: Readonly<Record<string, string>> = {
  ready: "until /readyz is ok",
  import: "import tenon/testing",
  first: "first control plane, keys made",
  second: "second, keys shared",
  bare: "third, in memory only, no controllers",
};
const rows = contenders.flatMap((contender) => {
  const runs = results.get(contender) ?? [];
  return Object.keys(runs[0] ?? {}).map((part) => {
    const walls = runs.map((run) => run[part]!.wall);
    return [
      `${contender}: ${LABELS[part]}`,
      figure(median(walls)),
      figure(Math.min(...walls)),
      figure(median(runs.map((run) => run[part]!.cpu))),
    ];
  });
});
console.log(`${where}\n${rounds} rounds, interleaved; milliseconds\n`);
console.log(table(["start", "median", "best", "CPU, median"], rows));
