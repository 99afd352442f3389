/** Follows the cluster's trust ConfigMap, so that an extension server's pools change while it runs (spec: aggregation 7.2). */

import type { KubeObject } from "../../api/meta.ts";
import { hasReason } from "../../api/status.ts";
import type { Client } from "../../client/client.ts";
import { checkTrustRoots, TrustPool } from "../pki/index.ts";
import type { RequestHeaderConfig } from "./request-header.ts";
import { parseTrustConfig, TRUST_NAME, TRUST_NAMESPACE } from "./trust-config.ts";

const CONFIGMAPS = { group: "", version: "v1", resource: "configmaps" } as const;
const RETRY = 5000;

export interface TrustReader {
  /** As last read; undefined while there is none. */
  clientPool(): TrustPool | undefined;
  requestHeader(): RequestHeaderConfig | undefined;
  /** Reads once. Rejects when reading is forbidden or fails; a missing ConfigMap is no failure. */
  read(): Promise<void>;
  /** Follows changes until `signal` aborts. */
  follow(signal: AbortSignal): Promise<void>;
}

/** The last good state stays in force when a later one cannot be used; `onError` is told. */
export function trustReader(client: Client, onError: (error: unknown) => void = () => {}): TrustReader {
  const configMaps = client.resource(CONFIGMAPS, TRUST_NAMESPACE);
  let clientPool: TrustPool | undefined;
  let requestHeader: RequestHeaderConfig | undefined;
  let seen = "";

  function take(object: KubeObject): void {
    const data: Readonly<Record<string, string>> = object["data"] ?? {};
    const text = JSON.stringify(Object.entries(data).sort());
    if (text === seen) return; // pools remember whom they verified
    try {
      const config = parseTrustConfig(data);
      const header = config.requestHeader;
      if (config.clientCA !== undefined && header !== undefined)
        checkTrustRoots(config.clientCA, header.ca, header.allowedNames);
      clientPool = config.clientCA === undefined ? undefined : new TrustPool(config.clientCA, client.clock);
      requestHeader = header && { ...header, pool: new TrustPool(header.ca, client.clock) };
      seen = text;
    } catch (error) {
      onError(error);
    }
  }

  async function read(): Promise<void> {
    try {
      take(await configMaps.get(TRUST_NAME));
    } catch (error) {
      if (!hasReason(error, "NotFound")) throw error;
    }
  }

  return {
    clientPool: () => clientPool,
    requestHeader: () => requestHeader,
    read,
    async follow(signal) {
      while (!signal.aborted) {
        try {
          const fieldSelector = `metadata.name=${TRUST_NAME}`;
          const { items, metadata } = await configMaps.list({ fieldSelector, signal });
          for (const item of items) take(item);
          const from = metadata.resourceVersion;
          for await (const event of configMaps.watch({
            fieldSelector,
            ...(from && { resourceVersion: from }),
            signal,
          })) {
            // A deleted ConfigMap takes no trust away: the main server writes it again within a minute.
            if (event.type === "ADDED" || event.type === "MODIFIED") take(event.object);
          }
        } catch (error) {
          if (signal.aborted) return;
          onError(error);
        }
        await client.clock.sleep(RETRY, signal).catch(() => {});
      }
    },
  };
}
