/** All controllers of a cluster, over one client. */
import type { Client } from "../client/client.ts";
import type { ControllerLog } from "../controllers/controller.ts";
import { namespaceDefaults } from "../controllers/namespace-defaults.ts";
import { namespaceDeletion } from "../controllers/namespace-deletion.ts";

export interface ControllersOptions {
  readonly client: Client;
  /** What `kube-root-ca.crt` holds. */
  readonly rootCA: string | undefined;
  readonly signal: AbortSignal;
  readonly log: ControllerLog | undefined;
}

const SILENT: ControllerLog = { info: () => {}, warn: () => {} };

/** Resolves when the signal has aborted and every controller has ended. */
export async function runControllers({ client, rootCA, signal, log = SILENT }: ControllersOptions): Promise<void> {
  const context = { client, log, signal };
  await Promise.all([namespaceDefaults(rootCA), namespaceDeletion].map((controller) => controller(context)));
}
