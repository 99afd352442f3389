/** The last two readings of every node and container, and the rates between them (spec: metrics 2.5). In memory only; a batch replaces the one before. */
import type { NodeBatch, PodPoints, Point } from "./resource-metrics.ts";

/** The earlier reading of a pair. `nanoseconds` (0…999,999) refines `timestamp` where it is a container's start time. */
interface Previous {
  readonly timestamp: number;
  readonly nanoseconds: number;
  readonly startNanoseconds: number;
  readonly cpuNanoseconds: number;
}

export interface Usage {
  /** When the later reading was taken, milliseconds since the epoch; 0 in the usage of a pod without usable containers. */
  readonly timestamp: number;
  /** Between the two readings, nanoseconds. */
  readonly windowNanoseconds: number;
  readonly cpuNanocores: number;
  readonly memoryBytes: number;
}

export interface PodUsage {
  readonly timestamp: number;
  readonly windowNanoseconds: number;
  /** Sorted by name. */
  readonly containers: readonly (Usage & { readonly name: string })[];
}

/** A container younger than this has no first reading worth taking from its start. */
const FRESH_MINIMUM_MILLISECONDS = 10_000;

type PodPrevious = Map<string, Previous>;

export class TwoPointStore {
  readonly #resolutionMilliseconds: number;
  #nodes = new Map<string, Point>();
  #previousNodes = new Map<string, Previous>();
  #pods = new Map<string, PodPoints>();
  #previousPods = new Map<string, PodPrevious>();

  /** `resolutionMilliseconds`: the time between two scrapes. */
  constructor(resolutionMilliseconds: number) {
    this.#resolutionMilliseconds = resolutionMilliseconds;
  }

  /** Whether nodes and pods can both be served. */
  get ready(): boolean {
    return this.#previousNodes.size > 0 && this.#previousPods.size > 0;
  }

  /** How many readings have an earlier one. */
  get pairs(): { readonly nodes: number; readonly containers: number } {
    let containers = 0;
    for (const pod of this.#previousPods.values()) containers += pod.size;
    return { nodes: this.#previousNodes.size, containers };
  }

  /** Takes one scrape of the whole fleet. What is not in `batches` is gone. A pod reported by two nodes counts once, the first. */
  store(batches: ReadonlyMap<string, NodeBatch>): { readonly duplicates: readonly string[] } {
    const nodes = new Map<string, Point>();
    const previousNodes = new Map<string, Previous>();
    const pods = new Map<string, PodPoints>();
    const previousPods = new Map<string, PodPrevious>();
    const duplicates: string[] = [];
    for (const [name, batch] of batches) {
      if (batch.node !== undefined) {
        nodes.set(name, batch.node);
        const previous = pair(batch.node, this.#nodes.get(name), this.#previousNodes.get(name));
        if (previous !== undefined) previousNodes.set(name, previous);
      }
      for (const [key, pod] of batch.pods) {
        if (pods.has(key)) {
          duplicates.push(key);
          continue;
        }
        pods.set(key, pod);
        const previous = this.#pairPod(key, pod);
        if (previous !== undefined) previousPods.set(key, previous);
      }
    }
    this.#nodes = nodes;
    this.#previousNodes = previousNodes;
    this.#pods = pods;
    this.#previousPods = previousPods;
    return { duplicates };
  }

  #pairPod(key: string, pod: PodPoints): PodPrevious | undefined {
    const lastPod = this.#pods.get(key);
    const previousPod = this.#previousPods.get(key);
    let pairs: PodPrevious | undefined;
    for (const [name, point] of pod.containers) {
      let previous = this.#sinceStart(point);
      if (previous === undefined) {
        const last = lastPod?.containers.get(name);
        // A container that started after its stored reading restarted: the two do not make a pair.
        if (last !== undefined && point.startNanoseconds < last.timestamp * 1e6) {
          previous = pair(point, last, previousPod?.get(name));
        }
      }
      if (previous === undefined) continue;
      pairs ??= new Map();
      pairs.set(name, previous);
    }
    return pairs;
  }

  /** A container that started less than one resolution ago had used nothing at its start: one reading is enough. */
  #sinceStart(point: Point): Previous | undefined {
    const age = point.timestamp - point.startNanoseconds / 1e6;
    // Worded so that a start that is no number is never fresh.
    if (!(age >= FRESH_MINIMUM_MILLISECONDS && age < this.#resolutionMilliseconds)) return undefined;
    const start = BigInt(point.startNanoseconds);
    return {
      timestamp: Number(start / 1_000_000n),
      nanoseconds: Number(start % 1_000_000n),
      startNanoseconds: point.startNanoseconds,
      cpuNanoseconds: 0,
    };
  }

  node(name: string): Usage | undefined {
    const last = this.#nodes.get(name);
    const previous = this.#previousNodes.get(name);
    return last === undefined || previous === undefined ? undefined : usage(last, previous);
  }

  /** Undefined when any container lacks an earlier reading. A container whose counter went backwards is left out. */
  pod(namespace: string, name: string): PodUsage | undefined {
    const key = `${namespace}/${name}`;
    const last = this.#pods.get(key);
    const previousPod = this.#previousPods.get(key);
    if (last === undefined || previousPod === undefined) return undefined;
    const containers: (Usage & { name: string })[] = [];
    for (const [container, point] of last.containers) {
      const previous = previousPod.get(container);
      if (previous === undefined) return undefined;
      const used = usage(point, previous);
      if (used !== undefined) containers.push({ name: container, ...used });
    }
    containers.sort((a, b) => (a.name < b.name ? -1 : 1));
    const earliest = containers.reduce<Usage | undefined>(
      (found, one) => (found === undefined || one.timestamp < found.timestamp ? one : found),
      undefined,
    );
    return {
      timestamp: earliest?.timestamp ?? 0,
      windowNanoseconds: earliest?.windowNanoseconds ?? 0,
      containers,
    };
  }
}

/** The reading to measure `point` against: the last one, or the one before it when the kubelet repeated or rewound itself. */
function pair(point: Point, last: Point | undefined, previous: Previous | undefined): Previous | undefined {
  if (last === undefined) return undefined;
  if (point.timestamp > last.timestamp) {
    return {
      timestamp: last.timestamp,
      nanoseconds: 0,
      startNanoseconds: last.startNanoseconds,
      cpuNanoseconds: last.cpuNanoseconds,
    };
  }
  return previous !== undefined && previous.timestamp < point.timestamp ? previous : undefined;
}

/** Undefined when the pair is inconsistent: the counter or the start time decreased. */
function usage(last: Point, previous: Previous): Usage | undefined {
  if (last.cpuNanoseconds < previous.cpuNanoseconds || last.startNanoseconds < previous.startNanoseconds)
    return undefined;
  const windowNanoseconds = (last.timestamp - previous.timestamp) * 1e6 - previous.nanoseconds;
  const seconds = Math.trunc(windowNanoseconds / 1e9) + (windowNanoseconds % 1e9) / 1e9;
  return {
    timestamp: last.timestamp,
    windowNanoseconds,
    cpuNanocores: Math.trunc((last.cpuNanoseconds - previous.cpuNanoseconds) / seconds),
    memoryBytes: last.memoryBytes,
  };
}
