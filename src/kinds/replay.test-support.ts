/** What a real kube-apiserver answered to objects of ours, replayed against the definitions: an object a line. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { dns1123Subdomain } from "../api/names.ts";
import { validateObjectMeta } from "../api/object-meta.ts";
import type { ResourceDefinition } from "../server/resource.ts";
import { decoded, rehearsalContext } from "./rehearse.test-support.ts";

interface Answer {
  readonly name: string;
  readonly object: { readonly kind: string };
  /** Reason, field and message of each cause. */
  readonly errors?: readonly (readonly [string, string, string])[];
  /** Everything but metadata and status. */
  readonly stored?: Readonly<Record<string, unknown>>;
}

/** Upstream walks maps in any order. */
const inOrder = (errors: Answer["errors"]) => errors?.map((error) => error.join("\n")).sort();

function create(definition: ResourceDefinition, given: unknown): Omit<Answer, "name" | "object"> {
  const object = decoded(definition, given);
  const context = rehearsalContext();
  definition.strategy.prepareForCreate?.(object, context);
  const errors = validateObjectMeta(object.metadata, { namespaced: false, nameRule: dns1123Subdomain });
  errors.push(...(definition.strategy.validate?.(object, context) ?? []));
  if (errors.length > 0) return { errors: errors.map(({ reason, field, message }) => [reason, field, message]) };
  const encoded = JSON.parse(new TextDecoder().decode(definition.codec.encode(object))) as Record<string, unknown>;
  const { apiVersion: _, kind: __, metadata: ___, status: ____, ...stored } = encoded;
  return { stored };
}

/** A test for each line of `file`; `atLeast` of them. */
export function replayCreates(file: string, definitions: readonly ResourceDefinition[], atLeast: number): void {
  const answers = readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Answer);
  test("there are enough answers", () => {
    expect(answers.length).toBeGreaterThanOrEqual(atLeast);
  });
  test.each(answers)("$name", ({ object, errors, stored }) => {
    const ours = create(definitions.find(({ kind }) => kind === object.kind)!, object);
    expect(inOrder(ours.errors)).toEqual(inOrder(errors));
    expect(ours.stored).toEqual(stored);
  });
}
