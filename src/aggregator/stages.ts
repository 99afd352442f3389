/** The conditions beside `Available`: one for each link of the chain, so that one sees which is broken. */
import { formatTime } from "../api/time.ts";
import type { Availability, Statement } from "./api-service.ts";
import { daysLeft, EXPIRING_DAYS, type Expiries, URGENT_DAYS } from "./expiry.ts";
import { finding, isReason, ProbeFailure, reasonOf, STAGES, type Stage } from "./findings.ts";

/** What is known of discovery, which is asked for apart from the check. */
export type DiscoveryState =
  | { readonly state: "untried" }
  | { readonly state: "valid" }
  | { readonly state: "unserved" }
  | { readonly state: "failed"; readonly error: unknown };

export interface StageFacts {
  /** `<namespace>/<name>:<port>` */
  readonly service: string;
  /** The name that is verified. */
  readonly serverName: string;
  readonly insecure: boolean;
  /** What is missing before a connection can be tried. */
  readonly obstacle?: Availability | undefined;
  /** Why the check failed. */
  readonly failure?: Error | undefined;
  readonly discovery: DiscoveryState;
  readonly expiries: Expiries;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** The stage conditions, in order: True up to the broken link, False there, Unknown behind it. */
export function stageConditions(facts: StageFacts): Statement[] {
  const broken = brokenStage(facts);
  const end = broken === undefined ? STAGES.length : STAGES.indexOf(broken.type as Stage);
  return STAGES.map((stage, index) => {
    if (index === end) return broken!;
    if (index > end) return unknown(stage, "NotReached", `not looked at while ${STAGES[end]} is not True`);
    // Nothing was sent, or nothing came back: what lies between could not be seen.
    if (broken?.reason.startsWith("Invalid") && stage === "Connected") return unknown(stage, "NotTried", "not tried");
    if (stage === "Authorized" && end === 4 && silent.has(broken!.reason)) {
      return unknown(stage, "NoAnswer", "the extension server did not answer");
    }
    return passed(stage, facts);
  });
}

const silent = new Set(["ResponseTimeout", "ConnectionReset", "ResponseTooLarge", "NoAnswer"]);

function brokenStage({ obstacle, failure, discovery, serverName }: StageFacts): Statement | undefined {
  if (obstacle !== undefined && isReason(obstacle.reason)) {
    const { stage, reason, remedy } = finding(obstacle.reason, serverName);
    return { type: stage, status: "False", reason, message: `${obstacle.message}; remedy: ${remedy}` };
  }
  if (failure instanceof ProbeFailure) {
    return { type: failure.finding.stage, status: "False", reason: failure.finding.reason, message: failure.message };
  }
  if (failure !== undefined) {
    const { stage, reason, remedy } = finding(reasonOf(failure));
    return { type: stage, status: "False", reason, message: `${failure.message}; remedy: ${remedy}` };
  }
  const no = (reason: "VersionNotServed" | "DiscoveryInvalid", message: string): Statement => {
    const { stage, remedy } = finding(reason);
    return { type: stage, status: "False", reason, message: `${message}; remedy: ${remedy}` };
  };
  if (discovery.state === "failed") return no("DiscoveryInvalid", messageOf(discovery.error));
  if (discovery.state === "unserved")
    return no("VersionNotServed", "the extension server's discovery does not list this group and version");
  return undefined;
}

function passed(stage: Stage, { service, serverName, insecure, discovery, expiries, now }: StageFacts): Statement {
  switch (stage) {
    case "Resolved":
      return yes(stage, `service ${service} has an address`);
    case "Connected":
      return yes(stage, "the extension server accepts connections");
    case "TLSVerified": {
      if (insecure) return unknown(stage, "NotVerified", "spec.insecureSkipTLSVerify is set");
      const until = expiries.serving === undefined ? "" : ` until ${formatTime(expiries.serving)}`;
      return (
        expiring(stage, "ServingCertificate", "the certificate of the extension server", expiries.serving, now) ??
        expiring(stage, "CABundle", "the last authority in spec.caBundle", expiries.caBundle, now) ??
        yes(stage, `the certificate is valid for ${serverName}${until}`)
      );
    }
    case "Authorized":
      return (
        expiring(
          stage,
          "FrontProxyCertificate",
          "the front-proxy certificate of the API server",
          expiries.client,
          now,
        ) ?? yes(stage, "the extension server answers to our front-proxy identity")
      );
    case "DiscoveryValid":
      return discovery.state === "untried"
        ? unknown(stage, "NotTried", "discovery was not asked for yet")
        : yes(stage, "discovery lists this group and version");
  }
}

const yes = (type: Stage, message: string): Statement => ({ type, status: "True", reason: "Passed", message });
const unknown = (type: Stage, reason: string, message: string): Statement => ({
  type,
  status: "Unknown",
  reason,
  message,
});

/** Still good, but not for long. The message names a date, not days: it is written when the reason changes, not every day. */
function expiring(
  type: Stage,
  what: string,
  words: string,
  expires: number | undefined,
  now: number,
): Statement | undefined {
  if (expires === undefined) return undefined;
  const left = daysLeft(expires, now);
  if (left >= EXPIRING_DAYS) return undefined;
  const message = `${words} ends at ${formatTime(expires)}, in less than ${left < URGENT_DAYS ? URGENT_DAYS : EXPIRING_DAYS} days: renew it`;
  return { type, status: "True", reason: `${what}${left < URGENT_DAYS ? "EndsSoon" : "Expiring"}`, message };
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** Each try may meet another address at another time: that alone is nothing new to write. */
export function sameButAddress(old: string, message: string): boolean {
  return old === message || stable(old) === stable(message);
}

const stable = (message: string) =>
  message
    .replace(/\b\d{1,3}(\.\d{1,3}){3}(:\d+)?\b|\[[0-9a-fA-F:.%]+\](:\d+)?/g, "*")
    .replace(/(current time|is after|is before) [0-9TZ:.-]+/g, "$1 *");
