/** An extension server of the same house as the main server, asked directly: `tenon metrics-server`, or the original built with upstream's library. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../../src/store/engines/etcd-process.test-support.ts";
import { PEERS } from "../../tools/peers/build.ts";
import { eventually } from "../story.ts";

export interface Asked {
  readonly status: number;
  readonly text: string;
}

export interface MetricsServer {
  /** With a client certificate or without; the server's own is not verified. */
  ask(path: string, options?: { cert?: string; key?: string; headers?: Record<string, string> }): Promise<Asked>;
  stop(): Promise<void>;
}

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

/** Resolves when it answers `/healthz`; rejects with what it said when it ends before. */
export async function startMetricsServer(options: {
  readonly upstream: boolean;
  readonly kubeconfig: string;
  readonly flags?: readonly string[];
}): Promise<MetricsServer> {
  const { upstream, kubeconfig, flags = [] } = options;
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), "tenon-cases-"));
  const common = [
    ...["--kubeconfig", kubeconfig, "--secure-port", String(port), "--bind-address", "127.0.0.1"],
    ...["--kubelet-insecure-tls", ...flags],
  ];
  const program = join(PEERS, "bin", "metrics-server");
  if (upstream && !existsSync(program))
    throw new Error("metrics-server is not built: node tools/peers/build.ts metrics-server");
  const child: ChildProcess = upstream
    ? spawn(
        program,
        [
          ...common,
          ...["--authentication-kubeconfig", kubeconfig, "--authorization-kubeconfig", kubeconfig],
          ...["--cert-dir", folder],
        ],
        { stdio: ["ignore", "ignore", "pipe"] },
      )
    : spawn(process.execPath, ["--disable-warning=ExperimentalWarning", MAIN, "metrics-server", ...common], {
        stdio: ["ignore", "ignore", "pipe", "ipc"],
      });
  let errors = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-40_000);
  });
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));

  const server: MetricsServer = {
    ask: (path, { cert, key, headers = {} } = {}) =>
      new Promise((resolve, reject) => {
        const asking = request(
          { host: "127.0.0.1", port, path, headers, cert, key, agent: false, rejectUnauthorized: false },
          (response) => {
            let text = "";
            response.on("data", (chunk: Buffer) => {
              text += chunk.toString();
            });
            response.once("end", () => resolve({ status: response.statusCode ?? 0, text }));
          },
        );
        asking.once("error", reject);
        asking.end();
      }),
    async stop() {
      child.kill("SIGKILL");
      await gone;
      rmSync(folder, { recursive: true, force: true });
    },
  };
  const healthy = await eventually(
    async () => child.exitCode ?? (await server.ask("/healthz").catch(() => ({ status: 0 }))).status,
    (found) => found === 200 || child.exitCode !== null,
    60,
  );
  if (healthy === 200) return server;
  await server.stop();
  throw new Error(`the metrics-server ${child.exitCode === null ? "is not ready" : "ended"}: ${errors}`);
}
