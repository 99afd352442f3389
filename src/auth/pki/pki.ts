/** All keys and certificates of a control plane, under kubeadm's file names: made once, shared by every process that opens the folder, renewed in time. */
import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { join } from "node:path";
import {
  type Authority,
  createAuthority,
  exportKey,
  type IssueContext,
  issueCertificate,
  type KeyPair,
  type LeafRequest,
  loadAuthority,
  loadKeyPair,
  newKey,
} from "./certificate.ts";
import { PKIError } from "./errors.ts";
import { diskFolder, type Folder, memoryFolder } from "./folder.ts";
import type { Subject } from "./subject.ts";
import { parseCertificates } from "./trust-pool.ts";

const DAY = 24 * 3_600_000;
const PRIVATE = 0o600;
const PUBLIC = 0o644;

export interface PKIOptions extends IssueContext {
  /** Alternative names of the API server beside `localhost`, the loopback addresses and the names of the Service `default/kubernetes`. */
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  /** Leaf certificates that end sooner than this are issued anew; milliseconds, default 30 days. */
  readonly renewBefore?: number;
}

/** A trusted certificate (PEM; the first of a bundle signs); `authority` is absent when its key is not in the folder. */
export interface TrustRoot {
  readonly cert: string;
  readonly authority: Authority | undefined;
}

export interface PKI {
  readonly folder: Folder;
  /** Signs users and serving certificates: `ca.crt`, `ca.key`. */
  readonly ca: TrustRoot;
  /** Signs only front proxies: `front-proxy-ca.crt`, `front-proxy-ca.key`. */
  readonly frontProxyCA: TrustRoot;
  /** What the aggregator shows to extension servers. */
  readonly frontProxyClient: KeyPair;
  /** The API server's own: `apiserver.crt`, `apiserver.key`. */
  readonly serving: KeyPair;
  /** `kubernetes-admin` in `system:masters`. */
  readonly admin: KeyPair;
  /** Signs service-account tokens: `sa.key`. */
  readonly serviceAccountKey: KeyObject;
  /** Verify them: every key in `sa.pub`. */
  readonly serviceAccountPublicKeys: readonly KeyObject[];
  /** One more pair in the folder, `<file>.crt` and `<file>.key`, signed by `ca`; loaded when it is there. */
  client(file: string, subject: Subject): Promise<KeyPair>;
  /** The same for a server (an extension server, a kubelet). */
  server(file: string, names: Pick<LeafRequest, "dnsNames" | "ipAddresses">): Promise<KeyPair>;
}

export const FRONT_PROXY_CLIENT_NAME = "front-proxy-client";

/**
 * Opens the folder at `directory`, making whatever is missing. Safe against any number of processes doing the same: keys get
 * their names exclusively, and a certificate made twice certifies the same key. Renewal keeps the key for the same reason.
 * Throws PKIError for files that are unreadable or do not belong together; nothing is ever overwritten to repair them.
 */
export function openPKI(directory: string, options: PKIOptions): Promise<PKI> {
  return open(diskFolder(directory), options);
}

/** The same without a disk. */
export function memoryPKI(options: PKIOptions): Promise<PKI> {
  return open(memoryFolder(), options);
}

