/** Whether a configuration fits the kind at all, before anything is merged (spec: apiserver 2.14, 5.5). */

import { printGo } from "../go-print.ts";
import { stringifyJSON } from "../json/encode.ts";
import { isObject } from "../json/object.ts";
import type { JSONValue } from "../meta.ts";
import { determined, ElementError, elementOf, type Shape, showElement } from "./shape.ts";

/** How many mistakes are told. */
const MOST = 100;

/** Upstream's texts, one line each; none when all is well. Elements with equal keys are a mistake here. */
export function misfits(shape: Shape, value: JSONValue): string[] {
  const out: string[] = [];
  check(shape, value, "", out);
  return out;
}

/** As Go prints the value it holds. */
const shown = (value: JSONValue) => `&{${printGo(value)}}`;
const at = (path: string, message: string) => (path === "" ? message : `${path}: ${message}`);

function check(shape: Shape, value: JSONValue, path: string, out: string[]): void {
  if (value === null || out.length >= MOST) return;
  const kind = determined(shape, value);
  if (kind.type === "scalar") {
    const wrong = scalarProblem(kind.scalar, value);
    if (wrong !== undefined) out.push(at(path, wrong));
    return;
  }
  if (kind.type === "list") {
    if (!Array.isArray(value)) {
      out.push(at(path, `expected list, got ${shown(value)}`));
      return;
    }
    const seen = new Set<string>();
    for (const [index, item] of value.entries()) {
      let below = `[${index}]`;
      if (kind.relation !== "atomic") {
        try {
          const element = elementOf(kind, item);
          below = showElement(element);
          if (seen.has(element)) out.push(at(path, `duplicate entries for key ${below}`));
          seen.add(element);
        } catch (error) {
          if (!(error instanceof ElementError)) throw error;
          out.push(at(path, `element ${index}: ${error.message}`));
          return;
        }
      }
      check(kind.element(), item, path + below, out);
    }
    return;
  }
  if (!isObject(value)) {
    out.push(at(path, `expected map, got ${shown(value)}`));
    return;
  }
  for (const [name, member] of Object.entries(value)) {
    const inner = kind.field(name) ?? kind.members?.();
    if (inner === undefined) {
      out.push(`${path}.${name}: field not declared in schema`);
      return;
    }
    check(inner, member, `${path}.${name}`, out);
  }
}

function scalarProblem(scalar: string, value: JSONValue): string | undefined {
  const type = typeof value;
  switch (scalar) {
    case "numeric":
      return type === "number" || type === "bigint"
        ? undefined
        : `expected numeric (int or float), got ${goType(value)}`;
    case "string":
      return type === "string"
        ? undefined
        : `expected string, got &value.valueUnstructured{Value:${stringifyJSON(value)}}`;
    case "boolean":
      return type === "boolean" ? undefined : `expected boolean, got ${shown(value)}`;
    default:
      return type === "object" ? `expected any scalar, got ${shown(value)}` : undefined;
  }
}

function goType(value: JSONValue): string {
  if (typeof value === "string") return "string";
  if (typeof value === "boolean") return "bool";
  return Array.isArray(value) ? "[]interface {}" : "map[string]interface {}";
}
