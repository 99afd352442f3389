/** A client of the cluster a program finds itself in, and a signal for when it shall end: the first two lines of an operator. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { systemClock, systemRandom } from "../api/machine.ts";
import { type Client, createClient } from "./client.ts";
import { inClusterConfig, loadKubeconfig, type ResolvedConfig } from "./kubeconfig.ts";
import { httpsTransport } from "./transports/https.ts";

export interface ConnectOptions {
  /** A kubeconfig file. Default: `KUBECONFIG`, the service account of a pod, `.tenon/kubeconfig` here, `~/.kube/config`, in this order. */
  readonly kubeconfig?: string;
  readonly context?: string;
  /** Sent as `User-Agent`; default `tenon-client`. */
  readonly userAgent?: string;
}

/** Reads the configuration; no request is made yet. Throws when there is none. */
export async function connect(options: ConnectOptions = {}): Promise<Client> {
  const config = await findConfig(options, process.env);
  const userAgent = options.userAgent ?? "tenon-client";
  return createClient(httpsTransport(config), { clock: systemClock, random: systemRandom, userAgent });
}

async function findConfig(
  { kubeconfig, context }: ConnectOptions,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<ResolvedConfig> {
  const named = kubeconfig ?? environment["KUBECONFIG"];
  if (named) return loadKubeconfig(named, context);
  if (environment["KUBERNETES_SERVICE_HOST"]) return inClusterConfig(environment);
  const places = [join(".tenon", "kubeconfig"), join(environment["HOME"] ?? "", ".kube", "config")];
  const found = places.find((path) => existsSync(path));
  if (found === undefined) {
    throw new Error(`no cluster: give a kubeconfig, set KUBECONFIG, or have one of ${places.join(", ")}`);
  }
  return loadKubeconfig(found, context);
}

/** Aborts with the first SIGINT or SIGTERM; a second one ends the process at once, as the system does. */
export function untilInterrupted(): AbortSignal {
  const ending = new AbortController();
  const end = () => {
    for (const name of ["SIGINT", "SIGTERM"] as const) process.off(name, end);
    ending.abort(new Error("interrupted"));
  };
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, end);
  return ending.signal;
}
