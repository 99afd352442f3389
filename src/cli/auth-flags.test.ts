import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, describe, expect, it } from "vitest";
import { SimulatedClock, seededRandom } from "../api/simulated.ts";
import { type AuthFlags, addAuthFlags, authArguments, openDeciders } from "./auth-flags.ts";

const parsed = (...words: string[]): AuthFlags =>
  addAuthFlags(new Command().exitOverride().configureOutput({ writeErr: () => {} }))
    .parse(words, { from: "user" })
    .opts();
const machine = { clock: new SimulatedClock(), random: seededRandom(1) };
const folder = mkdtempSync(join(tmpdir(), "tenon-flags-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function kubeconfig(name: string): string {
  const path = join(folder, name);
  const text = {
    "current-context": "w",
    clusters: [{ name: "w", cluster: { server: "https://127.0.0.1:1/authorize" } }],
    contexts: [{ name: "w", context: { cluster: "w" } }],
  };
  writeFileSync(path, JSON.stringify(text));
  return path;
}

describe("the flags about who decides", () => {
  it("have upstream's defaults, but for RBAC", () => {
    expect(parsed()).toEqual({
      authorizationMode: "RBAC",
      authorizationWebhookVersion: "v1beta1",
      authorizationWebhookCacheAuthorizedTtl: 300_000,
      authorizationWebhookCacheUnauthorizedTtl: 30_000,
      authenticationTokenWebhookVersion: "v1beta1",
      authenticationTokenWebhookCacheTtl: 120_000,
    });
  });

  it("pass from one process to another as they are", () => {
    const given = parsed(
      ...["--authorization-mode", "Webhook,RBAC", "--authorization-webhook-config-file=f"],
      ...["--authorization-webhook-cache-authorized-ttl", "1m30s", "--authentication-token-webhook-cache-ttl=0s"],
    );
    expect(parsed(...authArguments(given))).toEqual(given);
    expect(given.authorizationWebhookCacheAuthorizedTtl).toBe(90_000);
  });

  it("take a configuration file instead, not beside", () => {
    const given = parsed("--authorization-config", "f");
    expect(parsed(...authArguments(given))).toEqual(given);
    expect(() => parsed("--authorization-config=f", "--authorization-mode=RBAC")).toThrow("cannot be used with");
  });

  it.each([
    ["--authorization-webhook-cache-authorized-ttl", "soon"],
    ["--authorization-webhook-version", "v2"],
  ])("%s %s is refused", (flag, value) => {
    expect(() => parsed(flag, value)).toThrow(/invalid/);
  });

  it("open webhooks in the order of the modes, and tokens beside them", async () => {
    const file = kubeconfig("good");
    const flags = { ...parsed("--authorization-mode=Webhook,RBAC,AlwaysDeny"), authorizationWebhookConfigFile: file };
    const deciders = await openDeciders({ ...flags, authenticationTokenWebhookConfigFile: file }, "here", machine);
    expect(deciders.authorizers.map((one) => (typeof one === "string" ? one : "a webhook"))).toEqual([
      "a webhook",
      "RBAC",
      "AlwaysDeny",
    ]);
    expect(deciders.tokenWebhook).toBeDefined();
    await deciders.close();
  });

  it("name the file that is none", async () => {
    const flags = parsed("--authorization-mode=Webhook", `--authorization-webhook-config-file=${folder}/missing`);
    await expect(openDeciders(flags, "here", machine)).rejects.toThrow(`${folder}/missing`);
    writeFileSync(join(folder, "bad"), "[]");
    const bad = { ...flags, authorizationWebhookConfigFile: join(folder, "bad") };
    await expect(openDeciders(bad, "here", machine)).rejects.toThrow(`${folder}/bad`);
  });
});
