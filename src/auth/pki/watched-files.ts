/** Files that are read again while the process runs: certificates and authorities are replaced under a running server (spec: aggregation 3.6, security A-18). */
import { watch } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { Clock, Timer } from "../../api/clock.ts";

export interface WatchedFiles<T> {
  /** What the files held when they last made sense; the same object until they say something else. */
  readonly current: T;
  /** Called after `current` has changed. Answers how to stop. */
  onChange(listener: () => void): () => void;
  /** Looks now; resolves when done. Never rejects. */
  look(): Promise<void>;
  close(): void;
}

export interface WatchOptions {
  readonly clock: Clock;
  /** Told of files that cannot be read or make no sense, once for each content; what they held before stays. */
  onError(error: unknown): void;
  /** How to be told that something happened in a folder. Default: the system's notifications, where it has them. */
  notify?(folder: string, happened: () => void): () => void;
}

/** The system's notifications may be missing: files are read again after this long whatever happens, milliseconds. */
const INTERVAL = 60_000;
/** Several files change one after the other: they are read when it has been quiet for so long. */
const SETTLE = 100;
/** A pair of which only one half is new is looked at again this soon. */
const RETRY = 1000;

/**
 * Reads the files, makes a `T` of their contents, and does so again when they change. Rejects when that fails the first time; later the
 * last good one stays, so that no moment of a replacement in several steps counts.
 */
export async function watchFiles<T>(
  paths: readonly string[],
  parse: (contents: readonly string[]) => T,
  options: WatchOptions,
): Promise<WatchedFiles<T>> {
  const { clock } = options;
  const read = () => Promise.all(paths.map((path) => readFile(path, "utf8")));
  const listeners = new Set<() => void>();
  let contents = await read();
  let current = parse(contents);
  let refused: string | undefined;
  let closed = false;
  let timer: Timer | undefined;
  let looking: Promise<void> = Promise.resolve();

  async function reload(): Promise<void> {
    let fresh: string[] | undefined;
    try {
      fresh = await read();
      if (same(fresh, contents)) {
        refused = undefined;
        return;
      }
      current = parse(fresh);
      contents = fresh;
      refused = undefined;
    } catch (error) {
      const what = fresh === undefined ? String(error) : fresh.join("\0");
      if (what !== refused) options.onError(error);
      refused = what;
      return;
    }
    for (const listener of listeners) listener();
  }

  const look = () => {
    looking = looking.then(async () => {
      if (closed) return;
      await reload();
      schedule(refused === undefined ? INTERVAL : RETRY);
    });
    return looking;
  };
  const schedule = (delay: number) => {
    timer?.cancel();
    if (!closed) timer = clock.after(delay, look);
  };
  schedule(INTERVAL);
  const notify = options.notify ?? systemNotices;
  const stops = [...new Set(paths.map((path) => dirname(path)))].map((folder) =>
    notify(folder, () => schedule(SETTLE)),
  );

  return {
    get current() {
      return current;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    look,
    close() {
      closed = true;
      timer?.cancel();
      for (const stop of stops) stop();
    },
  };
}

const same = (a: readonly string[], b: readonly string[]) => a.every((text, index) => text === b[index]);

/** Of the folder and not of the file: a replaced file is another file. */
function systemNotices(folder: string, happened: () => void): () => void {
  try {
    const watcher = watch(folder, { persistent: false }, happened);
    watcher.on("error", () => watcher.close());
    return () => watcher.close();
  } catch {
    return () => {};
  }
}
