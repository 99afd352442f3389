/** What the doctor says of one APIService: a verdict for each link of the chain, in the order in which a request passes them. */

export const LINKS = ["claim", "service", "endpoints", "route", "tls", "identity", "discovery", "openapi"] as const;
export type LinkName = (typeof LINKS)[number];

/** `unknown`: it could not be checked, or a link before it is broken; `message` says which. */
export type Verdict = "ok" | "broken" | "unknown";

export interface Link {
  readonly link: LinkName;
  readonly verdict: Verdict;
  /** One word, as in conditions; of broken links only. */
  readonly reason?: string;
  readonly message: string;
  readonly remedy?: string;
  /** Works now, and will not for ever. */
  readonly warnings?: readonly string[];
}

export interface Report {
  readonly apiService: string;
  /** As the API server shows it: `True`, or `False (Reason)`. */
  readonly available: string;
  /** When that began, RFC 3339. */
  readonly since?: string;
  readonly links: readonly Link[];
  /** The first broken link. */
  readonly broken?: LinkName;
  readonly reason?: string;
}

export const ok = (link: LinkName, message: string, warnings: readonly string[] = []): Link => ({
  link,
  verdict: "ok",
  message,
  ...(warnings.length > 0 && { warnings }),
});

export const unknown = (link: LinkName, message: string): Link => ({ link, verdict: "unknown", message });

export const broken = (link: LinkName, reason: string, message: string, remedy?: string): Link => ({
  link,
  verdict: "broken",
  reason,
  message,
  ...(remedy !== undefined && { remedy }),
});

/** The links found out about, and what they mean for those behind them. */
export function reportOf(head: Pick<Report, "apiService" | "available" | "since">, found: readonly Link[]): Report {
  const first = found.find(({ verdict }) => verdict === "broken");
  const links = LINKS.map(
    (name) =>
      found.find(({ link }) => link === name) ??
      unknown(name, first === undefined ? "not checked" : `not checked while ${first.link} is broken`),
  );
  return { ...head, links, ...(first !== undefined && { broken: first.link, reason: first.reason! }) };
}
