/** The flags of `tenon apiserver` about who decides: modes of authorization, and webhooks for permissions and tokens, named as kube-apiserver names them. */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Clock, Random } from "../api/clock.ts";
import { formatGoDuration, parseGoDuration } from "../api/time.ts";
import type { AuthorizationMode } from "../controlplane/identity.ts";
import type { TokenAuthenticator } from "../server/identity.ts";

export interface AuthFlags {
  readonly authorizationMode: string;
  /** Instead of the mode and the webhook's flags. */
  readonly authorizationConfig?: string;
  readonly authorizationWebhookConfigFile?: string;
  readonly authorizationWebhookVersion: "v1" | "v1beta1";
  /** Milliseconds, as all durations here. */
  readonly authorizationWebhookCacheAuthorizedTtl: number;
  readonly authorizationWebhookCacheUnauthorizedTtl: number;
  readonly authenticationTokenWebhookConfigFile?: string;
  readonly authenticationTokenWebhookVersion: "v1" | "v1beta1";
  readonly authenticationTokenWebhookCacheTtl: number;
}

function duration(text: string): number {
  try {
    return parseGoDuration(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}

/** What a configuration file takes the place of. */
const LEGACY = [
  "authorizationMode",
  "authorizationWebhookConfigFile",
  "authorizationWebhookVersion",
  "authorizationWebhookCacheAuthorizedTtl",
  "authorizationWebhookCacheUnauthorizedTtl",
];

const FLAGS: readonly (() => Option)[] = [
  () =>
    new Option("--authorization-mode <modes>", "who decides, in order: RBAC, Webhook, AlwaysAllow, AlwaysDeny").default(
      "RBAC",
    ),
  () =>
    new Option("--authorization-config <file>", "an AuthorizationConfiguration, read again when it changes").conflicts(
      LEGACY,
    ),
  () => new Option("--authorization-webhook-config-file <file>", "the webhook of mode Webhook, in kubeconfig format"),
  () =>
    new Option("--authorization-webhook-version <version>", "of the SubjectAccessReviews sent to it")
      .choices(["v1beta1", "v1"])
      .default("v1beta1"),
  () => ttl("--authorization-webhook-cache-authorized-ttl", "how long its Allow counts", "5m0s"),
  () => ttl("--authorization-webhook-cache-unauthorized-ttl", "how long its other answers count", "30s"),
  () =>
    new Option(
      "--authentication-token-webhook-config-file <file>",
      "asked about bearer tokens nobody here knows, in kubeconfig format",
    ),
  () =>
    new Option("--authentication-token-webhook-version <version>", "of the TokenReviews sent to it")
      .choices(["v1beta1", "v1"])
      .default("v1beta1"),
  () => ttl("--authentication-token-webhook-cache-ttl", "how long its answers count", "2m0s"),
];

function ttl(flag: string, description: string, fallback: string): Option {
  return new Option(`${flag} <duration>`, description).argParser(duration).default(duration(fallback), fallback);
}

export function addAuthFlags(command: Command): Command {
  for (const flag of FLAGS) command.addOption(flag());
  return command;
}

/** The same flags as arguments for another process that knows them. */
export function authArguments(flags: AuthFlags): string[] {
  const values = new Map<string, unknown>(Object.entries(flags));
  if (flags.authorizationConfig !== undefined) for (const name of LEGACY) values.delete(name);
  return FLAGS.map((flag) => flag()).flatMap((flag) => {
    const value = values.get(flag.attributeName());
    if (value === undefined) return [];
    return [flag.long ?? "", typeof value === "number" ? formatGoDuration(value) : String(value)];
  });
}

export interface Deciders {
  readonly authorizers: readonly AuthorizationMode[];
  readonly tokenWebhook?: TokenAuthenticator;
  close(): Promise<void>;
}

/** Opens the webhooks the flags name; without any nothing is loaded. Throws for flags that do not fit together, and for files that are no kubeconfigs. */
export async function openDeciders(
  flags: AuthFlags,
  audience: string,
  machine: { readonly clock: Clock; readonly random: Random },
): Promise<Deciders> {
  const open: { close(): Promise<void> }[] = [];
  const authorizers: AuthorizationMode[] = [];
  if (flags.authorizationConfig !== undefined) {
    const { configuredAuthorizers } = await import("../controlplane/configured-authorizers.ts");
    const onError = (error: unknown) => console.error(`apiserver: reloading authorization config: ${error}`);
    const configured = await configuredAuthorizers(flags.authorizationConfig, { ...machine, onError });
    open.push(configured);
    authorizers.push(configured);
  } else await openModes(flags, machine, authorizers, open);
  let tokenWebhook: TokenAuthenticator | undefined;
  if (flags.authenticationTokenWebhookConfigFile !== undefined) {
    const [{ openWebhook }, { webhookTokens }] = await Promise.all([
      import("../auth/webhook/review.ts"),
      import("../auth/webhook/token.ts"),
    ]);
    const webhook = await openWebhook(flags.authenticationTokenWebhookConfigFile, machine);
    open.push(webhook);
    tokenWebhook = webhookTokens(webhook, {
      version: flags.authenticationTokenWebhookVersion,
      cacheTTL: flags.authenticationTokenWebhookCacheTtl,
      implicitAudiences: [audience],
    });
  }
  return {
    authorizers,
    ...(tokenWebhook !== undefined && { tokenWebhook }),
    close: async () => void (await Promise.all(open.map((webhook) => webhook.close()))),
  };
}

async function openModes(
  flags: AuthFlags,
  machine: { readonly clock: Clock; readonly random: Random },
  authorizers: AuthorizationMode[],
  open: { close(): Promise<void> }[],
): Promise<void> {
  const { parseAuthorizationModes } = await import("../auth/webhook/modes.ts");
  const modes = parseAuthorizationModes(flags.authorizationMode, flags.authorizationWebhookConfigFile);
  for (const mode of modes) {
    if (mode !== "Webhook") {
      authorizers.push(mode);
      continue;
    }
    const [{ openWebhook }, { webhookAuthorizer }] = await Promise.all([
      import("../auth/webhook/review.ts"),
      import("../auth/webhook/authorizer.ts"),
    ]);
    const webhook = await openWebhook(flags.authorizationWebhookConfigFile!, machine);
    open.push(webhook);
    authorizers.push(
      webhookAuthorizer(webhook, {
        version: flags.authorizationWebhookVersion,
        authorizedTTL: flags.authorizationWebhookCacheAuthorizedTtl,
        unauthorizedTTL: flags.authorizationWebhookCacheUnauthorizedTtl,
      }),
    );
  }
}
