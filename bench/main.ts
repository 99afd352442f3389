/** `npm run bench -- NAME [options]`: runs one benchmark in a process of its own; without a name lists them. */
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Files of this folder that are no benchmark but what benchmarks are made of. */
const PARTS = new Set([
  "main",
  "measure",
  "load",
  "servers",
  "hop-extension",
  "hop-extensions",
  "watchers",
  "usage",
  "usage-extension",
]);
/** Flags of Node a benchmark cannot do without. */
const FLAGS: Readonly<Record<string, readonly string[]>> = { store: ["--expose-gc"] };

const names = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
  .map((file) => file.slice(0, -3))
  .filter((name) => !PARTS.has(name))
  .sort();

/** The one sentence a benchmark's file opens with. */
function purpose(name: string): string {
  const text = readFileSync(join(import.meta.dirname, `${name}.ts`), "utf8");
  const comment = /\/\*\*([\s\S]*?)\*\//.exec(text)?.[1] ?? "";
  const sentence = comment.replaceAll(/\n\s*\* ?/g, " ").trim();
  return /^.*?[.:?](?=\s|$)/.exec(sentence)?.[0]?.replace(/:$/, ".") ?? sentence;
}

const [name, ...args] = process.argv.slice(2);
if (name === undefined || !names.includes(name) || !existsSync(join(import.meta.dirname, `${name}.ts`))) {
  console.log("npm run bench -- NAME [options]\n");
  const width = Math.max(...names.map((one) => one.length));
  for (const one of names) console.log(`  ${one.padEnd(width)}  ${purpose(one)}`);
  console.log("\nMost take --kubeconfig FILE [--pid PID] to measure any server; each prints its options with --help.");
  process.exit(name === undefined || name === "--help" ? 0 : 1);
}

const child = spawn(
  process.execPath,
  ["--disable-warning=ExperimentalWarning", ...(FLAGS[name] ?? []), join(import.meta.dirname, `${name}.ts`), ...args],
  { stdio: "inherit" },
);
// Ctrl-C reaches the child by itself; this process waits for it to clean up.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => child.kill("SIGTERM"));
child.once("exit", (code) => process.exit(code ?? 1));
