/** `tenon up` as a newcomer meets it: processes, a ready line, kubectl, parts that die and come back, Ctrl-C. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "./story.ts";
import { openTarget, type Target } from "./target.ts";

const MAIN = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "tenon-up-"));
const dataDir = join(folder, "data");
let up: ChildProcess;
let output = "";
let target: Target;
const others: ChildProcess[] = [];

function tenon(...args: string[]): ChildProcess {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", MAIN, ...args], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.stdout?.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  return child;
}

const pid = (part: string) => Number(readFileSync(join(dataDir, `${part}.pid`), "utf8"));
const ended = (child: ChildProcess) =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve(child.exitCode)
    : new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));

async function kubectl(command: string): Promise<string> {
  const { code, stdout, stderr } = await target.kubectl(command.split(" "));
  expect(code, `kubectl ${command}: ${stderr}`).toBe(0);
  return stdout;
}

const availability = (good: (line: string) => boolean) =>
  eventually(() => kubectl("get apiservices v1beta1.metrics.k8s.io --no-headers"), good, 60);

beforeAll(async () => {
  up = tenon("up", "--port", "0", "--data-dir", dataDir);
  await eventually(
    async () => output,
    (text) => /^ready {2}https/m.test(text) || up.exitCode !== null,
    60,
  );
  expect(output).toMatch(/^ready {2}https:\/\/127\.0\.0\.1:\d+/m);
  target = openTarget(join(dataDir, "kubeconfig"));
}, 90_000);

afterAll(async () => {
  up.kill("SIGINT");
  await ended(up);
  for (const child of others) child.kill("SIGTERM");
  await Promise.all(others.map(ended));
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

describe("tenon up", () => {
  it("says it is ready in one line, and what to try in three", () => {
    const lines = output.trim().split("\n");
    expect(lines).toHaveLength(4);
    expect(lines[0]).toMatch(
      /^ready {2}https:\S+ {2}\(apiserver \d+, controllers \d+, kubelet \d+, metrics-server \d+\)$/,
    );
    for (const line of lines.slice(1)) expect(line).toContain("kubectl --kubeconfig data/kubeconfig ");
    expect(
      readdirSync(dataDir)
        .filter((name) => name.endsWith(".pid"))
        .toSorted(),
    ).toEqual(["apiserver.pid", "controllers.pid", "kubelet.pid", "metrics-server.pid"]);
  });

  it("serves metrics of this machine and of its own processes through another process", async () => {
    const raw = JSON.parse(await kubectl("get --raw /apis/metrics.k8s.io/v1beta1/nodes"));
    expect(raw.kind).toBe("NodeMetricsList");
    expect(raw.items).toHaveLength(1);
    expect(await kubectl("top nodes")).toMatch(/^\S+ +\d+m +\d+% +\d+Mi +\d+% *$/m);
    // The youngest has to be read twice before it has a rate.
    const pods = await eventually(
      () => kubectl("top pods -A"),
      (text) => text.includes("tenon-metrics-server-"),
      60,
    );
    for (const part of ["apiserver", "controllers", "kubelet", "metrics-server"]) {
      expect(pods).toMatch(new RegExp(`^kube-system +tenon-${part}-\\S+ +\\d+m +\\d+Mi`, "m"));
    }
    expect(await kubectl("get nodes,pods,svc,deploy -A -o wide")).toMatch(/^node\/\S+ +Ready /m);
    // By its bare name kubectl itself takes "nodes.metrics…" for a field of core nodes, on any server.
    const explained = await kubectl("explain nodes --api-version=metrics.k8s.io/v1beta1");
    expect(explained).toMatch(/^KIND: +NodeMetrics$/m);
    expect(explained).toMatch(/^ {2}usage\t/m);
    expect(await kubectl("api-resources")).toMatch(/^pods +metrics\.k8s\.io\/v1(beta1)? +true +PodMetrics$/m);
  });

  it("survives its metrics-server being asked to end, and takes it back", async () => {
    process.kill(pid("metrics-server"), "SIGTERM");
    expect(await availability((line) => line.includes("False"))).toMatch(/ False \(MissingEndpoints\) /);
    expect(existsSync(join(dataDir, "metrics-server.pid"))).toBe(false);
    expect((await target.call("GET", "/apis/apps/v1/deployments")).status).toBe(200);
    await kubectl("create ns gone");
    await kubectl("-n gone create configmap c --from-literal=a=b");
    expect(await kubectl("delete ns gone --timeout=30s")).toContain("deleted");
    others.push(tenon("metrics-server", "--data-dir", dataDir, "--secure-port", "0", "--quick-start"));
    expect(await availability((line) => line.includes("True"))).toMatch(/ True /);
  }, 120_000);

  it("survives its metrics-server being killed, and takes it back", async () => {
    process.kill(pid("metrics-server"), "SIGKILL");
    expect(await availability((line) => line.includes("False"))).toMatch(/ False \(FailedDiscoveryCheck\) /);
    expect((await target.call("GET", "/apis/apps/v1/deployments")).status).toBe(200);
    await kubectl("create ns gone");
    expect(await kubectl("delete ns gone --timeout=30s")).toContain("deleted");
    others.push(tenon("metrics-server", "--data-dir", dataDir, "--secure-port", "0", "--quick-start"));
    expect(await availability((line) => line.includes("True"))).toMatch(/ True /);
  }, 120_000);

  it("works with the textbook manifest, unedited", async () => {
    await kubectl("delete apiservice v1beta1.metrics.k8s.io");
    const { code, stderr } = await target.kubectl(["apply", "-f", "-"], TEXTBOOK);
    expect(stderr.replace(/^WARNING.*$/gm, "").trim()).toBe("");
    expect(code).toBe(0);
    expect(await availability((line) => line.includes("True"))).toMatch(/kube-system\/metrics-server +True /);
    expect(await kubectl("top nodes")).toMatch(/^\S+ +\d+m /m);
  }, 90_000);

  it("refuses a second one in the same folder, and says why", async () => {
    const before = output.length;
    const second = tenon("up", "--port", "0", "--data-dir", dataDir);
    expect(await ended(second)).toBe(1);
    expect(output.slice(before)).toMatch(/store\.sqlite.*(locked|in use|another process)/i);
    expect((await target.call("GET", "/readyz")).status).toBe(200);
  }, 60_000);

  it("stops everything on Ctrl-C and keeps what was stored", async () => {
    await kubectl("create ns kept");
    for (const child of others) child.kill("SIGTERM");
    await Promise.all(others.splice(0).map(ended));
    up.kill("SIGINT");
    expect(await ended(up)).toBe(0);
    expect(readdirSync(dataDir).filter((name) => name.endsWith(".pid"))).toEqual([]);
    output = "";
    up = tenon("up", "--port", "0", "--data-dir", dataDir, "--store", "sqlite");
    await eventually(
      async () => output,
      (text) => /^ready {2}https/m.test(text) || up.exitCode !== null,
      60,
    );
    expect(output).toMatch(/^ready {2}https/m);
    target = openTarget(join(dataDir, "kubeconfig"));
    expect(await kubectl("get ns kept")).toMatch(/^kept +Active/m);
  }, 120_000);
});

const TEXTBOOK = `apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.metrics.k8s.io}
spec:
  service: {name: metrics-server, namespace: kube-system}
  group: metrics.k8s.io
  version: v1beta1
  insecureSkipTLSVerify: false
  groupPriorityMinimum: 100
  versionPriority: 100
`;
