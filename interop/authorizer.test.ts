/** examples/authorizer as its README tells it: an aggregated review API that the main server consults; on Tenon, and on a real kube-apiserver. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { kubeconfig } from "../src/auth/pki/kubeconfig.ts";
import { type Running, SERVERS } from "./servers.ts";
import { eventually } from "./story.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const README = readFileSync(join(ROOT, "examples/authorizer/README.md"), "utf8");
const REVIEWS = "/apis/authorizer.example.com/v1/subjectaccessreviews";

/** The flags and commands are those of the README. */
const FLAGS = /npm start -- (.*) --authorization-webhook-config-file/.exec(README)?.[1]?.split(" ") ?? [];
const QUESTIONS = [...README.matchAll(/^kubectl (auth can-i .*?) +# (.*)$/gm)].map(
  ([, command = "", answer = ""]) => [command, answer] as const,
);

for (const { name, built, start, environment } of SERVERS) {
  describe.skipIf(!built)(`examples/authorizer behind ${name}`, () => {
    const folder = mkdtempSync(join(tmpdir(), "tenon-authorizer-"));
    let running: Running;
    let authorizer: ChildProcess;
    let output = "";

    beforeAll(async () => {
      const file = join(folder, "authorizer.kubeconfig");
      running = await start(folder, ({ url, pki }) => {
        const admin = {
          certificateAuthority: pki.ca.cert,
          clientCertificate: pki.admin.cert,
          clientKey: pki.admin.keyPEM,
        };
        writeFileSync(file, kubeconfig({ name: "authorizer", server: url + REVIEWS, ...admin }), { mode: 0o600 });
        return [...FLAGS, "--authorization-webhook-config-file", file]
          .map((word, at, all) => (at % 2 === 0 ? `${word}=${all[at + 1]}` : ""))
          .filter((word) => word !== "");
      });
      authorizer = spawn(process.execPath, ["--conditions=source", "examples/authorizer/main.ts"], {
        cwd: ROOT,
        env: { ...process.env, KUBECONFIG: running.target.kubeconfig, ...environment },
        stdio: ["ignore", "pipe", "inherit"],
      });
      authorizer.stdout?.on("data", (chunk: Buffer) => {
        output += chunk.toString();
      });
      await eventually(
        async () => output,
        (text) => text.includes("ready"),
        30,
      );
      const available = await eventually(
        () => running.target.call("GET", "/apis/authorizer.example.com/v1"),
        ({ status }) => status === 200,
        60,
      );
      expect(available.json.resources).toMatchObject([{ name: "subjectaccessreviews", verbs: ["create"] }]);
    }, 150_000);

    afterAll(async () => {
      authorizer?.kill("SIGINT");
      await running?.stop();
      rmSync(folder, { recursive: true, force: true });
    });

    async function kubectl(command: string, stdin?: string): Promise<string> {
      const { code, stdout, stderr } = await running.target.kubectl(command.split(" "), stdin);
      expect(code, `kubectl ${command}: ${stderr}`).toBe(0);
      return stdout;
    }

    it("answers who asks it directly", async () => {
      const body = /<<< '(.*)'$/m.exec(README)?.[1];
      const { status } = JSON.parse(await kubectl(`create -f - --raw ${REVIEWS}`, body));
      expect(status).toEqual({ allowed: true, reason: "on call" });
      const refused = await running.target.kubectl(["get", "--raw", REVIEWS]);
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("MethodNotAllowed")]);
    });

    it("decides, and RBAC behind it", async () => {
      expect(QUESTIONS.length).toBe(4);
      for (const [command] of README.matchAll(/^kubectl create (?:namespace|role|rolebinding) .*$/gm)) {
        await kubectl(command.replace("kubectl ", ""));
      }
      for (const [command, expected] of QUESTIONS) {
        const wanted = expected.replace(/:.*/, "");
        const answer = await eventually(
          async () => (await running.target.kubectl(command.split(" "))).stdout.trim(),
          (text) => text === wanted,
          10,
        );
        expect(answer, command).toBe(wanted);
      }
      const refused = await running.target.kubectl("delete pod x -n production --as joe --as-group admins".split(" "));
      expect(refused.stderr).toContain(
        'pods "x" is forbidden: User "joe" cannot delete resource "pods" in API group "" in the namespace "production": nothing is deleted in production',
      );
    });

    it("is asked about extension servers' callers too", async () => {
      const listed = await kubectl("get configmaps -n production --as jane --as-group on-call -o name");
      expect(listed).toMatch(/^(configmap\/kube-root-ca\.crt\n)?$/);
      const asked = await running.target.kubectl(
        `create -f - --raw ${REVIEWS} --as jane --as-group on-call`.split(" "),
        "{}",
      );
      expect(asked.stderr).toContain(
        'cannot create resource "subjectaccessreviews" in API group "authorizer.example.com"',
      );
    });

    it("leaves, and RBAC alone decides", async () => {
      const gone = new Promise((resolve) => authorizer.once("exit", resolve));
      authorizer.kill("SIGINT");
      await gone;
      await eventually(
        () => running.target.call("GET", "/apis/authorizer.example.com/v1"),
        ({ status }) => status === 503,
        60,
      );
      expect(await kubectl("auth can-i list pods -n production --as joe --as-group admins")).toBe("yes\n");
      const refused = await running.target.kubectl("get services --as nobody-in-particular".split(" "));
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("Internal")]);
    });
  });
}
