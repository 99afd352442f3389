/** metrics-server: scrapes every node, keeps the last two readings of everything in memory, and serves the rates between them (spec: metrics 2). */
import type { Clock, Random } from "../api/clock.ts";
import type { KubeObject } from "../api/meta.ts";
import type { LabelSelector } from "../api/selectors.ts";
import type { Client } from "../client/client.ts";
import { createInformer } from "../client/informer.ts";
import { metadataOnly } from "../client/metadata-only.ts";
import {
  createServer,
  type ExtensionServerOptions,
  type ListenOptions,
  type RegistrationOptions,
} from "../sdk/index.ts";
import { type KubeletClientOptions, kubeletClient } from "./kubelet-client.ts";
import { kubeletTarget, type TargetOptions } from "./kubelet-target.ts";
import { GROUP, metricsResources, VERSIONS } from "./metrics-api.ts";
import { monitoring } from "./monitoring.ts";
import { NAME, NAMESPACE } from "./rbac.ts";
import { ScrapeLoop } from "./scrape-loop.ts";
import { Scraper } from "./scraper.ts";
import { TwoPointStore } from "./two-point-store.ts";

type Logger = NonNullable<ExtensionServerOptions["logger"]>;

export interface MetricsServerOptions {
  /** The main API server, as this server's own identity. */
  readonly client: Client;
  /** Credentials for kubelets. */
  readonly kubelet: Omit<KubeletClientOptions, "clock">;
  readonly target: TargetOptions;
  readonly resolutionMilliseconds: number;
  readonly requestTimeoutMilliseconds: number;
  /** Only these nodes are scraped and listed. */
  readonly nodeSelector?: LabelSelector | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger?: Logger;
  /** Where to serve; port 0 takes any. */
  readonly host?: string;
  readonly port: number;
  /** The serving certificate; default: one made at start. */
  readonly tls?: ListenOptions["tls"];
  readonly alwaysAllowPaths?: readonly string[];
  /** As of an ExtensionServer. */
  readonly tolerateLookupFailure?: boolean;
  /** Scrape every 2 s until there is something to serve, for one resolution at most. */
  readonly quickStart?: boolean;
  /** Make this process the Service and the APIServices of `metrics.k8s.io`, for as long as it is ready. */
  readonly register?: Pick<RegistrationOptions, "address" | "caBundle">;
  /** Serve anybody: for tests on loopback. */
  readonly insecure?: boolean;
}

export interface MetricsServer {
  readonly address: { readonly host: string; readonly port: number };
  /** Whether `/readyz` says so. */
  readonly ready: boolean;
  /** In the same process and past authentication, for tests. */
  inMemory(): ReturnType<NonNullable<ReturnType<typeof createServer>["shell"]>["inMemory"]>;
  /** Withdraws the registration (unless told not to, as if killed), then finishes requests. */
  close(options?: { readonly withdraw?: boolean }): Promise<void>;
}

/** Rounds without anything to serve before the address is withdrawn, as a readiness probe has its threshold. */
const PATIENCE = 3;
const NODES = { group: "", version: "v1", resource: "nodes" };
const PODS = { group: "", version: "v1", resource: "pods" };
const SILENT: Logger = { error() {}, warn() {}, info() {}, debug() {} };

