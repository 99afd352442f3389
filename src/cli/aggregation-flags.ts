/** The flags of `tenon apiserver` about aggregation and about who is trusted, named as kube-apiserver names them (spec: aggregation 8.1). */
import { type Command, InvalidArgumentError, Option } from "commander";
import { formatGoDuration, parseGoDuration } from "../api/time.ts";

export interface AggregationFlags {
  readonly enableAggregatorRouting: boolean;
  readonly aggregatorRejectForwardingRedirect: boolean;
  readonly proxyClientCertFile?: string;
  readonly proxyClientKeyFile?: string;
  readonly clientCaFile?: string;
  readonly requestheaderClientCaFile?: string;
  readonly requestheaderAllowedNames?: readonly string[];
  readonly requestheaderUsernameHeaders?: readonly string[];
  readonly requestheaderUidHeaders?: readonly string[];
  readonly requestheaderGroupHeaders?: readonly string[];
  readonly requestheaderExtraHeadersPrefix?: readonly string[];
  /** Milliseconds, as all durations here. */
  readonly requestTimeout: number;
  readonly shutdownDelayDuration: number;
  readonly livezGracePeriod: number;
  readonly goawayChance: number;
  /** Seconds. */
  readonly minRequestTimeout: number;
  readonly runtimeConfig?: readonly string[];
  readonly egressSelectorConfigFile?: string;
  readonly peerCaFile?: string;
  readonly peerAdvertiseIp?: string;
  readonly peerAdvertisePort?: string;
}

/** As Go reads booleans: the flag alone, or `--flag=false`. */
function boolean(text: string): boolean {
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return true;
  if (/^(0|f|F|FALSE|false|False)$/.test(text)) return false;
  throw new InvalidArgumentError("true or false is expected.");
}

