/** The links of the connection: what is seen from here, and what the main server says, put together. */
import { finding, isReason, STAGES, type Stage } from "../../aggregator/findings.ts";
import type { Seen } from "./direct.ts";
import { broken, type Link, type LinkName, ok, unknown } from "./report.ts";
import type { ServerView } from "./server-view.ts";

const CONNECTION: readonly (readonly [LinkName, Stage, string])[] = [
  ["route", "Connected", "accepts connections"],
  ["tls", "TLSVerified", "shows a certificate that is verified"],
  ["identity", "Authorized", "answers to the front-proxy identity"],
];

export interface ConnectionFacts {
  readonly view: ServerView;
  readonly seen: readonly Seen[];
  /** Days the extension server's certificate is good for, where it was seen. */
  readonly days?: number | undefined;
  /** Of the certificates, in words. */
  readonly warnings: readonly string[];
  /** Whether the front-proxy certificate was shown when it was asked from here. */
  readonly asProxy: boolean;
  /** Whether the trust roots are the main server's to know: there is no caBundle. */
  readonly hiddenRoots: boolean;
  readonly insecure: boolean;
  readonly serverName: string;
}

/** Links in order, up to the first that is broken. */
export function connectionLinks(facts: ConnectionFacts): Link[] {
  const links: Link[] = [];
  for (const [link, stage, works] of CONNECTION) {
    const found = linkOf(link, stage, works, facts);
    links.push(link === "tls" && found.verdict === "ok" ? aged(found, facts) : found);
    if (found.verdict === "broken") break;
  }
  return links;
}

function aged(link: Link, { days, warnings }: ConnectionFacts): Link {
  const message = days === undefined ? link.message : `${link.message}, good for ${days} days`;
  return { ...link, message, ...(warnings.length > 0 && { warnings }) };
}

function linkOf(link: LinkName, stage: Stage, works: string, facts: ConnectionFacts): Link {
  const said = facts.view.of(stage);
  const here = fromHere(stage, facts);
  if (said?.status === "False") {
    const remedy = isReason(said.reason) ? finding(said.reason, facts.serverName).remedy : undefined;
    const differs = here === "works" ? "; from here it works: what lies between the API server and it?" : "";
    return broken(link, said.reason, withoutRemedy(said.message) + differs, remedy);
  }
  if (stage === "TLSVerified" && facts.insecure)
    return unknown(link, "not verified: spec.insecureSkipTLSVerify is set");
  if (here === "works") return ok(link, `${addressesOf(facts.seen)} ${works}`);
  if (here !== undefined && said?.status !== "True") {
    const { reason, remedy } = here.finding!;
    return broken(link, reason, `${here.address}: ${here.message}`, remedy);
  }
  if (said?.status === "True") {
    const differs = here === undefined ? "" : `; not from here (${here.message})`;
    return ok(link, `the API server says so: ${said.message}${differs}`);
  }
  return unknown(link, `neither seen from here nor known of the API server${said && `: ${said.message}`}`);
}

/** `works`, the failure that says it does not, or undefined when that cannot be told from here. */
function fromHere(stage: Stage, { seen, asProxy, hiddenRoots, insecure }: ConnectionFacts): "works" | Seen | undefined {
  const at = STAGES.indexOf(stage);
  const reached = seen.map(({ finding: found }) => (found === undefined ? STAGES.length : STAGES.indexOf(found.stage)));
  // Who asks without the certificate learns nothing about it, not even from a refusal in the handshake.
  if (stage === "Authorized" && !asProxy) return undefined;
  if (stage === "TLSVerified" && insecure) return undefined;
  const failed = reached.indexOf(at);
  if (failed >= 0 && !(stage === "TLSVerified" && hiddenRoots)) return seen[failed];
  if (reached.length === 0 || reached.some((index) => index <= at)) return undefined;
  const silent = seen.some(({ finding: found }) => found?.reason === "ResponseTimeout" || found?.reason === "NoAnswer");
  return stage === "Authorized" && silent ? undefined : "works";
}

const addressesOf = (seen: readonly Seen[]) =>
  seen.length === 1 ? seen[0]!.address : `each of ${seen.length} addresses`;

/** Conditions end with stage and remedy, which stand in lines of their own here. */
export const withoutRemedy = (message: string) => message.replace(/; (stage: \w+(, address: \S+)?, )?remedy: .*$/s, "");
