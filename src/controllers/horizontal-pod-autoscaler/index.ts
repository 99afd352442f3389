/** HorizontalPodAutoscalers are looked after as soon as there is one; until then this is one watch, and none of the rest is loaded. */
import type { Controller } from "../controller.ts";
import { AUTOSCALERS, type Autoscaler, type AutoscalerOptions, DEFAULT_OPTIONS } from "./autoscaler.ts";

export type { AutoscalerOptions } from "./autoscaler.ts";

export function horizontalPodAutoscaler(given: Partial<AutoscalerOptions> = {}): Controller {
  const options = { ...DEFAULT_OPTIONS, ...given };
  return async (context) => {
    const { informers, signal } = context;
    const autoscalers = informers.of<Autoscaler>(AUTOSCALERS);
    const wanted = new Promise<void>((resolve) => {
      autoscalers.subscribe({ added: () => resolve() });
      if (signal.aborted) resolve();
      else signal.addEventListener("abort", () => resolve(), { once: true });
    });
    await wanted;
    if (signal.aborted) return;
    const [{ runAutoscalers }] = await Promise.all([import("./run.ts"), informers.ready(autoscalers)]);
    await runAutoscalers(context, autoscalers, options);
  };
}
