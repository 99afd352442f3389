/**
 * The controller of autoscalers: each is looked at every sync period after the last look ended (spec: metrics 4.4). A new one, and one whose spec
 * changed, at once; those that were there at the start are spread over the first period.
 */
import { equalJSON } from "../../api/json/index.ts";
import type { JSONValue } from "../../api/meta.ts";
import type { Lister } from "../../client/lister.ts";
import { type ControllerContext, startSync } from "../controller.ts";
import { type Autoscaler, type AutoscalerOptions, keyOf, NAME } from "./autoscaler.ts";
import { openAutoscaling } from "./autoscaling.ts";

/** Runs until the context's signal aborts. `autoscalers` is synced already. */
export async function runAutoscalers(
  context: ControllerContext,
  autoscalers: Lister<Autoscaler>,
  options: AutoscalerOptions,
): Promise<void> {
  const { signal, log } = context;
  const autoscaling = await openAutoscaling(context, autoscalers, options);
  const { queue, finished } = startSync(NAME, context, options.concurrentSyncs, async (key) => {
    try {
      await autoscaling.look(key);
    } catch (error) {
      if (signal.aborted) return undefined;
      log.warn({ controller: NAME, key, error: String(error) }, "will be looked at again");
    }
    return autoscaling.has(key) ? { again: options.syncPeriod } : undefined;
  });
  let started = false;
  let order = 0;
  const count = Math.max(1, autoscalers.list().length);
  const unsubscribe = autoscalers.subscribe({
    added(autoscaler) {
      autoscaling.added(autoscaler);
      queue.addAfter(keyOf(autoscaler), started ? 0 : (options.syncPeriod * order++) / count);
    },
    updated(autoscaler, old) {
      autoscaling.updated(autoscaler);
      const same = equalJSON(autoscaler.spec as unknown as JSONValue, old.spec as unknown as JSONValue);
      if (!same) queue.add(keyOf(autoscaler));
    },
    deleted: (autoscaler) => autoscaling.deleted(autoscaler),
  });
  started = true;
  await finished;
  unsubscribe();
}
