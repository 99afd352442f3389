/** Which link between this server and an extension server is broken, and what mends it (spec: aggregation 9, P2; security F-01, F-14 to F-16). */
import { DialError, TransportError } from "../dial/index.ts";

/** The links of the chain, in the order in which they are needed. Each is a condition of the APIService. */
export const STAGES = ["Resolved", "Connected", "TLSVerified", "Authorized", "DiscoveryValid"] as const;
export type Stage = (typeof STAGES)[number];

/** A broken link. */
export interface Finding {
  readonly stage: Stage;
  /** One word, as in conditions. */
  readonly reason: string;
  /** What to do about it, in one line. */
  readonly remedy: string;
}

type Known = readonly [stage: Stage, remedy: string];

/** What mends a broken link, by its reason. `$name` stands for the name that is verified. */
const KNOWN = {
  ServiceNotFound: ["Resolved", "create the Service, or correct spec.service"],
  ServicePortError: ["Resolved", "make spec.service.port one of the Service's ports (443 when it is not set)"],
  EndpointsNotFound: ["Resolved", "make the Service's selector match the pods of the extension server"],
  MissingEndpoints: ["Resolved", "look at the pods behind the Service: none is ready on this port"],
  ServiceUnreachable: ["Resolved", "use a Service of a type that this server's routing mode can reach"],
  NameNotFound: ["Resolved", "correct spec.externalName of the Service: the name does not resolve here"],
  AddressRefused: [
    "Resolved",
    "move the extension server off this host's own addresses, or allow them: --allow-loopback-endpoints",
  ],
  ConnectionRefused: ["Connected", "see whether the extension server runs, and listens on the Service's targetPort"],
  DialTimeout: ["Connected", "let the API server through to the pods: a firewall or NetworkPolicy drops its packets"],
  NetworkUnreachable: ["Connected", "give the API server's host a route to the network of the pods"],
  TLSUntrusted: ["TLSVerified", "put the authority that signed the serving certificate into spec.caBundle"],
  TLSExpired: ["TLSVerified", "renew the serving certificate of the extension server, or set the clocks"],
  TLSNameMismatch: ["TLSVerified", "issue the serving certificate for the name $name"],
  TLSNoSAN: ["TLSVerified", "issue the serving certificate with $name as subject alternative name, not as common name"],
  TLSHandshakeFailed: ["TLSVerified", "see whether what listens on this port speaks TLS 1.2 or newer"],
  TLSHandshakeTimeout: ["TLSVerified", "see why the extension server accepts connections but begins no TLS on them"],
  InvalidCABundle: ["TLSVerified", "correct spec.caBundle: base64 of PEM certificates"],
  InvalidClientCertificate: ["TLSVerified", "correct the API server's front-proxy certificate and key"],
  ProxyIdentityRejected: [
    "Authorized",
    "let the extension server trust our front-proxy certificate: requestheader-client-ca-file and requestheader-allowed-names in kube-system/extension-apiserver-authentication",
  ],
  ResponseTimeout: [
    "DiscoveryValid",
    "see why the extension server takes a request and does not answer: is it overloaded or stuck?",
  ],
  ConnectionReset: [
    "DiscoveryValid",
    "see the extension server's log: it hangs up without an answer, or refuses our front-proxy certificate without saying so",
  ],
  ResponseTooLarge: ["DiscoveryValid", "make what the extension server answers smaller"],
  NoAnswer: ["DiscoveryValid", "see the extension server's log"],
  BadStatus: ["DiscoveryValid", "see the extension server's log: it must answer its group-version with 200"],
  Redirected: ["DiscoveryValid", "let the extension server answer by itself: redirects are not followed"],
  VersionNotServed: ["DiscoveryValid", "claim a group and version that the extension server serves"],
  DiscoveryInvalid: [
    "DiscoveryValid",
    "correct the discovery documents of the extension server (/apis, or /apis/<group>/<version>)",
  ],
} satisfies Record<string, Known>;

export type Reason = keyof typeof KNOWN;

/** `serverName`: `<service>.<namespace>.svc`. */
export function finding(reason: Reason, serverName = "<service>.<namespace>.svc"): Finding {
  const [stage, remedy]: Known = KNOWN[reason];
  return { stage, reason, remedy: remedy.replace("$name", serverName) };
}

/** Whether this is the reason of a broken link. */
export const isReason = (text: string): text is Reason => Object.hasOwn(KNOWN, text);

/** What an answer's code says about the link; undefined when nothing is wrong with it. */
export function reasonOfStatus(status: number): Reason | undefined {
  if (status >= 200 && status < 300) return undefined;
  if (status === 401 || status === 403) return "ProxyIdentityRejected";
  if (status === 404) return "VersionNotServed";
  return status < 400 ? "Redirected" : "BadStatus";
}

/** What a failure to get an answer says about the link. */
export function reasonOf(error: unknown): Reason {
  if (error instanceof TransportError) {
    return error.message.includes("client certificate") ? "InvalidClientCertificate" : "InvalidCABundle";
  }
  if (!(error instanceof DialError)) return "NoAnswer";
  switch (error.reason) {
    case "Refused":
      return "ConnectionRefused";
    case "Timeout":
      return error.atConnect ? "DialTimeout" : "ResponseTimeout";
    case "Unreachable":
      return "NetworkUnreachable";
    case "NameNotFound":
    case "AddressRefused":
    case "TLSUntrusted":
    case "TLSExpired":
    case "TLSNoSAN":
      return error.reason;
    case "TLSWrongName":
      return "TLSNameMismatch";
    case "TLSFailed":
      return "TLSHandshakeFailed";
    case "TLSTimeout":
      return "TLSHandshakeTimeout";
    case "TLSRefusedUs":
      return "ProxyIdentityRejected";
    case "Reset":
      return "ConnectionReset";
    case "HeadersTooLarge":
      return "ResponseTooLarge";
    case "BreakerOpen":
      return error.cause === undefined ? "ConnectionRefused" : reasonOf(error.cause);
    case "Other":
      return error.cause instanceof DialError ? reasonOf(error.cause) : "NoAnswer";
  }
}

/** The check of an extension server failed: `message` begins with upstream's text and says further which link it is, where, and what mends it. */
export class ProbeFailure extends Error {
  readonly finding: Finding;
  /** `host:port` that was tried; undefined when there was none. */
  readonly address: string | undefined;

  constructor(text: string, found: Finding, address?: string, cause?: unknown) {
    const at = address === undefined ? "" : `, address: ${address}`;
    super(`${text}; stage: ${found.stage}${at}, remedy: ${found.remedy}`, { cause });
    this.name = "ProbeFailure";
    this.finding = found;
    this.address = address;
  }
}
