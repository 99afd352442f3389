/** An extension API server: discovery, OpenAPI, tables, selectors, watches, delegated identity and health around an author's resources. */
import type { Clock, Random } from "../api/clock.ts";
import { systemClock, systemRandom } from "../api/machine.ts";
import type { Client } from "../client/client.ts";
import type { HealthCheck } from "../server/health.ts";
import { type Logger, SILENT } from "../server/logger.ts";
import type { Metrics } from "../server/metrics.ts";
import type { ListenAddress, Server } from "../server/server.ts";
import type { ServingCertificate } from "../server/transports/listener.ts";
import type { Registration, RegistrationOptions } from "./registration.ts";
import type { Served } from "./resource.ts";
import type { Group, Serving } from "./serving.ts";

export interface ExtensionServerOptions {
  readonly resources: readonly Served[];
  /** Checks of `/readyz` and `/livez` beside the standard ones. */
  readonly healthChecks?: readonly HealthCheck[];
  readonly logger?: Logger;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Shown in OpenAPI documents; default v0.0.0. */
  readonly version?: string;
  /** Paths anybody may read; default the health checks. */
  readonly alwaysAllowPaths?: readonly string[];
  /** Start although the main API server does not say whom to trust: front proxies and client certificates then count only once it does. Default false. */
  readonly tolerateLookupFailure?: boolean;
  /** Series of one's own. */
  readonly metrics?: Metrics;
}

export interface ListenOptions {
  /** Default 443; 0 takes any free port. */
  readonly port?: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** The main API server to trust and to ask about callers: a kubeconfig file, or a client. Default: `KUBECONFIG`, the service account of a pod, `.tenon/kubeconfig`, in this order. */
  readonly kubeconfig?: string;
  readonly client?: Client;
  /** The serving certificate; default: made at start, for the Service of `register` and for localhost. */
  readonly tls?: ServingCertificate;
  /** Tell the main API server that this server is here. */
  readonly register?: RegistrationOptions;
  /** Whether the registered address is ready at once; default true. Otherwise call `registration.setReady`. */
  readonly registerReady?: boolean;
  /** Serve anybody, for tests on loopback: no main API server is asked. */
  readonly insecure?: boolean;
}

export interface ExtensionServer {
  listen(options?: ListenOptions): Promise<ListenAddress>;
  /** Listens on any free port unless told which, says so on standard output, and closes on SIGINT or SIGTERM; resolves when it listens. */
  run(options?: ListenOptions): Promise<ListenAddress>;
  /** After `listen` with `register`. */
  readonly registration: Registration | undefined;
  /** After `listen`. */
  readonly shell: Server | undefined;
  /** Withdraws the registration, ends watches, finishes requests (10 s at most) and closes stores. */
  close(): Promise<void>;
}

/** Throws a TypeError when two resources claim the same name, or resources of one version have different stores. */
export function createServer({ resources, ...options }: ExtensionServerOptions): ExtensionServer {
  const groups = byVersion(resources);
  const context = {
    ...options,
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
    logger: options.logger ?? SILENT,
  };
  let listening: Promise<Serving> | undefined;
  let serving: Serving | undefined;

  const server: ExtensionServer = {
    get registration() {
      return serving?.registration;
    },
    get shell() {
      return serving?.shell;
    },
    async listen(at = {}) {
      if (listening !== undefined) throw new Error("the server listens already");
      listening = import("./serving.ts").then(({ serve }) => serve(groups, context, at));
      try {
        serving = await listening;
      } catch (error) {
        // Nothing was left open: it may be tried again.
        listening = undefined;
        throw error;
      }
      return serving.address;
    },
    async run(at) {
      const address = await server.listen({ port: 0, ...at });
      const { plural, group } = resources[0]!.served.definition;
      process.stdout.write(`ready  ${plural}.${group} on port ${address.port}; try: kubectl get ${plural}\n`);
      for (const signal of ["SIGINT", "SIGTERM"] as const) {
        process.once(signal, () => server.close().then(() => process.exit(0)));
      }
      return address;
    },
    async close() {
      const started = await listening?.catch(() => undefined);
      await started?.close();
      for (const group of groups) await group.store?.close();
    },
  };
  return server;
}

function byVersion(resources: readonly Served[]): Group[] {
  const groups = new Map<string, Group>();
  for (const served of resources) {
    const { group, version, plural } = served.served.definition;
    const key = `${group}/${version}`;
    let found = groups.get(key);
    if (found === undefined) {
      found = { group, version, members: [], store: undefined };
      groups.set(key, found);
    }
    if (found.members.some((other) => other.served.definition.plural === plural)) {
      throw new TypeError(`resources: ${plural}.${group}/${version} is there twice`);
    }
    if (found.store !== undefined && served.store !== undefined && found.store !== served.store) {
      throw new TypeError(`resources: stored resources of ${key} must share one store`);
    }
    found.store ??= served.store;
    found.members.push(served);
  }
  return [...groups.values()];
}
