/** Memory of the server's processes after the start and after a minute without requests, next to kube-apiserver and etcd. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";
import { cpuSeconds, figure, machine, megabytes, memoryOf, table } from "./measure.ts";
import { type Child, type Measured, startChild, startServers, tenonCommand } from "./servers.ts";

const { values: options } = parseArgs({
  options: {
    kubeconfig: { type: "string" },
    pid: { type: "string" },
    seconds: { type: "string", default: "60" },
    help: { type: "boolean", default: false },
  },
});
if (options.help || (options.kubeconfig !== undefined && options.pid === undefined)) {
  console.log("idle [--pid PID of any server] [--seconds 60]");
  process.exit(options.help ? 0 : 1);
}

/** `tenon up` and the parts it says it started; undefined when one of them does not start. */
async function startUp(folder: string): Promise<{ child: Child; processes: Record<string, number> } | undefined> {
  try {
    const command = [...tenonCommand(), "up", "--port", "0", "--data-dir", folder];
    const child = await startChild(command, /^\S*ready/);
    const parts = [...child.line.matchAll(/([a-z-]+) (\d+)(?=[,)])/g)];
    const processes = Object.fromEntries(parts.map(([, part, pid]) => [`tenon up: ${part}`, Number(pid)]));
    return { child, processes: { "tenon up: supervisor": child.pid, ...processes } };
  } catch (error) {
    console.error(`tenon up: ${(error as Error).message}`);
    return undefined;
  }
}

const where = machine();
const folder = mkdtempSync(join(tmpdir(), "tenon-bench-up-"));
const only = options.pid !== undefined;
const servers: Measured[] = only
  ? [
      {
        name: "server",
        kubeconfig: "",
        processes: { [`process ${options.pid}`]: Number(options.pid) },
        stop: async () => {},
      },
    ]
  : await startServers({});
const up = only ? undefined : await startUp(folder);
try {
  const processes = Object.entries(Object.assign({}, ...servers.map((server) => server.processes), up?.processes)) as [
    string,
    number,
  ][];
  const look = () => processes.map(([, pid]) => ({ ...memoryOf(pid), cpu: cpuSeconds(pid) }));
  const first = look();
  await wait(Number(options.seconds) * 1000);
  const last = look();
  console.log(`${where}\n`);
  const rows = processes.map(([name], index) => [
    name,
    megabytes(first[index]!.resident),
    megabytes(last[index]!.resident),
    megabytes(last[index]!.anonymous),
    figure(((last[index]!.cpu - first[index]!.cpu) / Number(options.seconds)) * 1000),
  ]);
  console.log(
    table(["process", "resident at start", `after ${options.seconds} s`, "of it its own", "CPU ms per s"], rows),
  );
  console.log(
    "\nresident − its own = files mapped into memory, above all the program itself, which all processes of it share",
  );
} finally {
  await up?.child.stop();
  for (const server of servers) await server.stop();
  rmSync(folder, { recursive: true, force: true });
}
