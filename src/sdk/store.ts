/** Storage for resources of an extension server: the same store the main API server stands on. */

import type { Clock } from "../api/clock.ts";
import { systemClock } from "../api/machine.ts";
import type { State } from "../store/state.ts";

export interface Store {
  /** Opens on first use, which is `listen` at the latest. */
  open(): Promise<State>;
  close(): Promise<void>;
}

export interface StoreOptions {
  /** A file for SQLite; without one everything is in memory and gone with the process. */
  readonly path?: string;
  readonly clock?: Clock;
}

/** A store of one's own. Several resources may share it. */
export function createStore(options: StoreOptions = {}): Store {
  const clock = options.clock ?? systemClock;
  let opened: Promise<State> | undefined;
  async function open(): Promise<State> {
    const { openState } = await import("../store/open-state.ts");
    if (options.path === undefined) {
      const { memoryEngine } = await import("../store/engines/memory.ts");
      return openState(memoryEngine({ clock }), { clock });
    }
    const { sqliteEngine } = await import("../store/engines/sqlite.ts");
    return openState(sqliteEngine({ path: options.path, clock }), { clock });
  }
  return {
    open() {
      opened ??= open();
      return opened;
    },
    async close() {
      // What could not be opened need not be closed.
      await (await opened?.catch(() => undefined))?.close();
    },
  };
}
