/** Which autoscalers look at which pods: two that look at the same one must not both decide (spec: metrics 4.6). */
import type { LabelSelector, Labels } from "../../api/selectors.ts";

interface Registered {
  readonly key: string;
  readonly selector: LabelSelector;
}

/** Selectors of one namespace, found by the `key=value` that they ask for. */
class Namespace {
  readonly byKey = new Map<string, Registered>();
  readonly #byLabel = new Map<string, Set<Registered>>();

  put(registered: Registered): void {
    this.delete(registered.key);
    this.byKey.set(registered.key, registered);
    const label = labelOf(registered.selector);
    if (label === undefined) return;
    const others = this.#byLabel.get(label);
    if (others === undefined) this.#byLabel.set(label, new Set([registered]));
    else others.add(registered);
  }

  delete(key: string): void {
    const known = this.byKey.get(key);
    if (known === undefined) return;
    this.byKey.delete(key);
    const label = labelOf(known.selector);
    if (label === undefined) return;
    const others = this.#byLabel.get(label)!;
    others.delete(known);
    if (others.size === 0) this.#byLabel.delete(label);
  }

  *matching(labels: Labels): Generator<string> {
    for (const label of ["", ...Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`)]) {
      for (const { key, selector } of this.#byLabel.get(label) ?? []) if (selector.matches(labels)) yield key;
    }
  }
}

/** A label without which the selector matches nothing; "" when there is no such, undefined when nothing matches anyway. */
function labelOf({ requirements, empty }: LabelSelector): string | undefined {
  if (requirements.length === 0 && !empty) return undefined;
  const one = requirements.find(
    ({ operator, values }) => (operator === "=" || operator === "==" || operator === "in") && values.length === 1,
  );
  return one === undefined ? "" : `${one.key}=${one.values[0]}`;
}

export class SelectorRegistry {
  readonly #namespaces = new Map<string, Namespace>();

  /** `key`: `namespace/name` of the autoscaler. */
  put(namespace: string, key: string, selector: LabelSelector): void {
    let known = this.#namespaces.get(namespace);
    if (known === undefined) {
      known = new Namespace();
      this.#namespaces.set(namespace, known);
    }
    const before = known.byKey.get(key);
    // Everything and nothing have the same text.
    const same = before?.selector.empty === selector.empty && `${before.selector}` === `${selector}`;
    if (!same) known.put({ key, selector });
  }

  delete(namespace: string, key: string): void {
    const known = this.#namespaces.get(namespace);
    known?.delete(key);
    if (known?.byKey.size === 0) this.#namespaces.delete(namespace);
  }

  /** The autoscalers that look at any of the pods with these labels. */
  lookingAt(namespace: string, pods: Iterable<Labels>): string[] {
    const found = new Set<string>();
    const known = this.#namespaces.get(namespace);
    if (known === undefined) return [];
    for (const labels of pods) for (const key of known.matching(labels)) found.add(key);
    return [...found];
  }
}
