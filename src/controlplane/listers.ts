/** One Lister for each stored kind of this process, made when somebody first asks. */
import type { KubeObject } from "../api/meta.ts";
import type { Lister } from "../client/lister.ts";
import type { ResourceDefinition } from "../server/resource.ts";
import type { State } from "../store/state.ts";
import { type StateLister, stateLister } from "./state-lister.ts";

export interface Listers {
  /** Throws for a resource this process does not store. */
  of<T extends KubeObject = KubeObject>(group: string, plural: string): Lister<T>;
  close(): void;
}

export function storeListers(
  state: State,
  definitions: readonly ResourceDefinition[],
  onError: (error: unknown) => void,
): Listers {
  const made = new Map<string, StateLister>();
  return {
    of<T extends KubeObject>(group: string, plural: string) {
      const key = `${plural}.${group}`;
      let lister = made.get(key);
      if (lister === undefined) {
        const definition = definitions.find((one) => one.group === group && one.plural === plural);
        if (definition === undefined) throw new Error(`no stored kind ${key}`);
        lister = stateLister(state, definition, onError);
        made.set(key, lister);
      }
      return lister as unknown as Lister<T>;
    },
    close() {
      for (const lister of made.values()) lister.close();
    },
  };
}
