/** What a real kube-apiserver 1.36.3 answered to definitions of ours, replayed: `testdata/definitions.jsonl` holds a definition a line. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { dns1123Subdomain } from "../../api/names.ts";
import { validateObjectMeta } from "../../api/object-meta.ts";
import { StatusError } from "../../api/status.ts";
import { decoded, rehearsalContext } from "../rehearse.test-support.ts";
import { customResourceDefinitions } from "./custom-resource-definition.ts";

interface Answer {
  readonly name: string;
  readonly definition: unknown;
  /** Reason, field and message of each cause. */
  readonly errors?: readonly (readonly [string, string, string])[];
  /** It could not be read: code and message. */
  readonly refused?: readonly [number, string];
  readonly stored?: { readonly spec: unknown; readonly status: unknown };
  readonly warnings?: readonly string[];
}

const answers = readFileSync(join(import.meta.dirname, "testdata", "definitions.jsonl"), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Answer);
const definitions = customResourceDefinitions();
const { strategy, codec } = definitions;

async function create(definition: unknown): Promise<Omit<Answer, "name" | "definition">> {
  let object: ReturnType<typeof decoded<ReturnType<typeof codec.decode>["object"]>>;
  try {
    object = decoded(definitions, definition);
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    return { refused: [error.status.code!, error.status.message!] };
  }
  const warnings: string[] = [];
  const context = { ...rehearsalContext(), warn: (text: string) => warnings.push(text) };
  strategy.prepareForCreate?.(object, context);
  const errors = validateObjectMeta(object.metadata, { namespaced: false, nameRule: dns1123Subdomain });
  errors.push(...((await strategy.validateRules!(object, undefined, errors, context)) ?? []));
  if (errors.length > 0) return { errors: errors.map(({ reason, field, message }) => [reason, field, message]) };
  const { spec, status } = JSON.parse(new TextDecoder().decode(codec.encode(object)));
  return { stored: { spec, status }, ...(warnings.length > 0 && { warnings }) };
}

/** Upstream walks maps in any order. */
const inOrder = (errors: Answer["errors"]) => errors && [...errors].map((error) => error.join("\n")).sort();

describe("definitions are answered as kube-apiserver answers them", () => {
  test("there are answers to hundreds", () => {
    expect(answers.length).toBeGreaterThan(300);
  });

  test.each(answers)("$name", async ({ definition, errors, refused, stored, warnings }) => {
    const ours = await create(definition);
    expect(inOrder(ours.errors)).toEqual(inOrder(errors));
    expect(ours.refused).toEqual(refused);
    expect(ours.stored).toEqual(stored);
    if (stored !== undefined) expect(ours.warnings).toEqual(warnings);
  });
});
