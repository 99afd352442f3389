/** `tenon metrics-server`: behind any Kubernetes API server with the original's flags, or as a part of a data folder. */
import { systemClock, systemRandom } from "../api/machine.ts";
import { openPKI } from "../auth/pki/pki.ts";
import { ensureRBAC, NAME, NAMESPACE, parseMetricsServerFlags, runMetricsServer } from "../metrics-server/index.ts";
import { type DataDir, openDataDir, writePid } from "./data-dir.ts";
import { announce, endWith } from "./lifetime.ts";
import { createLogger, type LogLevel } from "./logging.ts";
import { asAdministrator } from "./part-client.ts";

export interface MetricsServerCommand {
  /** Given: a part of this data folder, registered with its API server. */
  readonly dataDir?: string;
  readonly quickStart: boolean;
  readonly logLevel: LogLevel;
  /** The original's flags, by their names in camel case. */
  readonly [flag: string]: unknown;
}

/** What the flags are in a data folder unless they are given. */
function defaultsIn(dir: DataDir): Record<string, unknown> {
  return {
    kubeconfig: dir.kubeconfigOf("metrics-server"),
    bindAddress: "127.0.0.1",
    securePort: "0",
    metricResolution: "15s",
    kubeletUseNodeStatusPort: true,
    kubeletPreferredAddressTypes: "InternalIP,Hostname",
  };
}

export async function runMetricsServerCommand({
  dataDir,
  quickStart,
  logLevel,
  ...given
}: MetricsServerCommand): Promise<void> {
  const machine = { clock: systemClock, random: systemRandom };
  const logger = createLogger("metrics-server", logLevel);
  if (dataDir === undefined) {
    const server = await runMetricsServer(parseMetricsServerFlags(given), { ...machine, logger, quickStart });
    endWith(() => server.close());
    announce("metrics-server", { url: `https://${server.address.host}:${server.address.port}` });
    return;
  }
  const dir = openDataDir(dataDir);
  const flags = parseMetricsServerFlags({ ...defaultsIn(dir), ...given });
  await asAdministrator(dir, (client) => ensureRBAC(client, { registration: true }));
  const pki = await openPKI(dir.pki, machine);
  const names = [`${NAME}.${NAMESPACE}.svc`, `${NAME}.${NAMESPACE}`, NAME];
  const serving = await pki.server("metrics-server", { dnsNames: names, ipAddresses: [flags.host] });
  const server = await runMetricsServer(flags, {
    ...machine,
    logger,
    quickStart,
    tls: { cert: serving.cert, key: serving.keyPEM },
    register: { address: flags.host },
  });
  const removePid = writePid(dir, "metrics-server");
  endWith(async () => {
    await server.close();
    removePid();
  });
  announce("metrics-server", { url: `https://${server.address.host}:${server.address.port}` });
}