/** Resolves when nodes and pods are known and the server listens; readings follow. Rejects when the main API server refuses what it must give. */
export async function startMetricsServer(options: MetricsServerOptions): Promise<MetricsServer> {
  const { client, clock, random, resolutionMilliseconds, nodeSelector } = options;
  const logger = options.logger ?? SILENT;
  const store = new TwoPointStore(resolutionMilliseconds);
  const series = monitoring(resolutionMilliseconds);
  const kubelets = kubeletClient({ ...options.kubelet, clock });
  const trouble = (what: string) => (error: unknown) =>
    logger.warn({ code: "informer", what, error: String(error) }, "following the main API server failed; trying again");
  const nodes = createInformer(client, client.resource(NODES), { onError: trouble("nodes") });
  const narrow = metadataOnly(client);
  const pods = createInformer(narrow, narrow.resource(PODS), {
    fieldSelector: "status.phase=Running",
    onError: trouble("pods"),
  });
  nodes.subscribe({ deleted: (node) => series.forget(node.metadata.name ?? "") });

  const scraper = new Scraper({
    clock,
    random,
    requestTimeoutMilliseconds: options.requestTimeoutMilliseconds,
    async fetch(name, signal) {
      const node = nodes.get(name);
      if (node === undefined) throw new Error("the node is gone");
      return kubelets.fetch(kubeletTarget(node, options.target), signal);
    },
    observer: {
      requested(name, seconds, error) {
        const node = nodes.get(name);
        if (node !== undefined) series.requested(name, seconds, error === undefined, clock.now());
        if (error === undefined) return;
        const level = node !== undefined && isReady(node) ? "error" : "debug";
        logger[level]({ code: "scrape", node: name, error: error.message }, "Failed to scrape node");
      },
    },
  });

  const readiness = () => {
    if (!store.ready) return new Error("no metrics to serve");
    if (!nodes.synced) return new Error("cache for node informer has not synced");
    if (!pods.synced) return new Error("cache for pod informer has not synced");
    return undefined;
  };
  const served = {
    store,
    nodes,
    pods,
    clock,
    served: series.served,
    ...(nodeSelector !== undefined && { nodeSelector }),
  };
  const server = createServer({
    resources: VERSIONS.flatMap((version) => metricsResources(version, served)),
    clock,
    random,
    logger,
    ...(options.alwaysAllowPaths !== undefined && { alwaysAllowPaths: options.alwaysAllowPaths }),
    tolerateLookupFailure: options.tolerateLookupFailure ?? false,
    healthChecks: [
      // Hooks of the original's library that have nothing to wait for here; probes and people look for the names.
      { name: "poststarthook/max-in-flight-filter", check: () => undefined },
      { name: "poststarthook/storage-object-count-tracker-hook", check: () => undefined },
      {
        name: "metric-storage-ready",
        endpoints: ["readyz"],
        check: () => (store.ready ? undefined : new Error("no metrics to serve")),
      },
      {
        name: "metric-informer-sync",
        endpoints: ["readyz"],
        check: () => (nodes.synced && pods.synced ? undefined : readiness()),
      },
      {
        name: "metric-collection-timely",
        endpoints: ["livez"],
        check: () => (loop.timely ? undefined : new Error("metric collection didn't finish on time")),
      },
      { name: "metadata-informer-sync", check: () => undefined },
    ],
  });

  let published = false;
  let unready = 0;
  async function publish(): Promise<void> {
    const { registration } = server;
    if (registration === undefined) return;
    const ready = readiness() === undefined;
    unready = ready ? 0 : unready + 1;
    if (ready === published || (!ready && unready < PATIENCE)) return;
    try {
      await registration.setReady(ready);
      published = ready;
    } catch (error) {
      logger.warn(
        { code: "registration", error: String(error) },
        "the registration could not be changed; trying again",
      );
    }
  }

  const loop: ScrapeLoop = new ScrapeLoop({
    clock,
    resolutionMilliseconds,
    ...(options.quickStart && { quickUntil: () => store.ready }),
    async tick(signal) {
      const started = clock.monotonic();
      const names = nodes
        .list()
        .filter((node) => nodeSelector?.matches(node.metadata.labels ?? {}) ?? true)
        .map((node) => node.metadata.name ?? "");
      try {
        const { duplicates } = store.store(await scraper.scrape(names, signal));
        for (const pod of duplicates) logger.error({ code: "duplicate-pod", pod }, "Got duplicate pod point");
      } catch (error) {
        logger.error({ code: "store", error: String(error) }, "the readings of a round could not be stored");
      }
      series.stored(store.pairs);
      series.ticked((clock.monotonic() - started) / 1000);
      if (!stopping) await publish();
    },
  });
  let stopping = false;
  async function stop({ withdraw = true } = {}): Promise<void> {
    stopping = true;
    await loop.stop();
    if (withdraw) await server.close();
    else await server.shell?.close({ graceMs: 0 });
    await Promise.all([nodes.stop(), pods.stop(), kubelets.close()]);
  }

  try {
    nodes.start();
    pods.start();
    await Promise.all([nodes.ready(), pods.ready()]);
    loop.start();
    const address = await server.listen({
      client,
      port: options.port,
      host: options.host ?? "127.0.0.1",
      ...(options.tls !== undefined && { tls: options.tls }),
      ...(options.insecure && { insecure: true }),
      ...(options.register !== undefined && {
        register: {
          ...options.register,
          namespace: NAMESPACE,
          service: NAME,
          groupPriorityMinimum: 100,
          // Clients that know both take the first; the others take the one they know.
          versionPriority: ({ version }) => (version === "v1" ? 200 : 100),
          // These objects come and go with their pods: nothing is left behind in a namespace that goes.
          annotations: { "aggregation.tenon.dev/holds-namespaces": "false" },
        },
        registerReady: false,
      }),
    });
    series.appearIn(server.shell!.metrics.registry);
    await publish();
    logger.info({ code: "listening", ...address, group: GROUP }, "metrics-server listens");
    return {
      address,
      get ready() {
        return readiness() === undefined;
      },
      inMemory: () => server.shell!.inMemory(),
      close: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function isReady(node: KubeObject): boolean {
  const conditions: readonly { type?: string; status?: string }[] = node["status"]?.conditions ?? [];
  return conditions.some(({ type, status }) => type === "Ready" && status === "True");
}
