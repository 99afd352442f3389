/** Runs a definition's rules over one object as the server runs them around a write, without a server or a store: for tests of kinds. */
import type { KubeObject } from "../api/meta.ts";
import { SimulatedClock, seededRandom } from "../api/simulated.ts";
import { StatusError } from "../api/status.ts";
import type { Cell, RequestContext, ResourceDefinition, Strategy } from "../server/resource.ts";
import { deepCopy } from "./semantic.ts";

/** What came of it: the object, or the messages `path: body` in order. */
export interface Outcome<T> {
  readonly object: T;
  readonly errors: readonly string[];
}

export function rehearsalContext(now = 0): RequestContext {
  return {
    user: { name: "tester", uid: "", groups: [], extra: {} },
    namespace: "ns",
    name: "",
    subresource: "",
    dryRun: false,
    clock: new SimulatedClock(now),
    random: seededRandom(1),
    signal: new AbortController().signal,
    warn: () => undefined,
  };
}

/** Decodes JSON as the kind's codec does, with its defaults. */
export function decoded<T extends KubeObject>(definition: ResourceDefinition<T>, value: unknown): T {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  const { object } = definition.codec.decode(bytes, "application/json");
  object.metadata ??= {};
  if (definition.namespaced) object.metadata.namespace ??= "ns";
  definition.strategy.setDefaults?.(object);
  return object;
}

function causes(act: () => readonly { field: string; message: string }[]): string[] {
  try {
    return act().map((error) => `${error.field}: ${error.message}`);
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    return (error.status.details?.causes ?? []).map((cause) => `${cause.field}: ${cause.message}`);
  }
}

export function rehearseCreate<T extends KubeObject>(
  definition: ResourceDefinition<T>,
  value: unknown,
  context = rehearsalContext(),
): Outcome<T> {
  const object = decoded(definition, value);
  const { strategy } = definition;
  const errors = causes(() => {
    strategy.prepareForCreate?.(object, context);
    return strategy.validate?.(object, context) ?? [];
  });
  return { object, errors };
}

/** `change` edits a copy of the stored object. `strategy`: of a sub-resource, when it is written through one. */
export function rehearseUpdate<T extends KubeObject>(
  definition: ResourceDefinition<T>,
  stored: T,
  change: (object: T) => void,
  strategy: Strategy<T> = definition.strategy,
  context = rehearsalContext(),
): Outcome<T> {
  const object = deepCopy(stored);
  const old = deepCopy(stored);
  change(object);
  (strategy.setDefaults ?? definition.strategy.setDefaults)?.(object);
  const errors = causes(() => {
    strategy.prepareForUpdate?.(object, old, context);
    return strategy.validateUpdate?.(object, old, context) ?? [];
  });
  return { object, errors };
}

/** The rules of writing through a sub-resource. */
export function subStrategy<T extends KubeObject>(definition: ResourceDefinition<T>, name: string): Strategy<T> {
  const strategy = definition.subresources?.find((sub) => sub.name === name)?.strategy;
  if (strategy === undefined) throw new Error(`${definition.plural} has no sub-resource ${name} with rules`);
  return strategy;
}

/** Column name to cell. */
export function printedRow<T extends KubeObject>(
  definition: ResourceDefinition<T>,
  object: T,
  now = 0,
): Record<string, Cell> {
  const { table } = definition;
  if (table === undefined) throw new Error(`${definition.plural} prints no table`);
  const cells = table.cells(object, now);
  if (cells.length !== table.columns.length) throw new Error(`${cells.length} cells, ${table.columns.length} columns`);
  return Object.fromEntries(table.columns.map((column, index) => [column.name, cells[index]!]));
}
