/** All controllers of a cluster, over one client and one copy of each resource, in one process at a time. */
import { hostname } from "node:os";
import type { Client } from "../client/client.ts";
import { informerFactory } from "../client/informer-factory.ts";
import { leaderElection } from "../client/leader.ts";
import { eventRecorder } from "../client/recorder.ts";
import { clusterRoleAggregation } from "../controllers/cluster-role-aggregation.ts";
import type { Controller, ControllerContext, ControllerLog } from "../controllers/controller.ts";
import type { AutoscalerOptions } from "../controllers/horizontal-pod-autoscaler/index.ts";
import { namespaceDefaults } from "../controllers/namespace-defaults.ts";
import { namespaceDeletion } from "../controllers/namespace-deletion.ts";

export interface ControllersOptions {
  readonly client: Client;
  /** What `kube-root-ca.crt` holds. */
  readonly rootCA: string | undefined;
  readonly signal: AbortSignal;
  readonly log: ControllerLog | undefined;
  /** Also those that move workloads: Deployments, pods, endpoints, garbage. Default false: an API whose objects stay as they are written. */
  readonly workloads?: boolean;
  /** The flags of the autoscaler; it runs with the workloads. */
  readonly autoscaler?: Partial<AutoscalerOptions>;
  /** Who we are among the processes that could run them. Default: this machine and a random number. */
  readonly identity?: string;
}

const SILENT: ControllerLog = { info: () => {}, warn: () => {} };
/** Who holds it runs the controllers. */
const CONTROLLERS_LEASE = { namespace: "kube-system", name: "tenon-controllers" };

/** A candidate's name as upstream makes it. */
export function candidate(client: Client): string {
  return `${hostname()}_${client.random.uuid()}`;
}

/** Loaded when they are to run, so that a start without them does not pay. */
async function workloadControllers(autoscaler: Partial<AutoscalerOptions>): Promise<readonly Controller[]> {
  const loaded = await Promise.all([
    import("../controllers/horizontal-pod-autoscaler/index.ts").then((module) =>
      module.horizontalPodAutoscaler(autoscaler),
    ),
    import("../controllers/deployment/deployment.ts").then((module) => module.deployments),
    import("../controllers/replica-set/replica-set.ts").then((module) => module.replicaSets),
    import("../controllers/scheduler/scheduler.ts").then((module) => module.scheduler),
    import("../controllers/endpoints/endpoints.ts").then((module) => module.endpoints),
    import("../controllers/garbage/collector.ts").then((module) => module.garbageCollection),
  ]);
  return loaded;
}

/**
 * Runs them whenever this process holds the Lease. Resolves when the signal has aborted, every controller has ended and the Lease is
 * given back.
 */
export async function runControllers(options: ControllersOptions): Promise<void> {
  const { client, rootCA, signal, log = SILENT, workloads = false, autoscaler = {} } = options;
  /** The latest term's work; a new term begins when the last one is over. */
  let running: Promise<unknown> = Promise.resolve();
  async function serve(term: AbortSignal): Promise<void> {
    const informers = informerFactory(client, (error) => log.warn({ error: String(error) }, "a watch failed"));
    const recorder = (component: string) =>
      eventRecorder(client, component, (error) => {
        if (!term.aborted) log.warn({ component, error: String(error) }, "an event was not written");
      });
    const context: ControllerContext = { client, informers, recorder, log, signal: term };
    // Nobody waits for a copy that will never be complete.
    const stop = () => void informers.stop();
    if (term.aborted) stop();
    else term.addEventListener("abort", stop, { once: true });
    const run = (controller: Controller) =>
      controller(context).catch((error: unknown) => {
        log.warn({ error: String(error) }, "a controller ended");
      });
    const always = [namespaceDefaults(rootCA), namespaceDeletion, clusterRoleAggregation];
    const others = workloads
      ? workloadControllers(autoscaler).then((loaded) => Promise.all(loaded.map(run)))
      : undefined;
    await Promise.all([...always.map(run), others]);
    await informers.stop();
  }
  const election = leaderElection({
    client,
    ...CONTROLLERS_LEASE,
    identity: options.identity ?? candidate(client),
    onLeading(term) {
      running = running.then(() => serve(term));
      running.catch((error: unknown) => log.warn({ error: String(error) }, "a controller ended"));
    },
    onError: (error) => log.warn({ lease: CONTROLLERS_LEASE.name, error: String(error) }, "the lease was not had"),
  });
  if (!signal.aborted) {
    election.start();
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  }
  await election.stop();
  await running.catch(() => {});
}
