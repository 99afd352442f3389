/** Reviews sent to a webhook: one POST to exactly the address its kubeconfig names, repeated while the answer is yet to come (spec: apiserver 10.6). */
import type { Clock, Random } from "../../api/clock.ts";
import { goQuote } from "../../api/go-quote.ts";
import type { GroupVersionKind } from "../../api/meta.ts";
import { StatusError } from "../../api/status.ts";
import { formatGoDuration } from "../../api/time.ts";
import { type Client, createClient } from "../../client/client.ts";
import { BodyTooLarge, collect, parseBody } from "../../client/json.ts";
import { loadKubeconfig } from "../../client/kubeconfig.ts";
import type { ClientTransport } from "../../client/transport.ts";
import { httpsTransport } from "../../client/transports/https.ts";

/** The group a review is of; both versions are spoken, as upstream. */
export type ReviewVersion = "v1" | "v1beta1";

export interface ReviewKind extends GroupVersionKind {
  /** The status a question carries: what Go prints for one that is yet to be filled in. */
  readonly blank: object;
}

export interface Webhook {
  readonly clock: Clock;
  /**
   * Posts a review and answers with its `status`. Rejects after five tries, each of `timeout` at most, or at once when repeating will not help:
   * with a StatusError when the webhook answered with an error, with an Error in Go's words when it did not answer.
   */
  ask(review: ReviewKind, spec: object): Promise<object>;
  close(): Promise<void>;
}

export interface WebhookOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Milliseconds for one try; default 30 s. */
  readonly timeout?: number;
}

const TIMEOUT = 30_000;
const STEPS = 5;
const FIRST_WAIT = 500;
/** A review is small; whoever answers with more is not one to listen to. */
const MAX_RESPONSE = 1024 * 1024;

/** Reads a kubeconfig: its cluster is the webhook, its user this server. Throws, naming the file, for one that is none. */
export async function openWebhook(path: string, options: WebhookOptions): Promise<Webhook> {
  const config = await loadKubeconfig(path);
  return webhookOver(httpsTransport({ ...config, server: new URL(config.server).origin }), config.server, options);
}

/** `server`: the address in full. */
export function webhookOver(transport: ClientTransport, server: string, options: WebhookOptions): Webhook {
  const { clock, random } = options;
  const timeout = options.timeout ?? TIMEOUT;
  const url = new URL(server);
  const query = { timeout: formatGoDuration(timeout) };
  const path = url.pathname.replace(/\/+/g, "/").replace(/(.)\/$/, "$1");
  const address = `${url.origin}${path}?timeout=${query.timeout}`;
  const client: Client = createClient(transport, {
    clock,
    random,
    userAgent: "tenon",
    maxRetries: 0,
  });

  async function once(body: object): Promise<unknown> {
    const abort = new AbortController();
    const timer = clock.after(timeout, () => abort.abort());
    let answer: Uint8Array;
    try {
      const { body: chunks } = await client.stream({ method: "POST", path, query, body, signal: abort.signal });
      answer = await collect(chunks, MAX_RESPONSE);
    } catch (error) {
      if (error instanceof StatusError || error instanceof BodyTooLarge) throw error;
      throw new Unreachable(address, abort.signal.aborted ? "context deadline exceeded" : wordsOf(error), error);
    } finally {
      timer.cancel();
    }
    try {
      return parseBody(answer);
    } catch (error) {
      throw new Error(`the webhook's answer is no JSON: ${wordsOf(error)}`, { cause: error });
    }
  }

  return {
    clock,
    async ask({ group, version, kind, blank }, spec) {
      const apiVersion = `${group}/${version}`;
      const body = { kind, apiVersion, metadata: {}, spec, status: blank };
      let wait = FIRST_WAIT;
      for (let step = 1; ; step++) {
        try {
          return statusOf(await once(body), apiVersion, kind);
        } catch (error) {
          if (step === STEPS || !mayRepeat(error)) throw error;
        }
        await clock.sleep(wait * (1 + 0.2 * random.number()));
        wait *= 1.5;
      }
    },
    close: () => client.close(),
  };
}

/** No answer came; the text is what Go's client says. */
class Unreachable extends Error {
  constructor(address: string, text: string, cause: unknown) {
    super(`Post ${goQuote(address)}: ${text}`, { cause });
    this.name = "Unreachable";
  }
}

/** A connection that broke, 429, 500, 504, and whoever asks for it with `Retry-After`; a refused connection, a timeout or any other answer is one. */
function mayRepeat(error: unknown): boolean {
  if (error instanceof StatusError) {
    const asked = (error.status.details?.retryAfterSeconds ?? 0) > 0;
    return asked || error.code === 429 || error.code === 500 || error.code === 504;
  }
  return error instanceof Unreachable && BROKEN.has(codeOf(error.cause));
}

const BROKEN = new Set(["ECONNRESET", "EPIPE", "UND_ERR_SOCKET"]);

function codeOf(error: unknown): string {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return typeof code === "string" ? code : "";
}

function wordsOf(error: unknown): string {
  const { address, port, hostname } = error as { address?: string; port?: number; hostname?: string };
  const dialled = address?.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
  switch (codeOf(error)) {
    case "ECONNREFUSED":
      return address === undefined ? "connect: connection refused" : `dial tcp ${dialled}: connect: connection refused`;
    case "ENOTFOUND":
      return `dial tcp: lookup ${hostname ?? ""}: no such host`;
    case "ECONNRESET":
      return "read: connection reset by peer";
    case "UND_ERR_SOCKET":
      return "EOF";
    default:
      return error instanceof Error ? error.message : String(error);
  }
}

/** The status of a review that came back. Throws for anything that is not a review of the kind that was sent. */
function statusOf(answer: unknown, apiVersion: string, kind: string): object {
  const review = typeof answer === "object" && answer !== null ? (answer as Record<string, unknown>) : {};
  if (typeof review["kind"] !== "string" || review["kind"] === "")
    throw new Error("the webhook's answer is no review: Object 'Kind' is missing");
  if (review["kind"] !== kind || review["apiVersion"] !== apiVersion) {
    const got = `${String(review["apiVersion"] ?? "")} ${review["kind"]}`;
    throw new Error(`the webhook's answer is of ${got}, expected ${apiVersion} ${kind}`);
  }
  const { status } = review;
  if (status === undefined || status === null) return {};
  if (typeof status !== "object" || Array.isArray(status))
    throw new Error("the webhook's answer has a status that is no object");
  return status;
}
