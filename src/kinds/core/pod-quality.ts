/** The quality-of-service class of a Pod, from its requests and limits of CPU and memory. */
import { parseQuantity, type Quantity } from "../../api/quantity.ts";
import type { Pod } from "../generated/types.ts";

type Totals = Map<string, Quantity>;

function add(totals: Totals, list: Readonly<Record<string, string>> | undefined): number {
  let found = 0;
  for (const name of ["cpu", "memory"]) {
    const text = list !== undefined && Object.hasOwn(list, name) ? list[name] : undefined;
    if (text === undefined) continue;
    const quantity = parseQuantity(text);
    if (quantity.sign <= 0) continue;
    found += 1;
    const before = totals.get(name);
    totals.set(name, before === undefined ? quantity : before.add(quantity));
  }
  return found;
}

export function qosClass(pod: Pod): "BestEffort" | "Burstable" | "Guaranteed" {
  const requests: Totals = new Map();
  const limits: Totals = new Map();
  const ofPod = pod.spec.resources;
  // Resources of the pod as a whole, when given, decide alone.
  const parts = ofPod
    ? [ofPod]
    : [...(pod.spec.containers ?? []), ...(pod.spec.initContainers ?? [])].map(
        (container) => container.resources ?? {},
      );
  let limited = true;
  for (const part of parts) {
    add(requests, part.requests);
    if (add(limits, part.limits) < 2) limited = false;
  }
  if (requests.size === 0 && limits.size === 0) return "BestEffort";
  const equal = [...requests].every(([name, quantity]) => limits.get(name)?.compare(quantity) === 0);
  return limited && equal && requests.size === limits.size ? "Guaranteed" : "Burstable";
}
