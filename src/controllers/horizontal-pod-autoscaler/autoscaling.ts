/** All autoscalers of a cluster with what is remembered of each: `look` is one look at one of them. */
import { nothing } from "../../api/selectors.ts";
import type { Lister } from "../../client/lister.ts";
import type { ControllerContext } from "../controller.ts";
import { type Autoscaler, type AutoscalerOptions, keyOf, NAME, PODS } from "./autoscaler.ts";
import { eventBudget } from "./event-budget.ts";
import { kindsServed } from "./kinds-served.ts";
import { metricAPIs } from "./metric-apis.ts";
import { type History, newHistory } from "./normalization.ts";
import type { Pod } from "./pod.ts";
import { podIndex } from "./pod-index.ts";
import { reconcile, type World } from "./reconcile.ts";
import { SelectorRegistry } from "./selector-registry.ts";

/** Discovery is read again after this long, milliseconds; as upstream's. */
const DISCOVERY_PERIOD = 30_000;
/** A namespace's list of metrics is shared for this part of the sync period. */
const SHARE = 1 / 15;

export interface Autoscaling {
  /** Throws what the operator should know. What is not there any more is nothing to look at. */
  look(key: string): Promise<void>;
  /** Whether it is still there. */
  has(key: string): boolean;
  /** To be told of every autoscaler that comes, changes and goes. */
  added(autoscaler: Autoscaler): void;
  updated(autoscaler: Autoscaler): void;
  deleted(autoscaler: Autoscaler): void;
}

/** Resolves when the pods are known. */
export async function openAutoscaling(
  { client, informers, recorder: recorderOf, signal }: ControllerContext,
  autoscalers: Lister<Autoscaler>,
  options: AutoscalerOptions,
): Promise<Autoscaling> {
  const pods = informers.of<Pod>(PODS);
  const index = podIndex(pods);
  const served = kindsServed(client, DISCOVERY_PERIOD, options.syncPeriod, signal);
  const recorder = recorderOf(NAME);
  const budget = eventBudget(client.clock);
  const selectors = new SelectorRegistry();
  const histories = new Map<string, History>();
  /** What we wrote last, by key: newer than what the watch has brought, until it brings it. */
  const written = new Map<string, Autoscaler>();
  /** How many autoscalers a namespace has. */
  const perNamespace = new Map<string, number>();
  const world: World = {
    client,
    served,
    metrics: metricAPIs(client, served, { shareFor: options.syncPeriod * SHARE, signal }),
    options,
    selectors,
    signal,
    pods: (namespace, selector) => index.select(namespace, selector),
    worthSharing: (namespace, count) => count * (perNamespace.get(namespace) ?? 0) >= index.count(namespace),
    record(about, type, reason, message) {
      if (budget.take(keyOf(about))) recorder.record(about, type, reason, message);
    },
    wrote: (autoscaler) => void written.set(keyOf(autoscaler), autoscaler),
  };
  await informers.ready(pods);

  const seen = (key: string) => {
    const slash = key.indexOf("/");
    return autoscalers.get(key.slice(slash + 1), key.slice(0, slash));
  };
  return {
    has: (key) => seen(key) !== undefined,
    async look(key) {
      const known = seen(key);
      if (known === undefined) return;
      let history = histories.get(key);
      if (history === undefined) {
        history = newHistory();
        histories.set(key, history);
      }
      await reconcile(latest(known, written.get(key)), history, world);
    },
    added(autoscaler) {
      const namespace = autoscaler.metadata.namespace ?? "";
      perNamespace.set(namespace, (perNamespace.get(namespace) ?? 0) + 1);
      // It counts from now on, though nobody knows yet what it looks at.
      selectors.put(namespace, keyOf(autoscaler), nothing);
    },
    updated(autoscaler) {
      const key = keyOf(autoscaler);
      const wrote = written.get(key);
      if (wrote !== undefined && latest(autoscaler, wrote) === autoscaler) written.delete(key);
    },
    deleted(autoscaler) {
      const key = keyOf(autoscaler);
      const namespace = autoscaler.metadata.namespace ?? "";
      const left = (perNamespace.get(namespace) ?? 1) - 1;
      if (left > 0) perNamespace.set(namespace, left);
      else perNamespace.delete(namespace);
      selectors.delete(namespace, key);
      histories.delete(key);
      written.delete(key);
      budget.forget(key);
    },
  };
}

/** What is known of an autoscaler: our own last write, as long as the watch is behind it and nobody else wrote. */
function latest(seen: Autoscaler, wrote: Autoscaler | undefined): Autoscaler {
  if (wrote === undefined || wrote.metadata.uid !== seen.metadata.uid) return seen;
  const versionOf = ({ metadata }: Autoscaler) => BigInt(metadata.resourceVersion || 0);
  return versionOf(wrote) > versionOf(seen) ? wrote : seen;
}
