/**
 * What the way through the aggregator adds: an extension server asked directly and through the main server, in turn. CPU is the main
 * server's own for each request it passes on. Next to it the same extension server behind a real kube-apiserver.
 */
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";
import { openTarget, type Target } from "../interop/target.ts";
import { startLoad } from "./load.ts";
import { cpuSeconds, figure, interleaved, machine, median, percentile, table } from "./measure.ts";
import { type Child, type Measured, startChild, startServers } from "./servers.ts";

const { values: options } = parseArgs({
  options: {
    kubeconfig: { type: "string" },
    pid: { type: "string" },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "1.5" },
    help: { type: "boolean", default: false },
  },
});
if (options.help) {
  console.log(
    "hop [--kubeconfig FILE --pid PID] [--rounds 5] [--seconds 1.5]\n" +
      "The server must reach a process on this machine: by an EndpointSlice on 127.0.0.1, or by a Service of type ExternalName.",
  );
  process.exit(0);
}
const GROUP = "hop.bench.example.com";
const NAMESPACE = "default";
const SERVICE = "bench-hop";
const PATH = `/apis/${GROUP}/v1/namespaces/default/jokes/one`;
const CONNECTIONS = [1, 64];

interface Hop {
  readonly server: Measured;
  readonly extension: Child;
  /** Where the extension listens itself. */
  readonly direct: string;
  readonly target: Target;
}

/** A Service that leads to `port` on this machine, in whichever of two ways the server accepts; answers the APIService's port. */
async function expose(target: Target, port: number): Promise<number> {
  const meta = { name: SERVICE, namespace: NAMESPACE };
  const slice = await target.call("POST", `/apis/discovery.k8s.io/v1/namespaces/${NAMESPACE}/endpointslices`, {
    body: {
      metadata: { ...meta, labels: { "kubernetes.io/service-name": SERVICE } },
      addressType: "IPv4",
      endpoints: [{ addresses: ["127.0.0.1"], conditions: { ready: true } }],
      ports: [{ name: "https", port, protocol: "TCP" }],
    },
  });
  const byEndpoint = slice.status === 201;
  const spec = byEndpoint
    ? { ports: [{ name: "https", port: 443 }] }
    : { type: "ExternalName", externalName: "localhost", ports: [{ name: "https", port }] };
  const made = await target.call("POST", `/api/v1/namespaces/${NAMESPACE}/services`, {
    body: { metadata: meta, spec },
  });
  if (made.status !== 201) throw new Error(`the Service cannot be made: ${made.text}`);
  return byEndpoint ? 443 : port;
}

/** Takes away what an earlier run left, or this one made. */
async function clean(target: Target): Promise<void> {
  await target.call("DELETE", `/apis/apiregistration.k8s.io/v1/apiservices/v1.${GROUP}`);
  await target.call("DELETE", `/api/v1/namespaces/${NAMESPACE}/services/${SERVICE}`);
  await target.call("DELETE", `/apis/discovery.k8s.io/v1/namespaces/${NAMESPACE}/endpointslices/${SERVICE}`);
}

async function prepare(server: Measured): Promise<Hop> {
  const target = openTarget(server.kubeconfig);
  await clean(target);
  const program = [
    process.execPath,
    "--disable-warning=ExperimentalWarning",
    join(import.meta.dirname, "hop-extension.ts"),
  ];
  const extension = await startChild([...program, server.kubeconfig, GROUP, SERVICE, NAMESPACE], /^ready/);
  const { port, ca } = JSON.parse(extension.line.slice("ready ".length)) as { port: number; ca: string };
  const servicePort = await expose(target, port);
  await target.call("POST", "/apis/apiregistration.k8s.io/v1/apiservices", {
    body: {
      metadata: { name: `v1.${GROUP}` },
      spec: {
        group: GROUP,
        version: "v1",
        groupPriorityMinimum: 1000,
        versionPriority: 15,
        caBundle: Buffer.from(ca).toString("base64"),
        service: { namespace: NAMESPACE, name: SERVICE, port: servicePort },
      },
    },
  });
  for (let attempt = 0; ; attempt++) {
    const answer = await target.call("GET", PATH);
    if (answer.status === 200) break;
    if (attempt === 150) throw new Error(`${server.name} does not pass requests on: ${answer.status} ${answer.text}`);
    await wait(100);
  }
  return { server, extension, direct: `https://127.0.0.1:${port}`, target };
}

interface Run {
  readonly hop: Hop;
  readonly connections: number;
  readonly through: boolean;
}

interface Result {
  readonly p50: number;
  readonly p99: number;
  readonly perSecond: number;
  /** CPU µs for each request. */
  readonly main: number;
  readonly extension: number;
}

const where = machine();
const servers = await startServers(options);
const load = startLoad();
const hops: Hop[] = [];
try {
  for (const server of servers) hops.push(await prepare(server));
  const runs: Run[] = CONNECTIONS.flatMap((connections) =>
    hops.flatMap((hop) => [false, true].map((through) => ({ hop, connections, through }))),
  );
  const results = await interleaved(Number(options.rounds), runs, async ({ hop, connections, through }) => {
    const main = Object.values(hop.server.processes)[0];
    const cpu = () => [main === undefined ? Number.NaN : cpuSeconds(main), cpuSeconds(hop.extension.pid)] as const;
    const before = cpu();
    const done = await load.run({
      kubeconfig: hop.server.kubeconfig,
      ...(!through && { server: hop.direct }),
      paths: [PATH],
      connections,
      milliseconds: Number(options.seconds) * 1000,
    });
    const after = cpu();
    const each = (index: 0 | 1) => ((after[index] - before[index]) / done.requests) * 1e6;
    const { latencies, requests, seconds } = done;
    const at = (share: number) => percentile(latencies, share);
    return { p50: at(0.5), p99: at(0.99), perSecond: requests / seconds, main: each(0), extension: each(1) };
  });

  console.log(`${where}\nmedians of ${options.rounds} interleaved rounds of ${options.seconds} s\n`);
  const of = (run: Run | undefined, field: keyof Result) => median(results.get(run!)!.map((result) => result[field]));
  const rows = runs
    .filter(({ through }) => through)
    .map((through) => {
      const direct = runs.find((run) => run.hop === through.hop && run.connections === through.connections);
      const added = (field: "p50" | "p99") =>
        // Round by round, so that both sides saw the same machine.
        median(results.get(through)!.map((result, round) => result[field] - results.get(direct!)![round]![field]));
      return [
        `${through.hop.server.name}, ${through.connections} connection${through.connections > 1 ? "s" : ""}`,
        ...[of(direct, "p50"), added("p50"), of(direct, "p99"), added("p99")].map((value) => `${value.toFixed(2)} ms`),
        `${figure(of(through, "main"))} µs`,
        `${figure(of(direct, "extension"))} µs`,
        `${figure(of(through, "extension"))} µs`,
        figure(of(through, "perSecond")),
      ];
    });
  const header = [
    "",
    "p50 direct",
    "added",
    "p99 direct",
    "added",
    "CPU of main",
    "of extension: direct",
    "through main",
    "per second",
  ];
  console.log(table(header, rows));
} finally {
  load.stop();
  for (const { extension, target } of hops) {
    await clean(target).catch(() => {});
    await extension.stop();
  }
  for (const server of servers) await server.stop();
}
