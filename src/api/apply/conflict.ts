/** How an apply says whose fields it would change (spec: apiserver 5.5). */
import { StatusError } from "../status.ts";
import type { Owner } from "./managed.ts";
import type { Conflicts } from "./owners.ts";
import { showPath } from "./shape.ts";

function show({ manager, operation, apiVersion, subresource }: Owner): string {
  const name = JSON.stringify(manager) + (subresource === "" ? "" : ` with subresource ${JSON.stringify(subresource)}`);
  return operation === "Apply" ? name : `${name} using ${apiVersion}`;
}

/** 409, one cause for each field. */
export function conflictError({ conflicts }: Conflicts): StatusError {
  const byManager = new Map<string, string[]>();
  const causes = conflicts.map(({ owner, path }) => {
    const name = show(owner);
    const field = showPath(path);
    const fields = byManager.get(name);
    if (fields === undefined) byManager.set(name, [field]);
    else fields.push(field);
    return { reason: "FieldManagerConflict", message: `conflict with ${name}`, field };
  });
  const lines = [...byManager].sort(([a], [b]) => (a < b ? -1 : 1));
  const what =
    causes.length === 1
      ? `1 conflict: ${causes[0]!.message}: ${causes[0]!.field}`
      : `${causes.length} conflicts: ${lines
          .flatMap(([name, fields]) => [`conflicts with ${name}:`, ...fields.map((field) => `- ${field}`)])
          .join("\n")}`;
  return new StatusError(409, "Conflict", `Apply failed with ${what}`, { causes });
}
