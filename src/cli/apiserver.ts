/** `tenon apiserver`: the main API server as a process. */
import { readFileSync } from "node:fs";
import { systemClock, systemRandom } from "../api/machine.ts";
import { DEFAULT_IDENTITY_HEADERS } from "../auth/delegated/request-header.ts";
import { openPKI } from "../auth/pki/pki.ts";
import { parseTokenFile } from "../auth/tokens/static-tokens.ts";
import { ISSUER, openControlPlane } from "../controlplane/control-plane.ts";
import { OWN_FRONT_PROXY } from "../controlplane/identity.ts";
import { openTrustFiles } from "../controlplane/trust-sources.ts";
import { type AggregationFlags, checkAggregationFlags } from "./aggregation-flags.ts";
import { type AuthFlags, openDeciders } from "./auth-flags.ts";
import { openDataDir, writeKubeconfigs, writePid } from "./data-dir.ts";
import { announce, endWith } from "./lifetime.ts";
import { createLogger, type LogLevel } from "./logging.ts";
import { engineOf, type StoreOptions } from "./store.ts";

export interface APIServerOptions extends AggregationFlags, AuthFlags, StoreOptions {
  readonly port: number;
  readonly bindAddress: string;
  readonly dataDir: string;
  readonly pkiDir?: string;
  readonly tokenAuthFile?: string;
  readonly anonymousAuth: boolean;
  readonly allowLoopbackEndpoints: boolean;
  readonly aggregatorDefaultCa?: string;
  readonly logLevel: LogLevel;
}

const STORE_CHECK_MILLISECONDS = 1000;

export async function runAPIServer(options: APIServerOptions): Promise<void> {
  const { errors, warnings } = checkAggregationFlags(options);
  if (errors.length > 0) throw new Error(errors.join("\n"));
  for (const warning of warnings) console.error(`apiserver: ${warning}`);
  const dir = openDataDir(options.dataDir);
  const logger = createLogger("apiserver", options.logLevel);
  const machine = { clock: systemClock, random: systemRandom };
  const loopback = options.bindAddress === "127.0.0.1" || options.bindAddress === "::1";
  const pki = await openPKI(options.pkiDir ?? dir.pki, {
    ...machine,
    ipAddresses: loopback || options.bindAddress === "0.0.0.0" ? [] : [options.bindAddress],
  });
  const trust = await openTrustFiles({
    clock: systemClock,
    pkiFolder: pki.folder.path,
    clientCA: options.clientCaFile,
    requestHeaderCA: options.requestheaderClientCaFile,
    requestHeader: frontProxiesOf(options),
    defaultCA: options.aggregatorDefaultCa,
    ...(options.proxyClientCertFile !== undefined && {
      proxyClient: { cert: options.proxyClientCertFile, key: options.proxyClientKeyFile ?? "" },
    }),
    onError: (error) =>
      logger.error({ code: "trust-files", error: String(error) }, "files of keys or authorities are not used"),
  });
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
    requestTimeoutMilliseconds: options.requestTimeout,
    minRequestTimeoutSeconds: options.minRequestTimeout,
    goawayChance: options.goawayChance,
    rejectForwardingRedirects: options.aggregatorRejectForwardingRedirect,
    trust,
    ...(options.tokenAuthFile !== undefined && { tokens: parseTokenFile(readFileSync(options.tokenAuthFile, "utf8")) }),
  });
  const { host, port } = await plane.listen({ port: options.port, host: options.bindAddress });
  const url = `https://${host.includes(":") ? `[${host}]` : host}:${port}`;
  await writeKubeconfigs(dir, pki, url);
  const removePid = writePid(dir, "apiserver");
  let ending = false;
  endWith(async () => {
    ending = true;
    plane.server.stop();
    if (options.shutdownDelayDuration > 0) await systemClock.sleep(options.shutdownDelayDuration);
    await plane.close();
    trust.close();
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

/** Without an authority of its own the front proxy is this control plane's, under the name it was given. */
function frontProxiesOf(flags: AggregationFlags) {
  return {
    allowedNames:
      flags.requestheaderAllowedNames ??
      (flags.requestheaderClientCaFile === undefined ? OWN_FRONT_PROXY.allowedNames : []),
    usernameHeaders: flags.requestheaderUsernameHeaders ?? DEFAULT_IDENTITY_HEADERS.usernameHeaders,
    uidHeaders: flags.requestheaderUidHeaders ?? DEFAULT_IDENTITY_HEADERS.uidHeaders,
    groupHeaders: flags.requestheaderGroupHeaders ?? DEFAULT_IDENTITY_HEADERS.groupHeaders,
    extraHeaderPrefixes: flags.requestheaderExtraHeadersPrefix ?? DEFAULT_IDENTITY_HEADERS.extraHeaderPrefixes,
  };
}
