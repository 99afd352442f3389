/** The end of a definition: its objects go first, then the finalizer that held it (spec: apiserver 8.12 #6). */
import type { Clock } from "../api/clock.ts";
import { CLEANUP_FINALIZER } from "../kinds/apiextensions/custom-resource-definition.ts";
import type { WantedCondition } from "./conditions.ts";
import { type Digest, isTrue } from "./digest.ts";
import { deleteInstances, emptied, type Store } from "./instances.ts";
import { storagePrefixOf } from "./resource.ts";

/** How long the objects may take to go before it is said that they did not, in milliseconds. */
const PATIENCE = 60_000;

/** Their storage is that of a built-in kind, whose objects are not theirs to delete. */
const OVERLAPPING = new Set(["apiservices.apiregistration.k8s.io", "customresourcedefinitions.apiextensions.k8s.io"]);

export interface Termination {
  readonly state: Store;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Writes the condition and, with `release`, takes the finalizer away. False when somebody else wrote first: then all this is done again. */
  write(condition: WantedCondition, release?: boolean): Promise<boolean>;
}

const terminating = (status: "True" | "False", reason: string, message: string): WantedCondition => ({
  type: "Terminating",
  status,
  reason,
  message,
});

export function isTerminating({ deleting, finalizers }: Digest): boolean {
  return deleting && finalizers.includes(CLEANUP_FINALIZER);
}

/** Throws what kept objects from going, once the condition says it; to be tried again later. */
export async function terminate(definition: Digest, { state, clock, signal, write }: Termination): Promise<void> {
  const { name } = definition;
  const begun = terminating("True", "InstanceDeletionInProgress", "CustomResource deletion is in progress");
  if (!(await write(begun))) return;
  if (OVERLAPPING.has(name)) {
    const why = "instances overlap with built-in resources in storage";
    await write(terminating("False", "OverlappingBuiltInResource", why), true);
    return;
  }
  if (!isTrue(definition, "Established")) {
    await write(terminating("False", "NeverEstablished", "resource was never established"), true);
    return;
  }
  const prefix = storagePrefixOf(definition);
  try {
    await deleteInstances(state, prefix, clock, signal);
  } catch (error) {
    if (signal.aborted) throw error;
    await write(terminating("True", "InstanceDeletionFailed", `could not issue all deletes: ${messageOf(error)}`));
    throw error;
  }
  if (!(await emptied(state, prefix, clock, PATIENCE, signal))) {
    const message = "could not confirm zero CustomResources remaining: context deadline exceeded";
    await write(terminating("True", "InstanceDeletionCheck", message));
    throw new Error(`${name}: ${message}`);
  }
  await write(terminating("False", "InstanceDeletionCompleted", "removed all instances"), true);
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
