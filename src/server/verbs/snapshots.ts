/** Which state of the store a read sees: the latest, any, or one not older than a revision (spec: apiserver 2.11). */
import { tooLargeResourceVersion } from "../../api/status.ts";
import type { Revision } from "../../store/engine.ts";
import type { Snapshot, State } from "../../store/state.ts";
import { type Call, stateOf } from "./backend-context.ts";
import { readRevision } from "./read-revision.ts";

/** How long a read waits for a revision that has not happened, in milliseconds. */
export const FUTURE_REVISION_WAIT = 3000;

/** Resolves when everything durable now is visible here. */
export async function freshView(call: Call): Promise<Snapshot> {
  const state = stateOf(call);
  const head = await state.head();
  if (head > state.revision) await state.reached(head, call.exchange.signal);
  return state.view();
}

/** Waits up to three seconds of the clock for `revision`; then 504. */
export async function waitFor(call: Call, state: State, revision: Revision, asked: string): Promise<void> {
  if (revision <= state.revision) return;
  const given = new AbortController();
  const timer = call.backing.clock.after(FUTURE_REVISION_WAIT, () =>
    given.abort(tooLargeResourceVersion(asked, state.revision)),
  );
  const onAbort = () => given.abort(call.exchange.signal.reason);
  call.exchange.signal.addEventListener("abort", onAbort, { once: true });
  // Over a shared store the revision may be one that another server told, of a change that concerns nobody here.
  state.head().catch(() => {});
  try {
    await state.reached(revision, given.signal);
  } finally {
    timer.cancel();
    call.exchange.signal.removeEventListener("abort", onAbort);
  }
}

/** The view for a read with this `resourceVersion`: "" is the latest, "0" whatever is here, N at least N. */
export async function viewFor(call: Call, resourceVersion: string, verb: "get" | "list" | "watch"): Promise<Snapshot> {
  const state = stateOf(call);
  const revision = readRevision(resourceVersion, verb);
  if (revision === undefined) return freshView(call);
  if (revision > 0) await waitFor(call, state, revision, resourceVersion);
  return state.view();
}
