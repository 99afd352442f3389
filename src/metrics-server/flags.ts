/** Flags, named and checked as the original's (spec: metrics 2.9). */
import { type LabelSelector, parseLabelSelector } from "../api/selectors.ts";
import { formatGoDuration, parseGoDuration } from "../api/time.ts";
import { ADDRESS_TYPES, type TargetOptions } from "./kubelet-target.ts";

export interface Flag {
  /** As `commander` takes it. */
  readonly flags: string;
  readonly description: string;
  readonly default?: string;
}

/** All flags; what the original has beyond these is refused as unknown. */
export const METRICS_SERVER_FLAGS: readonly Flag[] = [
  {
    flags: "--kubeconfig <file>",
    description: "how to reach the main API server and the kubelets; default: in-cluster",
  },
  { flags: "--metric-resolution <duration>", description: "time between two scrapes, at least 10s", default: "60s" },
  { flags: "--kubelet-request-timeout <duration>", description: "time a kubelet has to answer", default: "10s" },
  { flags: "--kubelet-port <port>", description: "where kubelets listen", default: "10250" },
  { flags: "--kubelet-use-node-status-port", description: "prefer the port a node reports" },
  {
    flags: "--kubelet-preferred-address-types <types>",
    description: "kinds of node addresses, the best first",
    default: ADDRESS_TYPES.join(","),
  },
  { flags: "--kubelet-insecure-tls", description: "believe any kubelet's certificate; for tests only" },
  {
    flags: "--kubelet-certificate-authority <file>",
    description: "verifies kubelets; default: the cluster's authority",
  },
  { flags: "--kubelet-client-certificate <file>", description: "shown to kubelets" },
  { flags: "--kubelet-client-key <file>", description: "its key" },
  {
    flags: "--deprecated-kubelet-completely-insecure",
    description: "ask kubelets in plain text and without credentials",
  },
  { flags: "-l, --node-selector <selector>", description: "scrape only these nodes" },
  { flags: "--secure-port <port>", description: "where to listen", default: "443" },
  { flags: "--bind-address <address>", description: "where to listen", default: "0.0.0.0" },
  { flags: "--tls-cert-file <file>", description: "serving certificate; default: one made at start" },
  { flags: "--tls-private-key-file <file>", description: "its key" },
  {
    flags: "--authentication-tolerate-lookup-failure",
    description: "start although the main API server does not say whom to trust",
  },
  {
    flags: "--authorization-always-allow-paths <paths>",
    description: "paths anybody may read",
    default: "/healthz,/readyz,/livez",
  },
];

/** Parsed flags; file names are not opened. */
export interface MetricsServerFlags {
  readonly kubeconfig: string;
  readonly resolutionMilliseconds: number;
  readonly requestTimeoutMilliseconds: number;
  readonly target: TargetOptions;
  readonly insecureTLS: boolean;
  readonly certificateAuthority: string;
  readonly clientCertificate: string;
  readonly clientKey: string;
  readonly completelyInsecure: boolean;
  readonly nodeSelector: LabelSelector | undefined;
  readonly port: number;
  readonly host: string;
  readonly tlsCertFile: string;
  readonly tlsPrivateKeyFile: string;
  readonly alwaysAllowPaths: readonly string[];
  readonly tolerateLookupFailure: boolean;
}

