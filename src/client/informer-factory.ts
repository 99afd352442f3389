/** One informer per resource for everybody in a process: whoever asks for the same thing reads the same copy. */
import type { GroupVersionResource, KubeObject } from "../api/meta.ts";
import type { Client } from "./client.ts";
import { createInformer, type Informer } from "./informer.ts";
import type { Lister } from "./lister.ts";

export interface SharedInformerOptions {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface InformerFactory {
  /** The copy of a resource, in all namespaces; begun by the first who asks. */
  of<T extends KubeObject = KubeObject>(resource: GroupVersionResource, options?: SharedInformerOptions): Lister<T>;
  /** Resolves when all that were asked for are synced; at once when the factory stops. */
  ready(...listers: readonly Lister[]): Promise<void>;
  /** Ends all of them; the copies stay readable. */
  stop(): Promise<void>;
}

/** `onError`: told of failures that are being retried, and of subscribers that threw. */
export function informerFactory(client: Client, onError: (error: unknown) => void = () => {}): InformerFactory {
  const informers = new Map<string, Informer>();
  let stop = () => {};
  const stopped = new Promise<void>((resolve) => {
    stop = resolve;
  });
  return {
    of<T extends KubeObject>(resource: GroupVersionResource, options: SharedInformerOptions = {}) {
      const { group, version, resource: plural } = resource;
      const { labelSelector = "", fieldSelector = "" } = options;
      const key = JSON.stringify([group, version, plural, labelSelector, fieldSelector]);
      let informer = informers.get(key);
      if (informer === undefined) {
        informer = createInformer(client, client.resource(resource), { ...options, onError });
        informers.set(key, informer);
        informer.start();
      }
      return informer as Lister as Lister<T>;
    },
    ready: (...listers) =>
      Promise.race([stopped, Promise.all(listers.map((lister) => lister.ready())).then(() => undefined)]),
    async stop() {
      stop();
      await Promise.all([...informers.values()].map((informer) => informer.stop()));
    },
  };
}
