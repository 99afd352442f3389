/** Reports for people: a line for each link, and what to do about the broken one. */
import { humanDuration, parseTime } from "../../api/time.ts";
import type { Report, Verdict } from "./report.ts";

const SIGNS: Record<Verdict, string> = { ok: "✓", broken: "✗", unknown: "–" };

/** How long ago, in kubectl's short form. */
function ago(since: string | undefined, now: number): string {
  const at = since === undefined ? undefined : parseTime(since);
  return at === undefined ? "" : humanDuration(now - at);
}

export function printReport(report: Report, now: number): string {
  const age = ago(report.since, now);
  const lines = [`${report.apiService}: Available ${report.available}${age && `, for ${age}`}`];
  for (const { link, verdict, reason, message, remedy, warnings = [] } of report.links) {
    lines.push(`  ${SIGNS[verdict]} ${link.padEnd(10)} ${reason === undefined ? "" : `${reason}: `}${message}`);
    if (remedy !== undefined) lines.push(`    ${"".padEnd(10)} → ${remedy}`);
    for (const warning of warnings) lines.push(`    ${"".padEnd(10)} ! ${warning}`);
  }
  return `${lines.join("\n")}\n`;
}

/** One line for each APIService. */
export function printOverview(reports: readonly Report[], now: number): string {
  const rows = reports.map((report) => {
    const warnings = report.links.flatMap((link) => link.warnings ?? []);
    const [broken] = report.links.filter(({ verdict }) => verdict === "broken");
    const unsure = report.available !== "True" && broken === undefined;
    const finding = broken === undefined ? (warnings[0] ?? "") : `${broken.link}: ${broken.reason}`;
    const sign = SIGNS[broken !== undefined ? "broken" : unsure ? "unknown" : "ok"];
    return [sign, report.apiService, report.available, ago(report.since, now), finding];
  });
  const table = [["", "NAME", "AVAILABLE", "FOR", "FINDING"], ...rows];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  return `${table
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]! + 1))
        .join(" ")
        .trimEnd(),
    )
    .join("\n")}\n`;
}
