/** This machine as a node: it registers, beats, shows Tenon's own processes as pods, and answers `/metrics/resource` (spec: metrics 1). */
import { statfs } from "node:fs/promises";
import type { Clock, Random } from "../api/clock.ts";
import type { JSONObject, KubeObject } from "../api/meta.ts";
import { hasReason } from "../api/status.ts";
import { type Delegated, delegatedAuth } from "../auth/delegated/index.ts";
import type { Client } from "../client/client.ts";
import { createInformer } from "../client/informer.ts";
import { type Logger, SILENT } from "../server/logger.ts";
import { RouteTable } from "../server/routes.ts";
import { createServer, type ListenAddress } from "../server/server.ts";
import type { ServingCertificate } from "../server/transports/listener.ts";
import { nodeAuthorizer } from "./authorizer.ts";
import { type ContainerReading, type NodeReading, resourceMetrics } from "./exposition.ts";
import { nodeLease, RENEW_MILLISECONDS } from "./lease.ts";
import type { Machine } from "./machine.ts";
import { MIRROR_ANNOTATION, mirrorPod, mirrorPodName, mirrorStatus, NAMESPACE, type Node } from "./mirror-pod.ts";
import { type NodeFacts, nodeLabels, nodeStatus, sameStatus, stoppedStatus } from "./node-object.ts";
import { type Part, readParts } from "./parts.ts";
import { sendReadings } from "./readings.ts";

export interface KubeletOptions {
  /** The main API server, as this node. */
  readonly client: Client;
  readonly clock: Clock;
  readonly random: Random;
  /** A DNS subdomain. */
  readonly nodeName: string;
  readonly machine: Machine;
  /** Where `<part>.pid` files are. */
  readonly partsFolder: string;
  /** Where to listen; default 127.0.0.1 and any port. */
  readonly host?: string;
  readonly port?: number;
  /** The node's InternalIP: where its port is reached. Default: `host`. */
  readonly address?: string;
  /** The serving certificate; it should be for `nodeName` and `address`. */
  readonly tls: ServingCertificate;
  /** Reported as the kubelet's version, and the tag of the parts' images. */
  readonly version: string;
  readonly logger?: Logger;
}

export interface Kubelet {
  readonly address: ListenAddress;
  /** Takes its pods back, reports the node as not ready, and stops serving; two seconds at most for the first two. */
  close(): Promise<void>;
}

const NODES = { group: "", version: "v1", resource: "nodes" };
const PODS = { group: "", version: "v1", resource: "pods" };
const PODS_MILLISECONDS = 1000;
const STATUS_MILLISECONDS = 10_000;
const REPORT_MILLISECONDS = 300_000;
const FAREWELL_MILLISECONDS = 2000;
/** Only processes that run already are pods here: a scheduler must not send others. */
const NO_CONTAINERS = { key: "tenon.dev/no-containers", effect: "NoSchedule" };

