/** Until when the certificates between this server and an extension server are good. */
import { X509Certificate } from "node:crypto";
import type { Dialer, TargetTLS } from "../dial/index.ts";

/** Milliseconds since the epoch; what is absent is not known or not used. */
export interface Expiries {
  /** The extension server's certificate: of several addresses the one that ends first. */
  readonly serving?: number;
  /** `spec.caBundle`: when the last of its authorities ends. */
  readonly caBundle?: number;
  /** Our front-proxy certificate. */
  readonly client?: number;
}

const DAY = 86_400_000;
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;
/** Warned of that long before the end, days. */
export const EXPIRING_DAYS = 30;
export const URGENT_DAYS = 7;

/** Rules are replaced when a certificate is: what was parsed stays true. */
const parsed = new WeakMap<TargetTLS, Expiries>();

export function expiries(tls: TargetTLS, dialer: Pick<Dialer, "certificate">): Expiries {
  let fixed = parsed.get(tls);
  if (fixed === undefined) {
    const caBundle = tls.caBundle === undefined ? undefined : expiryOfBundle(tls.caBundle);
    // The first certificate is ours; those behind it are its authorities.
    const [own] = tls.clientCertificate?.cert.match(PEM_CERTIFICATE) ?? [];
    const client = own === undefined ? undefined : expiryOf(own, Math.min);
    fixed = { ...(caBundle !== undefined && { caBundle }), ...(client !== undefined && { client }) };
    parsed.set(tls, fixed);
  }
  const serving = dialer.certificate(tls)?.expires;
  return serving === undefined ? fixed : { ...fixed, serving };
}

/** Undefined when there is no certificate that can be read. */
function expiryOf(pem: string, choose: (a: number, b: number) => number): number | undefined {
  let found: number | undefined;
  for (const [block] of pem.matchAll(PEM_CERTIFICATE)) {
    try {
      const expires = new X509Certificate(block).validToDate.getTime();
      found = found === undefined ? expires : choose(found, expires);
    } catch {
      // Connecting says what is wrong with it.
    }
  }
  return found;
}

/** When the last authority of a bundle ends, milliseconds since the epoch. */
export const expiryOfBundle = (pem: string): number | undefined => expiryOf(pem, Math.max);

/** Whole days left at `now`, negative when it is over. */
export const daysLeft = (expires: number, now: number) => Math.floor((expires - now) / DAY);
