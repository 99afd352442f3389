/** Time, randomness and identifiers as values that are handed in: no room but the transports reads them from the machine. */

/** A running timer; `cancel` is idempotent. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Wall-clock time, milliseconds since the Unix epoch. */
  now(): number;
  /** Monotonic time in milliseconds, for durations. */
  monotonic(): number;
  /** Runs `callback` once after `milliseconds`. A pending timer does not keep the process alive. */
  after(milliseconds: number, callback: () => void): Timer;
  /** Resolves after `milliseconds`; rejects with the signal's reason when it aborts first. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
}

export interface Random {
  /** A float in [0, 1). */
  number(): number;
  /** `length` random bytes. */
  bytes(length: number): Uint8Array;
  /** A random version 4 UUID in lower case. */
  uuid(): string;
}
