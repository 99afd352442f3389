/** The constraints of chains with intermediates, read with a real parser: path lengths and critical extensions. Loaded only when such a chain appears. */
import "reflect-metadata";
import type { X509Certificate } from "node:crypto";
import { BasicConstraintsExtension, X509Certificate as Parsed } from "@peculiar/x509";
import { CertificateError } from "./trust-pool.ts";

const UNDERSTOOD = new Set(["15", "17", "19", "30", "32", "33", "36", "37", "54"].map((last) => `2.5.29.${last}`));

/** The first constraint that `chain` (leaf first) breaks. Its signatures are verified already. */
export async function checkConstraints(chain: readonly X509Certificate[]): Promise<CertificateError | undefined> {
  for (const [index, certificate] of chain.entries()) {
    const parsed = new Parsed(certificate.raw);
    for (const extension of parsed.extensions) {
      if (extension.critical && !UNDERSTOOD.has(extension.type))
        return new CertificateError("unhandled critical extension");
    }
    const constraints = parsed.getExtension(BasicConstraintsExtension);
    if (index === 0) continue;
    if (constraints === null || !constraints.ca)
      return new CertificateError("certificate is not authorized to sign other certificates");
    // Between this authority and the leaf stand index - 1 others.
    if (constraints.pathLength !== undefined && index - 1 > constraints.pathLength)
      return new CertificateError("too many intermediates for path length constraint");
  }
  return undefined;
}
