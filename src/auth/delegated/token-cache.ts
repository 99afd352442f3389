/** Remembers what tokens proved, by their hash: never by the token itself. */
import { createHash } from "node:crypto";
import type { Clock } from "../../api/clock.ts";
import type { TokenAuthenticator, TokenIdentity } from "../../server/identity.ts";
import { ExpiringCache } from "./cache.ts";

export interface TokenCacheOptions {
  readonly clock: Clock;
  /** Milliseconds a success counts; default 10 s. */
  readonly success?: number;
  /** Milliseconds that nobody's token stays nobody's; default 0. */
  readonly failure?: number;
  /** Entries; default 4096. */
  readonly capacity?: number;
}

type Answer = { readonly identity: TokenIdentity | undefined } | { readonly error: unknown };

/** Concurrent checks of one token are one check. Errors are never remembered: the next try may reach whoever knows. */
export function cachedTokens(source: TokenAuthenticator, options: TokenCacheOptions): TokenAuthenticator {
  const cache = new ExpiringCache<Answer>(options.clock, options.capacity ?? 4096);
  const running = new Map<string, Promise<Answer>>();
  const success = options.success ?? 10_000;
  const failure = options.failure ?? 0;

  async function ask(token: string, audiences: readonly string[], key: string): Promise<Answer> {
    let answer: Answer;
    try {
      answer = { identity: await source.authenticateToken(token, audiences) };
    } catch (error) {
      answer = { error };
    }
    if ("identity" in answer) cache.set(key, answer, answer.identity === undefined ? failure : success);
    return answer;
  }

  return {
    async authenticateToken(token, audiences) {
      const key = createHash("sha256").update(JSON.stringify(audiences)).update(token).digest("base64");
      let answer = cache.get(key);
      if (answer === undefined) {
        const shared = running.get(key) ?? ask(token, audiences, key).finally(() => running.delete(key));
        running.set(key, shared);
        answer = await shared;
      }
      if ("error" in answer) throw answer.error;
      return answer.identity;
    },
  };
}
