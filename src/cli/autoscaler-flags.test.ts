import { Command } from "commander";
import { expect, it } from "vitest";
import { DEFAULT_OPTIONS } from "../controllers/horizontal-pod-autoscaler/autoscaler.ts";
import {
  type AutoscalerFlags,
  addAutoscalerFlags,
  autoscalerArguments,
  autoscalerOptions,
} from "./autoscaler-flags.ts";

function parse(...args: string[]): AutoscalerFlags {
  const command = addAutoscalerFlags(new Command("test"))
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  return command.parse(args, { from: "user" }).opts();
}

it("without flags the controller's own defaults hold, which are upstream's", () => {
  expect(autoscalerOptions(parse())).toEqual(DEFAULT_OPTIONS);
});

it("what is given arrives, also through another process", () => {
  const flags = parse(
    "--horizontal-pod-autoscaler-sync-period=2s",
    "--horizontal-pod-autoscaler-downscale-stabilization=1m30s",
    "--horizontal-pod-autoscaler-tolerance=.05",
    "--concurrent-horizontal-pod-autoscaler-syncs=9",
  );
  expect(autoscalerOptions(flags)).toEqual({
    ...DEFAULT_OPTIONS,
    syncPeriod: 2000,
    downscaleStabilization: 90_000,
    tolerance: 0.05,
    concurrentSyncs: 9,
  });
  expect(parse(...autoscalerArguments(flags))).toEqual(flags);
});

it.each([
  ["--horizontal-pod-autoscaler-sync-period=15", /missing unit in duration/],
  ["--horizontal-pod-autoscaler-sync-period=0s", /a duration from 100ms to/],
  ["--horizontal-pod-autoscaler-sync-period=-1s", /a duration from 100ms to/],
  ["--horizontal-pod-autoscaler-downscale-stabilization=1000h", /a duration from 0s to/],
  ["--horizontal-pod-autoscaler-tolerance=-1", /a number such as 0.1/],
  ["--horizontal-pod-autoscaler-tolerance=ten", /a number such as 0.1/],
  ["--concurrent-horizontal-pod-autoscaler-syncs=0", /a whole number from 1/],
])("%s is refused", (flag, message) => {
  expect(() => parse(flag)).toThrow(message);
});
