/** Writes `/metrics/resource` as a kubelet does: families sorted by name, series by labels, numbers as Go prints them (spec: metrics 1.1). */

export interface NodeReading {
  /** When it was read, milliseconds since the epoch. */
  readonly timestamp: number;
  /** Cumulative, of all processors. */
  readonly cpuSeconds: number;
  readonly workingSetBytes: number;
}

export interface ContainerReading extends NodeReading {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  /** When it was created, seconds since the epoch; left out when not positive. */
  readonly startSeconds: number;
}

/** The whole payload. `node` undefined is a failed reading: only `resource_scrape_error 1` is written, as upstream. */
export function resourceMetrics(node: NodeReading | undefined, containers: readonly ContainerReading[]): string {
  if (node === undefined) return `${family("resource_scrape_error", "gauge", ERROR_HELP)}resource_scrape_error 1\n`;
  const sorted = containers.toSorted(
    (a, b) => compare(a.container, b.container) || compare(a.namespace, b.namespace) || compare(a.pod, b.pod),
  );
  const pods = podReadings(containers);
  let text = "";
  if (sorted.length > 0) {
    text += family(
      "container_cpu_usage_seconds_total",
      "counter",
      "[STABLE] Cumulative cpu time consumed by the container in core-seconds",
    );
    for (const one of sorted)
      text += `container_cpu_usage_seconds_total${labels(one)} ${goFloat(one.cpuSeconds)} ${Math.floor(one.timestamp)}\n`;
    text += family(
      "container_memory_working_set_bytes",
      "gauge",
      "[STABLE] Current working set of the container in bytes",
    );
    for (const one of sorted)
      text += `container_memory_working_set_bytes${labels(one)} ${goFloat(one.workingSetBytes)} ${Math.floor(one.timestamp)}\n`;
    const started = sorted.filter((one) => one.startSeconds > 0);
    if (started.length > 0) {
      text += family(
        "container_start_time_seconds",
        "gauge",
        "[STABLE] Start time of the container since unix epoch in seconds",
      );
      for (const one of started) text += `container_start_time_seconds${labels(one)} ${goFloat(one.startSeconds)}\n`;
    }
  }
  text += family(
    "node_cpu_usage_seconds_total",
    "counter",
    "[STABLE] Cumulative cpu time consumed by the node in core-seconds",
  );
  text += `node_cpu_usage_seconds_total ${goFloat(node.cpuSeconds)} ${Math.floor(node.timestamp)}\n`;
  text += family("node_memory_working_set_bytes", "gauge", "[STABLE] Current working set of the node in bytes");
  text += `node_memory_working_set_bytes ${goFloat(node.workingSetBytes)} ${Math.floor(node.timestamp)}\n`;
  if (pods.length > 0) {
    text += family(
      "pod_cpu_usage_seconds_total",
      "counter",
      "[STABLE] Cumulative cpu time consumed by the pod in core-seconds",
    );
    for (const pod of pods)
      text += `pod_cpu_usage_seconds_total${podLabels(pod)} ${goFloat(pod.cpuSeconds)} ${Math.floor(pod.timestamp)}\n`;
    text += family("pod_memory_working_set_bytes", "gauge", "[STABLE] Current working set of the pod in bytes");
    for (const pod of pods)
      text += `pod_memory_working_set_bytes${podLabels(pod)} ${goFloat(pod.workingSetBytes)} ${Math.floor(pod.timestamp)}\n`;
  }
  return `${text}${family("resource_scrape_error", "gauge", ERROR_HELP)}resource_scrape_error 0\n`;
}

const ERROR_HELP = "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise";

function family(name: string, type: "counter" | "gauge", help: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
}

function labels(one: ContainerReading): string {
  return `{container="${escaped(one.container)}",namespace="${escaped(one.namespace)}",pod="${escaped(one.pod)}"}`;
}

type PodReading = { namespace: string; pod: string; timestamp: number; cpuSeconds: number; workingSetBytes: number };

function podLabels(one: PodReading): string {
  return `{namespace="${escaped(one.namespace)}",pod="${escaped(one.pod)}"}`;
}

function podReadings(containers: readonly ContainerReading[]): PodReading[] {
  const pods = new Map<string, PodReading>();
  for (const { namespace, pod, timestamp, cpuSeconds, workingSetBytes } of containers) {
    const key = `${namespace}/${pod}`;
    const sum = pods.get(key);
    if (sum === undefined) {
      pods.set(key, { namespace, pod, timestamp, cpuSeconds, workingSetBytes });
      continue;
    }
    sum.timestamp = Math.max(sum.timestamp, timestamp);
    sum.cpuSeconds += cpuSeconds;
    sum.workingSetBytes += workingSetBytes;
  }
  return [...pods.values()].sort((a, b) => compare(a.namespace, b.namespace) || compare(a.pod, b.pod));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function escaped(value: string): string {
  return value.replace(/[\\"\n]/g, (character) => (character === "\n" ? "\\n" : `\\${character}`));
}

/** Go's shortest `%g`: plain from 1e-04 up to below 1e+06, otherwise with an exponent of at least two digits. */
export function goFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  const [mantissa = "0", exponentText = "0"] = value.toExponential().split("e");
  const exponent = Number(exponentText);
  if (value === 0 || (exponent >= -4 && exponent < 6)) return plain(value, exponent);
  const digits = String(Math.abs(exponent)).padStart(2, "0");
  return `${mantissa}e${exponent < 0 ? "-" : "+"}${digits}`;
}

/** JavaScript prints numbers of this range without an exponent, but for 1e-5…1e-4, which never get here. */
function plain(value: number, exponent: number): string {
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  return exponent >= -6 ? String(value) : value.toFixed(-exponent);
}
