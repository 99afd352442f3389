/** Verification of certificate chains against one set of trusted authorities, in our own code: OpenSSL's "authorized" does not say which authority it used. */
import { X509Certificate } from "node:crypto";
import type { Clock } from "../../api/clock.ts";
import { PKIError } from "./errors.ts";

const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";
const ANY_USAGE = "2.5.29.37.0";
/** Go refuses chains that need more signature checks than this. */
const MAX_SIGNATURE_CHECKS = 100;
const MAX_PRESENTED = 16;

/** MD5 and SHA-1 are refused, as Go does: RSA with SHA-2 (PKCS #1 and PSS), ECDSA with SHA-2, Ed25519. */
const SIGNATURE_ALGORITHMS = new Set([
  "1.2.840.113549.1.1.10",
  "1.2.840.113549.1.1.11",
  "1.2.840.113549.1.1.12",
  "1.2.840.113549.1.1.13",
  "1.2.840.10045.4.3.2",
  "1.2.840.10045.4.3.3",
  "1.2.840.10045.4.3.4",
  "1.3.101.112",
]);

/** Why a presented certificate proves nothing. For logs; a client only ever sees 401. */
export class CertificateError extends Error {
  constructor(message: string) {
    super(`x509: ${message}`);
    this.name = "CertificateError";
  }
}

/** Whoever presented certificates: leaf first, DER, unverified. */
export interface Presenter {
  readonly certificates: readonly Uint8Array[];
}

export interface VerifiedChain {
  readonly leaf: X509Certificate;
  /** Leaf first, trusted authority last. */
  readonly chain: readonly X509Certificate[];
}

export type Verdict = VerifiedChain | CertificateError | undefined;

type Outcome =
  | { readonly chain: VerifiedChain; readonly notBefore: number; readonly notAfter: number }
  | { readonly error: CertificateError };

/**
 * A set of trusted authorities. Verifies chains for client authentication the way Go's crypto/x509 does: signatures, validity
 * by the injected clock, basic constraints, path length, extended usages nested down the chain, no weak signatures, no critical
 * extension that nobody understands. A chain is verified once for each presenter (a connection); its validity is looked at each time.
 */
export class TrustPool {
  readonly roots: readonly X509Certificate[];
  readonly #clock: Clock;
  readonly #seen = new WeakMap<object, Outcome>();
  #verifications = 0;

  /** `bundle`: PEM. Throws PKIError when it holds no certificate. */
  constructor(bundle: string, clock: Clock, file?: string) {
    this.roots = parseCertificates(bundle, file);
    this.#clock = clock;
  }

  /** How many chains were really verified. */
  get verifications(): number {
    return this.#verifications;
  }

  /**
   * The chain, or why what was presented proves nothing: an answer and no exception, for most presenters belong to another pool and
   * are asked about with every request. Undefined when nothing was presented. A promise only for chains with intermediates, whose
   * first use loads an X.509 parser.
   */
  verify(presenter: Presenter): Verdict | Promise<Verdict> {
    if (presenter.certificates.length === 0) return undefined;
    const seen = this.#seen.get(presenter);
    if (seen !== undefined) return this.#valid(seen);
    this.#verifications++;
    const outcome = this.#build(presenter.certificates);
    if (!(outcome instanceof Promise)) {
      this.#seen.set(presenter, outcome);
      return this.#valid(outcome);
    }
    return outcome.then((found) => {
      this.#seen.set(presenter, found);
      return this.#valid(found);
    });
  }

  #valid(outcome: Outcome): VerifiedChain | CertificateError {
    if ("error" in outcome) return outcome.error;
    const now = this.#clock.now();
    if (now < outcome.notBefore || now > outcome.notAfter)
      return new CertificateError("certificate has expired or is not yet valid");
    return outcome.chain;
  }

  #build(presented: readonly Uint8Array[]): Outcome | Promise<Outcome> {
    try {
      if (presented.length > MAX_PRESENTED) throw new CertificateError("too many certificates presented");
      const [leaf, ...intermediates] = presented.map(parse);
      const now = this.#clock.now();
      const found = findChains(leaf!, intermediates, this.roots);
      if (found.length === 0) throw new CertificateError("certificate signed by unknown authority");
      // Of several chains the first that holds wins; when none does, the first complaint is told.
      const direct = found.filter((chain) => chain.length <= 2);
      let complaint: CertificateError | undefined;
      for (const chain of direct) {
        const problem = checkShort(chain) ?? checkValidity(chain, now);
        if (problem === undefined) return outcomeOf(chain);
        complaint ??= problem;
      }
      const long = found.filter((chain) => chain.length > 2);
      if (long.length === 0) return { error: complaint! };
      return this.#checkLong(long, complaint, now);
    } catch (error) {
      return { error: error instanceof CertificateError ? error : new CertificateError("malformed certificate") };
    }
  }

  async #checkLong(
    chains: readonly X509Certificate[][],
    first: CertificateError | undefined,
    now: number,
  ): Promise<Outcome> {
    const { checkConstraints } = await import("./chain-constraints.ts");
    let complaint = first;
    for (const chain of chains) {
      const problem = checkShort(chain) ?? checkValidity(chain, now) ?? (await checkConstraints(chain));
      if (problem === undefined) return outcomeOf(chain);
      complaint ??= problem;
    }
    return { error: complaint! };
  }
}

