/**
 * What the way through the aggregator adds: extension servers asked directly and through the main server, in turn. CPU is the main
 * server's own. Next to it the same extension servers behind a real kube-apiserver.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type HopExtension, hasGoExtension, startExtensions } from "./hop-extensions.ts";
import { startLoad } from "./load.ts";
import { cpuSeconds, figure, interleaved, machine, median, percentile, table } from "./measure.ts";
import { type Measured, startServers } from "./servers.ts";
import { startWatchers } from "./watchers.ts";

const { values: options } = parseArgs({
  options: {
    kubeconfig: { type: "string" },
    pid: { type: "string" },
    rounds: { type: "string" },
    seconds: { type: "string" },
    short: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (options.help) {
  console.log(
    "hop [--kubeconfig FILE --pid PID] [--rounds 3] [--seconds 1] [--short] [--write]\n" +
      "The server must reach a process on this machine: by an EndpointSlice on 127.0.0.1, or by a Service of type ExternalName.\n" +
      "--short: our extension server only, two rounds of half a second, 200 watches. --write: the figures go into docs/performance.md.",
  );
  process.exit(0);
}
const SHORT = options.short;
const ROUNDS = Number(options.rounds ?? (SHORT ? 2 : 3));
const SECONDS = Number(options.seconds ?? (SHORT ? 0.5 : 1));
const WATCHES = SHORT ? 200 : 1000;
const EVENTS = 20;
const EVENT_PAUSE = 150;
const DOCUMENT = join(import.meta.dirname, "..", "docs", "performance.md");

interface Hop {
  readonly server: Measured;
  readonly extension: HopExtension;
}

const KINDS = [
  { name: "GET", path: "object", connections: 1 },
  { name: "GET", path: "object", connections: 64 },
  { name: "GET", path: "object", connections: 512 },
  { name: "LIST of 1 MB", path: "list", connections: 1 },
  { name: "LIST of 1 MB", path: "list", connections: 16 },
] as const;

interface Run {
  readonly hop: Hop;
  readonly kind: (typeof KINDS)[number];
  readonly through: boolean;
}

interface Result {
  readonly p50: number;
  readonly p99: number;
  readonly perSecond: number;
  /** CPU µs of the main server for each request. */
  readonly main: number;
}

const where = machine();
const servers = await startServers(options);
const go = !SHORT && hasGoExtension();
if (!SHORT && !go)
  console.error("no extension server in Go to compare with: tools/peers/build.ts builds sample-apiserver");
const load = startLoad();
const hops: Hop[] = [];
const text: string[] = [];
const print = (...lines: string[]) => {
  text.push(...lines);
  console.log(lines.join("\n"));
};

const cpuOfMain = (hop: Hop) => {
  const main = Object.values(hop.server.processes)[0];
  return main === undefined ? Number.NaN : cpuSeconds(main);
};
const milliseconds = (value: number) => `${value.toFixed(2)} ms`;
const title = (hop: Hop) => `${hop.server.name} → ${hop.extension.name}`;

async function requests(): Promise<void> {
  const runs: Run[] = KINDS.flatMap((kind) =>
    hops.flatMap((hop) => [false, true].map((through) => ({ hop, kind, through }))),
  );
  const results = await interleaved(ROUNDS, runs, async ({ hop, kind, through }): Promise<Result> => {
    const before = cpuOfMain(hop);
    const done = await load.run({
      kubeconfig: hop.server.kubeconfig,
      ...(!through && { server: hop.extension.direct }),
      paths: [hop.extension.paths[kind.path]],
      connections: kind.connections,
      milliseconds: SECONDS * 1000,
    });
    const { latencies, requests: count, seconds } = done;
    return {
      p50: percentile(latencies, 0.5),
      p99: percentile(latencies, 0.99),
      perSecond: count / seconds,
      main: ((cpuOfMain(hop) - before) / count) * 1e6,
    };
  });
  const of = (run: Run, field: keyof Result) => median(results.get(run)!.map((result) => result[field]));
  const rows = runs
    .filter(({ through }) => through)
    .map((through) => {
      const direct = runs.find((run) => run.hop === through.hop && run.kind === through.kind)!;
      // Round by round, so that both sides saw the same machine.
      const added = (field: "p50" | "p99") =>
        median(results.get(through)!.map((result, round) => result[field] - results.get(direct)![round]![field]));
      const cpu = of(through, "main");
      return [
        `${through.kind.name}, ${through.kind.connections}: ${title(through.hop)}`,
        ...[of(direct, "p50"), added("p50"), of(direct, "p99"), added("p99")].map(milliseconds),
        `${figure(cpu)} µs`,
        figure(1e6 / cpu),
        figure(of(through, "perSecond")),
      ];
    });
  const header = ["", "p50 direct", "added", "p99 direct", "added", "main CPU", "per CPU second", "per second"];
  print(
    `Requests: medians of ${ROUNDS} interleaved rounds of ${SECONDS} s.`,
    "",
    "```",
    table(header, rows),
    "```",
    "",
  );
}

async function watches(): Promise<void> {
  const watchers = startWatchers();
  const rows: string[][] = [];
  try {
    for (const hop of hops) {
      const measured: { p50: number; p99: number; cpu: number; missing: number }[] = [];
      for (const through of [false, true]) {
        await watchers.open({
          kubeconfig: hop.server.kubeconfig,
          ...(!through && { server: hop.extension.direct }),
          path: hop.extension.paths.watch,
          watches: WATCHES,
        });
        // What was there before, and one event to warm up.
        await hop.extension.touch();
        await wait(1000);
        await watchers.collect(0);
        const before = cpuOfMain(hop);
        for (let event = 0; event < EVENTS; event++) {
          await hop.extension.touch();
          await wait(EVENT_PAUSE);
        }
        const latencies = await watchers.collect(EVENTS);
        measured.push({
          p50: percentile(latencies, 0.5),
          p99: percentile(latencies, 0.99),
          cpu: ((cpuOfMain(hop) - before) / latencies.length) * 1e6,
          missing: EVENTS * WATCHES - latencies.length,
        });
        await watchers.close();
        await wait(500);
      }
      const [direct, through] = measured as [(typeof measured)[0], (typeof measured)[0]];
      rows.push([
        title(hop),
        ...[direct.p50, through.p50 - direct.p50, direct.p99, through.p99 - direct.p99].map(milliseconds),
        `${figure(through.cpu)} µs`,
        String(direct.missing + through.missing),
      ]);
    }
  } finally {
    watchers.stop();
  }
  const header = ["", "p50 direct", "added", "p99 direct", "added", "main CPU an event", "lost"];
  print(
    `Watches: ${WATCHES} on connections of their own, ${EVENTS} events each, from the write at the extension to the client.`,
    ...["", "```", table(header, rows), "```", ""],
  );
}

try {
  for (const server of servers) {
    for (const extension of await startExtensions(server, { go })) hops.push({ server, extension });
  }
  print(where, "");
  await requests();
  await watches();
  if (options.write) {
    const [before, , after] = readFileSync(DOCUMENT, "utf8").split(/<!-- figures -->|<!-- end of figures -->/);
    writeFileSync(DOCUMENT, `${before}<!-- figures -->\n${text.join("\n")}<!-- end of figures -->${after}`);
  }
} finally {
  load.stop();
  for (const { extension } of hops) await extension.stop();
  for (const server of servers) await server.stop();
}
