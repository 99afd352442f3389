/** Which resources the server has for a kind, and which versions of a group: discovery, read again now and then. */

import { goQuote } from "../../api/go-quote.ts";
import { type GroupKind, type GroupVersionResource, qualified } from "../../api/meta.ts";
import type { Client } from "../../client/client.ts";
import { type DiscoveredVersion, RememberedDiscovery } from "../../client/discovery.ts";

export interface KindsServed {
  /** The resources of a kind, one for each name, in the server's preferred version. Throws when there is none. */
  resourcesOf(kind: GroupKind): Promise<readonly GroupVersionResource[]>;
  /** The versions of a group in the server's order; empty when it has no such group. */
  versionsOf(group: string): Promise<readonly string[]>;
}

/** What was read is good for `period` milliseconds. A kind that is not found is looked for again once in `retry` milliseconds. */
export function kindsServed(client: Client, period: number, retry: number, signal?: AbortSignal): KindsServed {
  const discovery = new RememberedDiscovery(client);
  let known: Promise<readonly DiscoveredVersion[]> | undefined;
  let readAt = 0;
  const read = (age: number) => {
    const now = client.clock.monotonic();
    if (known === undefined || now - readAt >= age) {
      readAt = now;
      const reading = discovery.read(signal);
      known = reading;
      reading.catch(() => {
        if (known === reading) known = undefined;
      });
    }
    return known;
  };
  const find = (versions: readonly DiscoveredVersion[], { group, kind }: GroupKind) => {
    const found = new Map<string, GroupVersionResource>();
    for (const version of versions) {
      if (version.group !== group) continue;
      for (const resource of version.resources) {
        if (resource.kind === kind && !found.has(resource.resource)) found.set(resource.resource, resource);
      }
    }
    return [...found.values()];
  };
  return {
    async resourcesOf(kind) {
      let found = find(await read(period), kind);
      if (found.length === 0) found = find(await read(retry), kind);
      if (found.length > 0) return found;
      throw new Error(`no matches for kind ${goQuote(kind.kind)} in group ${goQuote(kind.group)}`);
    },
    async versionsOf(group) {
      const versionsIn = (versions: readonly DiscoveredVersion[]) =>
        versions.filter((version) => version.group === group).map(({ version }) => version);
      const versions = versionsIn(await read(period));
      return versions.length > 0 ? versions : versionsIn(await read(retry));
    },
  };
}

/** How Go prints a kind with its group. */
export const kindText = ({ group, kind }: GroupKind): string => qualified(kind, group);
