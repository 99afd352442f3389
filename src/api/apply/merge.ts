/** A configuration laid over the live object: its leaves win, what only the object has stays (spec: apiserver 5.5). */
import { isObject, newObject, own } from "../json/object.ts";
import type { JSONValue } from "../meta.ts";
import type { PathElement } from "./field-set.ts";
import { determined, elementOf, entriesOf, type ListShape, memberShape, type Shape } from "./shape.ts";

/** A new value that may share parts with both. `live` may hold elements with equal keys, `config` may not. */
export function merge(shape: Shape, live: JSONValue | undefined, config: JSONValue | undefined): JSONValue {
  if (config === undefined) return live ?? null;
  if (live === undefined) return config;
  const at = determined(shape, config);
  if (at.type === "scalar" || determined(shape, live).type !== at.type) return config;
  if (at.type === "list") {
    const [old, now] = [Array.isArray(live) ? live : [], Array.isArray(config) ? config : []];
    if (at.relation === "atomic" || (old.length === 0 && now.length === 0)) return config;
    return mergeLists(at, old, now);
  }
  if (at.atomic || (entriesOf(live).length === 0 && entriesOf(config).length === 0)) return config;
  const out = newObject();
  for (const [name, value] of entriesOf(live)) {
    out[name] = merge(memberShape(at, name), value, isObject(config) ? own(config, name) : undefined);
  }
  for (const [name, value] of entriesOf(config)) if (!Object.hasOwn(out, name)) out[name] = value;
  return out;
}

/**
 * The configuration's order holds among its own elements, the object's among those only it has; those stand where they stood between elements
 * that both have.
 */
function mergeLists(shape: ListShape, live: readonly JSONValue[], config: readonly JSONValue[]): JSONValue[] {
  const theirs = live.map((item) => elementOf(shape, item));
  const ours = config.map((item) => elementOf(shape, item));
  const held = new Map<PathElement, JSONValue | null>();
  // Of several with the same keys none is the one to merge with.
  for (const [index, element] of theirs.entries()) held.set(element, held.has(element) ? null : live[index]!);
  const wanted = new Map<PathElement, JSONValue>(ours.map((element, index) => [element, config[index]!]));
  const shared = ours.filter((element) => held.has(element)).values();
  const merged = new Set<PathElement>();
  const out: JSONValue[] = [];
  const take = (element: PathElement) => {
    merged.add(element);
    out.push(merge(shape.element(), held.get(element), wanted.get(element)));
  };
  let next = shared.next().value;
  let [left, right] = [0, 0];
  while (left < theirs.length || right < ours.length) {
    const element = theirs[left];
    if (element !== undefined && right < ours.length) {
      if (element === ours[right]) {
        take(element);
        left++;
        right++;
        next = shared.next().value;
        continue;
      }
      // Both have it, but it is another's turn.
      if (wanted.has(element) && next !== undefined && next !== element) {
        left++;
        continue;
      }
    }
    if (element !== undefined) {
      if (!wanted.has(element)) {
        out.push(live[left]!);
        left++;
        continue;
      }
      if (merged.has(element)) left++;
    }
    const ourNext = ours[right];
    if (ourNext !== undefined) {
      take(ourNext);
      right++;
      if (next === ourNext) next = shared.next().value;
    }
  }
  return out;
}
