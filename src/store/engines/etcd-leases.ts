/** Leases of etcd that many keys share: an Event each would cost more than the Events (spec: apiserver 11.2). */
import type { Clock } from "../../api/clock.ts";
import type { EtcdConnection } from "./etcd-connection.ts";
import { decodeLeaseGrant, encodeLeaseGrant } from "./etcd-messages.ts";

/** Keys with the same time to live share a lease for so long, milliseconds, or for a twentieth of that time if it is less; as upstream. */
const SHARED = 60_000;
const SHARE_OF_LIFE = 0.05;
/** And no more of them than this. */
const KEYS = 1_000;

interface Shared {
  readonly until: number;
  readonly id: Promise<bigint>;
  keys: number;
}

export class Leases {
  readonly #connection: EtcdConnection;
  readonly #clock: Clock;
  readonly #bySeconds = new Map<number, Shared>();

  constructor(connection: EtcdConnection, clock: Clock) {
    this.#connection = connection;
    this.#clock = clock;
  }

  /** The id of a lease that lives at least `seconds` from now. */
  of(seconds: number): Promise<bigint> {
    const now = this.#clock.monotonic();
    const shared = this.#bySeconds.get(seconds);
    if (shared !== undefined && shared.until > now && shared.keys < KEYS) {
      shared.keys++;
      return shared.id;
    }
    const reuse = Math.min(SHARED, seconds * 1_000 * SHARE_OF_LIFE);
    // Long enough for the last one to join. Granting twice leaves a lease without keys, which dies by itself.
    const request = encodeLeaseGrant(Math.ceil(seconds + reuse / 1_000));
    const id = this.#connection.call("Lease/LeaseGrant", request, "read").then(decodeLeaseGrant);
    id.catch(() => this.forget(seconds));
    this.#bySeconds.set(seconds, { until: now + reuse, id, keys: 1 });
    return id;
  }

  /** The next key gets a new lease: the last one is gone. */
  forget(seconds: number): void {
    this.#bySeconds.delete(seconds);
  }
}
