/** Reading objects from memory: by an informer over the network, or straight from the store of the same process. */
import type { KubeObject } from "../api/meta.ts";

export interface ListerEvents<T> {
  added?(object: T): void;
  updated?(object: T, old: T): void;
  deleted?(object: T): void;
}

/** Objects handed out are shared: never change one. */
export interface Lister<T extends KubeObject = KubeObject> {
  /** False until everything that existed at the start has been delivered. */
  readonly synced: boolean;
  /** Resolves when `synced`. */
  ready(): Promise<void>;
  get(name: string, namespace?: string): T | undefined;
  /** All objects, or those of one namespace. */
  list(namespace?: string): readonly T[];
  /** Objects already here arrive as `added` before this returns. Returns how to stop. */
  subscribe(events: ListerEvents<T>): () => void;
}
