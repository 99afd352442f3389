/** One of all servers over an etcd forgets its history, by upstream's protocol on one key, so that kube-apiservers may take turns with us (spec: apiserver 11.2). */
import type { Clock } from "../../api/clock.ts";
import type { EtcdConnection } from "./etcd-connection.ts";
import { decodeTurn, encodeCompact, encodeTurn } from "./etcd-messages.ts";

/** Upstream's key, outside of every scope. */
const KEY = "compact_rev_key";

/**
 * Every interval each server tries to write the key if nobody has since it last looked; who succeeds compacts to the revision it saw
 * then, so history lives for one to two intervals. `turn` takes part once.
 */
export class Compactor {
  readonly #connection: EtcdConnection;
  /** How often the key was written when we last looked. */
  #version = 0;
  /** The store's revision then. */
  #revision = 0;

  constructor(connection: EtcdConnection) {
    this.#connection = connection;
  }

  /** The revision compacted to; undefined when another server is ahead, or when there is nothing to forget yet. */
  async turn(): Promise<number | undefined> {
    const request = encodeTurn({ key: KEY, version: this.#version, value: String(this.#revision) });
    const answer = decodeTurn(await this.#connection.call("KV/Txn", request, "write"));
    const seen = this.#revision;
    this.#revision = answer.revision;
    this.#version = answer.succeeded ? this.#version + 1 : answer.version;
    if (!answer.succeeded || seen === 0) return undefined;
    await this.#connection.call("KV/Compact", encodeCompact(seen), "write");
    return seen;
  }

  /** Takes turns until the connection closes. A turn that fails is the next one's, or another server's. */
  async run(clock: Clock, interval: number): Promise<void> {
    const { signal } = this.#connection;
    while (!signal.aborted) {
      await clock.sleep(interval, signal).catch(() => {});
      if (!signal.aborted) await this.turn().catch(() => {});
    }
  }
}
