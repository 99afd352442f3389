/** What every story begins with: the target, and a namespace of its own. */
import { afterAll, beforeAll, inject } from "vitest";
import { openTarget, type Target, uniqueName } from "./target.ts";

declare module "vitest" {
  interface ProvidedContext {
    kubeconfig: string;
  }
}

export interface Story {
  readonly target: Target;
  /** Made before the first test, deleted (not awaited) after the last. */
  readonly namespace: string;
}

export function story(): Story {
  const target = openTarget(inject("kubeconfig"));
  const namespace = uniqueName("story");
  beforeAll(async () => {
    const made = await target.call("POST", "/api/v1/namespaces", { body: { metadata: { name: namespace } } });
    if (made.status !== 201) throw new Error(`cannot create namespace ${namespace}: ${made.text}`);
  });
  afterAll(async () => {
    await target.call("DELETE", `/api/v1/namespaces/${namespace}`);
  });
  return { target, namespace };
}

/** Repeats `ask` until `good`, at most `seconds`; answers the last answer either way. */
export async function eventually<T>(ask: () => Promise<T>, good: (answer: T) => boolean, seconds = 30): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await ask();
    if (good(answer) || Date.now() > deadline) return answer;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
