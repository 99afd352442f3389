import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { engineOf, etcdAddress, type StoreOptions } from "./store.ts";

const files = { etcdCafile: "ca.crt", etcdCertfile: "client.crt", etcdKeyfile: "client.key" };

describe("the address of an etcd", () => {
  it.each<[Partial<StoreOptions>, ReturnType<typeof etcdAddress>]>([
    [{ store: "sqlite" }, undefined],
    [{ store: "memory" }, undefined],
    [{ store: "etcd://127.0.0.1:2379" }, { endpoints: ["127.0.0.1:2379"], tls: false }],
    [{ store: "etcd://localhost" }, { endpoints: ["localhost:2379"], tls: false }],
    [{ store: "etcd://[::1]:1,127.0.0.2:2" }, { endpoints: ["[::1]:1", "127.0.0.2:2"], tls: false }],
    [
      { store: "etcd://a.example:1,b.example:2", ...files },
      { endpoints: ["a.example:1", "b.example:2"], tls: true },
    ],
    [
      { store: "etcd://a.example", etcdCafile: "ca.crt" },
      { endpoints: ["a.example:2379"], tls: true },
    ],
    [
      { store: "sqlite", etcdServers: "http://127.0.0.1:1" },
      { endpoints: ["127.0.0.1:1"], tls: false },
    ],
    [
      { store: "sqlite", etcdServers: "https://a.example:1,https://b.example" },
      { endpoints: ["a.example:1", "b.example:2379"], tls: true },
    ],
  ])("%o", (options, expected) => {
    expect(etcdAddress({ store: "sqlite", ...options })).toEqual(expected);
  });

  it.each<[Partial<StoreOptions>, string]>([
    [{ store: "etcd://10.0.0.1:2379" }, "--store: plain http to 10.0.0.1 is refused, it is for loopback only"],
    [{ store: "etcd://127.0.0.1:1,b.example:2" }, "plain http to b.example is refused"],
    [{ store: "etcd://127.0.0.1.example:1" }, "plain http to 127.0.0.1.example is refused"],
    [{ etcdServers: "http://10.0.0.1:2379", ...files }, "is plain http, but certificate files are given"],
    [{ etcdServers: "http://127.0.0.1:1,https://a.example:1" }, "mixes http and https"],
    [{ store: "etcd://", ...files }, '"" is no HOST:PORT'],
    [{ store: "etcd://a:99999", ...files }, '"a:99999" is no HOST:PORT'],
    [{ store: "etcd://user@a:1", ...files }, '"user@a:1" is no HOST:PORT'],
    [{ store: "etcd://a", etcdCertfile: "x" }, "--etcd-certfile and --etcd-keyfile belong together"],
  ])("%o is refused: %s", (options, message) => {
    expect(() => etcdAddress({ store: "sqlite", ...options })).toThrow(message);
  });
});

describe("the engine of a store", () => {
  it("is made for the three there are, and refused for others by name", async () => {
    expect((await engineOf({ store: "memory" }, "")).name).toBe("memory");
    expect((await engineOf({ store: "sqlite" }, "/nowhere/store")).name).toBe("sqlite");
    expect((await engineOf({ store: "etcd://127.0.0.1:1" }, "")).name).toBe("etcd");
    await expect(engineOf({ store: "redis" }, "")).rejects.toThrow(
      '--store: "redis" is none of sqlite, memory, etcd://',
    );
  });

  it("does not take a key that everybody can read", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tenon-key-"));
    const file = join(folder, "client.key");
    writeFileSync(file, "", { mode: 0o604 });
    const options = { store: "etcd://a", etcdCertfile: file, etcdKeyfile: file };
    await expect(engineOf(options, "")).rejects.toThrow("may be read by everybody");
    rmSync(folder, { recursive: true });
  });
});
