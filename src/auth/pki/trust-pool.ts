/** Verification of certificate chains against one set of trusted authorities, in our own code: OpenSSL's "authorized" does not say which authority it used. */
import { X509Certificate } from "node:crypto";
import { PKIError } from "./errors.ts";

/** All certificates of a PEM bundle. Throws PKIError when there is none or one is broken. */
export function parseCertificates(bundle: string, file?: string): X509Certificate[] {
  const blocks = bundle.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw new PKIError("PKI_UNREADABLE", "holds no PEM certificate", file);
  return blocks.map((block) => {
    try {
      return new X509Certificate(block);
    } catch (error) {
      throw new PKIError("PKI_UNREADABLE", "holds a certificate that cannot be parsed", file, error);
    }
  });
}
