/** The flags of the autoscaler, named as kube-controller-manager names them. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { formatGoDuration, parseGoDuration } from "../api/time.ts";

export interface AutoscalerFlags {
  /** Milliseconds, as all durations here. */
  readonly horizontalPodAutoscalerSyncPeriod: number;
  readonly horizontalPodAutoscalerTolerance: number;
  readonly horizontalPodAutoscalerDownscaleStabilization: number;
  readonly horizontalPodAutoscalerCpuInitializationPeriod: number;
  readonly horizontalPodAutoscalerInitialReadinessDelay: number;
  readonly concurrentHorizontalPodAutoscalerSyncs: number;
}

/** Timers cannot wait longer. */
const LONGEST = 2 ** 31 - 1;

function duration(shortest: number): (text: string) => number {
  return (text) => {
    let value: number;
    try {
      value = parseGoDuration(text);
    } catch (error) {
      throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
    }
    if (value < shortest || value > LONGEST) {
      throw new InvalidArgumentError(
        `a duration from ${formatGoDuration(shortest)} to ${formatGoDuration(LONGEST)} is expected.`,
      );
    }
    return value;
  };
}

function ratio(text: string): number {
  const value = Number(text);
  if (!/^\d*\.?\d+$/.test(text)) throw new InvalidArgumentError("a number such as 0.1 is expected.");
  return value;
}

function workers(text: string): number {
  const value = Number(text);
  if (!/^\d{1,4}$/.test(text) || value < 1)
    throw new InvalidArgumentError("a whole number from 1 to 9999 is expected.");
  return value;
}

const FLAGS: readonly (() => Option)[] = [
  () => time("sync-period", "between two looks at an autoscaler", "15s", 100),
  () =>
    new Option("--horizontal-pod-autoscaler-tolerance <ratio>", "how far a metric may be off without consequences")
      .argParser(ratio)
      .default(0.1),
  () => time("downscale-stabilization", "how long a recommendation holds against smaller ones", "5m0s", 0),
  () => time("cpu-initialization-period", "how long after its start the CPU use of a pod is doubted", "5m0s", 0),
  () => time("initial-readiness-delay", "how soon after its start a pod must have been ready once", "30s", 0),
  () =>
    new Option("--concurrent-horizontal-pod-autoscaler-syncs <number>", "autoscalers looked at at the same time")
      .argParser(workers)
      .default(5),
];

function time(name: string, description: string, fallback: string, shortest: number): Option {
  return new Option(`--horizontal-pod-autoscaler-${name} <duration>`, description)
    .argParser(duration(shortest))
    .default(parseGoDuration(fallback), fallback);
}

export function addAutoscalerFlags(command: Command): Command {
  for (const flag of FLAGS) command.addOption(flag());
  return command;
}

/** The same flags as arguments for another process that knows them. */
export function autoscalerArguments(flags: AutoscalerFlags): string[] {
  const values = new Map<string, unknown>(Object.entries(flags));
  return FLAGS.map((flag) => flag()).flatMap((flag) => {
    const value = values.get(flag.attributeName());
    const isDuration = flag.flags.endsWith("<duration>");
    return [flag.long ?? "", isDuration ? formatGoDuration(value as number) : String(value)];
  });
}

/** As the controller takes them. */
export function autoscalerOptions(flags: AutoscalerFlags) {
  return {
    syncPeriod: flags.horizontalPodAutoscalerSyncPeriod,
    tolerance: flags.horizontalPodAutoscalerTolerance,
    downscaleStabilization: flags.horizontalPodAutoscalerDownscaleStabilization,
    cpuInitializationPeriod: flags.horizontalPodAutoscalerCpuInitializationPeriod,
    initialReadinessDelay: flags.horizontalPodAutoscalerInitialReadinessDelay,
    concurrentSyncs: flags.concurrentHorizontalPodAutoscalerSyncs,
  };
}
