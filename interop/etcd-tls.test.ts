/** etcd over TLS, by the flags of the command: both sides show certificates, and nothing goes out where they do not fit. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock, systemRandom } from "../src/api/machine.ts";
import { memoryPKI, type PKI } from "../src/auth/pki/pki.ts";
import { engineOf } from "../src/cli/store.ts";
import { type EtcdDouble, startEtcdDouble } from "../src/store/engines/etcd-double.test-support.ts";

describe("etcd over TLS", () => {
  const folder = mkdtempSync(join(tmpdir(), "tenon-etcd-tls-"));
  const machine = { clock: systemClock, random: systemRandom };
  let etcd: EtcdDouble;
  let pki: PKI;
  const file = (name: string, content: string) => {
    const path = join(folder, name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  };

  beforeAll(async () => {
    pki = await memoryPKI(machine);
    const serving = await pki.server("etcd", { dnsNames: ["localhost"], ipAddresses: ["127.0.0.1"] });
    etcd = await startEtcdDouble({ ca: pki.ca.cert, certificate: serving.cert, key: serving.keyPEM });
  });
  afterAll(async () => {
    await etcd.stop();
    rmSync(folder, { recursive: true });
  });

  const files = async (authority: PKI, own: PKI) => {
    const client = await own.client("etcd-client", { commonName: "tenon" });
    return {
      etcdCafile: file("ca.crt", authority.ca.cert),
      etcdCertfile: file("client.crt", client.cert),
      etcdKeyfile: file("client.key", client.keyPEM),
    };
  };

  it("stores and reads, named as a store or in upstream's form", async () => {
    const given = await files(pki, pki);
    for (const form of [
      { store: `etcd://${etcd.endpoint}` },
      { store: "sqlite", etcdServers: `https://${etcd.endpoint}` },
    ]) {
      const engine = await engineOf({ ...form, ...given }, "");
      await engine.open();
      const key = `/registry/tls/${Object.keys(form).length}`;
      expect((await engine.commit({ key, expected: 0, value: Buffer.from("{}") })).committed).toBe(true);
      await engine.close();
    }
  });

  it("does not speak to an etcd whose certificate another authority signed", async () => {
    const other = await memoryPKI(machine);
    const engine = await engineOf({ store: `etcd://${etcd.endpoint}`, ...(await files(other, pki)) }, "");
    const before = etcd.calls.get("KV/Range") ?? 0;
    await expect(engine.open()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    expect(etcd.calls.get("KV/Range") ?? 0).toBe(before);
  }, 30_000);

  it("is not let in with a certificate of another authority", async () => {
    const other = await memoryPKI(machine);
    const engine = await engineOf({ store: `etcd://${etcd.endpoint}`, ...(await files(pki, other)) }, "");
    const before = etcd.calls.get("KV/Range") ?? 0;
    await expect(engine.open()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    expect(etcd.calls.get("KV/Range") ?? 0).toBe(before);
  }, 30_000);

  it("does not speak to a server whose certificate is of the right authority and for another name", async () => {
    const serving = await pki.server("elsewhere", {
      dnsNames: ["elsewhere.example", "etcd"],
      ipAddresses: ["192.0.2.1"],
    });
    const other = await startEtcdDouble({ ca: pki.ca.cert, certificate: serving.cert, key: serving.keyPEM });
    const engine = await engineOf({ store: `etcd://${other.endpoint}`, ...(await files(pki, pki)) }, "");
    await expect(engine.open()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    expect(other.calls.get("KV/Range")).toBeUndefined();
    await other.stop();
  }, 30_000);
});