async function open(folder: Folder, options: PKIOptions): Promise<PKI> {
  const renewBefore = options.renewBefore ?? 30 * DAY;
  const expiresSoon = (pair: Pick<KeyPair, "certificate">) =>
    Date.parse(pair.certificate.validTo) - options.clock.now() < renewBefore;

  async function key(name: string): Promise<KeyObject> {
    const existing = await folder.read(name);
    if (existing !== undefined) return readPrivateKey(existing, join(folder.path, name));
    await folder.create(name, exportKey(newKey()), PRIVATE);
    return key(name);
  }

  /** Reads `name.crt`, or lets `make` certify the key; `stale` decides whether it is made anew. */
  async function certificate(
    name: string,
    make: (key: KeyObject) => KeyPair,
    stale: (pair: KeyPair) => boolean,
  ): Promise<KeyPair> {
    const file = join(folder.path, `${name}.crt`);
    const existing = await folder.read(`${name}.crt`);
    const own = await key(`${name}.key`);
    if (existing === undefined) {
      const made = make(own);
      return (await folder.create(`${name}.crt`, made.cert, PUBLIC)) ? made : certificate(name, make, stale);
    }
    const pair = loadKeyPair(existing, exportKey(own), file);
    if (!stale(pair)) return pair;
    const made = make(own);
    await folder.replace(`${name}.crt`, made.cert, PUBLIC);
    return made;
  }

  async function root(name: string, commonName: string): Promise<TrustRoot> {
    const file = join(folder.path, `${name}.crt`);
    const existing = await folder.read(`${name}.crt`);
    const existingKey = await folder.read(`${name}.key`);
    if (existing !== undefined && existingKey === undefined) {
      // An authority that is kept elsewhere: trusted, but nothing can be signed with it here.
      const pair = { certificate: parseCertificates(existing, file)[0]! };
      if (Date.parse(pair.certificate.validTo) < options.clock.now())
        throw new PKIError("PKI_EXPIRED", `the authority expired on ${pair.certificate.validTo}`, file);
      return { cert: existing, authority: undefined };
    }
    const make = (own: KeyObject) => createAuthority({ subject: { commonName }, key: own }, options);
    const pair = await certificate(
      name,
      make,
      (found) => found.certificate.subject === `CN=${commonName}` && expiresSoon(found),
    );
    return { cert: pair.cert, authority: await loadAuthority(pair.cert, pair.keyPEM, file) };
  }

  async function leaf(name: string, signer: TrustRoot, request: LeafRequest): Promise<KeyPair> {
    const file = join(folder.path, `${name}.crt`);
    const make = (own: KeyObject) => {
      if (signer.authority === undefined)
        throw new PKIError(
          "PKI_KEY_MISSING",
          "has to be made, but the key of its authority is not in the folder",
          file,
        );
      return issueCertificate(signer.authority, { ...request, key: own }, options);
    };
    const canSign = signer.authority !== undefined;
    return certificate(name, make, (pair) => {
      const issuers = parseCertificates(signer.cert, file);
      if (!issuers.some((issuer) => pair.certificate.checkIssued(issuer) && pair.certificate.verify(issuer.publicKey)))
        throw new PKIError("PKI_MISMATCH", "not issued by the authority in the same folder", file);
      return canSign && (expiresSoon(pair) || !coversNames(pair, request));
    });
  }

  const ca = await root("ca", "kubernetes");
  const frontProxyCA = await root("front-proxy-ca", "front-proxy-ca");
  const client = (file: string, subject: Subject) => leaf(file, ca, { subject, usages: ["clientAuth"] });
  const kubernetes = [
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
  ];
  const serving = await leaf("apiserver", ca, {
    subject: { commonName: "kube-apiserver" },
    usages: ["serverAuth"],
    dnsNames: [...new Set(["localhost", ...kubernetes, ...(options.dnsNames ?? [])])],
    ipAddresses: [...new Set(["127.0.0.1", "::1", ...(options.ipAddresses ?? [])])],
  });
  const frontProxyClient = await leaf("front-proxy-client", frontProxyCA, {
    subject: { commonName: FRONT_PROXY_CLIENT_NAME },
    usages: ["clientAuth"],
  });
  const admin = await client("admin", { commonName: "kubernetes-admin", organizations: ["system:masters"] });
  const serviceAccountKey = await key("sa.key");
  return {
    folder,
    ca,
    frontProxyCA,
    frontProxyClient,
    serving,
    admin,
    serviceAccountKey,
    serviceAccountPublicKeys: await publicKeys(folder, serviceAccountKey),
    client,
    server: (file, names) =>
      leaf(file, ca, {
        ...names,
        subject: { commonName: names.dnsNames?.[0] ?? names.ipAddresses?.[0] ?? file },
        usages: ["serverAuth"],
      }),
  };
}

async function publicKeys(folder: Folder, privateKey: KeyObject): Promise<KeyObject[]> {
  const own = createPublicKey(privateKey);
  await folder.create("sa.pub", own.export({ type: "spki", format: "pem" }) as string, PUBLIC);
  const file = join(folder.path, "sa.pub");
  const keys = readPublicKeys((await folder.read("sa.pub")) ?? "", file);
  // Types first: comparing keys of different types leaves an error in OpenSSL's queue, and the next operation would throw it.
  if (!keys.some((key) => key.asymmetricKeyType === own.asymmetricKeyType && key.equals(own)))
    throw new PKIError("PKI_MISMATCH", "holds no key that verifies what sa.key signs", file);
  return keys;
}

/** Every public key in a PEM file (public keys, private keys or certificates). Throws PKIError when there is none or one is broken. */
export function readPublicKeys(text: string, file: string): KeyObject[] {
  const blocks = text.match(/-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g) ?? [];
  if (blocks.length === 0) throw new PKIError("PKI_UNREADABLE", "holds no PEM key", file);
  return blocks.map((block) => {
    try {
      return createPublicKey(block);
    } catch (error) {
      throw new PKIError("PKI_UNREADABLE", "holds a PEM block that is no key", file, error);
    }
  });
}

function readPrivateKey(text: string, file: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch (error) {
    throw new PKIError("PKI_UNREADABLE", "holds no PEM private key", file, error);
  }
}

function coversNames(pair: KeyPair, request: LeafRequest): boolean {
  const wildcards = { wildcards: false, subject: "never" } as const;
  return (
    (request.dnsNames ?? []).every(
      (name) =>
        pair.certificate.checkHost(
          name.replace(/^\*/, "x"),
          name.startsWith("*") ? { subject: "never" } : wildcards,
        ) !== undefined,
    ) && (request.ipAddresses ?? []).every((address) => pair.certificate.checkIP(address) !== undefined)
  );
}
