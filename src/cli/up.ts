/** `tenon up`: all parts of a control plane as processes of their own, watched over by this one. */
import { type ChildProcess, spawn } from "node:child_process";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import pc from "picocolors";
import { type AggregationFlags, aggregationArguments, checkAggregationFlags } from "./aggregation-flags.ts";
import { type AuthFlags, authArguments } from "./auth-flags.ts";
import { type AutoscalerFlags, autoscalerArguments } from "./autoscaler-flags.ts";
import { type DataDir, openDataDir, PARTS, type ProcessName } from "./data-dir.ts";
import { onEndSignal, type ReadyMessage } from "./lifetime.ts";
import type { LogLevel } from "./logging.ts";
import { etcdAddress, type StoreOptions } from "./store.ts";

export interface UpOptions extends AggregationFlags, AuthFlags, AutoscalerFlags, StoreOptions {
  readonly port: number;
  readonly dataDir: string;
  /** Start a part again when it ends by itself. */
  readonly restart: boolean;
  /** Simulated nodes, and something to watch on them. */
  readonly demo: boolean;
  readonly logLevel: LogLevel;
}

/** Colours are for people: a file or another program gets plain text, whatever the environment says. */
const colors = pc.createColors(process.stdout.isTTY === true && pc.isColorSupported);
const MAIN = fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? "./main.ts" : "./main.js", import.meta.url));
/** A part that does not end by itself this long after it was asked to is killed. */
const PATIENCE_MILLISECONDS = 15_000;
const RESTART_DELAY_MILLISECONDS = 1000;
const DEMO_NODES = 3;
const METRICS_PAUSE_MILLISECONDS = 100;
const METRICS_ROUNDS = 200;

interface Running {
  readonly process: ChildProcess;
  readonly ready: Promise<ReadyMessage>;
  readonly ended: Promise<void>;
}

/** Its own process group: Ctrl-C reaches the supervisor alone, which stops the parts in order. */
function startPart(part: string, args: readonly string[]): Running {
  const child = spawn(process.execPath, [...process.execArgv, MAIN, part, ...args], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    detached: true,
  });
  // A process that could not be started at all never exits.
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()).once("error", () => resolve()));
  const ready = new Promise<ReadyMessage>((resolve, reject) => {
    child.once("message", (message) => resolve(message as ReadyMessage));
    child.once("error", reject);
    child.once("exit", (code, signal) =>
      reject(new Error(`${part} ended with ${signal ?? `code ${code}`} before it was ready`)),
    );
  });
  ready.catch(() => {});
  return { process: child, ready, ended };
}

async function stopPart({ process: child, ended }: Running): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  const kill = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MILLISECONDS);
  await ended;
  clearTimeout(kill);
}

function argumentsOf(part: ProcessName, options: UpOptions, dir: DataDir): string[] {
  const common = ["--data-dir", dir.path, "--log-level", options.logLevel];
  switch (part) {
    case "apiserver":
      return [
        ...common,
        ...["--port", String(options.port), ...storeArguments(options)],
        ...authArguments(options),
        ...aggregationArguments(options),
        ...["--allow-loopback-endpoints", "--aggregator-default-ca", `${dir.pki}/ca.crt`],
      ];
    case "controllers":
      return [
        ...common,
        ...autoscalerArguments(options),
        // One who watches should not have to wait for what a cluster does not mind.
        ...(options.demo ? ["--horizontal-pod-autoscaler-sync-period", "5s"] : []),
      ];
    case "kubelet":
      return [...common, "--port", "0"];
    case "simulation":
      return [...common, "--port", "0", "--simulate", "--nodes", String(DEMO_NODES)];
    case "metrics-server":
      return [
        ...common,
        ...["--secure-port", "0", "--quick-start"],
        // As often as the original's flag allows.
        ...(options.demo ? ["--metric-resolution", "10s", "--kubelet-request-timeout", "5s"] : []),
      ];
  }
}

function storeArguments(options: StoreOptions): string[] {
  const files = [
    ["--etcd-cafile", options.etcdCafile],
    ["--etcd-certfile", options.etcdCertfile],
    ["--etcd-keyfile", options.etcdKeyfile],
  ] as const;
  return ["--store", options.store, ...files.flatMap(([flag, file]) => (file === undefined ? [] : [flag, file]))];
}

