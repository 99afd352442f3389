/** Which addresses the server lets itself be sent to: never its own host, never link-local ones (spec: security A-20). */
import ipaddr from "ipaddr.js";

/** Ranges that name this host, this link or no host at all. */
const REFUSED = new Set(["loopback", "linkLocal", "unspecified", "broadcast", "multicast"]);

/** Why `address` (an IP, with or without brackets) may not be dialled; undefined when it may, or when it is no IP. */
export function refusedAddress(address: string): string | undefined {
  const bare = address.replace(/^\[|\]$/g, "");
  // A zone makes sense only on this link.
  const [ip, zone] = bare.split("%", 2);
  if (!ipaddr.isValid(ip ?? "")) return undefined;
  if (zone !== undefined) return `${bare} has a zone`;
  const parsed = ipaddr.process(ip!);
  const range = parsed.range();
  return REFUSED.has(range) ? `${bare} is a ${range} address` : undefined;
}

/** `host:port` as Go's JoinHostPort: IPv6 in brackets. */
export function joinHostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
