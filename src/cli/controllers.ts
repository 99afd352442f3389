/** `tenon controllers`: the loops that keep a cluster in order, as a process. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runControllers } from "../controlplane/controllers.ts";
import { type AutoscalerFlags, autoscalerOptions } from "./autoscaler-flags.ts";
import { openDataDir, writePid } from "./data-dir.ts";
import { announce, endWith } from "./lifetime.ts";
import { createLogger, type LogLevel } from "./logging.ts";
import { clientOf } from "./part-client.ts";

export interface ControllersOptions extends AutoscalerFlags {
  readonly dataDir: string;
  readonly kubeconfig?: string;
  readonly rootCaFile?: string;
  readonly logLevel: LogLevel;
}

export async function runControllersProcess(options: ControllersOptions): Promise<void> {
  const dir = openDataDir(options.dataDir);
  const client = await clientOf(options.kubeconfig ?? dir.kubeconfigOf("controllers"), "tenon-controllers");
  const removePid = writePid(dir, "controllers");
  const stopping = new AbortController();
  const running = runControllers({
    client,
    rootCA: readFileSync(options.rootCaFile ?? join(dir.pki, "ca.crt"), "utf8"),
    signal: stopping.signal,
    log: createLogger("controllers", options.logLevel),
    workloads: true,
    autoscaler: autoscalerOptions(options),
  });
  endWith(async () => {
    stopping.abort(new Error("the controllers stop"));
    await running;
    await client.close();
    removePid();
  });
  announce("controllers", {});
}
