import { execFileSync } from "node:child_process";
import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { chmod, mkdtemp, readdir, readFile, rm, stat, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SimulatedClock, seededRandom } from "../../api/simulated.ts";
import { createAuthority, issueClient, memoryPKI, openPKI, PKIError, type PKIOptions } from "./index.ts";

const DAY = 86_400_000;
let directory: string;
let clock: SimulatedClock;
let options: PKIOptions;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "tenon-pki-"));
  clock = new SimulatedClock(Date.UTC(2026, 5, 1));
  options = { clock, random: seededRandom(7), dnsNames: ["api.example.com"], ipAddresses: ["10.0.0.1"] };
});
afterEach(() => rm(directory, { recursive: true }));

async function contents(): Promise<Record<string, string>> {
  const names = (await readdir(directory)).sort();
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(directory, name), "utf8")])),
  );
}

const failure = async (promise: Promise<unknown>) => {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(PKIError);
  return error as PKIError;
};

describe("the folder", () => {
  it("is filled with kubeadm's names, and private keys are their owner's alone", async () => {
    await openPKI(directory, options);
    expect(Object.keys(await contents())).toEqual([
      "admin.crt",
      "admin.key",
      "apiserver.crt",
      "apiserver.key",
      "ca.crt",
      "ca.key",
      "front-proxy-ca.crt",
      "front-proxy-ca.key",
      "front-proxy-client.crt",
      "front-proxy-client.key",
      "sa.key",
      "sa.pub",
    ]);
    for (const name of await readdir(directory)) {
      const mode = (await stat(join(directory, name))).mode & 0o777;
      expect([name, mode]).toEqual([name, name.endsWith(".key") ? 0o600 : 0o644]);
    }
  });

  it("is loaded again without a change", async () => {
    const first = await openPKI(directory, options);
    const before = await contents();
    const second = await openPKI(directory, options);
    expect(await contents()).toEqual(before);
    expect(second.ca.cert).toBe(first.ca.cert);
    expect(second.serving.keyPEM).toBe(first.serving.keyPEM);
    expect(second.serviceAccountKey.equals(first.serviceAccountKey)).toBe(true);
  });

  it("may be made by many at once: all end with the same keys and matching certificates", async () => {
    const all = await Promise.all(
      Array.from({ length: 12 }, (_, seed) => openPKI(directory, { ...options, random: seededRandom(seed) })),
    );
    const again = await openPKI(directory, options);
    for (const one of all) {
      expect(one.ca.authority?.keyPEM).toBe(again.ca.authority?.keyPEM);
      expect(one.frontProxyCA.authority?.keyPEM).toBe(again.frontProxyCA.authority?.keyPEM);
      expect(one.serving.keyPEM).toBe(again.serving.keyPEM);
      expect(one.serving.certificate.verify(again.ca.authority!.certificate.publicKey)).toBe(true);
      expect(one.serviceAccountKey.equals(again.serviceAccountKey)).toBe(true);
    }
    expect((await readdir(directory)).filter((name) => name.startsWith("."))).toEqual([]);
  });

  it("survives a crash between a key and its certificate", async () => {
    const first = await openPKI(directory, options);
    await unlink(join(directory, "ca.crt"));
    const second = await openPKI(directory, options);
    expect(second.ca.authority?.keyPEM).toBe(first.ca.authority?.keyPEM);
    expect(second.serving.cert).toBe(first.serving.cert);
  });

  it("renews leaves close to expiry, keeping their keys, and leaves the authority alone", async () => {
    const first = await openPKI(directory, options);
    await clock.advance(334 * DAY);
    expect((await openPKI(directory, options)).serving.cert).toBe(first.serving.cert);
    await clock.advance(2 * DAY);
    const renewed = await openPKI(directory, options);
    expect(renewed.serving.cert).not.toBe(first.serving.cert);
    expect(renewed.serving.keyPEM).toBe(first.serving.keyPEM);
    expect(renewed.ca.cert).toBe(first.ca.cert);
    expect(Date.parse(renewed.admin.certificate.validTo)).toBe(clock.now() + 365 * DAY);
  });

  it("renews the authority with its key, so that what it signed stays good", async () => {
    const first = await openPKI(directory, { ...options, renewBefore: DAY });
    await clock.advance(3649.5 * DAY);
    const renewed = await openPKI(directory, { ...options, renewBefore: DAY });
    expect(renewed.ca.cert).not.toBe(first.ca.cert);
    expect(renewed.ca.authority?.keyPEM).toBe(first.ca.authority?.keyPEM);
    expect(first.admin.certificate.checkIssued(renewed.ca.authority!.certificate)).toBe(true);
  });

  it("certifies the server anew when it is asked for a name it lacks", async () => {
    const first = await openPKI(directory, options);
    const second = await openPKI(directory, { ...options, dnsNames: ["other.example.com"], ipAddresses: ["fd00::7"] });
    expect(second.serving.cert).not.toBe(first.serving.cert);
    expect(second.serving.certificate.subjectAltName).toContain("DNS:other.example.com");
    expect(second.serving.certificate.checkIP("fd00::7")).toBe("fd00::7");
  });

  it("holds further clients and servers under names of the caller's", async () => {
    const pki = await openPKI(directory, options);
    const scheduler = await pki.client("scheduler", { commonName: "system:kube-scheduler" });
    expect((await pki.client("scheduler", { commonName: "system:kube-scheduler" })).cert).toBe(scheduler.cert);
    expect(
      (await pki.server("metrics", { dnsNames: ["metrics.kube-system.svc"] })).certificate.checkHost(
        "metrics.kube-system.svc",
      ),
    ).toBeDefined();
  });

  it("trusts an authority whose key is elsewhere, and refuses only what needs the key", async () => {
    await openPKI(directory, options);
    await unlink(join(directory, "ca.key"));
    const pki = await openPKI(directory, options);
    expect(pki.ca.authority).toBeUndefined();
    const error = await failure(pki.client("more", { commonName: "more" }));
    expect([error.code, error.file]).toEqual(["PKI_KEY_MISSING", join(directory, "more.crt")]);
  });
});

