/** `tenon apiserver`: the main API server as a process. */
import { readFileSync } from "node:fs";
import { systemClock, systemRandom } from "../api/machine.ts";
import { openPKI } from "../auth/pki/pki.ts";
import { parseTokenFile } from "../auth/tokens/static-tokens.ts";
import { ISSUER, openControlPlane } from "../controlplane/control-plane.ts";
import { type AuthFlags, openDeciders } from "./auth-flags.ts";
import { openDataDir, writeKubeconfigs, writePid } from "./data-dir.ts";
import { announce, endWith } from "./lifetime.ts";
import { createLogger, type LogLevel } from "./logging.ts";
import { engineOf, type StoreOptions } from "./store.ts";

export interface APIServerOptions extends AuthFlags, StoreOptions {
  readonly port: number;
  readonly bindAddress: string;
  readonly dataDir: string;
  readonly pkiDir?: string;
  readonly tokenAuthFile?: string;
  readonly anonymousAuth: boolean;
  readonly enableAggregatorRouting: boolean;
  readonly allowLoopbackEndpoints: boolean;
  readonly aggregatorDefaultCa?: string;
  readonly requestTimeout: number;
  readonly logLevel: LogLevel;
}

const STORE_CHECK_MILLISECONDS = 1000;

export async function runAPIServer(options: APIServerOptions): Promise<void> {
  const dir = openDataDir(options.dataDir);
  const logger = createLogger("apiserver", options.logLevel);
  const machine = { clock: systemClock, random: systemRandom };
  const loopback = options.bindAddress === "127.0.0.1" || options.bindAddress === "::1";
  const pki = await openPKI(options.pkiDir ?? dir.pki, {
    ...machine,
    ipAddresses: loopback || options.bindAddress === "0.0.0.0" ? [] : [options.bindAddress],
  });
  const defaultCA =
    options.aggregatorDefaultCa !== undefined ? readFileSync(options.aggregatorDefaultCa, "utf8") : undefined;
  const deciders = await openDeciders(options, ISSUER, machine);
  const plane = await openControlPlane({
    ...machine,
    engine: await engineOf(options, dir.database),
    pki,
    logger,
    anonymous: options.anonymousAuth,
    routing: options.enableAggregatorRouting ? "endpoint" : "cluster-ip",
    allowLoopbackEndpoints: options.allowLoopbackEndpoints,
    authorizers: deciders.authorizers,
    ...(deciders.tokenWebhook !== undefined && { tokenWebhook: deciders.tokenWebhook }),
    requestTimeoutMilliseconds: options.requestTimeout * 1000,
    ...(defaultCA !== undefined && { aggregatorDefaultCA: defaultCA }),
    ...(options.tokenAuthFile !== undefined && { tokens: parseTokenFile(readFileSync(options.tokenAuthFile, "utf8")) }),
  });
  const { host, port } = await plane.listen({ port: options.port, host: options.bindAddress });
  const url = `https://${host.includes(":") ? `[${host}]` : host}:${port}`;
  await writeKubeconfigs(dir, pki, url);
  const removePid = writePid(dir, "apiserver");
  let ending = false;
  endWith(async () => {
    ending = true;
    await plane.close();
    await deciders.close();
    removePid();
  });
  // A store that failed for good takes no write any more: whoever supervises this process may start it anew.
  setInterval(() => {
    const { trouble } = plane.state;
    if (trouble === undefined || ending) return;
    console.error(`apiserver: the store failed: ${trouble.message}`);
    removePid();
    process.exit(1);
  }, STORE_CHECK_MILLISECONDS);
  announce("apiserver", { url });
}
