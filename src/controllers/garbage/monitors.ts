/** One copy of the metadata of every resource that can be deleted, whoever serves it; resources come and go with discovery. */
import { apiVersionOf, type KubeObject } from "../../api/meta.ts";
import type { Client } from "../../client/client.ts";
import { type DiscoveredResource, RememberedDiscovery } from "../../client/discovery.ts";
import { createInformer, type Informer } from "../../client/informer.ts";
import { metadataOnly } from "../../client/metadata-only.ts";

const NEEDED = ["delete", "list", "watch"];
/** Nobody owns them and they own nothing, and there are many. */
const IGNORED: ReadonlySet<string> = new Set(["events", "events.events.k8s.io"]);

export interface MonitorEvents {
  changed(resource: DiscoveredResource, apiVersion: string, object: KubeObject, old?: KubeObject): void;
  deleted(resource: DiscoveredResource, object: KubeObject): void;
  onError(error: unknown): void;
}

export class Monitors {
  readonly #metadata: Client;
  readonly #discovery: RememberedDiscovery;
  readonly #events: MonitorEvents;
  readonly #informers = new Map<string, Informer>();
  /** By `apiVersion kind`. */
  #kinds = new Map<string, DiscoveredResource>();

  constructor(client: Client, events: MonitorEvents) {
    this.#metadata = metadataOnly(client);
    this.#discovery = new RememberedDiscovery(client);
    this.#events = events;
  }

  resourceOf(apiVersion: string, kind: string): DiscoveredResource | undefined {
    return this.#kinds.get(`${apiVersion} ${kind}`);
  }

  /**
   * Follows what discovery says now, and answers with the informers that are new. A server that does not answer keeps the informers it had;
   * one that never answered has none, and nobody waits for it.
   */
  async refresh(signal: AbortSignal): Promise<readonly Informer[]> {
    const versions = await this.#discovery.read(signal);
    const kinds = new Map<string, DiscoveredResource>();
    const wanted = new Map<string, DiscoveredResource>();
    for (const { resources } of versions) {
      for (const resource of resources) {
        kinds.set(`${apiVersionOf(resource)} ${resource.kind}`, resource);
        const name = resource.group === "" ? resource.resource : `${resource.resource}.${resource.group}`;
        // The first version is the one the server prefers.
        const deletable = NEEDED.every((verb) => resource.verbs.includes(verb));
        if (deletable && !IGNORED.has(name) && !wanted.has(name)) wanted.set(name, resource);
      }
    }
    this.#kinds = kinds;
    const keyOf = (resource: DiscoveredResource) => `${apiVersionOf(resource)} ${resource.resource} ${resource.kind}`;
    const keys = new Set([...wanted.values()].map(keyOf));
    const leaving = [...this.#informers].filter(([key]) => !keys.has(key));
    for (const [key] of leaving) this.#informers.delete(key);
    await Promise.all(leaving.map(([, informer]) => informer.stop()));
    const fresh: Informer[] = [];
    for (const resource of wanted.values()) {
      const key = keyOf(resource);
      if (this.#informers.has(key) || signal.aborted) continue;
      const informer = this.#follow(resource);
      this.#informers.set(key, informer);
      fresh.push(informer);
    }
    return fresh;
  }

  #follow(resource: DiscoveredResource): Informer {
    const apiVersion = apiVersionOf(resource);
    const { changed, deleted, onError } = this.#events;
    const informer = createInformer(this.#metadata, this.#metadata.resource(resource), { onError });
    informer.subscribe({
      added: (object) => changed(resource, apiVersion, object),
      updated: (object, old) => changed(resource, apiVersion, object, old),
      deleted: (object) => deleted(resource, object),
    });
    informer.start();
    return informer;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#informers.values()].map((informer) => informer.stop()));
  }
}