function outcomeOf(chain: readonly X509Certificate[]): Outcome {
  return {
    chain: { leaf: chain[0]!, chain },
    notBefore: Math.max(...chain.map((certificate) => certificate.validFromDate.getTime())),
    notAfter: Math.min(...chain.map((certificate) => certificate.validToDate.getTime())),
  };
}

/** All paths from the leaf to a root, within the budget of signature checks. */
function findChains(
  leaf: X509Certificate,
  intermediates: readonly X509Certificate[],
  roots: readonly X509Certificate[],
): X509Certificate[][] {
  const chains: X509Certificate[][] = [];
  let budget = MAX_SIGNATURE_CHECKS;
  if (roots.some((root) => root.raw.equals(leaf.raw))) chains.push([leaf]);
  const signedBy = (certificate: X509Certificate, issuer: X509Certificate) => {
    if (!issuer.ca || !certificate.checkIssued(issuer)) return false;
    if (budget-- <= 0)
      throw new CertificateError("signature check attempts limit reached while verifying certificate chain");
    return SIGNATURE_ALGORITHMS.has(certificate.signatureAlgorithmOid) && certificate.verify(issuer.publicKey);
  };
  const extend = (path: readonly X509Certificate[]) => {
    const last = path.at(-1)!;
    for (const root of roots) {
      if (!path.some((member) => member.raw.equals(root.raw)) && signedBy(last, root)) chains.push([...path, root]);
    }
    for (const next of intermediates) {
      if (!path.some((member) => member.raw.equals(next.raw)) && signedBy(last, next)) extend([...path, next]);
    }
  };
  extend([leaf]);
  return chains;
}

function checkValidity(chain: readonly X509Certificate[], now: number): CertificateError | undefined {
  for (const certificate of chain) {
    if (now < certificate.validFromDate.getTime())
      return new CertificateError(`certificate has expired or is not yet valid: not before ${certificate.validFrom}`);
    if (now > certificate.validToDate.getTime())
      return new CertificateError(`certificate has expired or is not yet valid: not after ${certificate.validTo}`);
  }
  return undefined;
}

/** What needs no other parser. Extensions that `node:crypto` does not show are looked for as bytes: finding one can only make us refuse. */
function checkShort(chain: readonly X509Certificate[]): CertificateError | undefined {
  for (const certificate of chain) {
    const usages = certificate.keyUsage;
    if (usages === undefined) {
      // No usages means any usage; an extension that is there and could not be read does not.
      if (certificate.raw.includes(EXTENDED_USAGE))
        return new CertificateError("certificate has an unreadable extended key usage");
    } else if (!usages.includes(CLIENT_AUTH) && !usages.includes(ANY_USAGE)) {
      return new CertificateError("certificate specifies an incompatible key usage");
    }
    if (hasUnknownCritical(certificate.raw)) return new CertificateError("unhandled critical extension");
  }
  const named = chain.slice(0, -1).some((certificate) => certificate.raw.includes(ALTERNATIVE_NAME));
  if (named && chain.slice(1).some((certificate) => certificate.raw.includes(NAME_CONSTRAINTS)))
    return new CertificateError("certificates with alternative names below name constraints are not supported");
  return undefined;
}

const EXTENDED_USAGE = Buffer.from("0603551d25", "hex");
const ALTERNATIVE_NAME = Buffer.from("0603551d11", "hex");
const NAME_CONSTRAINTS = Buffer.from("0603551d1e", "hex");
/** `critical TRUE` followed by the value. */
const CRITICAL = Buffer.from("0101ff04", "hex");
/** The last byte of 2.5.29.*: key usage, alternative name, basic constraints, name constraints, policies (4), extended usage. */
const UNDERSTOOD = new Set([0x0f, 0x11, 0x13, 0x1e, 0x20, 0x21, 0x24, 0x36, 0x25]);

function hasUnknownCritical(raw: Buffer): boolean {
  for (let at = raw.indexOf(CRITICAL); at >= 0; at = raw.indexOf(CRITICAL, at + 1)) {
    const known = at >= 5 && raw.readUInt32BE(at - 5) === 0x0603551d && UNDERSTOOD.has(raw[at - 1]!);
    if (!known) return true;
  }
  return false;
}

function parse(der: Uint8Array): X509Certificate {
  try {
    return new X509Certificate(der);
  } catch {
    throw new CertificateError("malformed certificate");
  }
}

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

/**
 * Refuses to start when whoever may be a user may also be a front proxy: both pools trust one key and any name passes.
 * Throws PKIError `PKI_SHARED_TRUST_ROOT`.
 */
export function checkTrustRoots(clients: string, frontProxies: string, allowedNames: readonly string[]): void {
  if (allowedNames.length > 0) return;
  const spki = (certificate: X509Certificate) => certificate.publicKey.export({ type: "spki", format: "der" });
  const keys = parseCertificates(clients).map(spki);
  if (parseCertificates(frontProxies).some((certificate) => keys.some((key) => key.equals(spki(certificate)))))
    throw new PKIError(
      "PKI_SHARED_TRUST_ROOT",
      "the client CA and the front-proxy CA share a key and no allowed names are set, so that any user could name any other; " +
        "use two authorities or set the names of front proxies",
    );
}
