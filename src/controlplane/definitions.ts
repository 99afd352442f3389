/** CustomResourceDefinitions over the store of this process: what serves them is loaded with the first one. */
import type { DefinitionSource, Definitions, DefinitionsOptions } from "../crd/index.ts";
import type { Admission } from "../server/admission.ts";
import { type Cursor, ExpiredError, type State } from "../store/state.ts";

export const DEFINITIONS = { group: "apiextensions.k8s.io", version: "v1", resource: "customresourcedefinitions" };
const PREFIX = "/registry/apiextensions.k8s.io/customresourcedefinitions/";
/** Changes handled before other work of the process gets its turn. */
const BATCH = 256;

const load = () => import("../crd/index.ts");

/** Who creates a first definition waits for what will serve it, and not everybody who waits for the definition. */
export const definitionsLoaded: Admission = {
  async admit({ operation, resource }) {
    if (operation === "CREATE" && resource.group === DEFINITIONS.group && resource.resource === DEFINITIONS.resource) {
      await load();
    }
  },
};

/** Serves the definitions there are before it resolves; with none, waits for the first. */
export async function openDefinitions(
  state: State,
  options: Omit<DefinitionsOptions, "source">,
): Promise<{ stop(): Promise<void> }> {
  const source = definitionSource(state);
  let stopped = false;
  let running: Promise<Definitions | undefined> = Promise.resolve(undefined);
  const begin = () => {
    running = load().then(({ serveDefinitions }) => (stopped ? undefined : serveDefinitions({ ...options, source })));
    return running;
  };
  if (state.view().count(PREFIX) > 0) await begin();
  else {
    const unfollow = source.follow(() => {
      unfollow();
      begin().catch((error: unknown) => options.onError(error, ""));
    });
  }
  return {
    async stop() {
      stopped = true;
      source.close();
      await (await running.catch(() => undefined))?.stop();
    },
  };
}

function definitionSource(state: State): DefinitionSource & { close(): void } {
  /** Where `list` read, so that nothing is missed. */
  let cursor: Cursor | undefined;
  const nameOf = (key: string) => key.slice(PREFIX.length);
  const close = () => {
    cursor?.close();
    cursor = undefined;
  };
  return {
    get: (name) => state.view().get(PREFIX + name)?.value,
    *list() {
      const view = state.view();
      close();
      cursor = state.cursor(PREFIX, view.revision);
      for (const { key, value } of view.range(PREFIX)) yield [nameOf(key), value];
    },
    follow(changed) {
      const known = new Set<string>();
      const tell = (key: string, value: Uint8Array | undefined) => {
        if (value === undefined) known.delete(key);
        else known.add(key);
        changed(nameOf(key), value);
      };
      const pump = () => {
        const reading = cursor;
        if (reading === undefined) return;
        try {
          for (let changes = reading.next(BATCH); changes.length > 0; changes = reading.next(BATCH)) {
            for (const { type, key, entry } of changes) {
              tell(key, type === "delete" ? undefined : entry.value);
              // Whoever was told wants to hear no more.
              if (cursor !== reading) return;
            }
          }
          reading.onReady(pump);
        } catch (error) {
          if (!(error instanceof ExpiredError)) throw error;
          // The history is gone: compare.
          reading.close();
          const view = state.view();
          const present = new Map([...view.range(PREFIX)].map(({ key, value }) => [key, value]));
          for (const key of [...known]) if (!present.has(key)) tell(key, undefined);
          for (const [key, value] of present) tell(key, value);
          cursor = state.cursor(PREFIX, view.revision);
          pump();
        }
      };
      for (const { key } of state.view().range(PREFIX)) known.add(key);
      cursor ??= state.cursor(PREFIX, state.revision);
      pump();
      return close;
    },
    close,
  };
}
