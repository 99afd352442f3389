/** What one kubelet's `/metrics/resource` says, decoded to points (spec: metrics 2.3, 2.4). */
import { readExposition, type SampleVisitor } from "./exposition.ts";

/** One cumulative reading. */
export interface Point {
  /** When the container was created, nanoseconds since the epoch as a double; 0 when not reported. */
  startNanoseconds: number;
  /** Milliseconds since the epoch. */
  timestamp: number;
  /** Cumulative CPU time in nanoseconds. */
  cpuNanoseconds: number;
  /** Working set in bytes. */
  memoryBytes: number;
}

export interface PodPoints {
  readonly namespace: string;
  readonly name: string;
  readonly containers: Map<string, Point>;
}

export interface NodeBatch {
  /** Absent when the node's own lines are missing or zero. */
  readonly node: Point | undefined;
  /** By `namespace/name`. Pods with an incomplete container are already left out. */
  readonly pods: Map<string, PodPoints>;
}

const NODE_CPU = 1;
const NODE_MEMORY = 2;
const CONTAINER_CPU = 3;
const CONTAINER_MEMORY = 4;
const CONTAINER_START = 5;

const encoder = new TextEncoder();
const FAMILIES: readonly (readonly [bytes: Uint8Array, family: number])[] = [
  [encoder.encode("node_cpu_usage_seconds_total"), NODE_CPU],
  [encoder.encode("node_memory_working_set_bytes"), NODE_MEMORY],
  [encoder.encode("container_cpu_usage_seconds_total"), CONTAINER_CPU],
  [encoder.encode("container_memory_working_set_bytes"), CONTAINER_MEMORY],
  [encoder.encode("container_start_time_seconds"), CONTAINER_START],
];

interface Series {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly key: string;
}

/**
 * Decodes the responses of one kubelet, again and again. It remembers which label text names which container, so that a
 * second response of the same node allocates only its points.
 */
export class ResourceMetricsDecoder {
  #series = new Map<string, Series>();

  /** Throws ExpositionError for a malformed body. `requested`: when the request was sent, for lines without a timestamp. */
  decode(body: Uint8Array, requested: number): NodeBatch {
    const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    const known = this.#series;
    const seen = new Map<string, Series>();
    const pods = new Map<string, PodPoints>();
    let node: Point | undefined;
    let family = 0;

    const pointOf = (labelsStart: number, labelsEnd: number): Point => {
      const labels = bytes.toString("latin1", labelsStart, labelsEnd);
      let series = seen.get(labels);
      if (series === undefined) {
        series = known.get(labels) ?? parseSeries(labels);
        seen.set(labels, series);
      }
      let pod = pods.get(series.key);
      if (pod === undefined) {
        pod = { namespace: series.namespace, name: series.pod, containers: new Map() };
        pods.set(series.key, pod);
      }
      let point = pod.containers.get(series.container);
      if (point === undefined) {
        point = emptyPoint();
        pod.containers.set(series.container, point);
      }
      return point;
    };

    const visitor: SampleVisitor = {
      wants(from, start, end) {
        family = familyOf(from, start, end);
        return family !== 0;
      },
      sample(_, labelsStart, labelsEnd, value, timestamp) {
        const at = Number.isNaN(timestamp) ? requested : timestamp;
        switch (family) {
          case NODE_CPU:
            node ??= emptyPoint();
            node.cpuNanoseconds = Math.trunc(value * 1e9);
            node.timestamp = at;
            break;
          case NODE_MEMORY:
            node ??= emptyPoint();
            node.memoryBytes = Math.trunc(value);
            node.timestamp = at;
            break;
          case CONTAINER_CPU: {
            const point = pointOf(labelsStart, labelsEnd);
            point.cpuNanoseconds = Math.trunc(value * 1e9);
            point.timestamp = at;
            break;
          }
          case CONTAINER_MEMORY: {
            const point = pointOf(labelsStart, labelsEnd);
            point.memoryBytes = Math.trunc(value);
            point.timestamp = at;
            break;
          }
          case CONTAINER_START:
            pointOf(labelsStart, labelsEnd).startNanoseconds = Math.trunc(value * 1e9);
            break;
        }
      },
    };
    readExposition(bytes, visitor);
    this.#series = seen;

    for (const [key, pod] of pods) if (!complete(pod)) pods.delete(key);
    const whole = node !== undefined && node.cpuNanoseconds !== 0 && node.memoryBytes !== 0 && node.timestamp !== 0;
    return { node: whole ? node : undefined, pods };
  }
}

function emptyPoint(): Point {
  return { startNanoseconds: 0, timestamp: 0, cpuNanoseconds: 0, memoryBytes: 0 };
}

/** All or nothing: one container without CPU or memory hides its pod (spec: metrics 2.4). */
function complete(pod: PodPoints): boolean {
  for (const point of pod.containers.values()) if (point.cpuNanoseconds === 0 || point.memoryBytes === 0) return false;
  return true;
}

function familyOf(body: Uint8Array, start: number, end: number): number {
  for (const [name, family] of FAMILIES) {
    if (name.length !== end - start) continue;
    let index = 0;
    while (index < name.length && body[start + index] === name[index]) index++;
    if (index === name.length) return family;
  }
  return 0;
}

function parseSeries(labels: string): Series {
  const namespace = labelValue(labels, 'namespace="');
  const pod = labelValue(labels, 'pod="');
  const container = labelValue(labels, 'container="');
  return { namespace, pod, container, key: `${namespace}/${pod}` };
}

function labelValue(labels: string, opening: string): string {
  let start = labels.indexOf(opening);
  // A label whose name only ends like the one asked for ("mypod=") does not count.
  while (start > 0 && labels[start - 1] !== "," && labels[start - 1] !== " ")
    start = labels.indexOf(opening, start + 1);
  if (start < 0)
    throw new Error(`a container sample lacks the label ${opening.slice(0, -2)}: {${labels.slice(0, 200)}}`);
  const from = start + opening.length;
  return labels.slice(from, labels.indexOf('"', from));
}
