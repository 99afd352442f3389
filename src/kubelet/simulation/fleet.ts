/** Simulated nodes, all in one process: Node objects, Leases, pods that seem to run, and one server that answers `/metrics/resource` for each of them. */
import type { Clock, Random } from "../../api/clock.ts";
import { hasReason } from "../../api/status.ts";
import { delegatedAuth } from "../../auth/delegated/index.ts";
import type { Client } from "../../client/client.ts";
import { createInformer } from "../../client/informer.ts";
import { eventRecorder } from "../../client/recorder.ts";
import type { Authorizer } from "../../server/authorization.ts";
import { type Logger, SILENT } from "../../server/logger.ts";
import { RouteTable } from "../../server/routes.ts";
import { createServer, type ListenAddress } from "../../server/server.ts";
import type { ServingCertificate } from "../../server/transports/listener.ts";
import { nodeAuthorizer } from "../authorizer.ts";
import { resourceMetrics } from "../exposition.ts";
import { nodeLease, RENEW_MILLISECONDS } from "../lease.ts";
import { type NodeFacts, nodeLabels, nodeStatus } from "../node-object.ts";
import { sendReadings } from "../readings.ts";
import { simulatePods } from "./pods.ts";

export interface FleetOptions {
  /** The main API server, as somebody who may do what nodes do. */
  readonly client: Client;
  readonly clock: Clock;
  readonly random: Random;
  readonly nodes: number;
  /** Names are `<prefix>-<number>`, from 0. Default `simulated`. */
  readonly prefix?: string;
  /** Default 127.0.0.1 and any port. */
  readonly host?: string;
  readonly port?: number;
  /** For `host`. */
  readonly tls: ServingCertificate;
  readonly version: string;
  readonly logger?: Logger;
}

export interface Fleet {
  readonly address: ListenAddress;
  readonly names: readonly string[];
  /** Stops; the nodes stay as they are until their Leases are stale. */
  close(): Promise<void>;
}

const NODES = { group: "", version: "v1", resource: "nodes" };
const PODS = { group: "", version: "v1", resource: "pods" };
const METRICS_PATH = "metrics.k8s.io/resource-metrics-path";
const GIBIBYTE = 1024 ** 3;
/** What each of them claims to be. */
const CPUS = 8;
const MEMORY = 32 * GIBIBYTE;

const pathOf = (node: string) => `/nodes/${node}/metrics/resource`;

/** Resolves when all nodes are registered and the server listens. Rejects when the main API server refuses them. */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const { client, clock, random, version } = options;
  const logger = options.logger ?? SILENT;
  const host = options.host ?? "127.0.0.1";
  const prefix = options.prefix ?? "simulated";
  const names = Array.from({ length: options.nodes }, (_, index) => `${prefix}-${index}`);
  const stopping = new AbortController();
  const { signal } = stopping;
  const failed = (what: string) => (error: unknown) => {
    if (!signal.aborted) logger.warn({ code: "simulation", what, error: String(error) }, `${what} failed`);
  };

  const delegated = await delegatedAuth({
    client,
    alwaysAllowPaths: [],
    onError: failed("asking the main API server"),
  });
  const routes = new RouteTable();
  routes.complete();
  const server = createServer({
    routes,
    authenticator: delegated.authenticator,
    authorizer: fleetAuthorizer(delegated.authorizer),
    clock,
    random,
    logger,
    tls: options.tls,
  });
  const informer = createInformer(client, client.resource(PODS), {
    fieldSelector: "spec.nodeName!=",
    onError: failed("following pods"),
  });
  const events = eventRecorder(client, "simulated-kubelet", failed("writing an event"));
  const pods = simulatePods({
    client,
    pods: informer,
    nodes: names.map((name) => ({ name, address: host })),
    events,
    signal,
    onError: failed("simulating a pod"),
  });
  for (const name of names) {
    server.paths.set(pathOf(name), (exchange) => {
      const { node, containers } = pods.readings(name)!;
      return sendReadings(exchange, resourceMetrics(node, containers));
    });
  }

  async function register(name: string, port: number): Promise<string> {
    const facts: NodeFacts = {
      name,
      address: host,
      port,
      version,
      machine: {
        cpus: CPUS,
        memoryBytes: MEMORY,
        operatingSystem: "linux",
        architecture: "amd64",
        osImage: "simulated",
        kernelVersion: "simulated",
        machineID: name,
        bootID: name,
      },
      disk: undefined,
      freeMemoryBytes: MEMORY,
    };
    const metadata = { name, labels: nodeLabels(facts), annotations: { [METRICS_PATH]: pathOf(name) } };
    const nodes = client.resource(NODES);
    try {
      const node = await nodes.create({ metadata, status: nodeStatus(facts, undefined, clock.now()) });
      return node.metadata.uid ?? "";
    } catch (error) {
      if (!hasReason(error, "AlreadyExists")) throw error;
    }
    const { labels, annotations } = metadata;
    const known = await nodes.patch(name, "merge", { metadata: { labels, annotations } });
    const status = nodeStatus(facts, known, clock.now());
    await nodes.patch(name, "strategic", { status }, { subresource: "status" });
    return known.metadata.uid ?? "";
  }

  const background: Promise<void>[] = [];
  async function stop(): Promise<void> {
    stopping.abort(new Error("the simulation stops"));
    await Promise.all(background);
    await pods.finished;
    await informer.stop();
    await server.close({ graceMs: 2000 });
    await delegated.close();
  }

  try {
    const address = await server.listen({ host, port: options.port ?? 0 });
    const uids = await Promise.all(names.map((name) => register(name, address.port)));
    const leases = names.map((name, index) => nodeLease(client, { name, uid: uids[index]! }));
    const renew = () => Promise.all(leases.map((lease) => lease.renew().catch(failed("renewing a lease"))));
    await renew();
    const beat = async () => {
      while (!signal.aborted) {
        await clock.sleep(RENEW_MILLISECONDS, signal).catch(() => undefined);
        if (!signal.aborted) await renew();
      }
    };
    background.push(beat());
    informer.start();
    logger.info({ code: "listening", ...address, nodes: names.length }, "the simulated nodes listen");
    let closing: Promise<void> | undefined;
    return {
      address,
      names,
      close() {
        closing ??= stop();
        return closing;
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Each path is asked about as its own node's kubelet would. */
function fleetAuthorizer(inner: Authorizer): Authorizer {
  return {
    authorize(attributes) {
      const [, node = "", rest = ""] = /^\/nodes\/([^/]+)(\/.*)$/.exec(attributes.path) ?? [];
      return nodeAuthorizer(inner, node).authorize({ ...attributes, path: rest });
    },
    rulesFor: (user, namespace) => inner.rulesFor(user, namespace),
  };
}
