/** The servers that are measured: our own as a process, the real kube-apiserver with its etcd, or whatever a kubeconfig names. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PEERS } from "../tools/peers/build.ts";
import { startPeer } from "../tools/peers/start.ts";
import { cpuSeconds } from "./measure.ts";

export interface Measured {
  readonly name: string;
  readonly kubeconfig: string;
  /** Process ids by what they are; empty for a server that runs elsewhere. */
  readonly processes: Readonly<Record<string, number>>;
  stop(): Promise<void>;
}

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const COMPILED = join(ROOT, "dist", "bin", "main.js");

/** What is measured is what is installed: the compiled command, brought up to date first. */
export function tenonCommand(): readonly string[] {
  const built = spawnSync("npm", ["run", "--silent", "build"], { cwd: ROOT, encoding: "utf8" });
  if (built.status !== 0) console.error(`npm run build: ${built.stdout.split("\n", 1)[0]}`);
  if (!existsSync(COMPILED)) throw new Error("dist/bin/main.js is missing: npm run build failed");
  return [process.execPath, "--disable-warning=ExperimentalWarning", COMPILED];
}

export interface Child {
  readonly pid: number;
  /** The first line that matched. */
  readonly line: string;
  stop(): Promise<void>;
}

/** Starts a program and waits for a line of its output; rejects when it ends first. */
export function startChild(command: readonly string[], ready: RegExp): Promise<Child> {
  const child = spawn(command[0]!, command.slice(1), { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGTERM");
    const kill = setTimeout(() => child.kill("SIGKILL"), 15_000);
    await ended;
    clearTimeout(kill);
  };
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout.on("data", (piece: Buffer) => {
      text += piece.toString();
      const line = text.split("\n").find((one) => ready.test(one));
      if (line !== undefined) resolve({ pid: child.pid!, line, stop });
    });
    child.once("error", reject);
    child.once("exit", (code, signal) =>
      reject(new Error(`${command.slice(2).join(" ")} ended with ${signal ?? code} before it was ready`)),
    );
  });
}

/** `tenon apiserver` on a free port with SQLite, as `tenon up` starts it. */
export async function startTenon(command: readonly string[] = tenonCommand()): Promise<Measured> {
  const folder = mkdtempSync(join(tmpdir(), "tenon-bench-"));
  const options = ["--data-dir", folder, "--port", "0", "--allow-loopback-endpoints"];
  const child = await startChild([...command, "apiserver", ...options], /^ready/);
  return {
    name: "tenon",
    kubeconfig: join(folder, "kubeconfig"),
    processes: { "tenon apiserver": child.pid },
    async stop() {
      await child.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export const hasPeer = (): boolean => ["etcd", "kube-apiserver"].every((name) => existsSync(join(PEERS, "bin", name)));

/** A real etcd and kube-apiserver, as tools/peers/start.ts starts them. */
export async function startKubernetes(): Promise<Measured> {
  const folder = mkdtempSync(join(tmpdir(), "peer-bench-"));
  const peer = await startPeer({ folder });
  const { etcd, kubeAPIServer } = peer.processes;
  return {
    name: "kube-apiserver",
    kubeconfig: peer.kubeconfig,
    processes: { "kube-apiserver": kubeAPIServer, etcd },
    async stop() {
      await peer.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Ours and, when it is built, the real one; or the only server that was named. */
export async function startServers(named: { kubeconfig?: string; pid?: string }): Promise<Measured[]> {
  if (named.kubeconfig !== undefined) {
    const { kubeconfig, pid } = named;
    return [
      {
        name: kubeconfig,
        kubeconfig,
        processes: pid === undefined ? {} : { server: Number(pid) },
        stop: async () => {},
      },
    ];
  }
  const servers = [await startTenon()];
  if (!hasPeer()) {
    console.error("no real kube-apiserver to compare with: node tools/peers/build.ts builds one");
    return servers;
  }
  try {
    servers.push(await startKubernetes());
  } catch (error) {
    await servers[0]!.stop();
    throw error;
  }
  return servers;
}

/** CPU seconds so far of each process of a server. */
export function cpuOf(server: Measured): Record<string, number> {
  return Object.fromEntries(Object.entries(server.processes).map(([name, pid]) => [name, cpuSeconds(pid)]));
}
