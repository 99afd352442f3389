/** Certificates for servers and clients, and the authorities that sign them: ECDSA P-256, made with `node:crypto` and the DER writer. */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  X509Certificate,
} from "node:crypto";
import { isIPv4 } from "node:net";
import type { Clock, Random } from "../../api/clock.ts";
import * as der from "./der.ts";
import { PKIError } from "./errors.ts";
import { parseSubject, type Subject, USER_UID_OID } from "./subject.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** As kubeadm: ten years for an authority, one year for everything it signs. */
export const AUTHORITY_LIFETIME = 3650 * DAY;
export const LEAF_LIFETIME = 365 * DAY;
/** Certificates are valid from a little before now, so that a peer whose clock is behind accepts them. */
const BACKDATE = 5 * 60_000;

const COMMON_NAME = "2.5.4.3";
const ORGANIZATION = "2.5.4.10";
/** Where time and serial numbers come from. Keys always come from `node:crypto`. */
export interface IssueContext {
  readonly clock: Clock;
  readonly random: Random;
}

/** A certificate with its private key; PEM forms are ready for `tls` and for files. */
export interface KeyPair {
  readonly certificate: X509Certificate;
  readonly key: KeyObject;
  /** The certificate, PEM. */
  readonly cert: string;
  /** The private key, PKCS #8 PEM. */
  readonly keyPEM: string;
}

/** A KeyPair that may sign. */
export interface Authority extends KeyPair {
  /** The DER of its subject, which becomes the issuer of what it signs, byte for byte. */
  readonly subjectDER: Uint8Array;
  /** Its subject key identifier; undefined when the certificate has none that we recognise. */
  readonly keyIdentifier: Uint8Array | undefined;
}

export interface LeafRequest {
  readonly subject: Subject;
  readonly usages: readonly ("serverAuth" | "clientAuth")[];
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  /** Milliseconds; default one year, never past the authority's own end. */
  readonly lifetime?: number;
  /** Certify this key instead of a new one. */
  readonly key?: KeyObject;
}

export interface AuthorityRequest {
  readonly subject: Subject;
  /** Milliseconds; default ten years. */
  readonly lifetime?: number;
  /** How many authorities may stand below this one; default: not limited. */
  readonly pathLength?: number;
  readonly key?: KeyObject;
  /** Who signs; default: the authority itself. */
  readonly parent?: Authority;
}

/** A new private key on P-256. */
export function newKey(): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: "prime256v1" }).privateKey;
}

/** The DER of a distinguished name: organizations first, then uid, then common name, one value each, like Go writes them. */
export function encodeSubject(subject: Subject): Uint8Array {
  const one = (type: string, value: Uint8Array) => der.setOf(der.sequence(der.oid(type), value));
  const parts: Uint8Array[] = [];
  const organizations = subject.organizations ?? [];
  if (organizations.length > 0) {
    // One set of all organizations; DER sorts the members of a SET OF by their bytes.
    const members = organizations.map((name) => der.sequence(der.oid(ORGANIZATION), der.directoryString(name)));
    parts.push(der.setOf(...members.sort((a, b) => Buffer.compare(a, b))));
  }
  parts.push(one(COMMON_NAME, der.directoryString(subject.commonName)));
  if (subject.uid !== undefined) parts.push(one(USER_UID_OID, der.utf8String(subject.uid)));
  return der.sequence(...parts);
}

/** A self-signed authority, or one below `parent`. Takes under a millisecond. */
export function createAuthority(request: AuthorityRequest, context: IssueContext): Authority {
  const key = request.key ?? newKey();
  const subjectDER = encodeSubject(request.subject);
  const keyIdentifier = keyIdentifiers(createPublicKey(key))[0]!;
  const constraints = [der.boolean(true)];
  if (request.pathLength !== undefined) constraints.push(der.integer(request.pathLength));
  const pair = build(
    {
      key,
      subjectDER,
      lifetime: request.lifetime ?? AUTHORITY_LIFETIME,
      extensions: [
        extension("2.5.29.15", true, der.namedBits([0, 5, 6])), // digitalSignature, keyCertSign, cRLSign
        extension("2.5.29.19", true, der.sequence(...constraints)),
      ],
    },
    request.parent ?? { key, subjectDER, keyIdentifier },
    context,
  );
  return { ...pair, subjectDER, keyIdentifier };
}

