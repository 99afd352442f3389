/** How a part of the control plane ends: by a signal, or because the process that supervises it is gone. */

/** What a supervised part tells its supervisor once it works. */
export interface ReadyMessage {
  readonly ready: true;
  /** `https://127.0.0.1:6443`; absent where nothing listens. */
  readonly url?: string;
}

/** Says that this process works: to the supervisor, or to the terminal when there is none. */
export function announce(part: string, message: Omit<ReadyMessage, "ready">): void {
  if (process.send !== undefined) process.send({ ready: true, ...message });
  else console.log(message.url === undefined ? `ready  ${part}` : `ready  ${part}  ${message.url}`);
}

/** Keeps the process going while it only waits: the timers of a Clock do not. */
export function stayAlive(): void {
  setInterval(() => {}, 2 ** 30);
}

/** Wrappers like npm and timeout pass on a signal the terminal has already sent: two within this time are one. */
const ONE_SIGNAL_MILLISECONDS = 1000;

/**
 * Calls `end` for the first of SIGINT and SIGTERM; a second one, meant in earnest, does not wait any longer and exits with 1.
 */
export function onEndSignal(end: () => void): void {
  let first: number | undefined;
  const onSignal = () => {
    if (first === undefined) {
      first = Date.now();
      end();
    } else if (Date.now() - first > ONE_SIGNAL_MILLISECONDS) process.exit(1);
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
}

/** Calls `stop` once, on SIGINT, SIGTERM or when the supervisor is gone, then exits: 0, or 1 when stopping failed. */
export function endWith(stop: () => Promise<void>): void {
  let stopping = false;
  const end = () => {
    if (stopping) return;
    stopping = true;
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        console.error(error instanceof Error ? error.message : error);
        process.exit(1);
      },
    );
  };
  onEndSignal(end);
  if (process.send !== undefined) process.on("disconnect", end);
}
