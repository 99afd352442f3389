/** What benchmarks share: CPU time and memory of other processes, medians, percentiles, tables, and what machine this was. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, totalmem } from "node:os";

const LINUX = process.platform === "linux";
/** The kernel's USER_HZ: 100 on every architecture Node runs on. */
const TICKS_PER_SECOND = 100;

function ps(pid: number, column: string): string {
  return execFileSync("ps", ["-o", `${column}=`, "-p", String(pid)], { encoding: "utf8" }).trim();
}

/** Seconds of CPU, user and system, that all threads of a process have used so far; to 10 ms. Throws when there is no such process. */
export function cpuSeconds(pid: number): number {
  if (!LINUX) return secondsOf(ps(pid, "time"));
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The second field is the name in parentheses, which may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** `[[days-]hours:]minutes:seconds` of `ps`. */
function secondsOf(text: string): number {
  const [days, rest] = text.includes("-") ? text.split("-", 2) : ["0", text];
  return rest!.split(":").reduce((sum, part) => sum * 60 + Number(part), 0) + Number(days) * 86_400;
}

export interface Memory {
  /** Bytes resident: what `ps` and the kernel's limits count. */
  readonly resident: number;
  /** Of them, those no other process shares (heap, stacks, JIT code); undefined where the system does not say. */
  readonly anonymous: number | undefined;
}

/** Throws when there is no such process. */
export function memoryOf(pid: number): Memory {
  if (!LINUX) return { resident: Number(ps(pid, "rss")) * 1024, anonymous: undefined };
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const of = (field: string) =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? Number.NaN) * 1024;
  return { resident: of("VmRSS"), anonymous: of("RssAnon") };
}

/** The value at `share` (0 to 1) of the sorted values; NaN for none. */
export function percentile(values: ArrayLike<number>, share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

/** The middle value, or the mean of the two in the middle. */
export function median(values: ArrayLike<number>): number {
  const sorted = Float64Array.from(values).sort();
  const half = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/**
 * Every contender once a round, in turn, and in the other direction every second round: what the machine does meanwhile hits all alike.
 * One more round before the first warms up and is thrown away.
 */
export async function interleaved<T, R>(
  rounds: number,
  contenders: readonly T[],
  measure: (contender: T, round: number) => Promise<R>,
): Promise<Map<T, R[]>> {
  const results = new Map<T, R[]>(contenders.map((contender) => [contender, []]));
  for (let round = -1; round < rounds; round++) {
    const order = round % 2 === 0 ? contenders : contenders.toReversed();
    for (const contender of order) {
      const result = await measure(contender, round);
      if (round >= 0) results.get(contender)!.push(result);
    }
  }
  return results;
}

/** Columns as wide as they must be; the first to the left, the others to the right. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  const line = (row: readonly string[]) =>
    widths
      .map((width, column) => (column === 0 ? (row[column] ?? "").padEnd(width) : (row[column] ?? "").padStart(width)))
      .join("  ")
      .trimEnd();
  return [line(header), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}

/** Three significant digits, without exponents. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return "-";
  const size = Math.abs(value);
  return size >= 100 ? Math.round(value).toLocaleString("en-US") : value.toFixed(size >= 10 ? 1 : 2);
}

export const megabytes = (bytes: number | undefined): string =>
  bytes === undefined ? "-" : `${(bytes / 1e6).toFixed(1)} MB`;

/** One line every figure is printed under. */
export function machine(): string {
  const model = cpus()[0]?.model.trim() || process.arch;
  const load = loadavg()[0]!.toFixed(1);
  return `${availableParallelism()} × ${model}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${process.platform} ${process.arch}, Node ${process.versions.node}; load before the run ${load}`;
}
