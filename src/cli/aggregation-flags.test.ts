import { Command } from "commander";
import { describe, expect, it } from "vitest";
import {
  type AggregationFlags,
  addAggregationFlags,
  aggregationArguments,
  checkAggregationFlags,
} from "./aggregation-flags.ts";

function parse(...args: string[]): AggregationFlags {
  const command = addAggregationFlags(new Command())
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  return command.parse(args, { from: "user" }).opts();
}

it("without any: upstream's defaults, but for routing", () => {
  expect(parse()).toEqual({
    enableAggregatorRouting: true,
    aggregatorRejectForwardingRedirect: true,
    requestTimeout: 60_000,
    minRequestTimeout: 1800,
    shutdownDelayDuration: 0,
    livezGracePeriod: 0,
    goawayChance: 0,
  });
  expect(checkAggregationFlags(parse())).toEqual({ errors: [], warnings: [] });
});

it.each([
  [["--enable-aggregator-routing"], { enableAggregatorRouting: true }],
  [["--enable-aggregator-routing=false"], { enableAggregatorRouting: false }],
  [["--no-enable-aggregator-routing"], { enableAggregatorRouting: false }],
  [["--aggregator-reject-forwarding-redirect=F"], { aggregatorRejectForwardingRedirect: false }],
  [["--request-timeout=1m30s"], { requestTimeout: 90_000 }],
  [["--request-timeout", "2.5"], { requestTimeout: 2500 }],
  [
    ["--requestheader-allowed-names=a,b", "--requestheader-allowed-names", "c"],
    { requestheaderAllowedNames: ["a", "b", "c"] },
  ],
  [["--proxy-client-cert-file=c", "--proxy-client-key-file=k"], { proxyClientCertFile: "c", proxyClientKeyFile: "k" }],
])("%j", (args, expected) => expect(parse(...args)).toMatchObject(expected));

it.each([
  ["--enable-aggregator-routing=perhaps"],
  ["--request-timeout=soon"],
  ["--goaway-chance=often"],
  ["--min-request-timeout="],
])("%s is refused", (flag) => expect(() => parse(flag)).toThrow(/is invalid/));

it("go on to another process as they came", () => {
  const args = [
    ...["--enable-aggregator-routing=false", "--request-timeout=1m1.5s", "--requestheader-allowed-names=a,b"],
    ...["--client-ca-file=/x y/ca", "--goaway-chance=0.01", "--runtime-config=api/all=true"],
  ];
  const flags = parse(...args);
  expect(parse(...aggregationArguments(flags))).toEqual(flags);
});

describe("are checked in upstream's words", () => {
  const STANDARD = "API aggregation will not work";
  it.each([
    [["--requestheader-username-headers=A, "], 'empty value in "requestheader-username-headers"'],
    [["--requestheader-allowed-names="], 'empty value in "requestheader-allowed-names"'],
    [
      ["--requestheader-uid-headers=X-Uid"],
      `--requestheader-uid-headers is set without specifying the standard X-Remote-Uid header - ${STANDARD}`,
    ],
    [["--goaway-chance=0.03"], "--goaway-chance can not be less than 0 or greater than 0.02"],
    [["--request-timeout=-1s"], "--request-timeout can not be negative value"],
    [["--livez-grace-period=-1s"], "--livez-grace-period can not be a negative value"],
    [["--proxy-client-cert-file=c"], "--proxy-client-cert-file and --proxy-client-key-file must be given together"],
    [["--egress-selector-config-file=e"], "--egress-selector-config-file is not supported: "],
    [["--runtime-config=apps/v1=false"], "--runtime-config apps/v1=false: built-in APIs cannot be switched off"],
  ])("%j", (args, message) => {
    const { errors } = checkAggregationFlags(parse(...args));
    expect(errors.some((error) => error.startsWith(message))).toBe(true);
  });

  it.each([
    [
      "--requestheader-username-headers=X-User",
      `--requestheader-username-headers is set without specifying the standard X-Remote-User header - ${STANDARD}`,
    ],
    [
      "--requestheader-extra-headers-prefix=X-More-",
      `--requestheader-extra-headers-prefix is set without specifying the standard X-Remote-Extra- header prefix - ${STANDARD}`,
    ],
    ["--peer-ca-file=p", "--peer-ca-file has no effect: every server of a cluster serves all it has"],
  ])("%s is a warning", (flag, warning) => {
    expect(checkAggregationFlags(parse(flag))).toEqual({ errors: [], warnings: [warning] });
  });

  it("the standard names in any case are fine", () => {
    expect(checkAggregationFlags(parse("--requestheader-uid-headers=x-remote-uid,X-Uid")).errors).toEqual([]);
  });
});
