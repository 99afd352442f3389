/** What the main API server found out, as far as its conditions tell: Tenon's say it link by link, upstream's in the text of one message. */
import { finding, isReason, type Reason, STAGES, type Stage } from "../../aggregator/findings.ts";
import type { APIService, APIServiceCondition } from "../../kinds/generated/types.ts";

export interface ServerView {
  readonly available: APIServiceCondition | undefined;
  /** What the server says of a stage; undefined: nothing. */
  of(
    stage: Stage,
  ): { readonly status: "True" | "False" | "Unknown"; readonly reason: string; readonly message: string } | undefined;
}

/** Upstream's texts and the Go library's, by what they mean; the first that fits counts. */
const TEXTS: readonly (readonly [RegExp, Reason])[] = [
  [/bad status from \S+: 40[13]\b/, "ProxyIdentityRejected"],
  [/bad status from \S+: 404\b/, "VersionNotServed"],
  [/bad status from \S+: 3\d\d\b/, "Redirected"],
  [/bad status from/, "BadStatus"],
  [/connection refused/, "ConnectionRefused"],
  [/no such host/, "NameNotFound"],
  [/no route to host|network is unreachable/, "NetworkUnreachable"],
  [/legacy Common Name/, "TLSNoSAN"],
  [/certificate has expired or is not yet valid/, "TLSExpired"],
  [/certificate is (not )?valid for/, "TLSNameMismatch"],
  [/unknown authority|self-signed|certificate is not trusted/, "TLSUntrusted"],
  [
    /remote error: tls: (bad certificate|unknown certificate|certificate required|unknown CA)/i,
    "ProxyIdentityRejected",
  ],
  [/TLS handshake timeout/, "TLSHandshakeTimeout"],
  [/first record does not look like a TLS handshake|server gave HTTP response/, "TLSHandshakeFailed"],
  [/dial tcp \S+: i\/o timeout|while waiting for connection/, "DialTimeout"],
  [/cannot route to service|no endpoints available|no service port|unsupported service type/, "ServiceUnreachable"],
  [/connection reset|EOF|broken pipe/, "ConnectionReset"],
  [/Client\.Timeout|deadline exceeded|timed out/, "ResponseTimeout"],
];

/** The reason in upstream's message. */
export function reasonInText(message: string): Reason | undefined {
  return TEXTS.find(([pattern]) => pattern.test(message))?.[1];
}

export function serverView(apiService: APIService): ServerView {
  const conditions = apiService.status?.conditions ?? [];
  const available = conditions.find(({ type }) => type === "Available");
  const message = available?.message ?? "";
  if (conditions.some(({ type }) => type === STAGES[0])) {
    return {
      available,
      of(stage) {
        const found = conditions.find(({ type }) => type === stage);
        if (found === undefined) return undefined;
        return { status: found.status as "True", reason: found.reason ?? "", message: found.message ?? "" };
      },
    };
  }
  if (available === undefined) return { available, of: () => undefined };
  if (available.status === "True") {
    // A 2xx was seen; what the document says was not looked at.
    const says = { status: "True", reason: "Passed", message: "the API server's check passes" } as const;
    return { available, of: (stage) => (stage === "DiscoveryValid" ? undefined : says) };
  }
  const reason = isReason(available.reason ?? "") ? (available.reason as Reason) : reasonInText(message);
  if (reason === undefined) return { available, of: () => undefined };
  const broken = STAGES.indexOf(finding(reason).stage);
  return {
    available,
    of(stage) {
      const index = STAGES.indexOf(stage);
      if (index === broken) return { status: "False", reason, message };
      // A time limit that passed does not say how far it came.
      if (index > broken || reason === "ResponseTimeout") return undefined;
      return { status: "True", reason: "Passed", message: "the API server's check comes further" };
    },
  };
}
