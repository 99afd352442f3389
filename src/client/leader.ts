/** Leader election over a Lease: of several processes one at a time does the work. */

import type { KubeObject } from "../api/meta.ts";
import { hasReason } from "../api/status.ts";
import { formatMicroTime } from "../api/time.ts";
import type { Client } from "./client.ts";

export interface LeaderOptions {
  readonly client: Client;
  readonly namespace: string;
  /** The Lease's name. */
  readonly name: string;
  /** Who we are; unique among the candidates. */
  readonly identity: string;
  /** How long a leader that fell silent is respected, milliseconds. Default 15 s. */
  readonly leaseDuration?: number;
  /** A leader that could not renew for this long steps down, milliseconds. Default 10 s; less than `leaseDuration`. */
  readonly renewDeadline?: number;
  /** Between attempts, milliseconds. Default 2 s. */
  readonly retryPeriod?: number;
  /** We lead until `signal` aborts. The Lease is given back when the promise, if there is one, has settled. */
  onLeading(signal: AbortSignal): unknown;
  onError?(error: unknown): void;
}

export interface LeaderElection {
  readonly leading: boolean;
  start(): void;
  /** Steps down and gives the Lease back, so that another need not wait. */
  stop(): Promise<void>;
}

interface Lease extends KubeObject {
  spec?: {
    holderIdentity?: string;
    leaseDurationSeconds?: number;
    acquireTime?: string;
    renewTime?: string;
    leaseTransitions?: number;
  };
}

const LEASES = { group: "coordination.k8s.io", version: "v1", resource: "leases" };

export function leaderElection(options: LeaderOptions): LeaderElection {
  const { clock } = options.client;
  const leases = options.client.resource<Lease>(LEASES, options.namespace);
  const leaseDuration = options.leaseDuration ?? 15_000;
  const renewDeadline = options.renewDeadline ?? 10_000;
  const retryPeriod = options.retryPeriod ?? 2000;
  const stopped = new AbortController();
  let term: AbortController | undefined;
  let held: Lease | undefined;
  /** What another holder last wrote, and when we saw it: clocks of other machines are not trusted. */
  let seen = { text: "", at: 0 };
  let running: Promise<void> | undefined;
  let duties: Promise<void> | undefined;

  const specNow = (old: Lease["spec"]): NonNullable<Lease["spec"]> => {
    const now = formatMicroTime(clock.now());
    const mine = old?.holderIdentity === options.identity;
    return {
      holderIdentity: options.identity,
      leaseDurationSeconds: Math.ceil(leaseDuration / 1000),
      acquireTime: mine ? (old.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: (old?.leaseTransitions ?? 0) + (mine || old === undefined ? 0 : 1),
    };
  };

  /** True when the Lease is ours afterwards. */
  async function acquire(signal: AbortSignal): Promise<boolean> {
    if (held !== undefined) {
      // The fast path: nobody else should have written it.
      try {
        held = await leases.update({ ...held, spec: specNow(held.spec) }, { signal });
        return true;
      } catch (error) {
        if (!hasReason(error, "Conflict") && !hasReason(error, "NotFound")) throw error;
        held = undefined;
      }
    }
    let lease: Lease;
    try {
      lease = await leases.get(options.name, { signal });
    } catch (error) {
      if (!hasReason(error, "NotFound")) throw error;
      const metadata = { name: options.name, namespace: options.namespace };
      held = await leases.create(
        { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata, spec: specNow(undefined) },
        { signal },
      );
      return true;
    }
    const holder = lease.spec?.holderIdentity ?? "";
    const text = JSON.stringify(lease.spec ?? {});
    if (text !== seen.text) seen = { text, at: clock.monotonic() };
    const respected = (lease.spec?.leaseDurationSeconds ?? leaseDuration / 1000) * 1000;
    if (holder !== "" && holder !== options.identity && clock.monotonic() - seen.at < respected) return false;
    held = await leases.update({ ...lease, spec: specNow(lease.spec) }, { signal });
    return true;
  }

  async function run(): Promise<void> {
    let renewed = 0;
    while (!stopped.signal.aborted) {
      const began = clock.monotonic();
      // An attempt that hangs must not outlive the deadline of the term.
      const attempt = new AbortController();
      const left = term === undefined ? renewDeadline : Math.max(1, renewed + renewDeadline - began);
      const limit = clock.after(left, () => attempt.abort(new Error("renewing took too long")));
      const onStop = () => attempt.abort(new Error("stopped"));
      stopped.signal.addEventListener("abort", onStop, { once: true });
      let won = false;
      try {
        won = await acquire(attempt.signal);
      } catch (error) {
        if (!stopped.signal.aborted) options.onError?.(error);
      } finally {
        limit.cancel();
        stopped.signal.removeEventListener("abort", onStop);
      }
      if (stopped.signal.aborted) break;
      if (won) {
        renewed = began;
        if (term === undefined) {
          term = new AbortController();
          duties = Promise.resolve(options.onLeading(term.signal)).then(() => undefined);
          duties.catch((error: unknown) => options.onError?.(error));
        }
      } else if (term !== undefined && (held === undefined || clock.monotonic() - renewed >= renewDeadline)) {
        stepDown();
      }
      await clock
        .sleep(retryPeriod * (1 + (won ? 0 : 0.2 * options.client.random.number())), stopped.signal)
        .catch(() => {});
    }
  }

  function stepDown(): void {
    term?.abort(new Error("no longer the leader"));
    term = undefined;
  }

  return {
    get leading() {
      return term !== undefined;
    },
    start() {
      running ??= run();
    },
    async stop() {
      const led = term !== undefined;
      stepDown();
      stopped.abort();
      await running;
      // Whoever comes next must not find us still at it.
      await duties?.catch(() => {});
      if (!led || held === undefined) return;
      const spec = { ...held.spec, holderIdentity: "", leaseDurationSeconds: 1 };
      await leases.update({ ...held, spec }).catch((error: unknown) => options.onError?.(error));
    },
  };
}
