/** What a real kube-apiserver 1.36.3 answered to objects of ours, replayed: `testdata/*.jsonl` holds a schema a line, with the bodies that were sent one after the other. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { FieldError } from "../api/field-errors.ts";
import { cloneJSON, parseJSONText } from "../api/json/index.ts";
import type { JSONObject, KubeObject } from "../api/meta.ts";
import { dns1123Subdomain } from "../api/names.ts";
import { validateObjectMeta } from "../api/object-meta.ts";
import { StatusError } from "../api/status.ts";
import { structuralCodec } from "./codec.ts";
import type { Schema } from "./types.ts";

interface Step {
  /** The definition's schema is replaced by this one; nothing is sent. */
  schema?: Schema;
  /** Created anew: what an earlier step left is deleted. */
  fresh?: boolean;
  /** Sent to the status sub-resource. */
  status?: boolean;
  body: JSONObject;
  object?: JSONObject;
  errors?: string[];
  refused?: string;
  warnings?: string[];
}

interface Case {
  name: string;
  schema: Schema;
  /** The definition has a status sub-resource. */
  status?: boolean;
  fieldValidation?: "Strict" | "Warn";
  steps: Step[];
}

const KIND = { group: "diff.example.com", version: "v1", kind: "K" };
const RULES = { namespaced: false, nameRule: dns1123Subdomain };

function casesOf(file: string): Case[] {
  const lines = readFileSync(join(import.meta.dirname, "testdata", file), "utf8")
    .trim()
    .split("\n");
  return lines.map((line) => parseJSONText(line).value as unknown as Case);
}

/** A value and no bytes: floats beyond 2^53 keep being floats. */
function sent(body: JSONObject): JSONObject {
  return cloneJSON({
    apiVersion: "diff.example.com/v1",
    kind: "K",
    ...body,
    metadata: { name: "a", uid: "u" },
  }) as JSONObject;
}

function withoutMeta(object: KubeObject): JSONObject {
  const { apiVersion: _version, kind: _kind, metadata: _metadata, ...rest } = object;
  return rest as JSONObject;
}

async function replay({ schema, status, fieldValidation, steps }: Case): Promise<void> {
  let codec = structuralCodec(KIND, schema);
  let old: JSONObject | undefined;
  for (const step of steps) {
    if (step.schema !== undefined) {
      codec = structuralCodec(KIND, step.schema);
      if (old !== undefined) codec.structure.normalizeStored(old);
      continue;
    }
    if (step.fresh) old = undefined;
    const warnings: string[] = [];
    let object: JSONObject;
    try {
      const decoded = codec.fromValue(sent(step.body));
      object = decoded.object as unknown as JSONObject;
      if (fieldValidation === "Strict" && decoded.problems.length > 0) {
        const text = `K in version "v1" cannot be handled as a K: strict decoding error: ${decoded.problems.join(", ")}`;
        expect(text).toBe(step.refused);
        continue;
      }
      if (fieldValidation === "Warn") warnings.push(...decoded.problems);
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      expect(error.message).toBe(step.refused);
      continue;
    }
    if (status === true) object = statusRules(object, old, step.status === true);
    const errors = await errorsOf(codec.structure, object, old, step.status === true, (text) => warnings.push(text));
    const texts = errors.map(({ reason, field, message }) => `${reason} ${field}: ${message}`);
    // Upstream walks maps in any order.
    expect(texts.toSorted()).toEqual((step.errors ?? []).toSorted());
    if (errors.length === 0) {
      expect(withoutMeta(object as unknown as KubeObject)).toEqual(step.object);
      old = object;
    }
    expect(warnings.toSorted()).toEqual((step.warnings ?? []).toSorted());
  }
}

/** Who may write the status: nobody but the sub-resource, and it nothing else. */
function statusRules(object: JSONObject, old: JSONObject | undefined, sub: boolean): JSONObject {
  const [base, from] = sub ? [old!, object] : [object, old];
  const { status: _status, ...rest } = base;
  return { ...rest, ...(from !== undefined && "status" in from && { status: from["status"]! }) };
}

async function errorsOf(
  structure: ReturnType<typeof structuralCodec>["structure"],
  object: JSONObject,
  old: JSONObject | undefined,
  sub: boolean,
  warn: (text: string) => void,
): Promise<FieldError[]> {
  const errors: FieldError[] = [];
  if (old === undefined) {
    const { metadata } = object as unknown as KubeObject;
    errors.push(...validateObjectMeta(metadata, RULES), ...structure.validate(object));
  } else errors.push(...(sub ? structure.validateStatusUpdate(object, old) : structure.validateUpdate(object, old)));
  return [...errors, ...((await structure.validateRules(object, old, errors, warn)) ?? [])];
}

for (const file of readdirSync(join(import.meta.dirname, "testdata")).filter((name) => name.endsWith(".jsonl"))) {
  describe(file, () => {
    it.each(casesOf(file).map((one) => [one.name, one] as const))("%s", async (_, one) => {
      expect(one.steps.length).toBeGreaterThan(0);
      await replay(one);
    });
  });
}
