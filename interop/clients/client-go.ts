/** Builds the client-go program beside this file, once for its sources; needs Go and its module proxy or cache. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const SOURCES = fileURLToPath(new URL("client-go/", import.meta.url));
const PROGRAMS = fileURLToPath(new URL("../../.peers/bin/", import.meta.url));

export interface Built {
  /** The path of the program; undefined when it could not be made here. */
  readonly program?: string;
  /** Why it could not. */
  readonly reason?: string;
}

export async function buildClientGo(): Promise<Built> {
  const hash = createHash("sha256");
  for (const file of readdirSync(SOURCES).sort()) hash.update(file).update(readFileSync(join(SOURCES, file)));
  const program = join(PROGRAMS, `client-go-${hash.digest("hex").slice(0, 12)}`);
  if (existsSync(program)) return { program };
  try {
    await run("go", ["version"]);
  } catch {
    return { reason: "Go is not installed" };
  }
  mkdirSync(PROGRAMS, { recursive: true });
  try {
    await run("go", ["build", "-o", program, "."], { cwd: SOURCES, timeout: 15 * 60_000 });
  } catch (error) {
    return { reason: `it does not build: ${(error as { stderr?: string }).stderr?.trim() || error}` };
  }
  return { program };
}

if (import.meta.main) {
  const { program, reason } = await buildClientGo();
  console.log(program ?? reason);
}
