/**
 * GET and LIST of 10,000 ConfigMaps of 2 KB over TLS: requests for each second of CPU the server used, next to kube-apiserver with etcd.
 * Only the server's processes are counted, and the load does not saturate them, so what else runs on the machine matters little.
 */
import { parseArgs } from "node:util";
import { openTarget } from "../interop/target.ts";
import { startLoad } from "./load.ts";
import { figure, interleaved, machine, median, table } from "./measure.ts";
import { cpuOf, type Measured, startServers } from "./servers.ts";

const { values: options } = parseArgs({
  options: {
    kubeconfig: { type: "string" },
    pid: { type: "string" },
    count: { type: "string", default: "10000" },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "1.5" },
    namespace: { type: "string", default: "bench-get-list" },
    help: { type: "boolean", default: false },
  },
});
if (options.help) {
  console.log(
    "get-list [--kubeconfig FILE --pid PID] [--count 10000] [--rounds 5] [--seconds 1.5] [--namespace NAME]\n" +
      "Objects are made when the namespace has none, and stay with --kubeconfig.",
  );
  process.exit(0);
}
const COUNT = Number(options.count);
const COLLECTION = `/api/v1/namespaces/${options.namespace}/configmaps`;
const nameOf = (index: number) => `config-${String(index).padStart(6, "0")}`;
/** Text that does not compress to nothing, 1,800 bytes: with metadata and managed fields or without, about 2 KB an object. */
const dataOf = (index: number) => ({
  settings: Array.from({ length: 100 }, (_, line) =>
    `key-${line}: ${(index * 7919 + line * 104_729) % 1e9}`.padEnd(17),
  ).join("\n"),
});

/** Makes what is missing, 32 at a time. */
async function fill(server: Measured): Promise<void> {
  const target = openTarget(server.kubeconfig);
  const expect = (answer: { status: number; text: string }, ...allowed: number[]) => {
    if (!allowed.includes(answer.status)) throw new Error(`${server.name}: ${answer.status} ${answer.text}`);
    return answer;
  };
  expect(
    await target.call("POST", "/api/v1/namespaces", { body: { metadata: { name: options.namespace } } }),
    201,
    409,
  );
  const last = await target.call("GET", `${COLLECTION}/${nameOf(COUNT - 1)}`);
  if (last.status === 200) return;
  let next = 0;
  await Promise.all(
    Array.from({ length: 32 }, async () => {
      while (next < COUNT) {
        const index = next++;
        const body = { metadata: { name: nameOf(index), labels: { app: "bench" } }, data: dataOf(index) };
        expect(await target.call("POST", COLLECTION, { body }), 201, 409);
      }
    }),
  );
}

interface Work {
  readonly name: string;
  readonly paths: readonly string[];
  readonly connections: number;
}

const WORKS: readonly Work[] = [
  {
    name: "GET",
    paths: Array.from({ length: 100 }, (_, index) => `${COLLECTION}/${nameOf((index * 97) % COUNT)}`),
    connections: 16,
  },
  { name: `LIST ${COUNT}, resourceVersion=0`, paths: [`${COLLECTION}?resourceVersion=0`], connections: 2 },
  { name: `LIST ${COUNT}, resourceVersion unset`, paths: [COLLECTION], connections: 2 },
];

interface Result {
  readonly requests: number;
  readonly bytes: number;
  readonly seconds: number;
  /** CPU seconds by process. */
  readonly cpu: Readonly<Record<string, number>>;
}

const where = machine();
const servers = await startServers(options);
const load = startLoad();
try {
  for (const server of servers) await fill(server);
  const contenders = WORKS.flatMap((work) => servers.map((server) => ({ work, server })));
  const results = await interleaved(Number(options.rounds), contenders, async ({ work, server }): Promise<Result> => {
    const before = cpuOf(server);
    const { kubeconfig } = server;
    const done = await load.run({ ...work, kubeconfig, milliseconds: Number(options.seconds) * 1000 });
    const after = cpuOf(server);
    const cpu = Object.fromEntries(Object.entries(after).map(([name, seconds]) => [name, seconds - before[name]!]));
    return { requests: done.requests, bytes: done.bytes, seconds: done.seconds, cpu };
  });

  console.log(`${where}\nmedians of ${options.rounds} interleaved rounds of ${options.seconds} s\n`);
  const sum = (cpu: Result["cpu"], names: readonly string[]) => names.reduce((total, name) => total + cpu[name]!, 0);
  for (const work of WORKS) {
    const rows: string[][] = [];
    let ours: number | undefined;
    for (const [{ server }, rounds] of [...results].filter(([contender]) => contender.work === work)) {
      const names = Object.keys(server.processes);
      // The API server alone, then with what it keeps its objects in.
      for (let some = 1; some <= Math.max(1, names.length); some++) {
        const counted = names.slice(0, some);
        const rate = median(rounds.map(({ requests, cpu }) => requests / sum(cpu, counted)));
        ours ??= rate;
        rows.push([
          counted.join(" + ") || server.name,
          figure(rate),
          figure(1e6 / rate),
          figure(median(rounds.map(({ bytes, cpu }) => bytes / 1e6 / sum(cpu, counted)))),
          figure(median(rounds.map(({ requests, seconds }) => requests / seconds))),
          rows.length === 0 ? "" : `${figure(ours / rate)}×`,
        ]);
      }
    }
    console.log(`${table([work.name, "per CPU s", "CPU µs each", "MB per CPU s", "per second", "ours is"], rows)}\n`);
  }
} finally {
  load.stop();
  for (const server of servers) await server.stop();
}
