/** `tenon kubelet`: this machine as a node, and the parts of this data folder as its pods. */
import { systemClock, systemRandom } from "../api/machine.ts";
import { openPKI } from "../auth/pki/pki.ts";
import { TENON_VERSION } from "../controlplane/version.ts";
import { ensureNodeRBAC, startKubelet, thisMachine } from "../kubelet/index.ts";
import { openDataDir, writePid } from "./data-dir.ts";
import { announce, endWith } from "./lifetime.ts";
import { createLogger, type LogLevel } from "./logging.ts";
import { nodeNameOf } from "./node-name.ts";
import { asAdministrator, clientOf } from "./part-client.ts";

export interface KubeletOptions {
  readonly dataDir: string;
  readonly kubeconfig?: string;
  readonly port: number;
  readonly bindAddress: string;
  readonly hostnameOverride?: string;
  readonly logLevel: LogLevel;
}

export async function runKubelet(options: KubeletOptions): Promise<void> {
  const dir = openDataDir(options.dataDir);
  const nodeName = options.hostnameOverride ?? nodeNameOf();
  const machine = { clock: systemClock, random: systemRandom };
  if (options.kubeconfig === undefined) await asAdministrator(dir, ensureNodeRBAC);
  const client = await clientOf(options.kubeconfig ?? dir.kubeconfigOf("kubelet"), "tenon-kubelet");
  const pki = await openPKI(dir.pki, machine);
  const serving = await pki.server("kubelet", { dnsNames: [nodeName], ipAddresses: [options.bindAddress] });
  const kubelet = await startKubelet({
    ...machine,
    client,
    nodeName,
    machine: thisMachine(systemClock),
    partsFolder: dir.path,
    host: options.bindAddress,
    port: options.port,
    tls: { cert: serving.cert, key: serving.keyPEM },
    version: TENON_VERSION,
    logger: createLogger("kubelet", options.logLevel),
  });
  const removePid = writePid(dir, "kubelet");
  endWith(async () => {
    await kubelet.close();
    await client.close();
    removePid();
  });
  announce("kubelet", { url: `https://${kubelet.address.host}:${kubelet.address.port}` });
}