/** A certificate for a server, a client or both. Throws a RangeError for an address that is none. */
export function issueCertificate(authority: Authority, request: LeafRequest, context: IssueContext): KeyPair {
  const key = request.key ?? newKey();
  const keyUsage = key.asymmetricKeyType === "rsa" ? [0, 2] : [0]; // digitalSignature; RSA also keyEncipherment
  const usages = request.usages.map((usage) =>
    der.oid(usage === "serverAuth" ? "1.3.6.1.5.5.7.3.1" : "1.3.6.1.5.5.7.3.2"),
  );
  const extensions = [
    extension("2.5.29.15", true, der.namedBits(keyUsage)),
    extension("2.5.29.37", false, der.sequence(...usages)),
    extension("2.5.29.19", true, der.sequence()),
  ];
  const names = [
    ...(request.dnsNames ?? []).map((name) => der.implicit(2, Buffer.from(name, "latin1"))),
    ...(request.ipAddresses ?? []).map((address) => der.implicit(7, addressBytes(address))),
  ];
  if (names.length > 0) extensions.push(extension("2.5.29.17", false, der.sequence(...names)));
  const lifetime = Math.min(
    request.lifetime ?? LEAF_LIFETIME,
    Date.parse(authority.certificate.validTo) - context.clock.now(),
  );
  return build({ key, subjectDER: encodeSubject(request.subject), lifetime, extensions }, authority, context);
}

/** A client certificate: the common name is the user, the organizations are the groups. */
export function issueClient(authority: Authority, subject: Subject, context: IssueContext, lifetime?: number): KeyPair {
  return issueCertificate(authority, { subject, usages: ["clientAuth"], lifetime }, context);
}

/** An authority from PEM files, made by us or by anyone (kubeadm, cfssl, openssl). Throws PKIError. */
export async function loadAuthority(cert: string, keyPEM: string, file?: string): Promise<Authority> {
  const pair = loadKeyPair(cert, keyPEM, file);
  if (!pair.certificate.ca) throw new PKIError("PKI_MISMATCH", "the certificate is not an authority (CA:FALSE)", file);
  const raw = pair.certificate.raw;
  const keyIdentifier = keyIdentifiers(pair.certificate.publicKey).find((candidate) =>
    raw.includes(extension("2.5.29.14", false, der.octetString(candidate))),
  );
  const subject = parseSubject(pair.certificate);
  let subjectDER = encodeSubject({ commonName: subject.commonName, organizations: subject.organizations });
  if (!raw.includes(subjectDER)) {
    // Not in our spelling: let a real parser find the bytes.
    await import("reflect-metadata");
    const { X509Certificate: Parsed } = await import("@peculiar/x509");
    subjectDER = new Uint8Array(new Parsed(raw).subjectName.toArrayBuffer());
  }
  return { ...pair, subjectDER, keyIdentifier };
}

/** A certificate and its private key from PEM. Throws PKIError when either is unreadable or they do not belong together. */
export function loadKeyPair(cert: string, keyPEM: string, file?: string): KeyPair {
  let certificate: X509Certificate;
  let key: KeyObject;
  try {
    certificate = new X509Certificate(cert);
  } catch (error) {
    throw new PKIError("PKI_UNREADABLE", "not a PEM certificate", file, error);
  }
  try {
    key = createPrivateKey(keyPEM);
  } catch (error) {
    throw new PKIError("PKI_UNREADABLE", "its key file holds no PEM private key", file, error);
  }
  if (!certificate.checkPrivateKey(key))
    throw new PKIError("PKI_MISMATCH", "the certificate does not belong to its private key", file);
  return { certificate, key, cert, keyPEM };
}

/** The private key as PKCS #8 PEM. */
export function exportKey(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }) as string;
}

interface Parts {
  readonly key: KeyObject;
  readonly subjectDER: Uint8Array;
  readonly lifetime: number;
  readonly extensions: readonly Uint8Array[];
}

type Signer = Pick<Authority, "key" | "subjectDER" | "keyIdentifier">;

