/** When rows with a time to live have to go: what the engines that expire rows themselves share. */
import type { Clock, Timer } from "../../api/clock.ts";
import type { CommitResult, Revision, Write } from "../engine.ts";

/** How often due rows are looked for, in milliseconds. A row lives up to this much longer than it was to. */
export const SWEEP = 1_000;
/** How many deletes of one sweep are in flight together. */
const TOGETHER = 256;

interface Due {
  readonly key: string;
  readonly revision: Revision;
}

/** Deletes rows when their time has come, by ordinary compare-and-swap: a row that was written again stays. */
export class Expiry {
  readonly #clock: Clock;
  readonly #commit: (write: Write) => Promise<CommitResult>;
  /** By the second at which they are due. */
  readonly #due = new Map<number, Due[]>();
  #timer: Timer | undefined;
  #closed = false;

  constructor(clock: Clock, commit: (write: Write) => Promise<CommitResult>) {
    this.#clock = clock;
    this.#commit = commit;
  }

  /** `at`: milliseconds since the epoch. */
  add(key: string, revision: Revision, at: number): void {
    const second = Math.ceil(at / 1_000);
    const due = this.#due.get(second);
    if (due === undefined) this.#due.set(second, [{ key, revision }]);
    else due.push({ key, revision });
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#due.clear();
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#closed || this.#due.size === 0) return;
    this.#timer = this.#clock.after(SWEEP, () => {
      this.#timer = undefined;
      void this.#sweep();
      this.#schedule();
    });
  }

  async #sweep(): Promise<void> {
    const now = this.#clock.now() / 1_000;
    for (const [second, due] of [...this.#due]) {
      if (second > now) continue;
      this.#due.delete(second);
      for (let from = 0; from < due.length && !this.#closed; from += TOGETHER) {
        const some = due.slice(from, from + TOGETHER);
        const results = await Promise.allSettled(
          some.map(({ key, revision }) => this.#commit({ key, expected: revision, value: undefined })),
        );
        // What could not be written is due still.
        results.forEach((result, index) => {
          const row = some[index]!;
          if (result.status === "rejected" && !this.#closed) this.add(row.key, row.revision, (now + 1) * 1_000);
        });
      }
    }
  }
}
