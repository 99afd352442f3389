/** Keeps `kube-system/extension-apiserver-authentication` telling extension servers whom to trust (spec: aggregation 7.1). */
import type { Clock } from "../api/clock.ts";
import { hasReason, StatusError } from "../api/status.ts";
import type { Client } from "../client/client.ts";
import { createIfMissing } from "../client/ensure.ts";
import type { ConfigMap } from "../kinds/generated/types.ts";
import {
  mergeTrustConfig,
  parseTrustConfig,
  printTrustConfig,
  TRUST_NAME,
  TRUST_NAMESPACE,
  type TrustConfig,
} from "./delegated/trust-config.ts";

const CONFIGMAPS = { group: "", version: "v1", resource: "configmaps" } as const;
const NAMESPACES = { group: "", version: "v1", resource: "namespaces" } as const;
const INTERVAL = 60_000;
const RETRY = 1000;

/** One round. Answers whether something was written. Rejects for data of others that cannot be parsed: it is not ours to repair. */
export async function publishTrust(client: Client, ours: TrustConfig, now: number): Promise<boolean> {
  const configMaps = client.resource<ConfigMap>(CONFIGMAPS, TRUST_NAMESPACE);
  let current: ConfigMap | undefined;
  try {
    current = await configMaps.get(TRUST_NAME);
  } catch (error) {
    if (!hasReason(error, "NotFound")) throw error;
  }
  const existing = current?.data ?? {};
  const data = printTrustConfig(mergeTrustConfig(parseTrustConfig(existing), ours, now));
  if (current !== undefined && same(existing, data)) return false;
  await ensureNamespace(client);
  const wanted = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: current?.metadata ?? { name: TRUST_NAME, namespace: TRUST_NAMESPACE },
    data,
  } as ConfigMap;
  if (current === undefined) {
    await configMaps.create(wanted);
    return true;
  }
  try {
    await configMaps.update(wanted);
  } catch (error) {
    const tooLarge =
      hasReason(error, "RequestEntityTooLarge") || (hasReason(error, "Invalid") && error.message.includes("Too long"));
    // Grown too large: the next round starts from nothing.
    if (tooLarge) await configMaps.delete(TRUST_NAME);
    throw error;
  }
  return true;
}

function same(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}

async function ensureNamespace(client: Client): Promise<void> {
  const namespaces = client.resource(NAMESPACES);
  try {
    await namespaces.get(TRUST_NAMESPACE);
  } catch {
    await createIfMissing(namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: TRUST_NAMESPACE } });
  }
}

export interface TrustPublisherOptions {
  readonly client: Client;
  readonly clock: Clock;
  /** Asked each round: authorities may rotate. */
  readonly ours: () => TrustConfig;
  /** Told of a round that failed, once for each reason until one succeeds; it is repeated after a second, then after twice as long, up to 60 s. */
  onError?(error: unknown): void;
}

/** A round now and every 60 s until `signal` aborts. Resolves then. */
export async function keepTrustPublished(options: TrustPublisherOptions, signal: AbortSignal): Promise<void> {
  let retry = RETRY;
  let told: string | undefined;
  while (!signal.aborted) {
    let wait = INTERVAL;
    try {
      await publishTrust(options.client, options.ours(), options.clock.now());
      retry = RETRY;
      told = undefined;
    } catch (error) {
      if (signal.aborted) return;
      // A conflict is a peer being faster.
      if (!(error instanceof StatusError && error.reason === "Conflict") && told !== String(error)) {
        told = String(error);
        options.onError?.(error);
      }
      wait = retry;
      retry = Math.min(retry * 2, INTERVAL);
    }
    try {
      await options.clock.sleep(wait, signal);
    } catch {
      return;
    }
  }
}
