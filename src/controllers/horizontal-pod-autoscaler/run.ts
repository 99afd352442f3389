/**
 * The controller of autoscalers: each is looked at every sync period after the last look ended (spec: metrics 4.4). A new one, and one whose spec
 * changed, at once; those that were there at the start are spread over the first period.
 */
import { equalJSON } from "../../api/json/index.ts";
import type { JSONValue } from "../../api/meta.ts";
import { nothing } from "../../api/selectors.ts";
import type { Lister } from "../../client/lister.ts";
import { type ControllerContext, startSync } from "../controller.ts";
import { type Autoscaler, type AutoscalerOptions, keyOf, PODS } from "./autoscaler.ts";
import { eventBudget } from "./event-budget.ts";
import { kindsServed } from "./kinds-served.ts";
import { metricAPIs } from "./metric-apis.ts";
import { type History, newHistory } from "./normalization.ts";
import type { Pod } from "./pod.ts";
import { podIndex } from "./pod-index.ts";
import { reconcile, type World } from "./reconcile.ts";
import { SelectorRegistry } from "./selector-registry.ts";

const NAME = "horizontal-pod-autoscaler";
/** Discovery is read again after this long, milliseconds; as upstream's. */
const DISCOVERY_PERIOD = 30_000;
/** A namespace's list of metrics is shared for this part of the sync period. */
const SHARE = 1 / 15;

/** Runs until the context's signal aborts. `autoscalers` is synced already. */
export async function runAutoscalers(
  context: ControllerContext,
  autoscalers: Lister<Autoscaler>,
  options: AutoscalerOptions,
): Promise<void> {
  const { client, informers, signal, log } = context;
  const pods = informers.of<Pod>(PODS);
  const index = podIndex(pods);
  const served = kindsServed(client, DISCOVERY_PERIOD, options.syncPeriod, signal);
  const recorder = context.recorder(NAME);
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

  const { queue, finished } = startSync(NAME, context, options.concurrentSyncs, async (key) => {
    const slash = key.indexOf("/");
    const [namespace, name] = [key.slice(0, slash), key.slice(slash + 1)];
    const seen = autoscalers.get(name, namespace);
    if (seen === undefined) return undefined;
    const autoscaler = latest(seen, written.get(key));
    let history = histories.get(key);
    if (history === undefined) {
      history = newHistory();
      histories.set(key, history);
    }
    try {
      await reconcile(autoscaler, history, world);
    } catch (error) {
      if (signal.aborted) return undefined;
      log.warn({ controller: NAME, key, error: String(error) }, "will be looked at again");
    }
    return { again: options.syncPeriod };
  });

  let started = false;
  let order = 0;
  const count = Math.max(1, autoscalers.list().length);
  autoscalers.subscribe({
    added(autoscaler) {
      const key = keyOf(autoscaler);
      const namespace = autoscaler.metadata.namespace ?? "";
      perNamespace.set(namespace, (perNamespace.get(namespace) ?? 0) + 1);
      // It counts from now on, though nobody knows yet what it looks at.
      selectors.put(namespace, key, nothing);
      queue.addAfter(key, started ? 0 : (options.syncPeriod * order++) / count);
    },
    updated(autoscaler, old) {
      const key = keyOf(autoscaler);
      const wrote = written.get(key);
      if (wrote !== undefined && latest(autoscaler, wrote) === autoscaler) written.delete(key);
      const same = equalJSON(autoscaler.spec as unknown as JSONValue, old.spec as unknown as JSONValue);
      if (!same) queue.add(key);
    },
    deleted(autoscaler) {
      const key = keyOf(autoscaler);
      const namespace = autoscaler.metadata.namespace ?? "";
      const left = perNamespace.get(namespace)! - 1;
      if (left > 0) perNamespace.set(namespace, left);
      else perNamespace.delete(namespace);
      selectors.delete(namespace, key);
      histories.delete(key);
      written.delete(key);
      budget.forget(key);
    },
  });
  started = true;
  await finished;
}

/** What is known of an autoscaler: our own last write, as long as the watch is behind it and nobody else wrote. */
function latest(seen: Autoscaler, wrote: Autoscaler | undefined): Autoscaler {
  if (wrote === undefined || wrote.metadata.uid !== seen.metadata.uid) return seen;
  const versionOf = ({ metadata }: Autoscaler) => BigInt(metadata.resourceVersion || 0);
  return versionOf(wrote) > versionOf(seen) ? wrote : seen;
}