describe("bad files are named and left as they are", () => {
  const cases: readonly (readonly [
    string,
    (write: (name: string, text: string) => Promise<void>) => Promise<void>,
    string,
    string,
  ])[] = [
    ["a certificate that is none", (write) => write("ca.crt", "hello"), "PKI_UNREADABLE", "ca.crt"],
    ["an empty key", (write) => write("apiserver.key", ""), "PKI_UNREADABLE", "apiserver.key"],
    [
      "another's key",
      (write) =>
        write(
          "front-proxy-ca.key",
          generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({
            type: "pkcs8",
            format: "pem",
          }) as string,
        ),
      "PKI_MISMATCH",
      "front-proxy-ca.crt",
    ],
    [
      "a leaf of another authority",
      async (write) => {
        const other = createAuthority({ subject: { commonName: "kubernetes" } }, options);
        const leaf = issueClient(other, { commonName: "kubernetes-admin" }, options);
        await write("admin.crt", leaf.cert);
        await write("admin.key", leaf.keyPEM);
      },
      "PKI_MISMATCH",
      "admin.crt",
    ],
    [
      "public keys without ours",
      (write) =>
        write(
          "sa.pub",
          generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({
            type: "spki",
            format: "pem",
          }) as string,
        ),
      "PKI_MISMATCH",
      "sa.pub",
    ],
  ];
  it.each(cases)("%s", async (_, spoil, code, file) => {
    await openPKI(directory, options);
    await spoil((name, text) => writeFile(join(directory, name), text));
    const before = await contents();
    const error = await failure(openPKI(directory, options));
    expect([error.code, error.file]).toEqual([code, join(directory, file)]);
    expect(error.message).toContain(code);
    expect(await contents()).toEqual(before);
  });

  it("a file that is a folder", async () => {
    await openPKI(directory, options);
    await unlink(join(directory, "sa.key"));
    const { mkdir } = await import("node:fs/promises");
    await mkdir(join(directory, "sa.key"));
    expect((await failure(openPKI(directory, options))).code).toBe("PKI_UNREADABLE");
    await chmod(directory, 0o755);
  });
});

describe("other tools", () => {
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: directory, encoding: "utf8" });

  it("openssl verifies every certificate, strictly, for its purpose", async () => {
    await openPKI(directory, { ...options, clock: new SimulatedClock(Date.now()) });
    for (const [ca, leaf, purpose] of [
      ["ca", "apiserver", "sslserver"],
      ["ca", "admin", "sslclient"],
      ["front-proxy-ca", "front-proxy-client", "sslclient"],
    ])
      expect(openssl("verify", "-x509_strict", "-CAfile", `${ca}.crt`, "-purpose", purpose!, `${leaf}.crt`)).toContain(
        "OK",
      );
    expect(() => openssl("verify", "-CAfile", "front-proxy-ca.crt", "admin.crt")).toThrow();
    expect(() => openssl("verify", "-CAfile", "ca.crt", "-purpose", "sslserver", "admin.crt")).toThrow();
  });

  it.each(["rsa:2048", "ec"])(
    "an authority made by openssl (%s) is used as it is, its spelling of the issuer kept",
    async (kind) => {
      const key = kind === "ec" ? ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"] : ["-newkey", kind];
      openssl(
        "req",
        "-x509",
        ...key,
        "-nodes",
        "-days",
        "3000",
        "-subj",
        "/C=DE/O=Some Org/CN=my: root?_@",
        "-utf8",
        "-keyout",
        "ca.key",
        "-out",
        "ca.crt",
      );
      const pki = await openPKI(directory, { ...options, clock: new SimulatedClock(Date.now()) });
      expect(openssl("verify", "-CAfile", "ca.crt", "-purpose", "sslserver", "apiserver.crt")).toContain("OK");
      // Go compares the issuer's bytes with the subject's: they must be the same bytes.
      expect(pki.admin.certificate.raw.includes(pki.ca.authority!.subjectDER)).toBe(true);
      expect(pki.ca.authority!.certificate.raw.includes(pki.ca.authority!.subjectDER)).toBe(true);
    },
  );

  it("memory holds the same", async () => {
    const pki = await memoryPKI(options);
    expect(pki.admin.certificate.checkIssued(pki.ca.authority!.certificate)).toBe(true);
    expect(pki.serviceAccountPublicKeys[0]!.equals(createPublicKey(pki.serviceAccountKey))).toBe(true);
  });
});
