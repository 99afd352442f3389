/** How questions to the main API server are repeated: five tries from 500 ms, within 10 s (spec: aggregation 7.3). */
import { StatusError } from "../../api/status.ts";
import type { Client } from "../../client/client.ts";

const TIMEOUT = 10_000;
const STEPS = 5;

/** Rejects with the last failure, or with the timeout. */
export async function retrying<T>(client: Client, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController();
  const timer = client.clock.after(TIMEOUT, () => abort.abort(new Error("the API server did not answer within 10 s")));
  try {
    let wait = 500;
    for (let step = 1; ; step++) {
      try {
        return await ask(abort.signal);
      } catch (error) {
        if (abort.signal.aborted) throw abort.signal.reason;
        if (step === STEPS || !mayRepeat(error)) throw error;
      }
      await client.clock.sleep(wait * (1 + 0.2 * client.random.number()), abort.signal);
      wait *= 1.5;
    }
  } finally {
    timer.cancel();
  }
}

/** 429, 500, 504, and connections that broke; anything else is an answer. */
function mayRepeat(error: unknown): boolean {
  return !(error instanceof StatusError) || error.code === 429 || error.code === 500 || error.code === 504;
}
