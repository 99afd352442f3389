/** Encodings derived from stored entries (protobuf, watch frames, other versions), kept within a budget of bytes; the oldest go first. */

/** What one cached byte string costs beyond its bytes. */
const OVERHEAD = 120;

export class ByteCache {
  readonly #budget: number;
  readonly #entries = new Map<object, Map<string, Uint8Array>>();
  #bytes = 0;
  hits = 0;
  misses = 0;

  /** `budget`: bytes. */
  constructor(budget: number) {
    this.#budget = budget;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Forgets everything: a conversion or a schema changed. */
  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }

  get(owner: object, variant: string): Uint8Array | undefined {
    const found = this.#entries.get(owner)?.get(variant);
    if (found === undefined) this.misses++;
    else this.hits++;
    return found;
  }

  /** The cached bytes, or those of `make`, which are then cached. */
  of(owner: object, variant: string, make: () => Uint8Array): Uint8Array {
    const found = this.get(owner, variant);
    if (found !== undefined) return found;
    const made = make();
    this.set(owner, variant, made);
    return made;
  }

  set(owner: object, variant: string, bytes: Uint8Array): void {
    let variants = this.#entries.get(owner);
    if (variants === undefined) {
      variants = new Map();
      this.#entries.set(owner, variants);
    }
    if (!variants.has(variant)) this.#bytes += bytes.length + OVERHEAD;
    variants.set(variant, bytes);
    for (const [oldest, of] of this.#entries) {
      if (this.#bytes <= this.#budget || oldest === owner) break;
      for (const dropped of of.values()) this.#bytes -= dropped.length + OVERHEAD;
      this.#entries.delete(oldest);
    }
  }
}
