/** Remembers addresses that refuse connections, so that callers are told at once instead of waiting for another refusal. */
import type { Clock } from "../api/clock.ts";
import { DialError } from "./dial-errors.ts";

export interface BreakerOptions {
  readonly clock: Clock;
  /** Consecutive failures to connect that open it. Default 3. */
  readonly failures?: number;
  /** How long it stays open the first time, milliseconds; doubles up to `maxOpen`. Default 500. */
  readonly open?: number;
  readonly maxOpen?: number;
}

interface State {
  failures: number;
  openUntil: number;
  openFor: number;
  last: DialError;
  probing: boolean;
}

export class Breaker {
  readonly #clock: Clock;
  readonly #limit: number;
  readonly #open: number;
  readonly #maxOpen: number;
  readonly #states = new Map<string, State>();

  constructor(options: BreakerOptions) {
    this.#clock = options.clock;
    this.#limit = options.failures ?? 3;
    this.#open = options.open ?? 500;
    this.#maxOpen = options.maxOpen ?? 10_000;
  }

  /** The failure to answer with at once; undefined when a connection may be tried. One caller at a time tries an open one whose time is up. */
  refuse(authority: string): DialError | undefined {
    const state = this.#states.get(authority);
    if (state === undefined || state.failures < this.#limit) return undefined;
    const now = this.#clock.monotonic();
    if (now >= state.openUntil && !state.probing) {
      state.probing = true;
      return undefined;
    }
    // A probe that never reported must not close the address for ever.
    if (now >= state.openUntil + this.#maxOpen) return undefined;
    return new DialError("BreakerOpen", state.last.message, true, state.last);
  }

  /** Whether connections to it are refused at present. */
  isOpen(authority: string): boolean {
    const state = this.#states.get(authority);
    return state !== undefined && state.failures >= this.#limit && this.#clock.monotonic() < state.openUntil;
  }

  succeeded(authority: string): void {
    this.#states.delete(authority);
  }

  failed(authority: string, error: DialError): void {
    if (!error.atConnect || error.reason === "BreakerOpen") {
      const state = this.#states.get(authority);
      if (state !== undefined) state.probing = false;
      return;
    }
    const state = this.#states.get(authority) ?? {
      failures: 0,
      openUntil: 0,
      openFor: this.#open,
      last: error,
      probing: false,
    };
    state.failures++;
    state.last = error;
    state.probing = false;
    if (state.failures >= this.#limit) {
      state.openUntil = this.#clock.monotonic() + state.openFor;
      state.openFor = Math.min(state.openFor * 2, this.#maxOpen);
    }
    this.#states.set(authority, state);
    this.#forgetOld();
  }

  /** Addresses come and go with pods. */
  #forgetOld(): void {
    if (this.#states.size <= 1024) return;
    const now = this.#clock.monotonic();
    for (const [authority, state] of this.#states) {
      if (state.openUntil + this.#maxOpen < now) this.#states.delete(authority);
    }
  }
}
