/** TLS towards one backend: whose certificates count, for which name, and who we say we are (spec: aggregation 3.6). */
import { createHash, X509Certificate } from "node:crypto";
import {
  checkServerIdentity,
  createSecureContext,
  getCACertificates,
  type PeerCertificate,
  type SecureContext,
} from "node:tls";
import { DialError } from "./dial-errors.ts";

export interface ClientCertificate {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
}

export interface TargetTLS {
  /** `<service>.<namespace>.svc`: sent as SNI and verified, whatever host is dialled. */
  readonly serverName: string;
  /** PEM. The only roots when not empty. */
  readonly caBundle?: string;
  readonly insecureSkipVerify?: boolean;
  readonly clientCertificate?: ClientCertificate | undefined;
  /** PEM, trusted beside the system's roots when there is no caBundle. */
  readonly defaultCA?: string;
}

/** The settings of a target are unusable; `message` is upstream's text. */
export class TransportError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "TransportError";
  }
}

const PEM_BLOCK = /-----BEGIN ([^-]+)-----[\s\S]+?-----END \1-----/g;

/** The certificates of a bundle. Throws a TransportError with upstream's text for anything that is none. */
export function parseBundle(pem: string): string[] {
  const fail = (why: string) => new TransportError(`unable to load root certificates: ${why}`);
  const blocks = [...pem.matchAll(PEM_BLOCK)];
  if (blocks.length === 0) throw fail("unable to parse bytes as PEM block");
  const certificates = blocks.filter(([, label]) => label === "CERTIFICATE").map(([block]) => block);
  if (certificates.length === 0) throw fail("no valid certificate authority data seen");
  for (const certificate of certificates) {
    try {
      new X509Certificate(certificate);
    } catch (error) {
      throw fail(`failed to parse certificate: ${(error as Error).message}`);
    }
  }
  return certificates;
}

export type TLSSettings = ReturnType<typeof tlsOptions>;

/** Options for `tls.connect`, the context made once: parsing certificates is not for every connection. Throws a TransportError when the CA bundle or the client certificate is unusable. */
export function tlsOptions(target: TargetTLS) {
  const { clientCertificate } = target;
  if (target.insecureSkipVerify && target.caBundle) {
    throw new TransportError("specifying a root certificates file with the insecure flag is not allowed");
  }
  const ca = target.caBundle
    ? parseBundle(target.caBundle)
    : target.defaultCA
      ? [...getCACertificates("default"), ...parseBundle(target.defaultCA)]
      : undefined;
  const minVersion = "TLSv1.2" as const;
  let secureContext: SecureContext;
  try {
    secureContext = createSecureContext({
      minVersion,
      ...(ca !== undefined && { ca }),
      ...(clientCertificate !== undefined && { cert: clientCertificate.cert, key: clientCertificate.key }),
    });
  } catch (error) {
    throw new TransportError(`tls: failed to load the proxy client certificate: ${(error as Error).message}`);
  }
  return {
    servername: target.serverName,
    minVersion,
    secureContext,
    ALPNProtocols: ["http/1.1"],
    rejectUnauthorized: !target.insecureSkipVerify,
    checkServerIdentity: (_host: string, certificate: PeerCertificate) => verifyName(target.serverName, certificate),
  };
}

/** Go's rules: only subject alternative names count. Node would fall back to the common name. */
export function verifyName(serverName: string, certificate: PeerCertificate): Error | undefined {
  const x509 = (reason: "TLSNoSAN" | "TLSWrongName", text: string) =>
    new DialError(reason, `tls: failed to verify certificate: x509: ${text}`, true);
  const names = certificate.subjectaltname ?? "";
  const dns = [...names.matchAll(/DNS:([^,]+)/g)].map(([, name]) => name!.trim());
  if (names === "") {
    const common = certificate.subject?.CN;
    return common
      ? x509("TLSNoSAN", "certificate relies on legacy Common Name field, use SANs instead")
      : x509("TLSWrongName", `certificate is not valid for any names, but wanted to match ${serverName}`);
  }
  if (dns.length === 0) {
    return x509("TLSWrongName", `certificate is not valid for any names, but wanted to match ${serverName}`);
  }
  if (checkServerIdentity(serverName, certificate) === undefined) return undefined;
  return x509("TLSWrongName", `certificate is valid for ${dns.join(", ")}, not ${serverName}`);
}

/** Equal for targets that may share connections. */
export function tlsKey(target: TargetTLS): string {
  const hash = createHash("sha256");
  const parts = [
    target.serverName,
    target.caBundle ?? "",
    target.insecureSkipVerify ? "insecure" : "",
    target.clientCertificate?.cert ?? "",
    target.clientCertificate?.key ?? "",
    target.defaultCA ?? "",
  ];
  for (const part of parts) hash.update(`${part.length}:${part}`);
  return hash.digest("base64");
}
