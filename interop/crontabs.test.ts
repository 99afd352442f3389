/** examples/operator and examples/aggregated as their READMEs tell them: one controller on CronTabs, defined and aggregated; on Tenon and on a real kube-apiserver. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { load } from "js-yaml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Running, SERVERS } from "./servers.ts";
import { eventually } from "./story.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const CRD = "examples/operator/crd.yaml";

interface Program {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  output(): string;
}

/** Runs what a README says in `npx node …`, and waits for its ready line. */
async function run(readme: string, file: string, environment: Record<string, string>): Promise<Program> {
  const [, command = ""] =
    new RegExp(`^npx node (.*${file})`, "m").exec(readFileSync(join(ROOT, readme), "utf8")) ?? [];
  const child = spawn(process.execPath, command.split(" "), {
    cwd: ROOT,
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  await eventually(
    async () => output,
    (text) => text.includes("ready") || child.exitCode !== null,
    30,
  );
  expect(output).toMatch(/^ready {2}/);
  return { child, ended, output: () => output };
}

it("crd.yaml is what the definition prints", () => {
  const print = ["--conditions=source", "examples/aggregated/print.ts"];
  const printed = execFileSync(process.execPath, print, { cwd: ROOT });
  expect(load(readFileSync(join(ROOT, CRD), "utf8"))).toEqual(JSON.parse(printed.toString()));
});

for (const { name, built, start, environment } of SERVERS) {
  describe.skipIf(!built)(`CronTabs on ${name}`, () => {
    const folder = mkdtempSync(join(tmpdir(), "tenon-crontabs-"));
    const programs: Program[] = [];
    let running: Running;
    let settings: Record<string, string>;

    beforeAll(async () => {
      running = await start(folder, () => []);
      settings = { KUBECONFIG: running.target.kubeconfig, STORE: join(folder, "crontabs.sqlite"), ...environment };
    }, 120_000);

    afterAll(async () => {
      for (const { child } of programs) child.kill("SIGKILL");
      await running?.stop();
      rmSync(folder, { recursive: true, force: true });
    });

    const attempt = (command: string, stdin?: string) =>
      running.target.kubectl(
        command.match(/'[^']*'|\S+/g)!.map((word) => word.replaceAll("'", "")),
        stdin,
      );
    async function kubectl(command: string, stdin?: string): Promise<string> {
      const { code, stdout, stderr } = await attempt(command, stdin);
      expect(code, `kubectl ${command}: ${stderr}`).toBe(0);
      return stdout;
    }
    const waitFor = (command: string, wanted: string | RegExp) =>
      eventually(
        async () => (await attempt(command)).stdout,
        (text) => (typeof wanted === "string" ? text === wanted : wanted.test(text)),
      );
    const program = async (readme: string, file: string) => {
      const started = await run(readme, file, settings);
      programs.push(started);
      return started;
    };
    const line = "0 3 * * * example.com/backup\n";
    const lines = "get configmap crontab-nightly -o jsonpath={.data.crontab}";

    async function lifeOfACronTab(): Promise<void> {
      await eventually(
        () => attempt(`apply -f ${join(ROOT, "examples/operator/crontab.yaml")}`),
        ({ code }) => code === 0,
      );
      expect(await kubectl("get crontabs")).toMatch(
        /^NAME +SCHEDULE +IMAGE +REPLICAS +AGE\nnightly +0 3 \* \* \* +example.com\/backup +2 +\d+s/,
      );
      const operator = await program("examples/operator/README.md", "examples/operator/main.ts");
      expect(await waitFor(lines, line.repeat(2))).toBe(line.repeat(2));
      expect(await waitFor("get ct -o wide", /crontab-nightly/)).toMatch(
        /^NAME +SCHEDULE +IMAGE +REPLICAS +CONFIGMAP +AGE\n.* 2 +crontab-nightly /,
      );
      await kubectl("scale ct nightly --replicas=3");
      expect(await waitFor(lines, line.repeat(3))).toBe(line.repeat(3));
      expect(await waitFor("get ct nightly --subresource=status -o jsonpath={.status.replicas}", "3")).toBe("3");
      await kubectl("delete configmap crontab-nightly --wait=false");
      expect(await waitFor(lines, line.repeat(3)), "what was deleted comes back").toBe(line.repeat(3));
      const owner = await kubectl("get configmap crontab-nightly -o jsonpath={.metadata.ownerReferences[0].uid}");
      expect(owner).toBe(await kubectl("get ct nightly -o jsonpath={.metadata.uid}"));
      expect(await waitFor("get events -o name", /event/)).toContain("event/nightly.");
      expect(await kubectl("explain ct.spec")).toMatch(/cronSpec\t<string> -required-\n +When: minute/);
      expect(await kubectl("get ct --field-selector spec.image=example.com/backup -o name")).toContain("/nightly");
      expect(await kubectl("get ct --field-selector spec.image=other -o name")).toBe("");
      expect(await kubectl("get all -o name")).toContain("crontab.stable.example.com/nightly");
      const refused = await attempt(`patch ct nightly --type merge -p {"spec":{"cronSpec":"often"}}`);
      expect(refused.stderr).toContain("spec.cronSpec in body should match '^(\\S+ ){4}\\S+$'");
      // A second one waits, and takes over when the first gives its Lease back.
      const second = await program("examples/operator/README.md", "examples/operator/main.ts");
      operator.child.kill("SIGINT");
      expect(await operator.ended).toBe(0);
      await kubectl("scale ct nightly --replicas=1");
      expect(await waitFor(lines, line)).toBe(line);
      second.child.kill("SIGINT");
      expect(await second.ended, second.output()).toBe(0);
      await kubectl("delete ct nightly");
      await kubectl("delete configmap crontab-nightly --ignore-not-found");
      await kubectl("delete events --all");
    }

    it("as a definition", async ({ skip }) => {
      await kubectl(`apply -f ${join(ROOT, CRD)}`);
      const served = await eventually(
        () => attempt("get crontabs"),
        ({ code }) => code === 0,
        15,
      );
      if (served.code !== 0) skip("this server stores definitions and does not serve them");
      await lifeOfACronTab();
    }, 120_000);

    it("aggregated", async () => {
      await kubectl(`delete -f ${join(ROOT, CRD)}`);
      const server = await program("examples/aggregated/README.md", "examples/aggregated/main.ts");
      const available = "get apiservice v1.stable.example.com --no-headers";
      expect(await waitFor(available, /True/)).toMatch(/^v1\.stable\.example\.com +default\/crontabs +True/);
      await eventually(
        () => attempt("get crontabs"),
        ({ code }) => code === 0,
      );
      await lifeOfACronTab();
      server.child.kill("SIGINT");
      expect(await server.ended, server.output()).toBe(0);
      expect(await waitFor(available, /False/)).toMatch(/False/);
    }, 120_000);
  });
}
