/** What the hot paths must not do, counted where it is done: tests assert on these numbers. */

export interface Counters {
  /** Bodies and stored objects decoded as a whole. */
  decodes: number;
  /** Objects encoded. */
  encodes: number;
  /** Metadata parsed to learn labels nobody remembered, or to write them as protobuf. */
  metadataParses: number;
  /** Watch frames built, as opposed to taken from the cache. */
  frames: number;
}

export function newCounters(): Counters {
  return { decodes: 0, encodes: 0, metadataParses: 0, frames: 0 };
}
