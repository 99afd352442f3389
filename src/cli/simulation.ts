/** `tenon kubelet --simulate`: nodes on which pods seem to run, in one process. */
import { systemClock, systemRandom } from "../api/machine.ts";
import { openPKI } from "../auth/pki/pki.ts";
import { TENON_VERSION } from "../controlplane/version.ts";
import { ensureNodeRBAC, startFleet } from "../kubelet/index.ts";
import { openDataDir, writePid } from "./data-dir.ts";
import { announce, endWith } from "./lifetime.ts";
import { createLogger, type LogLevel } from "./logging.ts";
import { asAdministrator, clientOf } from "./part-client.ts";

export interface SimulationOptions {
  readonly dataDir: string;
  readonly kubeconfig?: string;
  readonly port: number;
  readonly bindAddress: string;
  readonly nodes: number;
  readonly logLevel: LogLevel;
}

export async function runSimulation(options: SimulationOptions): Promise<void> {
  const dir = openDataDir(options.dataDir);
  const machine = { clock: systemClock, random: systemRandom };
  if (options.kubeconfig === undefined) await asAdministrator(dir, ensureNodeRBAC);
  const client = await clientOf(options.kubeconfig ?? dir.kubeconfigOf("kubelet"), "tenon-kubelet");
  const pki = await openPKI(dir.pki, machine);
  const serving = await pki.server("simulation", { dnsNames: ["simulated"], ipAddresses: [options.bindAddress] });
  const fleet = await startFleet({
    ...machine,
    client,
    nodes: options.nodes,
    host: options.bindAddress,
    port: options.port,
    tls: { cert: serving.cert, key: serving.keyPEM },
    version: TENON_VERSION,
    logger: createLogger("simulation", options.logLevel),
  });
  const removePid = writePid(dir, "simulation");
  endWith(async () => {
    await fleet.close();
    await client.close();
    removePid();
  });
  announce("simulation", { url: `https://${fleet.address.host}:${fleet.address.port}` });
}
