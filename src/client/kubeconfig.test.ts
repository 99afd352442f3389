import { once } from "node:events";
import { mkdtemp, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { systemClock, systemRandom } from "../api/machine.ts";
import { createClient } from "./client.ts";
import { inClusterConfig, loadKubeconfig } from "./kubeconfig.ts";
import { httpsTransport } from "./transports/https.ts";

const base64 = (text: string) => Buffer.from(text).toString("base64");

async function kubeconfig(more = "", user = "    token: secret"): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tenon-kubeconfig-"));
  const path = join(folder, "config");
  await writeFile(join(folder, "ca.crt"), "FILE CA");
  await writeFile(
    path,
    `apiVersion: v1
kind: Config
current-context: one
contexts:
- name: one
  context: { cluster: c, user: u, namespace: team }
- name: two
  context: { cluster: d, user: u }
- name: broken
  context: { cluster: nowhere, user: u }
clusters:
- name: c
  cluster:
    server: https://one:6443
    certificate-authority-data: ${base64("DATA CA")}
${more}
- name: d
  cluster: { server: "https://two:6443", certificate-authority: ca.crt, insecure-skip-tls-verify: true }
users:
- name: u
  user:
${user}
`,
  );
  return path;
}

describe("kubeconfig", () => {
  it("resolves the current context", async () => {
    expect(await loadKubeconfig(await kubeconfig())).toEqual({
      server: "https://one:6443",
      context: "one",
      namespace: "team",
      ca: "DATA CA",
      token: "secret",
    });
  });

  it("resolves another, with paths relative to the file", async () => {
    const user = `    client-certificate-data: ${base64("CERT")}\n    client-key-data: ${base64("KEY")}`;
    expect(await loadKubeconfig(await kubeconfig("", user), "two")).toEqual({
      server: "https://two:6443",
      context: "two",
      namespace: "default",
      ca: "FILE CA",
      insecureSkipTLSVerify: true,
      certificate: "CERT",
      key: "KEY",
    });
  });

  it.each([
    ["a missing context", undefined, undefined, "gone", 'context "gone" does not exist'],
    ["a missing cluster", undefined, undefined, "broken", 'cluster "nowhere" does not exist'],
    [
      "a credential plugin",
      undefined,
      "    exec: { command: x }",
      undefined,
      'user "u" uses exec, which is not supported',
    ],
    ["a proxy", "    proxy-url: http://p", undefined, undefined, "proxy-url is not supported"],
  ])("refuses %s by name", async (_, more, user, context, message) => {
    await expect(loadKubeconfig(await kubeconfig(more, user), context)).rejects.toThrow(message);
  });

  it("in a cluster: the mounted account and the environment", async () => {
    const folder = await mkdtemp(join(tmpdir(), "tenon-account-"));
    await writeFile(join(folder, "ca.crt"), "CA");
    await writeFile(join(folder, "namespace"), "team\n");
    const environment = { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "443" };
    expect(await inClusterConfig(environment, folder)).toMatchObject({
      server: "https://[fd00::1]:443",
      namespace: "team",
      ca: "CA",
    });
    await expect(inClusterConfig({}, folder)).rejects.toThrow("not in a cluster");
  });
});

describe("transport", () => {
  it("sends credentials and a path prefix, streams bodies, and cancels when its reader leaves", async () => {
    const seen: string[] = [];
    const closed: Promise<unknown>[] = [];
    const server = createServer((request, response) => {
      seen.push(`${request.method} ${request.url} ${request.headers.authorization}`);
      if (!request.url?.includes("watch")) return void response.end('{"metadata":{"name":"p"}}');
      closed.push(once(response, "close"));
      response.write('{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"2"}}}\n');
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/k8s/`;
    const tokenFile = join(await mkdtemp(join(tmpdir(), "tenon-token-")), "token");
    await writeFile(tokenFile, "from-file\n");
    const client = createClient(httpsTransport({ server: url, tokenFile }), {
      clock: systemClock,
      random: systemRandom,
    });
    const pods = client.resource({ group: "", version: "v1", resource: "pods" }, "n");
    expect((await pods.get("p")).metadata.name).toBe("p");
    for await (const event of pods.watch({ resourceVersion: "1" })) {
      expect(event.type).toBe("ADDED");
      break;
    }
    await closed[0];
    expect(seen[0]).toBe("GET /k8s/api/v1/namespaces/n/pods/p Bearer from-file");
    await client.close();
    server.close();
  });
});
