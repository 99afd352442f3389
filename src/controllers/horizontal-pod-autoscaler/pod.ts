/** What the autoscaler reads of a pod: what it is in, and what it asked for (spec: metrics 4.8, 4.9). */
import type { KubeObject } from "../../api/meta.ts";
import { parseQuantity, type Quantity } from "../../api/quantity.ts";
import { clamp64, wrap64 } from "./integers.ts";

type ResourceList = Readonly<Record<string, string>>;

interface Container {
  readonly name: string;
  readonly restartPolicy?: string;
  readonly resources?: { readonly requests?: ResourceList };
}

export interface PodCondition {
  readonly type: string;
  readonly status: string;
  /** RFC 3339. */
  readonly lastTransitionTime?: string | null;
}

export interface Pod extends KubeObject {
  readonly spec?: {
    readonly containers?: readonly Container[];
    readonly initContainers?: readonly Container[];
    readonly resources?: { readonly requests?: ResourceList };
    readonly overhead?: ResourceList;
  };
  readonly status?: {
    readonly phase?: string;
    /** RFC 3339. */
    readonly startTime?: string;
    readonly conditions?: readonly PodCondition[];
  };
}

export const nameOf = (pod: Pod): string => pod.metadata.name ?? "";

export function readyCondition(pod: Pod): PodCondition | undefined {
  return pod.status?.conditions?.find(({ type }) => type === "Ready");
}

/** Whether it counts for metrics that do not come from its containers. */
export function isRunningAndReady(pod: Pod): boolean {
  return pod.status?.phase === "Running" && readyCondition(pod)?.status === "True";
}

/** Thousandths, rounded up; what no int64 can hold is capped (upstream wraps). */
export function milli(quantity: string | Quantity): bigint {
  return clamp64((typeof quantity === "string" ? parseQuantity(quantity) : quantity).milliValue());
}

/** Pods do not change once they are here, and many rounds ask the same. */
const asked = new WeakMap<Pod, Map<string, bigint>>();

/** What the pod requests of a resource, in thousandths; of one container when one is named. Throws with upstream's text when it does not say. */
export function requestOf(pod: Pod, container: string, resource: string): bigint {
  let known = asked.get(pod);
  if (known === undefined) {
    known = new Map();
    asked.set(pod, known);
  }
  const key = `${container}/${resource}`;
  let request = known.get(key);
  if (request === undefined) {
    const whole = container === "" && hasPodLevelRequests(pod);
    request = whole ? podLevelRequest(pod, resource) : containerRequests(pod, container, resource);
    known.set(key, request);
  }
  return request;
}

const own = (list: ResourceList | undefined, resource: string): string | undefined =>
  list !== undefined && Object.hasOwn(list, resource) ? list[resource] : undefined;
const isSidecar = ({ restartPolicy }: Container) => restartPolicy === "Always";

function containerRequests(pod: Pod, container: string, resource: string): bigint {
  const { containers = [], initContainers = [] } = pod.spec ?? {};
  let sum = 0n;
  for (const one of [...containers, ...initContainers.filter(isSidecar)]) {
    if (container !== "" && one.name !== container) continue;
    const request = own(one.resources?.requests, resource);
    if (request === undefined) {
      throw new Error(`missing request for ${resource} in container ${one.name} of Pod ${nameOf(pod)}`);
    }
    sum = wrap64(sum + milli(request));
    if (container !== "") return sum;
  }
  if (container !== "") throw new Error(`container ${container} not found in Pod ${nameOf(pod)}`);
  return sum;
}

const isPodLevel = (resource: string) =>
  resource === "cpu" || resource === "memory" || resource.startsWith("hugepages-");

function hasPodLevelRequests(pod: Pod): boolean {
  return Object.keys(pod.spec?.resources?.requests ?? {}).some(isPodLevel);
}

const sumOf = (a: Quantity | undefined, b: Quantity | undefined) =>
  a === undefined ? b : b === undefined ? a : a.add(b);
const largerOf = (a: Quantity | undefined, b: Quantity | undefined) =>
  a === undefined || (b !== undefined && b.compare(a) > 0) ? b : a;
const quantityOf = (list: ResourceList | undefined, resource: string) => {
  const text = own(list, resource);
  return text === undefined ? undefined : parseQuantity(text);
};

/** What all containers need together: those that run, or while it starts the hungriest of those that prepare it. */
function aggregate(pod: Pod, resource: string): Quantity | undefined {
  const { containers = [], initContainers = [] } = pod.spec ?? {};
  const requestsOf = (container: Container) => quantityOf(container.resources?.requests, resource);
  let sum: Quantity | undefined;
  for (const container of containers) sum = sumOf(sum, requestsOf(container));
  let sidecars: Quantity | undefined;
  let starting: Quantity | undefined;
  for (const container of initContainers) {
    const request = requestsOf(container);
    if (isSidecar(container)) {
      sum = sumOf(sum, request);
      sidecars = sumOf(sidecars, request);
      starting = largerOf(starting, sidecars);
    } else {
      starting = largerOf(starting, sumOf(request, sidecars));
    }
  }
  return largerOf(sum, starting);
}

/** The request of a pod that has some of its own (KEP-2837). */
function podLevelRequest(pod: Pod, resource: string): bigint {
  const ownRequest = isPodLevel(resource) ? quantityOf(pod.spec?.resources?.requests, resource) : undefined;
  const request = sumOf(ownRequest ?? aggregate(pod, resource), quantityOf(pod.spec?.overhead, resource));
  if (request === undefined) throw new Error(`missing pod-level request for ${resource} in Pod ${nameOf(pod)}`);
  return milli(request);
}
