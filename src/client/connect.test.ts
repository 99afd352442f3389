import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { connect, untilInterrupted } from "./connect.ts";

const folder = mkdtempSync(join(tmpdir(), "tenon-connect-"));
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

describe("connecting", () => {
  it("looks where it is told, and names the file that is missing", async () => {
    vi.stubEnv("KUBECONFIG", join(folder, "from-environment"));
    await expect(connect()).rejects.toThrow("from-environment");
    await expect(connect({ kubeconfig: join(folder, "given") })).rejects.toThrow("given");
  });

  it("takes a pod's service account before files, and says what there could be", async () => {
    vi.stubEnv("KUBECONFIG", "");
    vi.stubEnv("KUBERNETES_SERVICE_HOST", "10.0.0.1");
    vi.stubEnv("KUBERNETES_SERVICE_PORT", "");
    await expect(connect()).rejects.toThrow("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined");
  });

  it("opens nothing before the first request", async () => {
    const other = mkdtempSync(join(tmpdir(), "tenon-connect-"));
    const path = join(other, "config");
    const cluster = { server: "https://127.0.0.1:1" };
    const config = {
      "current-context": "c",
      clusters: [{ name: "c", cluster }],
      contexts: [{ name: "c", context: { cluster: "c" } }],
    };
    writeFileSync(path, JSON.stringify(config));
    const client = await connect({ kubeconfig: path });
    await client.close();
    rmSync(other, { recursive: true });
    expect(client.clock.now()).toBeGreaterThan(0);
  });

  it("ends with the first interrupt, and leaves the second to the system", () => {
    const counts = () => [process.listenerCount("SIGTERM"), process.listenerCount("SIGINT")];
    const before = counts();
    const signal = untilInterrupted();
    expect(counts()).toEqual(before.map((count) => count + 1));
    process.emit("SIGTERM");
    expect([signal.aborted, counts()]).toEqual([true, before]);
  });
});
