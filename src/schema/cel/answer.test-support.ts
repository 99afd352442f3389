/** Evaluates an expression as the program does that made the tables in testdata, and prints the answer the way it does. */
import type { JSONValue } from "../../api/meta.ts";
import type { Schema } from "../types.ts";
import { optionalOf } from "./check/types.ts";
import { compile } from "./compile.ts";
import { declare } from "./declaration/declare.ts";
import { kubernetesEnvironment } from "./library/kubernetes.ts";
import { formatDouble } from "./library/text.ts";
import { CelError } from "./values/errors.ts";
import { ListValue } from "./values/list.ts";
import { MapValue } from "./values/map.ts";
import { Double, Uint } from "./values/numbers.ts";
import { Duration, formatTimestamp, Timestamp } from "./values/time.ts";
import { NONE, Opaque, Optional, TypeValue, type Value } from "./values/value.ts";

export interface Question {
  expr: string;
  schema?: Schema;
  resource?: boolean;
  self?: JSONValue;
  oldSelf?: JSONValue;
  optionalOldSelf?: boolean;
}

export interface Answer {
  /** Why it does not compile. */
  compile?: string;
  type?: string;
  value?: unknown;
  error?: string;
  cost: number;
}

const LIMIT = 1_000_000;

export function answer(question: Question): Answer {
  const variables = new Map();
  const values: Value[] = [];
  if (question.schema !== undefined) {
    const declaration = declare(question.schema, question.resource === true);
    if (declaration === undefined) return { compile: "no declaration", cost: 0 };
    const { type, read } = declaration;
    variables.set("self", type);
    variables.set("oldSelf", question.optionalOldSelf ? optionalOf(type) : type);
    values.push(question.self === undefined ? new CelError("no such attribute(s): self") : read(question.self));
    const old = question.oldSelf ?? undefined;
    if (question.optionalOldSelf) values.push(old === undefined ? NONE : new Optional(read(old)));
    else values.push(old === undefined ? new CelError("no such attribute(s): oldSelf") : read(old));
  }
  const compiled = compile(question.expr, { ...kubernetesEnvironment(), variables });
  if ("syntax" in compiled) return { compile: compiled.syntax, cost: 0 };
  if ("instantiation" in compiled) return { compile: `instantiation: ${compiled.instantiation}`, cost: 0 };
  const { value, cost } = compiled.expression.evaluate(values, LIMIT);
  const type = String(compiled.expression.type);
  if (value instanceof CelError) return { type, error: value.message, cost };
  return { type, value: value === null ? "null" : show(value), cost };
}

function show(value: Value): unknown {
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (typeof value === "string") return { s: value };
  if (value instanceof Uint) return `${value.value}u`;
  if (value instanceof Double) return `${formatDouble(value.value)} double`;
  if (value instanceof Uint8Array) return `b${Buffer.from(value).toString("base64")}`;
  if (value instanceof Timestamp) return `timestamp ${formatTimestamp(value)}`;
  if (value instanceof Duration) return `duration ${value.nanos}`;
  if (value instanceof Optional) return value.value === undefined ? { none: true } : { some: show(value.value) };
  if (value instanceof TypeValue) return `type ${value.type.name}`;
  if (value instanceof ListValue) return value.values().map(show);
  if (value instanceof MapValue) {
    const entries = [...value.keys()].map((key) => [show(key), show(value.find(key)!)]);
    return { map: entries.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) };
  }
  return value instanceof Opaque ? `opaque ${value.typeName}` : String(value);
}
