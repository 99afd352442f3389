import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { SimulatedClock, seededRandom } from "../../api/simulated.ts";
import {
  type Authority,
  CertificateError,
  checkTrustRoots,
  createAuthority,
  issueCertificate,
  issueClient,
  type KeyPair,
  loadAuthority,
  PKIError,
  parseSubject,
  TrustPool,
} from "./index.ts";

const DAY = 86_400_000;
// openssl dates certificates by the machine: a day later they are all valid.
const clock = new SimulatedClock(Date.now() + DAY);
const context = { clock, random: seededRandom(1) };
const root = createAuthority({ subject: { commonName: "root" } }, context);
const twin = createAuthority({ subject: { commonName: "root" } }, context);
const below = (parent: Authority, commonName: string, pathLength?: number) =>
  createAuthority({ subject: { commonName }, parent, pathLength }, context);
const client = (authority: Authority) => issueClient(authority, { commonName: "alice" }, context);
const presenter = (...pairs: readonly KeyPair[]) => ({
  certificates: pairs.map((pair) => new Uint8Array(pair.certificate.raw)),
});

const folder = mkdtempSync(join(tmpdir(), "tenon-chains-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A certificate with any extensions, made by openssl: what our own writer never makes. */
function foreign(authority: Authority, extensions: string, digest = "-sha256"): KeyPair {
  const at = (name: string) => join(folder, name);
  writeFileSync(at("ca.crt"), authority.cert);
  writeFileSync(at("ca.key"), authority.keyPEM);
  writeFileSync(at("ext"), extensions);
  const run = (...args: string[]) => execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  run(
    "req",
    "-new",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    "-subj",
    "/CN=alice",
    "-keyout",
    "k",
    "-out",
    "csr",
  );
  run(
    "x509",
    "-req",
    "-in",
    "csr",
    "-CA",
    "ca.crt",
    "-CAkey",
    "ca.key",
    "-days",
    "9000",
    "-extfile",
    "ext",
    digest,
    "-out",
    "crt",
  );
  const cert = readFileSync(at("crt"), "utf8");
  return {
    ...client(authority),
    cert,
    certificate: new (client(authority).certificate.constructor as typeof import("node:crypto").X509Certificate)(cert),
  };
}

async function verdict(pool: TrustPool, ...pairs: readonly KeyPair[]): Promise<string> {
  try {
    const chain = await pool.verify(presenter(...pairs));
    if (chain instanceof Error) throw chain;
    return chain === undefined ? "nothing" : `ok ${chain.chain.length}`;
  } catch (error) {
    expect(error).toBeInstanceOf(CertificateError);
    return (error as Error).message;
  }
}

describe("chains", () => {
  const pool = new TrustPool(root.cert, clock);
  const intermediate = below(root, "intermediate");
  const narrow = below(root, "narrow", 0);
  const tooDeep = below(narrow, "too deep");
  const impostor = issueCertificate(root, { subject: { commonName: "no authority" }, usages: ["clientAuth"] }, context);
  const signedByLeaf = client(fakeAuthority(impostor));
  const server = issueCertificate(root, { subject: { commonName: "alice" }, usages: ["serverAuth"] }, context);

  it.each<readonly [string, () => readonly KeyPair[], string]>([
    ["nothing presented", () => [], "nothing"],
    ["signed by the root", () => [client(root)], "ok 2"],
    ["signed by an intermediate that was presented", () => [client(intermediate), intermediate], "ok 3"],
    ["the intermediate missing", () => [client(intermediate)], "x509: certificate signed by unknown authority"],
    ["another root with the same name", () => [client(twin)], "x509: certificate signed by unknown authority"],
    [
      "another root, presented by the client itself",
      () => [client(twin), twin],
      "x509: certificate signed by unknown authority",
    ],
    ["path length kept", () => [client(narrow), narrow], "ok 3"],
    [
      "path length broken",
      () => [client(tooDeep), tooDeep, narrow],
      "x509: too many intermediates for path length constraint",
    ],
    ["signed by a leaf", () => [signedByLeaf, impostor], "x509: certificate signed by unknown authority"],
    ["for servers only", () => [server], "x509: certificate specifies an incompatible key usage"],
    [
      "an authority that may sign only servers",
      () => {
        const limited = foreign(root, "basicConstraints=critical,CA:TRUE\nextendedKeyUsage=serverAuth");
        return [limited];
      },
      "x509: certificate specifies an incompatible key usage",
    ],
    ["any usage", () => [foreign(root, "extendedKeyUsage=anyExtendedKeyUsage")], "ok 2"],
    ["no usage", () => [foreign(root, "basicConstraints=CA:FALSE")], "ok 2"],
    [
      "a weak signature",
      () => [foreign(root, "extendedKeyUsage=clientAuth", "-sha1")],
      "x509: certificate signed by unknown authority",
    ],
    [
      "a critical extension nobody knows",
      () => [foreign(root, "1.2.3.4=critical,ASN1:UTF8String:x\nextendedKeyUsage=clientAuth")],
      "x509: unhandled critical extension",
    ],
    ["the same, not critical", () => [foreign(root, "1.2.3.4=ASN1:UTF8String:x\nextendedKeyUsage=clientAuth")], "ok 2"],
    [
      "more than anybody needs",
      () => Array.from({ length: 17 }, () => client(root)),
      "x509: too many certificates presented",
    ],
  ])("%s", async (_, pairs, expected) => {
    expect(await verdict(pool, ...pairs())).toBe(expected);
  });

  it("a certificate that is itself trusted needs no issuer", async () => {
    const alice = client(twin);
    expect(await verdict(new TrustPool(alice.cert, clock), alice)).toBe("ok 1");
  });

  it("bytes that are no certificate", async () => {
    for (const bytes of ["", "30", "3082ffff", "hello"].map((text) => new Uint8Array(Buffer.from(text, "latin1")))) {
      const presented = { certificates: [bytes] };
      expect(`${pool.verify(presented)}`).toContain("x509: malformed certificate");
    }
  });

  it("name constraints count only for certificates with alternative names, and then nothing passes", async () => {
    const made = foreign(
      root,
      "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\nnameConstraints=critical,permitted;DNS:good.example",
    );
    const constrained = await loadAuthority(made.cert, readFileSync(join(folder, "k"), "utf8"));
    const strict = new TrustPool(constrained.cert, clock);
    expect(await verdict(strict, client(constrained))).toBe("ok 2");
    const named = issueCertificate(
      constrained,
      { subject: { commonName: "alice" }, usages: ["clientAuth"], dnsNames: ["bad.example"] },
      context,
    );
    expect(await verdict(strict, named)).toBe(
      "x509: certificates with alternative names below name constraints are not supported",
    );
  });
});

/** A KeyPair that pretends to be an authority: its real name as issuer. */
function fakeAuthority(pair: KeyPair): Authority {
  return { ...pair, subjectDER: encoded(pair), keyIdentifier: undefined };
}
function encoded(pair: KeyPair): Uint8Array {
  const { commonName } = parseSubject(pair.certificate);
  const text = Buffer.from(commonName);
  const attribute = Buffer.concat([Buffer.from([0x30, text.length + 7, 6, 3, 0x55, 4, 3, 0x13, text.length]), text]);
  return Buffer.concat([Buffer.from([0x30, attribute.length + 2, 0x31, attribute.length]), attribute]);
}

describe("time and memory", () => {
  it("is checked by the injected clock each time, signatures once for each presenter", async () => {
    const time = new SimulatedClock(clock.now());
    const pool = new TrustPool(root.cert, time);
    const alice = presenter(issueClient(root, { commonName: "alice" }, context, DAY));
    expect(await pool.verify(alice)).toBe(await pool.verify(alice));
    expect(pool.verifications).toBe(1);
    await time.advance(DAY + 1000);
    expect(`${pool.verify(alice)}`).toContain("expired");
    expect(pool.verifications).toBe(1);
    expect(`${pool.verify({ ...alice })}`).toContain("not after");
    const early = new TrustPool(root.cert, new SimulatedClock(clock.now() - 30 * DAY));
    expect(`${early.verify(alice)}`).toContain("not before");
  });

  it("an expired root is no root", () => {
    const late = new SimulatedClock(clock.now() + 4000 * DAY);
    const young = issueClient(
      createAuthority({ subject: { commonName: "x" } }, { ...context, clock: late }),
      { commonName: "alice" },
      { ...context, clock: late },
    );
    expect(`${new TrustPool(root.cert, late).verify(presenter(young))}`).toContain("unknown authority");
  });

  it("a cycle of intermediates ends", async () => {
    const key = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
    const a = createAuthority({ subject: { commonName: "a" }, parent: twin, key }, context);
    const b = createAuthority({ subject: { commonName: "b" }, parent: a }, context);
    const a2 = createAuthority({ subject: { commonName: "a" }, parent: b, key }, context);
    expect(await verdict(new TrustPool(root.cert, clock), client(a), a, b, a2)).toBe(
      "x509: certificate signed by unknown authority",
    );
  });

  it("refuses pools that share a key unless front proxies are named", () => {
    expect(() => checkTrustRoots(root.cert, twin.cert + root.cert, [])).toThrow(PKIError);
    expect(() => checkTrustRoots(root.cert, twin.cert + root.cert, ["front-proxy-client"])).not.toThrow();
    expect(() => checkTrustRoots(root.cert, twin.cert, [])).not.toThrow();
    // The same key in a new certificate is the same power.
    const renewed = createAuthority({ subject: { commonName: "other" }, key: root.key }, context);
    expect(() => checkTrustRoots(root.cert, renewed.cert, [])).toThrow("PKI_SHARED_TRUST_ROOT");
  });
});

describe("subjects", () => {
  it.each<readonly [string, string, readonly string[]]>([
    ["a line break that looks like another name", "a\nCN=admin\nO=system:masters", ["dev\nO=system:masters"]],
    ["commas, plus signs, escapes", 'a, O=system:masters+CN=b\\2C"', ["x, system:masters", "y+O=z", "\\"]],
    ["a null byte", "admin\u0000.example", ["a\u0000b"]],
    ["other scripts", "zoë日😀", ["Ω", "ς"]],
    ["names of object properties", "__proto__", ["constructor", "toString"]],
    ["spaces at the ends", " a ", [" b"]],
  ])("%s", (_, commonName, organizations) => {
    const pair = issueClient(root, { commonName, organizations }, context);
    const subject = parseSubject(pair.certificate);
    expect(subject.commonName).toBe(commonName);
    expect([...subject.organizations].sort()).toEqual([...organizations].sort());
    expect(subject.uids).toEqual([]);
  });
});
