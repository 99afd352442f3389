/** One tick: asks every node at once, spread over a few seconds, and hands over what came back as one batch (spec: metrics 2.1). */
import type { Clock, Random } from "../api/clock.ts";
import { type NodeBatch, ResourceMetricsDecoder } from "./resource-metrics.ts";

/** Fetches a node's payload, decompressed. Rejects for any status but 200 and when `signal` aborts. */
export type FetchPayload = (node: string, signal: AbortSignal) => Promise<Uint8Array>;

export interface ScrapeObserver {
  /** After each request; `seconds` is its duration. */
  requested(node: string, seconds: number, error: Error | undefined): void;
}

export interface ScraperOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly fetch: FetchPayload;
  /** From the end of a node's random delay to its whole payload. */
  readonly requestTimeoutMilliseconds: number;
  readonly observer: ScrapeObserver;
}

const SPREAD_PER_NODE_MILLISECONDS = 8;
const LONGEST_SPREAD_MILLISECONDS = 4000;

export class Scraper {
  readonly #options: ScraperOptions;
  #decoders = new Map<string, ResourceMetricsDecoder>();

  constructor(options: ScraperOptions) {
    this.#options = options;
  }

  /** Scrapes `nodes` until `round` aborts. A node that fails is missing from the result and reported to the observer; this never rejects. */
  async scrape(nodes: readonly string[], round?: AbortSignal): Promise<Map<string, NodeBatch>> {
    const decoders = new Map<string, ResourceMetricsDecoder>();
    for (const node of nodes) decoders.set(node, this.#decoders.get(node) ?? new ResourceMetricsDecoder());
    this.#decoders = decoders;

    const spread = Math.min(SPREAD_PER_NODE_MILLISECONDS * nodes.length, LONGEST_SPREAD_MILLISECONDS);
    const batches = new Map<string, NodeBatch>();
    const scraped = await Promise.all(
      [...decoders].map(async ([node, decoder]) => [node, await this.#one(node, decoder, spread, round)] as const),
    );
    for (const [node, batch] of scraped) if (batch !== undefined) batches.set(node, batch);
    return batches;
  }

  async #one(
    node: string,
    decoder: ResourceMetricsDecoder,
    spread: number,
    round: AbortSignal | undefined,
  ): Promise<NodeBatch | undefined> {
    const { clock, random, fetch, requestTimeoutMilliseconds, observer } = this.#options;
    await clock.sleep(random.number() * spread, round).catch(() => undefined);
    const abort = new AbortController();
    const onRound = () => abort.abort(round?.reason);
    if (round?.aborted) onRound();
    else round?.addEventListener("abort", onRound, { once: true });
    const deadline = clock.after(requestTimeoutMilliseconds, () =>
      abort.abort(new Error(`no answer within ${requestTimeoutMilliseconds} ms`)),
    );
    const requested = clock.now();
    const started = clock.monotonic();
    const seconds = () => (clock.monotonic() - started) / 1000;
    try {
      abort.signal.throwIfAborted();
      const body = await fetch(node, abort.signal);
      const batch = decoder.decode(body, requested);
      observer.requested(node, seconds(), undefined);
      return batch;
    } catch (error) {
      observer.requested(node, seconds(), error instanceof Error ? error : new Error(String(error)));
      return undefined;
    } finally {
      deadline.cancel();
      round?.removeEventListener("abort", onRound);
    }
  }
}
