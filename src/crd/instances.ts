/** Deleting all objects of a definition, straight in the store: nobody's wish, so no admission, and no route that could lead elsewhere. */
import type { Clock } from "../api/clock.ts";
import { encodeCanonical, parseJSON } from "../api/json/index.ts";
import type { KubeObject } from "../api/meta.ts";
import { formatTime } from "../api/time.ts";
import type { LocalBackendOptions } from "../server/verbs/local-backend.ts";

export type Store = NonNullable<LocalBackendOptions["state"]>;

/** Begins the deletion of everything under the prefix: what has no finalizers is gone at once, the rest waits for those who hold it. */
export async function deleteInstances(state: Store, prefix: string, clock: Clock, signal: AbortSignal): Promise<void> {
  for (const { key } of state.view().range(prefix)) {
    // Read again until the write is the first after the read.
    for (let entry = state.view().get(key); entry !== undefined; ) {
      signal.throwIfAborted();
      const value = deleting(entry.value, clock.now());
      if (value === "begun") break;
      const result = await state.commit({ key, expected: entry.revision, value });
      if (result.committed) break;
      entry = result.current;
    }
  }
}

/** What becomes of a stored object when it is deleted: undefined when nothing holds it. */
function deleting(bytes: Uint8Array, now: number): Uint8Array | undefined | "begun" {
  const object = parseJSON(bytes).value as unknown as KubeObject;
  const { metadata } = object;
  if ((metadata.finalizers ?? []).length === 0) return undefined;
  if (metadata.deletionTimestamp) return "begun";
  metadata.deletionTimestamp = formatTime(now);
  metadata.deletionGracePeriodSeconds = 0;
  metadata.generation = (metadata.generation ?? 0) + 1;
  return encodeCanonical(object, "");
}

/** Resolves with true as soon as nothing is left under the prefix, with false after `timeout` milliseconds. */
export async function emptied(
  state: Store,
  prefix: string,
  clock: Clock,
  timeout: number,
  signal: AbortSignal,
): Promise<boolean> {
  const cursor = state.cursor(prefix, state.revision);
  const over = new AbortController();
  const timer = clock.after(timeout, () => over.abort());
  const stop = () => over.abort();
  signal.addEventListener("abort", stop, { once: true });
  try {
    for (;;) {
      signal.throwIfAborted();
      if (state.view().count(prefix) === 0) return true;
      if (over.signal.aborted) return false;
      await new Promise<void>((resolve) => {
        cursor.onReady(resolve);
        over.signal.addEventListener("abort", () => resolve(), { once: true });
      });
      while (cursor.next(1000).length > 0);
    }
  } finally {
    timer.cancel();
    signal.removeEventListener("abort", stop);
    cursor.close();
  }
}
