/** What a case of the aggregation table is: one sentence about the aggregation layer that is true on a real kube-apiserver. */
import type { Stage } from "./stage.ts";

export interface Case {
  readonly number: number;
  readonly name: string;
  /** The server it runs against. Default "endpoint". "own": it starts its own, by `stage.start`. */
  readonly world?: World;
  /** Waits for timers of the server, or for its restart: part of the table, not of `npm test`. */
  readonly slow?: true;
  /** Tenon differs on purpose: what the first column of docs/deviations.md calls it. The case asserts both behaviours. */
  readonly differs?: string;
  /** Said in the table. */
  readonly note?: string;
  /** Throws when it is not so. */
  run(stage: Stage): Promise<void>;
}

/** Servers that cases share: what reaches an extension server there. */
export type World = "endpoint" | "cluster-ip" | "own";

export function define(
  number: number,
  name: string,
  run: Case["run"],
  options: Omit<Case, "number" | "name" | "run"> = {},
): Case {
  return { number, name, run, ...options };
}
