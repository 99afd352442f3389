/** Checks that imports between the rooms of `src/` point one way, as the table below says, and that clocks and randomness are injected. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

/** What each room may import beside itself. Every room may import `api`. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  api: [],
  schema: [],
  store: [],
  client: [],
  server: ["schema", "store"],
  kinds: ["schema", "server"],
  dial: ["client", "server", "kinds"],
  auth: ["server", "client", "kinds", "auth/delegated", "auth/pki"],
  "auth/delegated": ["server", "client", "auth/pki"],
  /** Keys, certificates and their verification: needs no other room. */
  "auth/pki": [],
  sdk: ["schema", "server", "store", "client", "auth/delegated", "auth/pki"],
  admission: ["schema", "server", "dial", "kinds", "client", "auth"],
  crd: ["schema", "server", "dial", "kinds", "client"],
  aggregator: ["server", "dial", "kinds", "client"],
  controllers: ["client"],
  kubelet: ["server", "client", "auth/delegated", "auth/pki"],
  "metrics-server": ["sdk", "client"],
  controlplane: ["*"],
  testing: ["*"],
  cli: ["*"],
};

/** Rooms wired above all others: nothing below may import them. */
const TOP = new Set(["controlplane", "testing", "cli"]);
/** Files that are allowed to read the machine's clock and randomness: the transports and the one place that makes the real ones. */
const READS_MACHINE = [
  /^src\/server\/transports\//,
  /^src\/client\/transports\//,
  /^src\/store\/engines\//,
  /machine\.ts$/,
  /^src\/api\/simulated\.ts$/,
  /\.test\.ts$/,
  /^src\/cli\//,
];

function* sources(folder: string): Generator<string> {
  for (const item of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, item.name);
    if (item.isDirectory()) yield* sources(path);
    else if (/\.tsx?$/.test(item.name)) yield path;
  }
}

function roomOf(path: string): string {
  const parts = relative("src", path).split("/");
  const inner = parts[0] === "auth" && (parts[1] === "delegated" || parts[1] === "pki");
  return inner ? `auth/${parts[1]}` : (parts[0] ?? "");
}

/** All violations, one line each, `file:line: what`. */
export function checkRooms(): string[] {
  const problems: string[] = [];
  for (const file of sources("src")) {
    const room = roomOf(file);
    const allowed = MAY_IMPORT[room];
    if (allowed === undefined) {
      problems.push(`${file}: "${room}" is no room of the house; rooms: ${Object.keys(MAY_IMPORT).join(", ")}`);
      continue;
    }
    const lines = readFileSync(file, "utf8").split("\n");
    lines.forEach((line, index) => {
      const at = `${file}:${index + 1}`;
      const specifier = /(?:from|import)\s*\(?\s*"([^"]+)"/.exec(line)?.[1];
      if (specifier?.startsWith(".")) {
        const target = roomOf(resolve(dirname(file), specifier));
        const fine =
          target === room ||
          target === "api" ||
          // Tests of every transport need certificates.
          (target === "auth/pki" && file.endsWith(".test.ts")) ||
          allowed.includes(target) ||
          (allowed.includes("*") && (!TOP.has(target) || room !== "controlplane"));
        if (!fine) problems.push(`${at}: room "${room}" may not import room "${target}" (${specifier})`);
      }
      if (room === "api" && specifier?.startsWith("node:") && !file.endsWith(".test.ts")) {
        problems.push(`${at}: room "api" does no I/O and imports nothing of node`);
      }
      if (!READS_MACHINE.some((pattern) => pattern.test(file))) {
        const read =
          /\b(Date\.now\(\)|new Date\(\)|Math\.random\(\)|performance\.now\(\)|setTimeout\(|setInterval\(|randomUUID\(|randomBytes\()/.exec(
            line,
          );
        if (read && !/^\s*(\/\/|\*|\/\*)/.test(line))
          problems.push(`${at}: ${read[1]} reads the machine; take a Clock or Random instead`);
      }
    });
  }
  return problems;
}

if (import.meta.main) {
  const problems = checkRooms();
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exit(1);
  console.log("rooms: imports point one way");
}
