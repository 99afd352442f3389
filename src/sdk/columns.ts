/** Columns of `kubectl get` from JSON paths: the simple paths that printer columns of custom resources use. */
import type { JSONValue, KubeObject } from "../api/meta.ts";
import { humanDuration, parseTime } from "../api/time.ts";
import type { Cell, Column, TableColumns } from "../server/resource.ts";

export type ColumnInput =
  /** `.status.text` */
  | string
  | {
      readonly path: string;
      /** Default string; a date is printed as its age. */
      readonly type?: Column["type"];
      readonly format?: string;
      readonly description?: string;
      /** Above 0: only with `-o wide`. */
      readonly priority?: number;
    };

export type Step = string | number;

/** The steps of `.a.b[0]['c.d']`. Throws a TypeError for anything else. */
export function parsePath(path: string): Step[] {
  const steps: Step[] = [];
  let rest = path;
  while (rest !== "") {
    const match = /^(?:\.([A-Za-z_$][\w$-]*)|\[(\d+)\]|\['([^']*)'\]|\["([^"]*)"\])/.exec(rest);
    if (match === null) {
      throw new TypeError(
        `column path ${JSON.stringify(path)}: expected .name, [index] or ['name'] at ${JSON.stringify(rest)}`,
      );
    }
    steps.push(match[2] !== undefined ? Number(match[2]) : (match[1] ?? match[3] ?? match[4] ?? ""));
    rest = rest.slice(match[0].length);
  }
  if (steps.length === 0) throw new TypeError("a column path may not be empty; for example: .status.phase");
  return steps;
}

/** What stands at the end of a path; undefined when the way there ends before. */
export function follow(object: KubeObject, steps: readonly Step[]): JSONValue | undefined {
  let value: unknown = object;
  for (const step of steps) {
    if (value === null || typeof value !== "object" || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<Step, unknown>)[step];
  }
  return value as JSONValue;
}

/** Name first, Age last, the author's between them. */
export function columnsOf<T extends KubeObject>(given: Readonly<Record<string, ColumnInput>>): TableColumns<T> {
  const own = Object.entries(given).map(([name, input]) => {
    const { path, type = "string", ...rest } = typeof input === "string" ? { path: input } : input;
    return { steps: parsePath(path), column: { name, type, ...rest } as Column };
  });
  return {
    columns: [
      { name: "Name", type: "string", format: "name" },
      ...own.map(({ column }) => column),
      { name: "Age", type: "date" },
    ],
    cells: (object, now) => [
      object.metadata.name ?? "",
      ...own.map(({ steps, column }) => cell(follow(object, steps), column.type, now)),
      object.metadata.creationTimestamp ? age(object.metadata.creationTimestamp, now) : "<unknown>",
    ],
  };
}

function age(time: string, now: number): string {
  const then = parseTime(time);
  return then === undefined || Number.isNaN(then) ? "<invalid>" : humanDuration(now - then);
}

function cell(value: JSONValue | undefined, type: Column["type"], now: number): Cell {
  if (value === undefined || value === null) return null;
  switch (type) {
    case "date":
      return typeof value === "string" ? age(value, now) : "<invalid>";
    case "integer":
    case "number":
      return typeof value === "number" ? value : typeof value === "bigint" ? Number(value) : null;
    case "boolean":
      return typeof value === "boolean" ? value : null;
    default:
      return typeof value === "string" ? value : typeof value === "object" ? JSON.stringify(value) : String(value);
  }
}

/** Values of the given paths by the names that field selectors use: the path without its first dot. Absent is "". */
export function selectableFields<T extends KubeObject>(
  paths: readonly string[],
): Readonly<Record<string, (object: T) => string>> {
  return Object.fromEntries(
    paths.map((path) => {
      const steps = parsePath(path);
      const value = (object: T) => {
        const found = follow(object, steps);
        return found === undefined || found === null || typeof found === "object" ? "" : String(found);
      };
      return [path.replace(/^\./, ""), value];
    }),
  );
}