/** A Go duration; a bare number is seconds. */
function duration(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  try {
    return parseGoDuration(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}

function number(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError("a number is expected.");
  return value;
}

/** Comma-separated, and given more than once. */
const list = (text: string, before: readonly string[] | undefined) => [...(before ?? []), ...text.split(",")];

const toggle = (flag: string, description: string) =>
  new Option(`${flag} [boolean]`, description).argParser(boolean).preset("true").default(true);
const time = (flag: string, description: string, fallback: string) =>
  new Option(`${flag} <duration>`, description).argParser(duration).default(duration(fallback), fallback);
const names = (flag: string, description: string) => new Option(`${flag} <names>`, description).argParser(list);
const file = (flag: string, description: string) => new Option(`${flag} <file>`, description);

const FLAGS: readonly (() => Option)[] = [
  () => toggle("--enable-aggregator-routing", "reach services of APIServices by endpoint, not by cluster address"),
  () =>
    toggle("--aggregator-reject-forwarding-redirect", "answer redirects of extension servers with 502; false: pass on"),
  () => file("--proxy-client-cert-file", "shown to extension servers; default: of the PKI folder"),
  () => file("--proxy-client-key-file", "of that certificate"),
  () => file("--client-ca-file", "who signs users, beside the PKI folder's ca.crt"),
  () => file("--requestheader-client-ca-file", "who signs front proxies; default: of the PKI folder"),
  () => names("--requestheader-allowed-names", "common names of front proxies; none: any"),
  () => names("--requestheader-username-headers", "read for the user's name; default X-Remote-User"),
  () => names("--requestheader-uid-headers", "read for the user's UID; default X-Remote-Uid"),
  () => names("--requestheader-group-headers", "read for the user's groups; default X-Remote-Group"),
  () => names("--requestheader-extra-headers-prefix", "of headers with more about the user; default X-Remote-Extra-"),
  () => time("--request-timeout", "for requests that are not long-running", "1m0s"),
  () =>
    new Option("--min-request-timeout <seconds>", "watches without a timeout end after one to two times this long")
      .argParser(number)
      .default(1800),
  () => time("--shutdown-delay-duration", "from the signal until requests are refused; /readyz fails at once", "0s"),
  () => time("--livez-grace-period", "/livez does not mind what has not started yet", "0s"),
  () =>
    new Option("--goaway-chance <fraction>", "of HTTP/2 requests after which the client should connect anew")
      .argParser(number)
      .default(0),
  () => names("--runtime-config", "group/version=true; nothing can be switched off"),
  () => file("--egress-selector-config-file", "not supported").hideHelp(),
  () => file("--peer-ca-file", "without effect").hideHelp(),
  () => new Option("--peer-advertise-ip <address>", "without effect").hideHelp(),
  () => new Option("--peer-advertise-port <port>", "without effect").hideHelp(),
];

export function addAggregationFlags(command: Command): Command {
  for (const flag of FLAGS) command.addOption(flag());
  return command.addOption(
    new Option("--no-enable-aggregator-routing", "the same as --enable-aggregator-routing=false").hideHelp(),
  );
}

/** The same flags as arguments for another process that knows them. */
export function aggregationArguments(flags: AggregationFlags): string[] {
  const values = new Map<string, unknown>(Object.entries(flags));
  return FLAGS.map((flag) => flag()).flatMap((flag) => {
    const value = values.get(flag.attributeName());
    if (value === undefined) return [];
    return [`${flag.long}=${flag.parseArg === duration ? formatGoDuration(value as number) : String(value)}`];
  });
}

export interface AggregationChecks {
  /** Each would make the server start wrong: it should not. */
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
}

/** Upstream's complaints in upstream's words, and what this server does not do. */
export function checkAggregationFlags(flags: AggregationFlags): AggregationChecks {
  const errors: string[] = [];
  const warnings: string[] = [];
  const headers = [
    ["requestheader-username-headers", flags.requestheaderUsernameHeaders, "X-Remote-User", "header"],
    ["requestheader-group-headers", flags.requestheaderGroupHeaders, "X-Remote-Group", "header"],
    ["requestheader-extra-headers-prefix", flags.requestheaderExtraHeadersPrefix, "X-Remote-Extra-", "header prefix"],
    ["requestheader-uid-headers", flags.requestheaderUidHeaders, "X-Remote-Uid", "header"],
    ["requestheader-allowed-names", flags.requestheaderAllowedNames, undefined, ""],
  ] as const;
  for (const [flag, values, standard, kind] of headers) {
    if (values === undefined) continue;
    if (values.some((value) => value.trim() === "")) errors.push(`empty value in "${flag}"`);
    if (standard === undefined || values.some((value) => value.toLowerCase() === standard.toLowerCase())) continue;
    const text = `--${flag} is set without specifying the standard ${standard} ${kind} - API aggregation will not work`;
    (flag === "requestheader-uid-headers" ? errors : warnings).push(text);
  }
  const pair = [flags.proxyClientCertFile, flags.proxyClientKeyFile].filter((one) => one !== undefined);
  if (pair.length === 1) errors.push("--proxy-client-cert-file and --proxy-client-key-file must be given together");
  if (flags.goawayChance < 0 || flags.goawayChance > 0.02)
    errors.push("--goaway-chance can not be less than 0 or greater than 0.02");
  const times = [
    ["request-timeout", flags.requestTimeout],
    ["min-request-timeout", flags.minRequestTimeout],
    ["livez-grace-period", flags.livezGracePeriod],
    ["shutdown-delay-duration", flags.shutdownDelayDuration],
  ] as const;
  for (const [flag, value] of times) {
    if (value < 0)
      errors.push(`--${flag} can not be ${flag === "livez-grace-period" ? "a negative value" : "negative value"}`);
  }
  if (flags.egressSelectorConfigFile !== undefined)
    errors.push("--egress-selector-config-file is not supported: requests to extension servers are dialled directly");
  for (const entry of flags.runtimeConfig ?? []) {
    if (!/=true$/.test(entry)) errors.push(`--runtime-config ${entry}: built-in APIs cannot be switched off`);
  }
  for (const [flag, value] of [
    ["peer-ca-file", flags.peerCaFile],
    ["peer-advertise-ip", flags.peerAdvertiseIp],
    ["peer-advertise-port", flags.peerAdvertisePort],
  ]) {
    if (value !== undefined) warnings.push(`--${flag} has no effect: every server of a cluster serves all it has`);
  }
  return { errors, warnings };
}
