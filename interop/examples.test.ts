/** The examples as their READMEs tell a newcomer to run them. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, inject, it } from "vitest";
import { eventually } from "./story.ts";
import { openTarget } from "./target.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const kubeconfig = inject("kubeconfig");
const target = openTarget(kubeconfig);

async function kubectl(command: string): Promise<string> {
  const { code, stdout, stderr } = await target.kubectl(command.split(" "));
  expect(code, `kubectl ${command}: ${stderr}`).toBe(0);
  return stdout;
}

describe("examples/joke", () => {
  it("is thirty lines", () => {
    const lines = readFileSync(`${ROOT}examples/joke/main.ts`, "utf8").trimEnd().split("\n");
    expect(lines.length).toBeLessThanOrEqual(30);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(120);
  });

  it("joins the API, answers kubectl, leaves", async () => {
    const joke = spawn(process.execPath, ["--conditions=source", "examples/joke/main.ts"], {
      cwd: ROOT,
      env: { ...process.env, KUBECONFIG: kubeconfig },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = new Promise<number | null>((resolve) => joke.once("exit", resolve));
    let output = "";
    joke.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    try {
      await eventually(
        async () => output,
        (text) => text.includes("ready"),
        30,
      );
      expect(output).toMatch(/^ready {2}jokes\.fun\.example\.com on port \d+/);
      const available = await eventually(
        () => kubectl("get apiservice v1.fun.example.com --no-headers"),
        (line) => line.includes("True"),
      );
      expect(available).toMatch(/default\/joke +True/);
      const listed = await eventually(
        () => target.kubectl(["get", "jokes"]),
        (answer) => answer.code === 0,
      );
      expect(listed.stdout).toMatch(/^NAME +TOPIC +TEXT +TOLD +AGE\ncats +cats +A cat knows/);
      expect(await kubectl("get jk tenons -o jsonpath={.spec.topic}")).toBe("tenons");
      expect(await kubectl("explain joke.spec")).toMatch(/^ {2}topic\t<string> -required-$/m);
      const watched = await target.kubectl(["get", "jokes", "-w", "--request-timeout=3s", "-o", "name"]);
      expect(watched.stdout.split("\n").length).toBeGreaterThan(4);
      const refused = await target.kubectl(["auth", "can-i", "get", "jokes.fun.example.com", "--as", "jane"]);
      expect(refused.stdout).toBe("no\n");
    } finally {
      joke.kill("SIGINT");
    }
    expect(await ended).toBe(0);
    const left = await eventually(
      () => kubectl("get apiservice v1.fun.example.com --no-headers"),
      (line) => line.includes("False"),
    );
    expect(left).toContain("False (MissingEndpoints)");
  }, 90_000);
});
