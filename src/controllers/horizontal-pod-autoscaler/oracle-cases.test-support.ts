/** Questions for the real calculator and for ours, made from a seed: the table in testdata holds what the real one answered, line by line. */
import { createHash } from "node:crypto";
import { seededRandom } from "../../api/simulated.ts";

/** name, phase, deleting, status of Ready ("": no condition), seconds since its transition, since the start (null: none), requests by container. */
export type PodCase = readonly [
  name: string,
  phase: string,
  deleting: boolean,
  ready: string,
  transition: number,
  start: number | null,
  requests: readonly (string | null)[],
  podRequest: string | null,
];
/** name, thousandths, age in seconds, window in milliseconds. */
export type MetricCase = readonly [name: string, value: string, age: number, window: number];

export interface PodsCase {
  readonly f: "utilization" | "raw" | "pods";
  readonly current: number;
  readonly target: string;
  readonly tolerance: readonly [down: number, up: number];
  readonly resource: string;
  readonly container: string;
  readonly pods: readonly PodCase[];
  readonly metrics: readonly MetricCase[];
}

export interface ValueCase {
  readonly f: "object" | "external" | "objectPerPod" | "externalPerPod";
  readonly current: number;
  readonly target: string;
  readonly tolerance: readonly [down: number, up: number];
  readonly series: readonly string[];
  readonly pods: readonly PodCase[];
}

export interface RulesCase {
  readonly window: number;
  readonly select: string;
  /** type, value, period in seconds. */
  readonly policies: readonly (readonly [string, number, number])[];
}

/** What is remembered: number, age in milliseconds. */
type Past = readonly (readonly [number, number])[];

export interface NormalizeCase {
  readonly f: "normalize" | "behavior" | "record";
  readonly current: number;
  readonly desired: number;
  readonly min: number;
  readonly max: number;
  /** Of recommendations without behavior, seconds. */
  readonly window: number;
  readonly recommendations: Past;
  readonly ups: Past;
  readonly downs: Past;
  readonly up: RulesCase;
  readonly down: RulesCase;
}

export type OracleCase = PodsCase | ValueCase | NormalizeCase;

export const ORACLE_SEED = 20260815;
export const ORACLE_CASES = 14_000;
/** What the simulated time of the Go program begins with, milliseconds since the epoch; ages count back from here. */
export const ORACLE_NOW = Date.UTC(2000, 0, 1);
/** What both sides are told. */
export const CPU_INITIALIZATION_PERIOD = 120_000;
export const INITIAL_READINESS_DELAY = 10_000;

