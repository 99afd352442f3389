/** From parsed flags to a running server: files are read, the cluster is found. */
import { readFile } from "node:fs/promises";
import type { Clock, Random } from "../api/clock.ts";
import { createClient, httpsTransport, inClusterConfig, loadKubeconfig } from "../client/index.ts";
import type { MetricsServerFlags } from "./flags.ts";
import { type MetricsServer, type MetricsServerOptions, startMetricsServer } from "./server.ts";

export interface FlaggedOptions extends Pick<MetricsServerOptions, "logger" | "quickStart" | "register" | "tls"> {
  readonly clock: Clock;
  readonly random: Random;
}

/** Rejects when a file cannot be read, when there is no cluster, and as `startMetricsServer` does. Closing it closes its client too. */
export async function runMetricsServer(flags: MetricsServerFlags, options: FlaggedOptions): Promise<MetricsServer> {
  const { clock, random } = options;
  const config = flags.kubeconfig ? await loadKubeconfig(flags.kubeconfig) : await inClusterConfig(process.env);
  const text = (file: string) => (file === "" ? undefined : readFile(file, "utf8"));
  const [authority, certificate, key, servingCertificate, servingKey] = await Promise.all([
    text(flags.certificateAuthority),
    text(flags.clientCertificate),
    text(flags.clientKey),
    text(flags.tlsCertFile),
    text(flags.tlsPrivateKeyFile),
  ]);
  const client = createClient(httpsTransport(config), { clock, random, userAgent: "tenon-metrics-server" });
  const tls =
    servingCertificate !== undefined && servingKey !== undefined
      ? { cert: servingCertificate, key: servingKey }
      : options.tls;
  try {
    const server = await startMetricsServer({
      client,
      // Credentials are never sent in plain text.
      kubelet: flags.completelyInsecure
        ? {}
        : {
            ca: flags.insecureTLS ? undefined : (authority ?? config.ca),
            insecureTLS: flags.insecureTLS,
            certificate: certificate ?? config.certificate,
            key: key ?? config.key,
            token: config.token,
            tokenFile: config.tokenFile,
          },
      target: flags.target,
      resolutionMilliseconds: flags.resolutionMilliseconds,
      requestTimeoutMilliseconds: flags.requestTimeoutMilliseconds,
      nodeSelector: flags.nodeSelector,
      clock,
      random,
      host: flags.host,
      port: flags.port,
      alwaysAllowPaths: flags.alwaysAllowPaths,
      tolerateLookupFailure: flags.tolerateLookupFailure,
      ...(tls !== undefined && { tls }),
      ...(options.logger !== undefined && { logger: options.logger }),
      ...(options.quickStart !== undefined && { quickStart: options.quickStart }),
      ...(options.register !== undefined && { register: options.register }),
    });
    return {
      ...server,
      get ready() {
        return server.ready;
      },
      async close(how) {
        await server.close(how);
        await client.close();
      },
    };
  } catch (error) {
    await client.close();
    throw error;
  }
}
