/**
 * Runs the stories against Tenon and against a real kube-apiserver, and writes the table of verdicts to `interop/verdicts.md`.
 * The real server must be built: `node tools/peers/build.ts kube-apiserver etcd kube-controller-manager`.
 *
 *     node interop/verdicts.ts
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { KUBERNETES, PEERS } from "../tools/peers/build.ts";
import { startPeer } from "../tools/peers/start.ts";

interface Report {
  testResults: { name: string; assertionResults: { fullName: string; status: string }[] }[];
}

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** Story → verdict, in the order the stories stand in their files. */
function run(kubeconfig: string | undefined): Map<string, string> {
  const output = join(mkdtempSync(join(tmpdir(), "tenon-verdicts-")), "report.json");
  const env = { ...process.env };
  if (kubeconfig !== undefined) env["TENON_INTEROP_KUBECONFIG"] = kubeconfig;
  spawnSync("vitest", ["run", "--project", "interop", "interop/stories", "--reporter=json", `--outputFile=${output}`], {
    cwd: ROOT,
    env,
    stdio: ["ignore", "ignore", "inherit"],
  });
  const report = JSON.parse(readFileSync(output, "utf8")) as Report;
  const verdicts = new Map<string, string>();
  for (const file of report.testResults.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const story = /([^/]+)\.test\.ts$/.exec(file.name)?.[1] ?? file.name;
    for (const { fullName, status } of file.assertionResults) {
      // Names of namespaces are made for each run.
      const name = fullName.replaceAll(/story-\w+-\w+-\w+/g, "<namespace>").replaceAll("|", "\\|");
      verdicts.set(`${story} | ${name}`, status);
    }
  }
  return verdicts;
}

const peer = await startPeer({ folder: join(PEERS, "run-verdicts") });
let theirs: Map<string, string>;
try {
  theirs = run(peer.kubeconfig);
} finally {
  await peer.stop();
}
const ours = run(undefined);

const names = [...new Set([...theirs.keys(), ...ours.keys()])];
const verdict = (status: string | undefined) => (status === "passed" ? "pass" : (status ?? "not run"));
const different = names.filter((name) => verdict(ours.get(name)) !== verdict(theirs.get(name)));
const count = (verdicts: Map<string, string>) => [...verdicts.values()].filter((status) => status === "passed").length;
writeFileSync(
  join(ROOT, "interop", "verdicts.md"),
  [
    "# Verdicts",
    "",
    "Written by `node interop/verdicts.ts`; not by hand.",
    "",
    `${names.length} stories. Tenon: ${count(ours)} pass. kube-apiserver ${KUBERNETES}: ${count(theirs)} pass. Different: ${different.length}.`,
    "",
    `| Story | | Tenon | kube-apiserver ${KUBERNETES} |`,
    "|---|---|---|---|",
    ...names.map((name) => `| ${name} | ${verdict(ours.get(name))} | ${verdict(theirs.get(name))} |`),
    "",
  ].join("\n"),
);
for (const name of different)
  console.log(`different: ${name}: ${verdict(ours.get(name))} here, ${verdict(theirs.get(name))} there`);
console.log(`${names.length} stories, ${different.length} different`);
process.exit(different.length === 0 ? 0 : 1);
