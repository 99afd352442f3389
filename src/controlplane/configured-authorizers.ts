/** The authorizers an AuthorizationConfiguration names, opened; and the file followed, so that a change counts without a start. */
import { readFile } from "node:fs/promises";
import type { Clock, Random } from "../api/clock.ts";
import { alwaysAllow, alwaysDeny, authorizerUnion } from "../auth/delegated/authorizers.ts";
import { webhookAuthorizer } from "../auth/webhook/authorizer.ts";
import { openWebhook, type Webhook } from "../auth/webhook/review.ts";
import type { Authorizer } from "../server/authorization.ts";
import {
  type ConfiguredAuthorizer,
  type ConfiguredWebhook,
  parseAuthorizationConfiguration,
} from "./authorization-config.ts";

export interface ConfiguredOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Told why a changed file is not taken; what was in force stays so. */
  onError(error: unknown): void;
}

export interface ConfiguredAuthorizers {
  /** Stands for the whole chain; `rbac` is the mode of that name. */
  authorizer(rbac: Authorizer): Authorizer;
  close(): Promise<void>;
}

/** How long a change may wait, milliseconds; upstream's interval. */
const INTERVAL = 60_000;
/** Questions to webhooks of an earlier file may still be under way. */
const FAREWELL = 60_000;

interface Chain {
  readonly members: readonly (Exclude<ConfiguredAuthorizer, ConfiguredWebhook> | Authorizer)[];
  readonly webhooks: readonly Webhook[];
}

/** Throws, naming everything that is wrong, for a file that cannot be used. */
export async function configuredAuthorizers(path: string, options: ConfiguredOptions): Promise<ConfiguredAuthorizers> {
  const { clock } = options;
  let text = await readFile(path, "utf8");
  let chain = await openChain(text, options);
  /** Modes that were there at the start stay: RBAC is not to be lost by a slip of the pen. */
  const needed = chain.members.filter((member) => typeof member === "string");
  let rbac: Authorizer | undefined;
  let current: Authorizer | undefined;
  const stop = new AbortController();

  const build = () => {
    if (rbac === undefined) return;
    const own = rbac;
    current = authorizerUnion(
      chain.members.map((member) => {
        if (member === "RBAC") return own;
        if (member === "AlwaysAllow") return alwaysAllow;
        return member === "AlwaysDeny" ? alwaysDeny : member;
      }),
    );
  };

  async function reload(): Promise<void> {
    const fresh = await readFile(path, "utf8");
    if (fresh === text) return;
    text = fresh;
    const next = await openChain(fresh, options);
    const missing = needed.filter((mode) => !next.members.includes(mode));
    if (missing.length > 0) {
      await Promise.all(next.webhooks.map((webhook) => webhook.close()));
      throw new Error(`missing required types: [${missing.join(" ")}]`);
    }
    const old = chain;
    chain = next;
    build();
    clock.after(FAREWELL, () => {
      for (const webhook of old.webhooks) webhook.close().catch(options.onError);
    });
  }

  const following = (async () => {
    while (!stop.signal.aborted) {
      await clock.sleep(INTERVAL, stop.signal).catch(() => {});
      if (!stop.signal.aborted) await reload().catch(options.onError);
    }
  })();

  return {
    authorizer(given) {
      rbac = given;
      build();
      return {
        authorize: (attributes) => current!.authorize(attributes),
        rulesFor: (user, namespace) => current!.rulesFor(user, namespace),
      };
    },
    async close() {
      stop.abort();
      await following;
      await Promise.all(chain.webhooks.map((webhook) => webhook.close()));
    },
  };
}

async function openChain(text: string, options: ConfiguredOptions): Promise<Chain> {
  const webhooks: Webhook[] = [];
  const members: Chain["members"][number][] = [];
  try {
    for (const [index, one] of parseAuthorizationConfiguration(text).entries()) {
      if (typeof one === "string") {
        members.push(one);
        continue;
      }
      const matches = await matchesOf(one, index);
      const webhook = await openWebhook(one.kubeConfigFile, { ...options, timeout: one.timeout });
      webhooks.push(webhook);
      members.push(webhookAuthorizer(webhook, { ...one, ...(matches !== undefined && { matches }) }));
    }
  } catch (error) {
    await Promise.all(webhooks.map((webhook) => webhook.close()));
    throw error;
  }
  return { members, webhooks };
}

async function matchesOf({ matchConditions }: ConfiguredWebhook, index: number) {
  if (matchConditions.length === 0) return undefined;
  const { compileMatchConditions } = await import("./match-conditions.ts");
  const compiled = compileMatchConditions(matchConditions);
  if ("matches" in compiled) return compiled.matches;
  const lines = [...compiled.errors].map(
    ([at, why]) =>
      `authorizers[${index}].matchConditions[${at}].expression: Invalid value: ${JSON.stringify(matchConditions[at])}: ${why}`,
  );
  throw new Error(lines.length === 1 ? lines[0] : `[${lines.join(", ")}]`);
}
