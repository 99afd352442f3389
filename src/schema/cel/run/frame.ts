/** What one evaluation has: the values of its variables, and what it has cost so far. */
import type { Value } from "../values/value.ts";

export type Eval = (frame: Frame) => Value;

/** Ends an evaluation whose cost has passed its limit; no operator absorbs it. Has no stack: it is no mistake of a program. */
export class CostExceeded {
  readonly message = "operation cancelled: actual cost limit exceeded";
}

const EXCEEDED = new CostExceeded();

export class Frame {
  readonly slots: Value[];
  cost = 0;
  readonly limit: number;

  constructor(slots: number, limit: number) {
    this.slots = new Array(slots).fill(null);
    this.limit = limit;
  }

  charge(cost: number): void {
    this.cost += cost;
    if (this.cost > this.limit) throw EXCEEDED;
  }
}
