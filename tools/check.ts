/** `npm run check`: everything that must hold before a commit, in the order of how fast it answers. */
import { spawnSync } from "node:child_process";

const steps: readonly (readonly [name: string, ...command: string[]])[] = [
  ["format and lint", "biome", "check", "--error-on-warnings", "."],
  ["room imports", "node", "tools/rooms.ts"],
  ["types", "tsc", "-p", "tsconfig.tests.json"],
  ["dead code", "knip"],
  ["build", "npm", "run", "--silent", "build"],
  ["package", "publint", "--strict"],
  ["package types", "attw", "--pack", ".", "--profile", "esm-only", "--quiet"],
  ["tests", "vitest", "run"],
];

const only = process.argv.slice(2);
let failed = 0;
for (const [name, command, ...args] of steps) {
  if (only.length > 0 && !only.includes(name)) continue;
  const started = performance.now();
  const result = spawnSync(command!, args, { stdio: "inherit" });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const verdict = result.status === 0 ? "ok" : "FAILED";
  console.log(`${verdict.padEnd(6)} ${name} (${seconds} s)`);
  if (result.status !== 0) failed++;
}
process.exit(failed === 0 ? 0 : 1);
