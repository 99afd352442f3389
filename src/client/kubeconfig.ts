/** Where a kubeconfig file, or a pod's service account, says the API server is. */
import { readFile } from "node:fs/promises";
import { dirname, isAbsolute, join } from "node:path";
import { load } from "js-yaml";
import type { HTTPSOptions } from "./transports/https.ts";

export interface ResolvedConfig extends HTTPSOptions {
  /** The namespace of the context, "default" when it names none. */
  readonly namespace: string;
  /** The name of the context. */
  readonly context: string;
}

type Named<K extends string, T> = { name?: string } & { [key in K]?: T };

interface Cluster {
  server?: string;
  "certificate-authority"?: string;
  "certificate-authority-data"?: string;
  "insecure-skip-tls-verify"?: boolean;
  "tls-server-name"?: string;
  "proxy-url"?: string;
}

interface User {
  "client-certificate"?: string;
  "client-certificate-data"?: string;
  "client-key"?: string;
  "client-key-data"?: string;
  token?: string;
  tokenFile?: string;
  username?: string;
  password?: string;
  exec?: unknown;
  "auth-provider"?: unknown;
}

interface Kubeconfig {
  "current-context"?: string;
  clusters?: Named<"cluster", Cluster>[];
  users?: Named<"user", User>[];
  contexts?: Named<"context", { cluster?: string; user?: string; namespace?: string }>[];
}

/**
 * Reads a kubeconfig file (YAML or JSON) and resolves one context, the current one by default. Paths in it are relative to the file.
 * Credential plugins (`exec`, `auth-provider`) and `proxy-url` are refused by name.
 */
export async function loadKubeconfig(path: string, context?: string): Promise<ResolvedConfig> {
  const config = load(await readFile(path, "utf8")) as Kubeconfig | null;
  if (typeof config !== "object" || config === null) throw new Error(`${path}: not a kubeconfig`);
  const contextName = context ?? config["current-context"] ?? "";
  const chosen = find(config.contexts, contextName)?.context;
  if (chosen === undefined) throw new Error(`${path}: context ${JSON.stringify(contextName)} does not exist`);
  const cluster = find(config.clusters, chosen.cluster)?.cluster;
  if (cluster === undefined) throw new Error(`${path}: cluster ${JSON.stringify(chosen.cluster)} does not exist`);
  const user = chosen.user ? find(config.users, chosen.user)?.user : {};
  if (user === undefined) throw new Error(`${path}: user ${JSON.stringify(chosen.user)} does not exist`);
  if (!cluster.server) throw new Error(`${path}: cluster ${JSON.stringify(chosen.cluster)} has no server`);
  for (const unsupported of ["exec", "auth-provider"] as const) {
    if (user[unsupported] !== undefined) {
      throw new Error(`${path}: user ${JSON.stringify(chosen.user)} uses ${unsupported}, which is not supported`);
    }
  }
  if (cluster["proxy-url"]) throw new Error(`${path}: proxy-url is not supported`);

  const folder = dirname(path);
  const file = (name: string) => (isAbsolute(name) ? name : join(folder, name));
  const pem = async (data: string | undefined, name: string | undefined) => {
    if (data) return Buffer.from(data, "base64").toString("utf8");
    return name ? await readFile(file(name), "utf8") : undefined;
  };
  const [ca, certificate, key] = await Promise.all([
    pem(cluster["certificate-authority-data"], cluster["certificate-authority"]),
    pem(user["client-certificate-data"], user["client-certificate"]),
    pem(user["client-key-data"], user["client-key"]),
  ]);
  return {
    server: cluster.server,
    namespace: chosen.namespace || "default",
    context: contextName,
    ...(ca !== undefined && { ca }),
    ...(certificate !== undefined && { certificate }),
    ...(key !== undefined && { key }),
    ...(cluster["insecure-skip-tls-verify"] && { insecureSkipTLSVerify: true }),
    ...(cluster["tls-server-name"] && { serverName: cluster["tls-server-name"] }),
    ...(user.token && { token: user.token }),
    ...(user.tokenFile && !user.token && { tokenFile: file(user.tokenFile) }),
    ...(user.username && { username: user.username, password: user.password ?? "" }),
  };
}

const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/** What a pod finds about its API server. Throws outside of a pod. */
export async function inClusterConfig(
  environment: Readonly<Record<string, string | undefined>>,
  folder: string = SERVICE_ACCOUNT,
): Promise<ResolvedConfig> {
  const host = environment["KUBERNETES_SERVICE_HOST"];
  const port = environment["KUBERNETES_SERVICE_PORT"];
  if (!host || !port) {
    throw new Error("not in a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined");
  }
  const [ca, namespace] = await Promise.all([
    readFile(join(folder, "ca.crt"), "utf8"),
    readFile(join(folder, "namespace"), "utf8").catch(() => "default"),
  ]);
  return {
    server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    context: "in-cluster",
    namespace: namespace.trim(),
    ca,
    tokenFile: join(folder, "token"),
  };
}

function find<T extends { name?: string }>(items: readonly T[] | undefined, name: string | undefined): T | undefined {
  return items?.find((item) => item.name === name);
}
