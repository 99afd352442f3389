/** The servers the cases run against, as processes: `tenon apiserver` with its controllers, and a real kube-apiserver with etcd. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type EtcdProcess, freePort, startEtcd } from "../../src/store/engines/etcd-process.test-support.ts";
import { startPeer } from "../../tools/peers/start.ts";
import { eventually } from "../story.ts";
import { openTarget, type Target } from "../target.ts";

export interface Setting {
  /** Default "endpoint". */
  readonly routing?: "endpoint" | "cluster-ip";
  /** Flags of ours and of upstream's, in this order. */
  readonly flags?: readonly [tenon: readonly string[], upstream: readonly string[]];
  /** Keeps its store when it is started again. */
  readonly durable?: boolean;
}

export interface Running {
  readonly target: Target;
  /** The folder of its keys and certificates. */
  readonly pki: string;
  /** Over the same store, with the same keys, on the same port. */
  restart(setting: Setting): Promise<Running>;
  /** Resolves when its processes are gone. */
  stop(): Promise<void>;
}

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const READY = 90_000;

/** An address of this machine that upstream takes as an endpoint; undefined when there is none but loopback. */
export function endpointAddress(): string | undefined {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === "IPv4" && !internal)?.address;
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once("exit", () => resolve()));
}

async function terminate(child: ChildProcess): Promise<void> {
  const gone = ended(child);
  child.kill("SIGTERM");
  const forced = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await gone;
  clearTimeout(forced);
}

/** Resolves when it says that it works; it ends with this process. */
function runTenon(args: readonly string[]): Promise<ChildProcess> {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", MAIN, ...args], {
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  return new Promise((resolve, reject) => {
    let errors = "";
    const late = setTimeout(() => reject(new Error(`tenon ${args[0]} is not ready: ${errors}`)), READY);
    child.once("exit", (code) => reject(new Error(`tenon ${args[0]} ended with ${code}: ${errors}`)));
    child.stderr?.on("data", (chunk: Buffer) => {
      // Every failing extension server is logged: only the end is of use.
      errors = (errors + chunk.toString()).slice(-2000);
    });
    child.once("message", () => {
      clearTimeout(late);
      resolve(child);
    });
  });
}

interface Place {
  readonly folder: string;
  readonly port: number;
  readonly etcd: EtcdProcess | undefined;
}

async function newPlace(etcd?: EtcdProcess): Promise<Place> {
  return { folder: mkdtempSync(join(tmpdir(), "tenon-cases-")), port: await freePort(), etcd };
}

export async function startTenon(setting: Setting, known?: Place): Promise<Running> {
  const place = known ?? (await newPlace());
  const dataDir = join(place.folder, "data");
  const apiServer = await runTenon(
    [
      ["apiserver", "--port", String(place.port), "--data-dir", dataDir, "--allow-loopback-endpoints"],
      ["--store", setting.durable ? "sqlite" : "memory"],
      setting.routing === "cluster-ip" ? ["--no-enable-aggregator-routing"] : [],
      setting.flags?.[0] ?? [],
    ].flat(),
  );
  const controllers = await runTenon(["controllers", "--data-dir", dataDir]).catch(async (error) => {
    await terminate(apiServer);
    throw error;
  });
  const target = openTarget(join(dataDir, "kubeconfig"));
  await eventually(
    () => target.call("GET", "/readyz"),
    ({ status }) => status === 200,
    60,
  );
  const end = async () => {
    await terminate(controllers);
    await terminate(apiServer);
  };
  return {
    target,
    pki: join(dataDir, "pki"),
    async restart(next) {
      await end();
      return await startTenon({ ...setting, ...next }, place);
    },
    async stop() {
      await end();
      rmSync(place.folder, { recursive: true, force: true });
    },
  };
}

export async function startUpstream(setting: Setting, known?: Place): Promise<Running> {
  const place = known ?? (await newPlace(setting.durable ? await startEtcd() : undefined));
  const { folder, port, etcd } = place;
  const pki = join(folder, "pki");
  const peer = await startPeer({
    folder: join(folder, "peer"),
    port,
    pki,
    ...(etcd !== undefined && { etcd: `http://${etcd.endpoint}` }),
    flags: [`--enable-aggregator-routing=${setting.routing !== "cluster-ip"}`, ...(setting.flags?.[1] ?? [])],
  });
  return {
    target: openTarget(peer.kubeconfig),
    pki,
    async restart(next) {
      await peer.stop();
      return await startUpstream({ ...setting, ...next }, place);
    },
    async stop() {
      await peer.stop();
      await etcd?.remove();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