export async function up(options: UpOptions): Promise<void> {
  // A bad address is refused before anything starts.
  etcdAddress(options);
  const { errors } = checkAggregationFlags(options);
  if (errors.length > 0) throw new Error(errors.join("\n"));
  const dir = openDataDir(options.dataDir);
  const running = new Map<ProcessName, Running>();
  const parts: readonly ProcessName[] = options.demo ? [...PARTS, "simulation"] : PARTS;
  let stopping = false;

  const stopAll = async () => {
    stopping = true;
    for (const part of parts.toReversed()) {
      const one = running.get(part);
      if (one !== undefined) await stopPart(one);
    }
  };
  const start = (part: ProcessName): Running => {
    const command = part === "simulation" ? "kubelet" : part;
    const one = startPart(command, argumentsOf(part, options, dir));
    running.set(part, one);
    void one.ended.then(() => {
      if (stopping || running.get(part) !== one) return;
      running.delete(part);
      const { exitCode, signalCode } = one.process;
      console.error(colors.yellow(`${part} ended (${signalCode ?? `code ${exitCode}`})`));
      if (options.restart) setTimeout(() => !stopping && start(part), RESTART_DELAY_MILLISECONDS);
      else if (part !== "apiserver")
        console.error(
          `start it again with: npm run tenon -- ${command}${part === command ? "" : " --simulate"} --data-dir ${relative("", dir.path) || "."}`,
        );
      else void stopAll().then(() => process.exit(1));
    });
    return one;
  };

  onEndSignal(() => void stopAll().then(() => process.exit(0)));

  try {
    const { url } = await start("apiserver").ready;
    await Promise.all(parts.filter((part) => part !== "apiserver").map((part) => start(part).ready));
    if (options.demo) await demonstrate(dir);
    await metricsServed(dir);
    announceAll(url ?? "", dir, running, options.demo);
  } catch (error) {
    if (stopping) return;
    console.error(error instanceof Error ? error.message : error);
    await stopAll();
    process.exit(1);
  }
}

/** Until the first readings are there and the joint holds; a control plane without metrics is still one, so not for ever. */
async function metricsServed(dir: DataDir): Promise<void> {
  const { asAdministrator } = await import("./part-client.ts");
  await asAdministrator(dir, async (client) => {
    for (let round = 0; round < METRICS_ROUNDS; round++) {
      const answer = await client
        .call({ method: "GET", path: "/apis/metrics.k8s.io/v1beta1/nodes" })
        .catch(() => undefined);
      if (answer !== undefined) return;
      await client.clock.sleep(METRICS_PAUSE_MILLISECONDS);
    }
    console.error(colors.yellow("no metrics yet; kubectl get apiservices says why"));
  });
}

async function demonstrate(dir: DataDir): Promise<void> {
  const [{ asAdministrator }, { createDemo }] = await Promise.all([import("./part-client.ts"), import("./demo.ts")]);
  await asAdministrator(dir, createDemo);
}

function announceAll(url: string, dir: DataDir, running: ReadonlyMap<ProcessName, Running>, demo: boolean): void {
  const parts = [...running].map(([part, { process: child }]) => `${part} ${child.pid}`).join(", ");
  const kubectl = `kubectl --kubeconfig ${relative("", dir.kubeconfig)}`;
  const lines = [
    `${colors.green("ready")}  ${url}  ${colors.dim(`(${parts})`)}`,
    ...(demo
      ? [
          "  A load comes after half a minute, stays for 90 s, goes for a minute, and so on. Watch what follows it:",
          `       ${kubectl} get hpa -w`,
          `       ${kubectl} top pods`,
          `       ${kubectl} get events --field-selector involvedObject.kind=HorizontalPodAutoscaler -w`,
        ]
      : []),
    `  try  ${kubectl} get apiservices`,
    `       ${kubectl} top nodes`,
    `       ${kubectl} create deployment hello --image=example.com/hello`,
  ];
  // At once: whoever waits for the first line reads all of them.
  console.log(lines.join("\n"));
}
