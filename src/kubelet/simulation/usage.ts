/** What simulated pods have used so far: their own curves, and their shares of a load that is divided among the ready ones of a workload. */
import { type Curve, constant } from "./curves.ts";

/** A load and those who bear it. What each of them has borne is one sum that all share, so that joining and leaving cost the same for any number. */
class Load {
  readonly #began: number;
  #curve: Curve = constant(0);
  #text = "";
  #members = 0;
  #perMember = 0;
  #at: number;

  constructor(now: number) {
    this.#began = now;
    this.#at = now;
  }

  /** Core-seconds a member has borne that was there from the beginning. */
  perMember(now: number): number {
    if (now > this.#at) {
      const seconds = (time: number) => (time - this.#began) / 1000;
      const area = this.#curve.until(seconds(now)) - this.#curve.until(seconds(this.#at));
      if (this.#members > 0) this.#perMember += area / this.#members;
      this.#at = now;
    }
    return this.#perMember;
  }

  /** Whoever came last says what the load is: that is how a rollout changes it. */
  describe(text: string, curve: Curve, now: number): void {
    if (text === this.#text) return;
    this.perMember(now);
    this.#text = text;
    this.#curve = curve;
  }

  get members(): number {
    return this.#members;
  }

  join(now: number): number {
    const joined = this.perMember(now);
    this.#members++;
    return joined;
  }

  leave(now: number): number {
    const left = this.perMember(now);
    this.#members--;
    return left;
  }
}

/** All loads, by the workload they belong to; one without pods is forgotten. */
export class Loads {
  readonly #loads = new Map<string, { readonly load: Load; users: number }>();

  use(workload: string, text: string, curve: Curve, now: number): Load {
    let entry = this.#loads.get(workload);
    if (entry === undefined) {
      entry = { load: new Load(now), users: 0 };
      this.#loads.set(workload, entry);
    }
    entry.users++;
    entry.load.describe(text, curve, now);
    return entry.load;
  }

  drop(workload: string): void {
    const entry = this.#loads.get(workload);
    if (entry !== undefined && --entry.users === 0) this.#loads.delete(workload);
  }
}

/** One container's counters from its start; a container that starts again begins at zero. Times in milliseconds. */
export class Usage {
  readonly startedAt: number;
  readonly #cpu: Curve;
  readonly #memory: Curve;
  readonly #load: Load | undefined;
  /** Of the load, before it last joined. */
  #borne = 0;
  #joinedAt: number | undefined;

  constructor(startedAt: number, cpu: Curve, memory: Curve, load: Load | undefined) {
    this.startedAt = startedAt;
    this.#cpu = cpu;
    this.#memory = memory;
    this.#load = load;
  }

  /** Whether it takes its share of the load. */
  serve(yes: boolean, now: number): void {
    if (this.#load === undefined || yes === (this.#joinedAt !== undefined)) return;
    if (yes) this.#joinedAt = this.#load.join(now);
    else {
      this.#borne += this.#load.leave(now) - this.#joinedAt!;
      this.#joinedAt = undefined;
    }
  }

  cpuSeconds(now: number): number {
    const own = this.#cpu.until(Math.max(0, now - this.startedAt) / 1000);
    const bearing = this.#joinedAt === undefined ? 0 : this.#load!.perMember(now) - this.#joinedAt;
    return own + this.#borne + bearing;
  }

  workingSetBytes(now: number): number {
    return Math.round(this.#memory.at(Math.max(0, now - this.startedAt) / 1000));
  }
}