/** The same cases for the same seed. */
export function oracleCases(seed = ORACLE_SEED, count = ORACLE_CASES): OracleCase[] {
  const random = seededRandom(seed);
  const int = (low: number, high: number) => low + Math.floor(random.number() * (high - low + 1));
  const pick = <T>(...choices: T[]): T => choices[int(0, choices.length - 1)]!;
  const often = (share: number) => random.number() < share;
  const tolerance = (): readonly [number, number] =>
    often(0.7) ? [0.1, 0.1] : [pick(0, 0.01, 0.05, 0.1, 0.5), pick(0, 0.01, 0.05, 0.1, 1)];

  const podCases = (calm: boolean): PodCase[] =>
    Array.from({ length: often(0.02) ? 0 : int(1, calm ? 6 : 12) }, (_, index) => {
      const request = () =>
        often(calm ? 0 : 0.01) ? null : pick("100m", "250m", "1", `${int(1, 4000)}m`, "2", "1500u");
      return [
        `p${index}`,
        often(calm ? 0.95 : 0.8) ? "Running" : pick("Pending", "Failed", "Succeeded", "Unknown", ""),
        often(0.03),
        often(0.85) ? "True" : pick("False", "Unknown", ""),
        int(0, 300),
        often(0.04) ? null : pick(int(0, 300), 120, 119, 121, 10, 1000),
        Array.from({ length: int(1, 3) }, request),
        often(0.04) ? `${int(1, 3000)}m` : null,
      ] as const;
    });

  const metricCases = (pods: readonly PodCase[], around: number): MetricCase[] => {
    const metrics: MetricCase[] = [];
    for (const [name] of pods) {
      if (often(0.12)) continue;
      const value = often(0.02)
        ? pick(0n, 9_007_199_254_740_993n, 4_000_000_000_000_000_000n, -5n)
        : int(0, around * 2);
      metrics.push([name, `${value}`, int(0, 90), pick(15_000, 30_000, 60_000, 15_004, 0)]);
    }
    if (often(0.03)) metrics.push(["stranger", `${int(0, around)}`, 0, 15_000]);
    return metrics;
  };

  const podsCase = (f: PodsCase["f"]): PodsCase => {
    const pods = podCases(often(0.5));
    const percent = f === "utilization";
    const around = pick(50, 200, 1000, 100_000);
    const target = percent
      ? pick(int(1, 150), 50, 80, 100, 300, 2147483647)
      : pick(int(1, around * 2), around, int(1, 1_000_000));
    return {
      f,
      current: pick(pods.length, pods.length, int(0, 20), 1),
      target: `${target}`,
      tolerance: tolerance(),
      resource: f === "pods" ? "" : pick("cpu", "cpu", "memory"),
      container: percent && often(0.15) ? pick("c0", "c1", "nobody") : "",
      pods,
      metrics: metricCases(pods, percent ? pick(100, 1000, 3000) : around),
    };
  };

  const valueCase = (f: ValueCase["f"]): ValueCase => {
    const external = f.startsWith("external");
    const value = () =>
      often(0.03)
        ? pick("9223372036854775807", "9007199254740993", "-7")
        : `${pick(int(0, 50_000), int(0, 2_000_000_000))}`;
    const current = pick(int(0, 12), int(1, 1000), 0);
    return {
      f,
      current,
      target: often(0.02) ? "1" : `${pick(int(1, 30_000), int(1, 1_000_000_000))}`,
      tolerance: tolerance(),
      series: Array.from({ length: external ? int(1, 4) : 1 }, value),
      pods: podCases(true),
    };
  };

  const past = (most: number, value: () => number, oldest: number): Past =>
    Array.from({ length: int(0, most) }, () => [value(), pick(int(0, oldest), int(0, oldest / 1000) * 1000)] as const);

  const rules = (): RulesCase => ({
    window: pick(0, 15, 60, 300, int(0, 3600)),
    select: pick("Max", "Max", "Min", "Disabled"),
    policies: Array.from({ length: int(1, 3) }, () =>
      often(0.5)
        ? (["Pods", pick(int(1, 20), 4, 2147483647), pick(15, 60, int(1, 1800))] as const)
        : (["Percent", pick(int(1, 300), 10, 90, 100, 2147483647), pick(15, 60, int(1, 1800))] as const),
    ),
  });

  const normalizeCase = (f: NormalizeCase["f"]): NormalizeCase => {
    const large = often(0.03);
    const number = () => (large ? int(0, 2147483647) : int(0, 120));
    const min = int(0, large ? 1000 : 6);
    return {
      f,
      current: number(),
      desired: number(),
      min,
      max: min + (large ? int(1, 2_000_000_000) : int(1, 150)),
      window: pick(300, 300, 0, 60),
      recommendations: past(6, number, 400_000),
      ups: past(4, () => int(0, 20), 200_000),
      downs: past(4, () => int(0, 20), 200_000),
      up: rules(),
      down: rules(),
    };
  };

  return Array.from({ length: count }, () => {
    const draw = random.number();
    if (draw < 0.32) return podsCase("utilization");
    if (draw < 0.42) return podsCase("raw");
    if (draw < 0.52) return podsCase("pods");
    if (draw < 0.7) return valueCase(pick("object", "external", "objectPerPod", "externalPerPod"));
    return normalizeCase(pick("normalize", "behavior", "behavior", "record"));
  });
}

/** Tells whether a table was computed from these questions. */
export function fingerprint(cases: readonly OracleCase[]): string {
  return createHash("sha256").update(JSON.stringify(cases)).digest("hex").slice(0, 16);
}
