/** The machine's own clock and randomness. Imported only where a process is wired together; everything else is handed a `Clock` and a `Random`. */
import type { Clock, Random } from "./clock.ts";

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(milliseconds, callback) {
    const handle = setTimeout(callback, milliseconds);
    handle.unref?.();
    return { cancel: () => clearTimeout(handle) };
  },
  sleep(milliseconds, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => {
        clearTimeout(handle);
        reject(signal?.reason);
      };
      const handle = setTimeout(() => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      }, milliseconds);
      handle.unref?.();
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  },
};

export const systemRandom: Random = {
  number: () => Math.random(),
  bytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
  uuid: () => crypto.randomUUID(),
};
