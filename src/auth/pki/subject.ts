/** Who a certificate names. The bytes were chosen by whoever asked for the certificate, so the printed form of a name is never split. */
import type { X509Certificate } from "node:crypto";

/** Upstream's object identifier for a user's uid in a subject (spec: apiserver 10.1). */
export const USER_UID_OID = "1.3.6.1.4.1.57683.2";

export interface Subject {
  readonly commonName: string;
  readonly organizations?: readonly string[];
  readonly uid?: string;
}

export interface ParsedSubject {
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly uids: readonly string[];
}

/** A front proxy's certificate is asked for its name on every request, and reading it takes tens of microseconds. */
const parsed = new WeakMap<X509Certificate, ParsedSubject>();

/**
 * The common name (the last one, as Go reads it; "" when there is none), the organizations in order, and every uid. `X509Certificate.subject` is one string with escapes; `toLegacyObject` hands values over unescaped and apart.
 */
export function parseSubject(certificate: X509Certificate): ParsedSubject {
  let subject = parsed.get(certificate);
  if (subject === undefined) {
    subject = read(certificate);
    parsed.set(certificate, subject);
  }
  return subject;
}

function read(certificate: X509Certificate): ParsedSubject {
  const subject = certificate.toLegacyObject().subject as unknown as Readonly<
    Record<string, string | string[] | undefined>
  >;
  const values = (name: string): readonly string[] => {
    const value = subject !== undefined && Object.hasOwn(subject, name) ? subject[name] : undefined;
    if (value === undefined) return [];
    return typeof value === "string" ? [value] : value;
  };
  return { commonName: values("CN").at(-1) ?? "", organizations: values("O"), uids: values(USER_UID_OID) };
}
