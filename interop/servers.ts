/** API servers with flags of their own, for stories about flags: `tenon apiserver` as a process, and the real kube-apiserver where it is built. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock, systemRandom } from "../src/api/machine.ts";
import { openPKI, type PKI } from "../src/auth/pki/pki.ts";
import { PEERS } from "../tools/peers/build.ts";
import { startPeer } from "../tools/peers/start.ts";
import { eventually } from "./story.ts";
import { openTarget, type Target } from "./target.ts";

const MAIN = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));

export interface Running {
  readonly target: Target;
  stop(): Promise<void>;
}

type Flags = (server: { readonly url: string; readonly pki: PKI }) => readonly string[];

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

async function startOurs(folder: string, flags: Flags): Promise<Running> {
  const dataDir = join(folder, "data");
  const port = await freePort();
  const pki = await openPKI(join(dataDir, "pki"), { clock: systemClock, random: systemRandom });
  const own = ["--port", String(port), "--store", "memory", "--data-dir", dataDir, "--allow-loopback-endpoints"];
  const trust = ["--aggregator-default-ca", join(dataDir, "pki", "ca.crt")];
  const child: ChildProcess = spawn(
    process.execPath,
    [
      "--disable-warning=ExperimentalWarning",
      MAIN,
      "apiserver",
      ...own,
      ...trust,
      ...flags({ url: `https://127.0.0.1:${port}`, pki }),
    ],
    // What is wrong with a webhook is logged, as it should be.
    { stdio: ["ignore", "pipe", "ignore"] },
  );
  let output = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  await eventually(
    async () => output,
    (text) => text.includes("ready") || child.exitCode !== null,
    60,
  );
  return {
    target: openTarget(join(dataDir, "kubeconfig")),
    async stop() {
      if (child.exitCode !== null) return;
      const gone = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      await gone;
    },
  };
}

async function startReal(folder: string, flags: Flags): Promise<Running> {
  const peer = await startPeer({ folder: join(folder, "peer"), flags });
  return { target: openTarget(peer.kubeconfig), stop: peer.stop };
}

/** `start` keeps everything below `folder`; `environment` is what an extension server of the examples needs to be reached on this machine. */
export const SERVERS: readonly {
  readonly name: string;
  readonly built: boolean;
  start(folder: string, flags: Flags): Promise<Running>;
  readonly environment: Readonly<Record<string, string>>;
}[] = [
  { name: "tenon", built: true, start: startOurs, environment: {} },
  {
    name: "kube-apiserver",
    built: existsSync(join(PEERS, "bin", "kube-apiserver")),
    start: startReal,
    // It takes no endpoints on loopback.
    environment: { ADDRESS: "localhost" },
  },
];

for (const { name, built } of SERVERS) {
  if (!built)
    console.log(`${name} is not built: its half of the stories about flags does not run (node tools/peers/build.ts)`);
}
