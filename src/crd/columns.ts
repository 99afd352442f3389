/** The printer columns of custom resources: JSON paths into the object, printed as upstream prints them (spec: apiserver 8.9). */
import { stringifySorted } from "../api/json/canonical.ts";
import type { JSONValue } from "../api/meta.ts";
import { UNKNOWN } from "../api/table.ts";
import { humanDuration, parseTime } from "../api/time.ts";
import { NAME_COLUMN } from "../kinds/columns.ts";
import type { CustomResourceColumnDefinition, CustomResourceSubresourceScale } from "../kinds/generated/types.ts";
import type { Cell, Column, TableColumns } from "../server/resource.ts";
import { type JSONPath, JSONPathError, parseJSONPath } from "./json-path.ts";

const AGE: CustomResourceColumnDefinition = {
  name: "Age",
  type: "date",
  description: "Time since the object was created.",
  jsonPath: ".metadata.creationTimestamp",
};

/** Name and what the definition asks for; without columns of its own, the age. A path that is none leaves the name alone. */
export function columnsOf(given: readonly CustomResourceColumnDefinition[] | undefined): TableColumns {
  const asked = given === undefined || given.length === 0 ? [AGE] : given;
  let read: { readonly path: JSONPath; readonly column: Column }[] = [];
  try {
    read = asked.map((column) => ({ path: parseJSONPath(column.jsonPath), column: columnOf(column) }));
  } catch (error) {
    if (!(error instanceof JSONPathError)) throw error;
  }
  return {
    columns: [NAME_COLUMN, ...read.map(({ column }) => column)],
    cells: (object, now) => [
      object.metadata.name ?? "",
      ...read.map(({ path, column }) => {
        const value = firstOf(path, object as unknown as JSONValue);
        if (value === undefined) return null;
        return column.type === "string" ? printed(value) : cell(value, column.type, now);
      }),
    ],
  };
}

/** What `kubectl get --subresource=scale` shows. */
export function scaleColumns({ specReplicasPath, statusReplicasPath }: CustomResourceSubresourceScale): TableColumns {
  const integer = (name: string, description: string, jsonPath: string) => ({
    name,
    type: "integer",
    description,
    jsonPath,
  });
  return columnsOf([
    ...(specReplicasPath ? [integer("Desired", "Number of desired replicas", ".spec.replicas")] : []),
    ...(statusReplicasPath ? [integer("Available", "Number of actual replicas", ".status.replicas")] : []),
    AGE,
  ]);
}

function columnOf(given: CustomResourceColumnDefinition): Column {
  const { name, format, priority, jsonPath } = given;
  return {
    name,
    type: given.type as Column["type"],
    description: given.description || `Custom resource definition column (in JSONPath format): ${jsonPath}`,
    ...(format && { format }),
    ...(priority && { priority }),
  };
}

function firstOf(path: JSONPath, object: JSONValue): JSONValue | undefined {
  try {
    return path(object)[0];
  } catch (error) {
    if (error instanceof JSONPathError) return undefined;
    throw error;
  }
}

/** As Go prints a value into text; lists and objects are JSON. */
function printed(value: JSONValue): string {
  if (value === null) return "<no value>";
  if (typeof value === "object") return stringifySorted(value);
  return typeof value === "number" ? goFloat(value) : String(value);
}

/** Go writes small numbers with an exponent sooner than JavaScript, and two digits of it. */
export function goFloat(value: number): string {
  const text = value !== 0 && Math.abs(value) < 1e-4 ? value.toExponential() : String(value);
  return text.replace(/e([+-])(\d)$/, "e$10$2");
}

function cell(value: JSONValue, type: Column["type"], now: number): Cell {
  switch (type) {
    case "integer":
      if (typeof value === "bigint") return value as unknown as number;
      return typeof value === "number" ? Math.trunc(value) : null;
    case "number":
      if (typeof value === "bigint") return Number(value);
      return typeof value === "number" ? value : null;
    case "boolean":
      return typeof value === "boolean" ? value : null;
    case "date":
      return typeof value === "string" ? age(value, now) : null;
    default:
      return null;
  }
}

function age(moment: string, now: number): string {
  if (moment === "" || moment === "null") return UNKNOWN;
  const then = parseTime(moment);
  return then === undefined ? "<invalid>" : humanDuration(now - then);
}