/** Resolves when the node is registered and the server listens. Rejects when the main API server refuses this node. */
export async function startKubelet(options: KubeletOptions): Promise<Kubelet> {
  const { client, clock, random, nodeName, machine, partsFolder, version } = options;
  const logger = options.logger ?? SILENT;
  const host = options.host ?? "127.0.0.1";
  const address = options.address ?? host;
  const stopping = new AbortController();
  const stopped = new Promise<void>((resolve) => stopping.signal.addEventListener("abort", () => resolve()));
  const failed = (what: string) => (error: unknown) => {
    if (!stopping.signal.aborted) logger.warn({ code: "kubelet", what, error: String(error) }, `${what} failed`);
  };

  const delegated: Delegated = await delegatedAuth({
    client,
    // A kubelet opens nothing to everybody.
    alwaysAllowPaths: [],
    onError: failed("asking the main API server"),
  });
  const routes = new RouteTable();
  routes.complete();
  const server = createServer({
    routes,
    authenticator: delegated.authenticator,
    authorizer: nodeAuthorizer(delegated.authorizer, nodeName),
    clock,
    random,
    logger,
    tls: options.tls,
  });
  server.paths.set("/metrics/resource", (exchange) => sendReadings(exchange, readings(options)));

  const nodes = client.resource(NODES);
  const pods = client.resource(PODS, NAMESPACE);
  const ours = createInformer(client, client.resource(PODS), {
    fieldSelector: `spec.nodeName=${nodeName}`,
    onError: failed("following pods"),
  });
  const background: Promise<void>[] = [];
  const every = (milliseconds: number, what: string, work: () => Promise<void>) => {
    const run = async () => {
      while (!stopping.signal.aborted) {
        await work().catch(failed(what));
        await clock.sleep(milliseconds, stopping.signal).catch(() => undefined);
      }
    };
    background.push(run());
  };

  async function facts(port: number): Promise<NodeFacts> {
    const described = machine.facts();
    const disk = await statfs(partsFolder).catch(() => undefined);
    return {
      name: nodeName,
      address,
      port,
      version,
      machine: described,
      freeMemoryBytes: described.memoryBytes - (readNode(machine)?.workingSetBytes ?? 0),
      disk: disk && { totalBytes: disk.blocks * disk.bsize, freeBytes: disk.bavail * disk.bsize },
    };
  }

  /** The Node as the API has it; made when it is not there. */
  async function register(now: NodeFacts): Promise<KubeObject> {
    const labels = nodeLabels(now);
    try {
      return await nodes.create({
        metadata: { name: nodeName, labels },
        spec: { taints: [NO_CONTAINERS] },
        status: nodeStatus(now, undefined, clock.now()),
      });
    } catch (error) {
      if (!hasReason(error, "AlreadyExists")) throw error;
      const node = await nodes.patch(nodeName, "merge", { metadata: { labels } });
      const taints: { key: string }[] = node["spec"]?.taints ?? [];
      if (taints.some(({ key }) => key === NO_CONTAINERS.key)) return node;
      return await nodes.patch(nodeName, "merge", { spec: { taints: [...taints, NO_CONTAINERS] } });
    }
  }

  let reported: JSONObject = {};
  let reportedAt = Number.NEGATIVE_INFINITY;
  async function report(port: number): Promise<void> {
    const now = await facts(port);
    const fresh = nodeStatus(now, { metadata: {}, status: reported }, clock.now());
    if (sameStatus(fresh, reported) && clock.monotonic() - reportedAt < REPORT_MILLISECONDS) return;
    const written = await nodes
      .patch(nodeName, "strategic", { status: fresh }, { subresource: "status", signal: stopping.signal })
      .catch(async (error: unknown) => {
        if (!hasReason(error, "NotFound")) throw error;
        // Somebody deleted the node: it is still here.
        await register(now);
        return await nodes.patch(nodeName, "strategic", { status: fresh }, { subresource: "status" });
      });
    reported = nodeStatus(now, written, clock.now());
    reportedAt = clock.monotonic();
  }

  /** Brings the pods of `kube-system` in line with the processes that run, and lets go of pods that were deleted. */
  async function syncPods(node: Node): Promise<void> {
    const { signal } = stopping;
    const parts = readParts(partsFolder, machine);
    const wanted = new Set(parts.map((part) => mirrorPodName(part.name, nodeName)));
    for (const pod of ours.list()) {
      const name = pod.metadata.name ?? "";
      const isOurs =
        pod.metadata.namespace === NAMESPACE && pod.metadata.annotations?.[MIRROR_ANNOTATION] !== undefined;
      // Whatever is deleted waits for its node to agree, and no process here depends on it.
      if (pod.metadata.deletionTimestamp || (isOurs && !wanted.has(name))) await release(pod, signal);
    }
    for (const part of parts) await syncPart(part, node).catch(failed(`showing ${part.name} as a pod`));
  }

  async function syncPart(part: Part, node: Node): Promise<void> {
    const { signal } = stopping;
    const found = ours.get(mirrorPodName(part.name, nodeName), NAMESPACE);
    if (found?.metadata.deletionTimestamp) return;
    try {
      const pod = found ?? (await pods.create(mirrorPod(part.name, node, clock.now()), { signal }));
      const status = mirrorStatus(part, node, pod, clock.now());
      if (status !== undefined) await pods.updateStatus({ ...pod, status }, { signal });
    } catch (error) {
      // The copy here was behind; the next round has the newer one.
      const behind = ["AlreadyExists", "Conflict", "NotFound"].some((reason) => hasReason(error, reason));
      if (!behind) throw error;
    }
  }

  async function release(pod: KubeObject, signal: AbortSignal): Promise<void> {
    const { name = "", namespace = "", uid = "" } = pod.metadata;
    await pods
      .in(namespace)
      .delete(name, { gracePeriodSeconds: 0, preconditions: { uid }, signal })
      .catch((error: unknown) => {
        if (!hasReason(error, "NotFound") && !hasReason(error, "Conflict")) throw error;
      });
  }

  async function farewell(): Promise<void> {
    const abort = new AbortController();
    const deadline = clock.after(FAREWELL_MILLISECONDS, () => abort.abort(new Error("no time left")));
    const { signal } = abort;
    const mirrors = ours.list().filter((pod) => pod.metadata.annotations?.[MIRROR_ANNOTATION] !== undefined);
    await Promise.allSettled([
      ...mirrors.map((pod) => release(pod, signal)),
      nodes.patch(
        nodeName,
        "strategic",
        { status: stoppedStatus({ metadata: {}, status: reported }, clock.now()) },
        { subresource: "status", signal },
      ),
    ]);
    deadline.cancel();
  }

  async function stop(sayGoodbye: boolean): Promise<void> {
    stopping.abort(new Error("the kubelet stops"));
    await Promise.all(background);
    if (sayGoodbye) await farewell();
    await ours.stop();
    await server.close({ graceMs: 2000 });
    await delegated.close();
  }

  try {
    const listening = await server.listen({ host, port: options.port ?? 0 });
    const registered = await register(await facts(listening.port));
    await report(listening.port);
    const node: Node = { name: nodeName, uid: registered.metadata.uid ?? "", address, version };
    const lease = nodeLease(client, node);
    await lease.renew().catch(failed("renewing the lease"));
    ours.start();
    every(RENEW_MILLISECONDS, "renewing the lease", () => lease.renew());
    every(STATUS_MILLISECONDS, "reporting the node's status", () => report(listening.port));
    every(PODS_MILLISECONDS, "showing processes as pods", async () => {
      await Promise.race([ours.ready(), stopped]);
      if (!stopping.signal.aborted) await syncPods(node);
    });
    logger.info({ code: "listening", ...listening, node: nodeName }, "the kubelet listens");
    let closing: Promise<void> | undefined;
    return {
      address: listening,
      close() {
        closing ??= stop(true);
        return closing;
      },
    };
  } catch (error) {
    await stop(false);
    throw error;
  }
}

function readNode(machine: Machine): NodeReading | undefined {
  try {
    return machine.node();
  } catch {
    return undefined;
  }
}

/** What `/metrics/resource` says now. */
function readings({ machine, partsFolder, nodeName }: KubeletOptions): string {
  const node = readNode(machine);
  if (node === undefined) return resourceMetrics(undefined, []);
  const containers = readParts(partsFolder, machine).flatMap(({ name, reading }): ContainerReading[] =>
    reading === undefined
      ? []
      : [{ ...reading, namespace: NAMESPACE, pod: mirrorPodName(name, nodeName), container: name }],
  );
  return resourceMetrics(node, containers);
}
