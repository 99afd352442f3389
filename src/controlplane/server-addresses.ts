/**
 * Where the API is found when several servers share a store: each keeps a short-lived key under upstream's `/registry/masterleases/`, in upstream's
 * form, and all of them write what the keys say into the endpoints of `default/kubernetes`. A kube-apiserver over the same etcd takes part.
 */
import type { Clock } from "../api/clock.ts";
import { parseJSON } from "../api/json/index.ts";
import type { Client } from "../client/client.ts";
import { codecFor } from "../kinds/tables.ts";
import type { State } from "../store/state.ts";
import { publishAddresses, type ServerAddress } from "./bootstrap.ts";

export const MASTER_LEASES = "/registry/masterleases/";
/** As upstream: seconds a key lives without its server, and milliseconds between renewals. */
const LIFE_SECONDS = 15;
const RENEWAL = 10_000;
/** How often it is looked for servers that came or went, milliseconds. */
const TURN = 1_000;
/** Every so many renewals what is published is made sure of. */
const LOOKS = 6;

const ENDPOINTS = { group: "", version: "v1", kind: "Endpoints" };

export interface ServerAddressesOptions {
  readonly state: State;
  readonly client: Client;
  readonly clock: Clock;
  readonly own: ServerAddress;
  onError(error: unknown): void;
}

/** Takes part until `signal` aborts, then takes its own address away. Resolves when that is done. */
export async function keepServerAddress(options: ServerAddressesOptions, signal: AbortSignal): Promise<void> {
  const { state, client, clock, own, onError } = options;
  const key = `${MASTER_LEASES}${own.address}:${own.port}`;
  let shown = "";
  let rounds = 0;
  const show = async () => {
    const all = liveServers(state);
    await publishAddresses(client, all, own);
    shown = JSON.stringify(all);
  };
  while (!signal.aborted) {
    try {
      const expected = state.view().get(key)?.revision ?? 0;
      await state.commit({ key, expected, value: leaseOf(own), ttlSeconds: LIFE_SECONDS });
      // Somebody may have written over what stands there.
      if (rounds++ % LOOKS === 0) await show();
    } catch (error) {
      onError(error);
    }
    // Others come and go between renewals.
    for (let passed = 0; passed < RENEWAL && !signal.aborted; passed += TURN) {
      await clock.sleep(TURN, signal).catch(() => {});
      if (!signal.aborted && JSON.stringify(liveServers(state)) !== shown) await show().catch(onError);
    }
  }
  // The others see that it is gone.
  const entry = state.view().get(key);
  if (entry !== undefined) await state.commit({ key, expected: entry.revision, value: undefined }).catch(onError);
}

function leaseOf({ address, port }: ServerAddress): Uint8Array {
  const subsets = [{ addresses: [{ ip: address }], ports: [{ name: "https", port, protocol: "TCP" }] }];
  const { object } = codecFor(ENDPOINTS).fromValue({ kind: "Endpoints", apiVersion: "v1", metadata: {}, subsets });
  return codecFor(ENDPOINTS).encode(object);
}

/** Servers whose key lives, in the order of their addresses. Upstream's keys do not say the port. */
function liveServers(state: State): { address: string; port: number | undefined }[] {
  const servers: { address: string; port: number | undefined }[] = [];
  for (const entry of state.view().range(MASTER_LEASES)) {
    try {
      const { object } = codecFor(ENDPOINTS).fromValue(parseJSON(entry.value).value);
      const [subset] = (object["subsets"] ?? []) as { addresses?: { ip: string }[]; ports?: { port: number }[] }[];
      const address = subset?.addresses?.[0]?.ip;
      if (address !== undefined) servers.push({ address, port: subset?.ports?.[0]?.port });
    } catch {
      // Not one of a server.
    }
  }
  return servers;
}
