/** A real etcd for tests and benchmarks: found where one may be, started on loopback, killed, paused and started again over the same data. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock, systemRandom } from "../../api/machine.ts";
import { EtcdConnection } from "./etcd-connection.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/** The program: `TENON_ETCD`, a built peer, one unpacked under `.tools`, or on PATH. */
export function findEtcd(): string | undefined {
  const candidates = [
    process.env["TENON_ETCD"],
    join(ROOT, ".peers/bin/etcd"),
    join(ROOT, ".tools/etcd/usr/bin/etcd"),
    ...(process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, "etcd")),
  ];
  return candidates.find((program) => program !== undefined && existsSync(program));
}

/** Why tests that need one cannot run here; undefined when they can. */
export function missingEtcd(): string | undefined {
  return findEtcd() === undefined ? "no etcd: put one on PATH or name it in TENON_ETCD" : undefined;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

export interface EtcdProcess {
  /** `127.0.0.1:port` */
  readonly endpoint: string;
  readonly pid: number;
  kill(): Promise<void>;
  pause(): void;
  resume(): void;
  /** After `kill`: over the same data. */
  restart(): Promise<void>;
  /** Ends it and removes its data. */
  remove(): Promise<void>;
}

/** Names and ports of members that shall find each other. */
interface Member {
  readonly name: string;
  readonly folder: string;
  readonly client: number;
  readonly peer: number;
}

async function member(name: string): Promise<Member> {
  return {
    name,
    folder: mkdtempSync(join(tmpdir(), `tenon-etcd-${name}-`)),
    client: await freePort(),
    peer: await freePort(),
  };
}

/** One etcd on free ports; resolves when it answers. `flags` come last. */
export async function startEtcd(flags: readonly string[] = []): Promise<EtcdProcess> {
  const [only] = await startEtcdCluster(1, flags);
  return only!;
}

/** Members of one cluster; resolves when all answer. */
export async function startEtcdCluster(size: number, flags: readonly string[] = []): Promise<EtcdProcess[]> {
  const members: Member[] = [];
  for (let index = 0; index < size; index++) members.push(await member(`m${index}`));
  const cluster = members.map(({ name, peer }) => `${name}=http://127.0.0.1:${peer}`).join(",");
  return Promise.all(members.map((one) => run(one, cluster, flags)));
}

async function run(one: Member, cluster: string, flags: readonly string[]): Promise<EtcdProcess> {
  const urls = { client: `http://127.0.0.1:${one.client}`, peer: `http://127.0.0.1:${one.peer}` };
  const endpoint = `127.0.0.1:${one.client}`;
  let child: ChildProcess;
  const start = async () => {
    child = spawn(
      findEtcd()!,
      [
        ["--name", one.name],
        ["--data-dir", join(one.folder, "data")],
        ["--listen-client-urls", urls.client],
        ["--advertise-client-urls", urls.client],
        ["--listen-peer-urls", urls.peer],
        ["--initial-advertise-peer-urls", urls.peer],
        ["--initial-cluster", cluster],
        ["--log-level", "error"],
        flags,
      ].flat(),
      { stdio: "ignore" },
    );
    await answers(endpoint, child);
  };
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  };
  await start();
  return {
    endpoint,
    get pid() {
      return child.pid!;
    },
    kill,
    pause: () => void child.kill("SIGSTOP"),
    resume: () => void child.kill("SIGCONT"),
    restart: start,
    async remove() {
      await kill();
      rmSync(one.folder, { recursive: true, force: true });
    },
  };
}

async function answers(endpoint: string, child: ChildProcess): Promise<void> {
  const probe = new EtcdConnection({ endpoints: [endpoint], clock: systemClock, random: systemRandom });
  await probe.open();
  try {
    for (let attempt = 1; ; attempt++) {
      if (child.exitCode !== null) throw new Error(`etcd ended with ${child.exitCode}`);
      try {
        // A read of one key through the quorum.
        await probe.callOne(0, "KV/Range", Uint8Array.of(10, 1, 0x78), "read", 1_000);
        return;
      } catch (error) {
        if (attempt === 150) throw error;
        await systemClock.sleep(100);
      }
    }
  } finally {
    probe.close();
  }
}
