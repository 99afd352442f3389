/** What must have happened before the server calls itself ready, by upstream's names (spec: apiserver 7.6). */
import type { HealthCheck } from "../server/health.ts";

export interface Hooks {
  readonly checks: readonly HealthCheck[];
  /** Runs the work of a hook; its check passes once the work is done. */
  run(name: string, work: () => Promise<void> | void): Promise<void>;
}

/** A check for each name; `/readyz/poststarthook/<name>` fails until the hook has run. */
export function startHooks(names: readonly string[]): Hooks {
  const done = new Set<string>();
  return {
    checks: names.map((name) => ({
      name: `poststarthook/${name}`,
      check: () => (done.has(name) ? undefined : new Error("not finished")),
    })),
    async run(name, work) {
      if (!names.includes(name)) throw new Error(`no hook is named ${name}`);
      await work();
      done.add(name);
    },
  };
}
