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

const NO_POINT = emptyPoint();
const encoder = new TextEncoder();
const FAMILIES: readonly (readonly [bytes: Uint8Array, family: number])[] = [
  [encoder.encode("node_cpu_usage_seconds_total"), NODE_CPU],
  [encoder.encode("node_memory_working_set_bytes"), NODE_MEMORY],
  [encoder.encode("container_cpu_usage_seconds_total"), CONTAINER_CPU],
  [encoder.encode("container_memory_working_set_bytes"), CONTAINER_MEMORY],
  [encoder.encode("container_start_time_seconds"), CONTAINER_START],
];

/** A container's series: its label text, whose names were parsed once, and the point it has in the response being read. */
interface Series {
  readonly labels: Uint8Array;
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly key: string;
  /** Its place in the order of the last response. */
  index: number;
  /** The response `point` belongs to. */
  response: number;
  point: Point;
}

/**
 * Decodes the responses of one kubelet, again and again. Kubelets keep their order: the series that followed another one last
 * time is tried first, by its bytes, so that a response with the same containers makes no string at all.
 */
export class ResourceMetricsDecoder {
  #known = new Map<string, Series>();
  #order: Series[] = [];
  #response = 0;

  /** Throws ExpositionError for a malformed body. `requested`: when the request was sent, for lines without a timestamp. */
  decode(body: Uint8Array, requested: number): NodeBatch {
    const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    const response = ++this.#response;
    const order = this.#order;
    const pods = new Map<string, PodPoints>();
    const seen: Series[] = [];
    let node: Point | undefined;
    let family = 0;
    let next = 0;

    const seriesOf = (start: number, end: number): Series => {
      const guess = order[next];
      if (guess !== undefined && sameText(bytes, start, end, guess.labels)) return guess;
      const text = bytes.toString("latin1", start, end);
      let series = this.#known.get(text);
      if (series === undefined) {
        series = newSeries(text, Buffer.from(bytes.subarray(start, end)), order.length);
        this.#known.set(text, series);
      }
      return series;
    };
    const pointOf = (labelsStart: number, labelsEnd: number): Point => {
      const series = seriesOf(labelsStart, labelsEnd);
      next = series.index + 1;
      if (series.response === response) return series.point;
      series.response = response;
      seen.push(series);
      let pod = pods.get(series.key);
      if (pod === undefined) {
        pod = { namespace: series.namespace, name: series.pod, containers: new Map() };
        pods.set(series.key, pod);
      }
      // Two texts may name one container: labels in another order.
      let point = pod.containers.get(series.container);
      if (point === undefined) {
        point = emptyPoint();
        pod.containers.set(series.container, point);
      }
      series.point = point;
      return point;
    };

    const visitor: SampleVisitor = {
      wants(from, start, end) {
        family = familyOf(from, start, end);
        next = 0;
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
    try {
      readExposition(bytes, visitor);
    } catch (error) {
      // What was half read is not worth remembering, and might be different every time.
      this.#remember([]);
      throw error;
    }
    this.#remember(seen);

    for (const [key, pod] of pods) if (!complete(pod)) pods.delete(key);
    const whole = node !== undefined && node.cpuNanoseconds !== 0 && node.memoryBytes !== 0 && node.timestamp !== 0;
    return { node: whole ? node : undefined, pods };
  }

  /** Keeps what this response had, in its order; containers that are gone are forgotten. */
  #remember(seen: Series[]): void {
    const order = this.#order;
    if (seen.length === order.length && seen.every((series, index) => series === order[index])) return;
    const known = new Map<string, Series>();
    seen.forEach((series, index) => {
      series.index = index;
      known.set(Buffer.from(series.labels).toString("latin1"), series);
    });
    this.#known = known;
    this.#order = seen;
  }
}

function sameText(body: Uint8Array, start: number, end: number, text: Uint8Array): boolean {
  if (end - start !== text.length) return false;
  // From the end: names that belong together begin alike.
  for (let index = text.length - 1; index >= 0; index--) if (body[start + index] !== text[index]) return false;
  return true;
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

function newSeries(text: string, labels: Uint8Array, index: number): Series {
  const namespace = labelValue(text, 'namespace="');
  const pod = labelValue(text, 'pod="');
  const container = labelValue(text, 'container="');
  return { labels, namespace, pod, container, key: `${namespace}/${pod}`, index, response: 0, point: NO_POINT };
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
