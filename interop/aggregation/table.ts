/**
 * Runs the cases of the aggregation layer against Tenon and against a real kube-apiserver, and writes the table of verdicts.
 * The real server must be built: `node tools/peers/build.ts kube-apiserver etcd kube-controller-manager`.
 *
 *     node interop/aggregation/table.ts                    # all, on both; writes interop/aggregation/verdicts.md
 *     node interop/aggregation/table.ts --only 16-20,33    # some of them; writes nothing
 *     node interop/aggregation/table.ts --on tenon         # or kube-apiserver; writes nothing
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { KUBERNETES } from "../../tools/peers/build.ts";
import type { Case } from "./case.ts";
import { CASES, SECTIONS } from "./cases.ts";
import { runCases, type Verdict } from "./run.ts";

const { values } = parseArgs({ options: { only: { type: "string" }, on: { type: "string" } } });
const servers = [
  { name: "tenon", upstream: false },
  { name: "kube-apiserver", upstream: true },
].filter(({ name }) => values.on === undefined || values.on === name);
const cases = CASES.filter(({ number }) => values.only === undefined || wanted(values.only, number));

function wanted(ranges: string, number: number): boolean {
  return ranges.split(",").some((range) => {
    const [first, last = first] = range.split("-").map(Number);
    return number >= first! && number <= last!;
  });
}

const begun = Date.now();
const verdicts = new Map<string, Map<number, Verdict>>();
await Promise.all(
  servers.map(async ({ name, upstream }) => {
    const found = await runCases(cases, {
      upstream,
      tell(one, { failure, seconds }) {
        console.log(
          `${name.padEnd(14)} ${String(one.number).padStart(2)} ${failure === "" ? "pass" : "FAIL"} ${seconds} s  ${one.name}`,
        );
        if (failure !== "") console.log(failure.replaceAll(/^/gm, "    "));
      },
    });
    verdicts.set(name, found);
  }),
);
const failed = [...verdicts].flatMap(([name, found]) =>
  [...found].filter(([, { failure }]) => failure !== "").map(([number]) => `${number} on ${name}`),
);
console.log(
  `${cases.length} cases, ${Math.round((Date.now() - begun) / 1000)} s; failed: ${failed.join(", ") || "none"}`,
);
if (values.only === undefined && values.on === undefined) {
  writeFileSync(new URL("verdicts.md", import.meta.url), table());
}
process.exit(failed.length === 0 ? 0 : 1);

function table(): string {
  const [ours, theirs] = [verdicts.get("tenon")!, verdicts.get("kube-apiserver")!];
  const passed = (found: Map<number, Verdict>) => [...found.values()].filter(({ failure }) => failure === "").length;
  const differing = cases.filter(({ differs }) => differs !== undefined).length;
  const lines = [
    "# The aggregation layer, case by case",
    "",
    "Written by `node interop/aggregation/table.ts`; not by hand.",
    "",
    `${cases.length} cases. Tenon: ${passed(ours)} pass, ${differing} of them with a difference that is meant. kube-apiserver ${KUBERNETES}: ${passed(theirs)} pass.`,
    "*differs*: each server does what it should, and ours does something else on purpose; the note names the row of [deviations](../../docs/deviations.md).",
  ];
  for (const { title, cases: section } of SECTIONS) {
    lines.push(
      "",
      `## ${title}`,
      "",
      `| | Case | Tenon | kube-apiserver ${KUBERNETES} | Note |`,
      "|---|---|---|---|---|",
    );
    for (const one of section) {
      const notes = [one.differs, one.note].filter((note) => note !== undefined).join("; ");
      const our = ours.get(one.number)?.failure === "" && one.differs !== undefined ? "differs" : word(ours, one);
      lines.push(`| ${one.number} | ${cell(one.name)} | ${our} | ${word(theirs, one)} | ${cell(notes)} |`);
    }
  }
  return `${lines.join("\n")}\n`;
}

function word(found: Map<number, Verdict>, one: Case): string {
  const verdict = found.get(one.number);
  if (verdict === undefined) return "not run";
  return verdict.failure === "" ? "pass" : `fail: ${cell(verdict.failure.split("\n")[0] ?? "")}`;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