/** Values by their names in camel case, as `commander` collects them; absent ones have their defaults. Throws an Error that names everything that is wrong. */
export function parseMetricsServerFlags(values: Readonly<Record<string, unknown>> = {}): MetricsServerFlags {
  const problems: string[] = [];
  const text = (flag: string): string => {
    const value =
      values[camel(flag)] ?? METRICS_SERVER_FLAGS.find(({ flags }) => nameOf(flags) === flag)?.default ?? "";
    return String(value);
  };
  const attempt = <T>(flag: string, parse: (text: string) => T, fallback: T): T => {
    try {
      return parse(text(flag));
    } catch (error) {
      problems.push(
        `invalid argument ${JSON.stringify(text(flag))} for "--${flag}" flag: ${error instanceof Error ? error.message : error}`,
      );
      return fallback;
    }
  };
  const is = (flag: string) => values[camel(flag)] === true;
  const list = (flag: string) =>
    text(flag)
      .split(",")
      .map((one) => one.trim())
      .filter((one) => one !== "");

  const insecureTLS = is("kubelet-insecure-tls");
  const completelyInsecure = is("deprecated-kubelet-completely-insecure");
  const certificateAuthority = text("kubelet-certificate-authority");
  const clientCertificate = text("kubelet-client-certificate");
  const clientKey = text("kubelet-client-key");
  const both = (one: string, other: string) => problems.push(`cannot use both --${one} and --${other}`);
  const insecure = "deprecated-kubelet-completely-insecure";
  if (certificateAuthority && insecureTLS) both("kubelet-certificate-authority", "kubelet-insecure-tls");
  if ((clientKey !== "") !== (clientCertificate !== "")) {
    problems.push("need both --kubelet-client-key and --kubelet-client-certificate");
  }
  if (clientKey && completelyInsecure) both("kubelet-client-key", insecure);
  if (clientCertificate && completelyInsecure) both("kubelet-client-certificate", insecure);
  if (insecureTLS && completelyInsecure) both("kubelet-insecure-tls", insecure);
  if (certificateAuthority && completelyInsecure) both("kubelet-certificate-authority", insecure);

  const requestTimeoutMilliseconds = attempt("kubelet-request-timeout", parseGoDuration, 10_000);
  const resolutionMilliseconds = attempt("metric-resolution", parseGoDuration, 60_000);
  if (requestTimeoutMilliseconds <= 0) problems.push("kubelet-request-timeout should be positive");
  if (resolutionMilliseconds < 10_000) {
    problems.push(
      `metric-resolution should be a time duration at least 10s, but value ${formatGoDuration(resolutionMilliseconds)} provided`,
    );
  }
  if (resolutionMilliseconds * 0.9 < requestTimeoutMilliseconds) {
    problems.push(
      `metric-resolution should be larger than kubelet-request-timeout, but metric-resolution value ${formatGoDuration(
        resolutionMilliseconds,
      )} kubelet-request-timeout value ${formatGoDuration(requestTimeoutMilliseconds)} provided`,
    );
  }
  if ((text("tls-cert-file") !== "") !== (text("tls-private-key-file") !== "")) {
    problems.push("need both --tls-cert-file and --tls-private-key-file");
  }
  const flags: MetricsServerFlags = {
    kubeconfig: text("kubeconfig"),
    resolutionMilliseconds,
    requestTimeoutMilliseconds,
    target: {
      scheme: completelyInsecure ? "http" : "https",
      port: attempt("kubelet-port", portOf, 10250),
      useNodeStatusPort: is("kubelet-use-node-status-port"),
      preferredAddressTypes: list("kubelet-preferred-address-types"),
    },
    insecureTLS,
    certificateAuthority,
    clientCertificate,
    clientKey,
    completelyInsecure,
    nodeSelector: text("node-selector") === "" ? undefined : attempt("node-selector", parseLabelSelector, undefined),
    port: attempt("secure-port", portOf, 443),
    host: text("bind-address"),
    tlsCertFile: text("tls-cert-file"),
    tlsPrivateKeyFile: text("tls-private-key-file"),
    alwaysAllowPaths: list("authorization-always-allow-paths"),
    tolerateLookupFailure: is("authentication-tolerate-lookup-failure"),
  };
  if (problems.length > 0) throw new Error(problems.length === 1 ? problems[0] : `[${problems.join(", ")}]`);
  return flags;
}

/** `-l, --node-selector <selector>` is `node-selector`. */
function nameOf(flags: string): string {
  return /--([\w-]+)/.exec(flags)?.[1] ?? "";
}

function camel(flag: string): string {
  return flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

function portOf(text: string): number {
  const port = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(port >= 0 && port <= 65535)) throw new Error("a port is a number from 0 to 65535");
  return port;
}
