/** All controllers of a cluster, over one client, in one process at a time. */
import { hostname } from "node:os";
import type { Client } from "../client/client.ts";
import { leaderElection } from "../client/leader.ts";
import { clusterRoleAggregation } from "../controllers/cluster-role-aggregation.ts";
import type { ControllerLog } from "../controllers/controller.ts";
import { namespaceDefaults } from "../controllers/namespace-defaults.ts";
import { namespaceDeletion } from "../controllers/namespace-deletion.ts";

export interface ControllersOptions {
  readonly client: Client;
  /** What `kube-root-ca.crt` holds. */
  readonly rootCA: string | undefined;
  readonly signal: AbortSignal;
  readonly log: ControllerLog | undefined;
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

/**
 * Runs them whenever this process holds the Lease. Resolves when the signal has aborted, every controller has ended and the Lease is
 * given back.
 */
export async function runControllers(options: ControllersOptions): Promise<void> {
  const { client, rootCA, signal, log = SILENT } = options;
  /** The latest term's work; a new term begins when the last one is over. */
  let running: Promise<unknown> = Promise.resolve();
  const election = leaderElection({
    client,
    ...CONTROLLERS_LEASE,
    identity: options.identity ?? candidate(client),
    onLeading(term) {
      const context = { client, log, signal: term };
      const controllers = [namespaceDefaults(rootCA), namespaceDeletion, clusterRoleAggregation];
      running = running.then(() => Promise.all(controllers.map((controller) => controller(context))));
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
