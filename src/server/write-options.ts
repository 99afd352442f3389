/** The options of POST, PUT and PATCH: dryRun, fieldManager, fieldValidation, force (spec: apiserver 2.7). */
import { forbiddenField, notSupported, required } from "../api/field-errors.ts";
import { validateFieldManager } from "../api/object-meta.ts";
import { type FieldError, invalid } from "../api/status.ts";
import type { Exchange } from "./exchange.ts";
import { booleanParameter, textParameter } from "./query-values.ts";

export type FieldValidation = "Ignore" | "Warn" | "Strict";

export interface WriteOptions {
  readonly dryRun: boolean;
  /** As given, or the User-Agent up to its first slash. */
  readonly fieldManager: string;
  readonly fieldValidation: FieldValidation;
  /** An apply takes fields over from other managers. */
  readonly force: boolean;
}

const FIELD_VALIDATION = ["", "Ignore", "Strict", "Warn"];

export function validateDryRun(values: readonly string[]): FieldError[] {
  return values.every((value) => value === "All") ? [] : [notSupported("dryRun", values, ["All"])];
}

function managerOf(exchange: Exchange, asked: string): string {
  if (asked !== "") return asked;
  const agent = (exchange.header("user-agent") ?? "").split("/", 1)[0] ?? "";
  let manager = "";
  for (const character of agent) {
    if (Buffer.byteLength(manager + character) > 128) break;
    manager += character;
  }
  return manager === "" ? "unknown" : manager;
}

/** `kind` is CreateOptions, UpdateOptions or PatchOptions; throws 422 in its name. `apply`: who applies must say who it is, and may force. */
export function decodeWriteOptions(
  exchange: Exchange,
  kind: "CreateOptions" | "UpdateOptions" | "PatchOptions",
  apply = false,
): WriteOptions {
  const { query } = exchange;
  const dryRun = query.getAll("dryRun");
  const fieldManager = textParameter(query, "fieldManager");
  const validation = textParameter(query, "fieldValidation");
  const errors: FieldError[] = [];
  const force = kind === "PatchOptions" ? booleanParameter(query, "force") : undefined;
  if (apply) {
    if (fieldManager === "") errors.push(required("fieldManager", "is required for apply patch"));
  } else if (force !== undefined) errors.push(forbiddenField("force", "may not be specified for non-apply patch"));
  errors.push(...validateFieldManager(fieldManager), ...validateDryRun(dryRun));
  if (!FIELD_VALIDATION.includes(validation)) {
    errors.push(notSupported("fieldValidation", validation, FIELD_VALIDATION));
  }
  if (errors.length > 0) throw invalid({ group: "meta.k8s.io", kind }, "", errors);
  return {
    dryRun: dryRun.length > 0,
    fieldManager: managerOf(exchange, fieldManager),
    fieldValidation: validation === "" ? "Warn" : (validation as FieldValidation),
    force: force ?? false,
  };
}