function build(parts: Parts, signer: Signer, context: IssueContext): KeyPair {
  const publicKey = createPublicKey(parts.key);
  const now = context.clock.now();
  const serial = context.random.bytes(16).slice();
  serial[0] = (serial[0]! & 0x7f) | 0x40; // positive, and never shorter than sixteen bytes
  const extensions = [
    ...parts.extensions,
    extension("2.5.29.14", false, der.octetString(keyIdentifiers(publicKey)[0]!)),
  ];
  if (signer.keyIdentifier !== undefined)
    extensions.push(extension("2.5.29.35", false, der.sequence(der.implicit(0, signer.keyIdentifier))));
  const algorithm = signatureAlgorithm(signer.key);
  const toBeSigned = der.sequence(
    der.explicit(0, der.integer(2)),
    der.unsigned(serial),
    algorithm,
    signer.subjectDER,
    der.sequence(der.time(now - BACKDATE), der.time(now + parts.lifetime)),
    parts.subjectDER,
    publicKey.export({ type: "spki", format: "der" }),
    der.explicit(3, der.sequence(...extensions)),
  );
  const signature = sign("sha256", toBeSigned, signer.key);
  const cert = der.pem("CERTIFICATE", der.sequence(toBeSigned, algorithm, der.bitString(signature)));
  return { certificate: new X509Certificate(cert), key: parts.key, cert, keyPEM: exportKey(parts.key) };
}

function signatureAlgorithm(key: KeyObject): Uint8Array {
  if (key.asymmetricKeyType === "ec") return der.sequence(der.oid("1.2.840.10045.4.3.2")); // ecdsa-with-SHA256
  if (key.asymmetricKeyType === "rsa") return der.sequence(der.oid("1.2.840.113549.1.1.11"), der.nothing());
  throw new PKIError("PKI_UNSUPPORTED_KEY", `cannot sign with a key of type ${key.asymmetricKeyType}; use EC or RSA`);
}

function extension(id: string, critical: boolean, value: Uint8Array): Uint8Array {
  return critical
    ? der.sequence(der.oid(id), der.boolean(true), der.octetString(value))
    : der.sequence(der.oid(id), der.octetString(value));
}

/** The ways to derive a key identifier that are in use: RFC 5280 (SHA-1 of the key's bits), RFC 7093 (truncated SHA-256; Go since 1.25). */
function keyIdentifiers(publicKey: KeyObject): Uint8Array[] {
  const bits =
    publicKey.asymmetricKeyType === "ec"
      ? pointOf(publicKey)
      : publicKey.asymmetricKeyType === "rsa"
        ? publicKey.export({ type: "pkcs1", format: "der" })
        : publicKey.export({ type: "spki", format: "der" });
  const hash = (algorithm: string) => new Uint8Array(createHash(algorithm).update(bits).digest().subarray(0, 20));
  return [hash("sha1"), hash("sha256")];
}

function pointOf(publicKey: KeyObject): Uint8Array {
  const { x, y } = publicKey.export({ format: "jwk" });
  return Buffer.concat([Uint8Array.of(4), Buffer.from(x!, "base64url"), Buffer.from(y!, "base64url")]);
}

/** An IP address as 4 or 16 bytes. */
function addressBytes(address: string): Uint8Array {
  if (isIPv4(address)) return Uint8Array.from(address.split("."), Number);
  // Not `isIPv6`: the expression behind it takes 10 ms to compile, which is a tenth of a start.
  const [text = ""] = address.split("%");
  const url = /^[0-9a-f:.]+$/i.test(text) ? URL.parse(`http://[${text}]`) : null;
  if (url === null) throw new RangeError(`not an IP address: ${JSON.stringify(address)}`);
  const [left = "", right] = url.hostname.slice(1, -1).split("::");
  const words = (part: string) => (part === "" ? [] : part.split(":"));
  const head = words(left);
  const tail = right === undefined ? [] : words(right);
  const filled = [...head, ...Array<string>(8 - head.length - tail.length).fill("0"), ...tail];
  return Uint8Array.from(filled.flatMap((word) => [Number.parseInt(word, 16) >> 8, Number.parseInt(word, 16) & 255]));
}
