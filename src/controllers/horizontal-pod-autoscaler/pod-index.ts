/** The pods of every namespace, by selector, kept up to date from a Lister. */
import type { LabelSelector } from "../../api/selectors.ts";
import type { Lister } from "../../client/lister.ts";
import { LabelIndex } from "./label-index.ts";
import type { Pod } from "./pod.ts";

export interface PodIndex {
  select(namespace: string, selector: LabelSelector): Pod[];
  /** How many there are. */
  count(namespace: string): number;
}

export function podIndex(pods: Lister<Pod>): PodIndex {
  const namespaces = new Map<string, LabelIndex<Pod>>();
  const indexOf = (pod: Pod) => {
    const namespace = pod.metadata.namespace ?? "";
    let index = namespaces.get(namespace);
    if (index === undefined) {
      index = new LabelIndex<Pod>(({ metadata }) => metadata.labels);
      namespaces.set(namespace, index);
    }
    return index;
  };
  const remove = (pod: Pod) => {
    const index = indexOf(pod);
    index.delete(pod);
    if (index.size === 0) namespaces.delete(pod.metadata.namespace ?? "");
  };
  pods.subscribe({
    added: (pod) => indexOf(pod).add(pod),
    updated(pod, old) {
      remove(old);
      indexOf(pod).add(pod);
    },
    deleted: remove,
  });
  return {
    select: (namespace, selector) => namespaces.get(namespace)?.select(selector) ?? [],
    count: (namespace) => namespaces.get(namespace)?.size ?? 0,
  };
}
