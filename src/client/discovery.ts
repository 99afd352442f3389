/** What a server serves, read from aggregated discovery, with the versions it could not ask about named. */
import type { GroupVersion, GroupVersionResource } from "../api/meta.ts";
import { apiVersionOf } from "../api/meta.ts";
import type { Client } from "./client.ts";

export interface DiscoveredResource extends GroupVersionResource {
  readonly kind: string;
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
}

export interface DiscoveredVersion extends GroupVersion {
  /** False: its server did not answer when it was last asked, and `resources` is what was known then (often nothing). */
  readonly fresh: boolean;
  readonly resources: readonly DiscoveredResource[];
}

const AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

interface Document {
  readonly items?: readonly {
    readonly metadata?: { readonly name?: string };
    readonly versions?: readonly {
      readonly version: string;
      readonly freshness?: string;
      readonly resources?: readonly {
        readonly resource: string;
        readonly responseKind?: { readonly kind?: string };
        readonly scope?: string;
        readonly verbs?: readonly string[];
      }[];
    }[];
  }[];
}

/** All group-versions in the server's order of preference. Sub-resources are left out. Rejects only when the server itself does not answer. */
export async function discover(client: Client, signal?: AbortSignal): Promise<DiscoveredVersion[]> {
  const read = async (path: string) =>
    (await client.call({
      method: "GET",
      path,
      headers: { accept: AGGREGATED },
      ...(signal && { signal }),
    })) as Document;
  const documents = await Promise.all([read("/api"), read("/apis")]);
  return documents.flatMap((document) =>
    (document.items ?? []).flatMap((item) =>
      (item.versions ?? []).map((version): DiscoveredVersion => {
        const group = item.metadata?.name ?? "";
        return {
          group,
          version: version.version,
          fresh: version.freshness !== "Stale",
          resources: (version.resources ?? []).map((resource) => ({
            group,
            version: version.version,
            resource: resource.resource,
            kind: resource.responseKind?.kind ?? "",
            namespaced: resource.scope === "Namespaced",
            verbs: resource.verbs ?? [],
          })),
        };
      }),
    ),
  );
}

/** Discovery that remembers: a version whose server does not answer keeps the resources it had when it last did. */
export class RememberedDiscovery {
  readonly #client: Client;
  readonly #lastGood = new Map<string, readonly DiscoveredResource[]>();

  constructor(client: Client) {
    this.#client = client;
  }

  /** The present state, where stale versions hold their last good resources; `known: false`: never seen fresh. */
  async read(signal?: AbortSignal): Promise<(DiscoveredVersion & { readonly known: boolean })[]> {
    const versions = await discover(this.#client, signal);
    const present = new Set(versions.map(apiVersionOf));
    for (const name of this.#lastGood.keys()) if (!present.has(name)) this.#lastGood.delete(name);
    return versions.map((version) => {
      const name = apiVersionOf(version);
      if (version.fresh) {
        this.#lastGood.set(name, version.resources);
        return { ...version, known: true };
      }
      const remembered = this.#lastGood.get(name);
      return { ...version, resources: remembered ?? [], known: remembered !== undefined };
    });
  }
}
